//! A log does what its model does, whatever happens to the disk. The example `model` runs more of the same.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test: settings and the fresh seed come from outside"
)]

mod model;

use model::{marks, runner};

fn check(seed: u64, steps: usize) {
    let run = move || match runner::run(seed, steps) {
        Ok(_) => marks::take(),
        Err(difference) => panic!("{difference}"),
    };
    let thread = std::thread::Builder::new().name(model::THREAD.to_owned()).spawn(run).unwrap();
    assert!(thread.join().is_ok(), "the log and its model differ");
}

#[test]
fn fixed_seeds() {
    check(1, 20_000);
}

#[test]
fn a_fresh_seed() {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    println!("seed {}", since.as_nanos() as u64);
    check(since.as_nanos() as u64, 5_000);
}
