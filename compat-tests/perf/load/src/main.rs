//! A load of requests that are encoded once, so that the broker is the limit and not the client.
//!
//! `ottla-load HOST:PORT TOPIC produce|fetch …`: prints one line of JSON with what was done in the measured seconds.

#![allow(clippy::disallowed_methods, reason = "a program without a runtime keeps its rate by sleeping")]

mod client;
mod fetch;
mod figures;
mod produce;

use clap::{Parser, Subcommand};

#[derive(Parser)]
struct Args {
    /// Where the broker listens
    address: String,
    /// A topic that is there
    topic: String,
    #[command(subcommand)]
    load: Load,
}

#[derive(Subcommand)]
enum Load {
    /// Sends the same batches again and again
    Produce(produce::Produce),
    /// Reads partitions from their start, or follows their ends
    Fetch(fetch::Fetch),
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let figures = match args.load {
        Load::Produce(load) => load.run(&args.address, &args.topic)?,
        Load::Fetch(load) => load.run(&args.address, &args.topic)?,
    };
    println!("{}", figures.to_json());
    Ok(())
}
