//! Compares a log with its model over many random steps: `model STEPS [SEED]`.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "a program, not a part of the crate")]

#[path = "../tests/model/mod.rs"]
mod model;

use std::time::Instant;

use model::{marks, runner};

fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>().unwrap());
    let (steps, seed) = (arguments.next().unwrap_or(1_000_000), arguments.next().unwrap_or(1));
    let run = move || {
        let started = Instant::now();
        let done = runner::run(seed, steps as usize);
        let marks = marks::take();
        for (mark, count) in &marks {
            println!("{count:>10} {mark}");
        }
        marks::missing(&marks).iter().for_each(|mark| println!("     never {mark}"));
        match done {
            Ok(done) => {
                let rate = done as f64 / started.elapsed().as_secs_f64();
                println!("{done} steps from seed {seed} on, {rate:.0} a second, 0 differences");
                marks::missing(&marks).is_empty()
            }
            Err(difference) => {
                println!("{difference}");
                false
            }
        }
    };
    let thread = std::thread::Builder::new().name(model::THREAD.to_owned()).spawn(run).unwrap();
    std::process::exit(if thread.join().unwrap() { 0 } else { 1 });
}
