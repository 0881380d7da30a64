//! What appending, reading, recovering and compacting a log cost on the real file system, beside bare loops over the same
//! bytes: `cargo bench -p ottla-storage --bench log -- [append|read|recovery|compaction] [DIR] [ROUNDS]`.
//!
//! A loop and the log run in turn, a round each, and the first round is thrown away; medians of the others come out as rows
//! of a table. Nothing is synced, so the figures are of CPU and page cache. CPU is the thread's own, with the kernel's part.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "a program, not a part of the crate")]
#![allow(clippy::print_stdout, reason = "a program")]

mod append;
mod bare;
mod batches;
mod compaction;
mod measure;
mod read;
mod recovery;

use std::path::Path;

type Bench = fn(&Path, usize);

/// Which of the benches, where, and how often.
struct Arguments {
    which: Option<String>,
    dir: std::path::PathBuf,
    rounds: usize,
}

impl Arguments {
    /// Cargo puts in a `--bench` of its own.
    fn read() -> Self {
        let mut given = std::env::args().skip(1).filter(|argument| argument != "--bench");
        let which = given.next().filter(|which| which != "all");
        let dir = given.next().map_or_else(std::env::temp_dir, Into::into);
        Self { which, dir, rounds: given.next().map_or(7, |rounds| rounds.parse().unwrap()) }
    }
}

fn main() {
    let arguments = Arguments::read();
    let scratch = tempfile::Builder::new().prefix("ottla-bench-").tempdir_in(&arguments.dir).unwrap();
    let benches: [(&str, Bench); 4] =
        [("append", append::run), ("read", read::run), ("recovery", recovery::run), ("compaction", compaction::run)];
    let asked = |name: &str| arguments.which.as_deref().is_none_or(|which| which == name);
    for (_, bench) in benches.into_iter().filter(|(name, _)| asked(name)) {
        bench(scratch.path(), arguments.rounds);
        println!();
    }
}
