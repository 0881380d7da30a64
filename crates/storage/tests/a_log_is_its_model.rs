//! A log does what its model does, whatever happens to the disk. The example `model` runs more of the same.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test: settings and the fresh seed come from outside"
)]

mod model;

use model::{marks, runner};

/// Runs histories and answers what they did not reach.
fn check(seed: u64, steps: usize) -> Vec<&'static str> {
    let run = move || runner::run(seed, steps).map(|_| marks::missing(&marks::take()));
    let thread = std::thread::Builder::new().name(model::THREAD.to_owned()).spawn(run).unwrap();
    thread.join().unwrap().unwrap_or_else(|difference| panic!("{difference}"))
}

#[test]
fn fixed_seeds() {
    assert_eq!(check(1, 10_000), Vec::<&str>::new(), "never reached");
}

#[test]
fn a_fresh_seed() {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    println!("seed {}", since.as_nanos() as u64);
    check(since.as_nanos() as u64, 3_000);
}
