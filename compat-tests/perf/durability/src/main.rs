//! Measures ways to make appended batches durable, as `docs/storage.md` compares them.
//!
//! `durability DIR WAY PARTITIONS BATCH_BYTES RATE_MB_S SECONDS`: one thread appends batches to the partitions in turn, at a
//! rate or, with 0, as fast as acknowledgements let it; another makes them durable in groups. One line of figures comes out.

#![allow(clippy::disallowed_methods, reason = "a program without a runtime keeps its rate by sleeping")]

mod journal;
mod load;
mod usage;
mod way;

use anyhow::Context;
use load::Load;
use std::path::PathBuf;
use way::Way;

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let usage = "usage: durability DIR WAY PARTITIONS BATCH_BYTES RATE_MB_S SECONDS";
    let [dir, way, partitions, batch_bytes, rate, seconds] = args.as_slice() else { anyhow::bail!(usage) };
    let load = Load {
        dir: PathBuf::from(dir),
        way: Way::parse(way).context("no such way")?,
        partitions: partitions.parse()?,
        batch_bytes: batch_bytes.parse()?,
        rate_mb_s: rate.parse()?,
        seconds: seconds.parse()?,
    };
    println!("{}", load.run()?);
    Ok(())
}
