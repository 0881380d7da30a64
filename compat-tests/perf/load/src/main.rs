//! A load of requests that are encoded once, so that the broker is the limit and not the client.
//!
//! `ottla-load produce|fetch|end-to-end|ask|groups HOST:PORT TOPIC …`: prints one line of JSON with what was done.
//! `ottla-load limits FOLDER`: what the machine can do without a broker.

#![allow(clippy::disallowed_methods, reason = "a program without a runtime keeps its rate by sleeping")]

mod ask;
mod client;
mod end_to_end;
mod fetch;
mod figures;
mod groups;
mod limits;
mod members;
mod prepared;
mod produce;

use clap::Parser;

#[derive(Parser)]
enum Args {
    /// Sends the same batches again and again
    Produce(Load<produce::Produce>),
    /// Reads partitions from their start, or follows their ends
    Fetch(Load<fetch::Fetch>),
    /// Produces single records at a rate and consumes them
    EndToEnd(Load<end_to_end::EndToEnd>),
    /// Sends small requests one after the other
    Ask(Load<ask::Ask>),
    /// Has members of groups join, live, and make room for one more
    Groups(Load<groups::Groups>),
    /// Measures bare calls of the kernel
    Limits(limits::Limits),
}

#[derive(clap::Args)]
struct Load<T: clap::Args> {
    /// Where the broker listens
    address: String,
    /// A topic that is there
    topic: String,
    #[command(flatten)]
    what: T,
}

fn main() -> anyhow::Result<()> {
    let done = match Args::parse() {
        Args::Produce(load) => load.what.run(&load.address, &load.topic)?.to_json(),
        Args::Fetch(load) => load.what.run(&load.address, &load.topic)?.to_json(),
        Args::EndToEnd(load) => load.what.run(&load.address, &load.topic)?.to_json(),
        Args::Ask(load) => load.what.run(&load.address, &load.topic)?.to_json(),
        Args::Groups(load) => load.what.run(&load.address, &load.topic)?,
        Args::Limits(limits) => limits.run()?,
    };
    println!("{done}");
    Ok(())
}
