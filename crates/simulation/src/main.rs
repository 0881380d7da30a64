//! Runs seeds: `ottla-simulation [FIRST [COUNT [SECONDS]]]`; says what they reached, and ends with 1 at the first violation.

use core::time::Duration;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut numbers = std::env::args_os().skip(1).filter_map(|text| text.to_str()?.parse::<u64>().ok());
    let first = numbers.next().unwrap_or(1);
    let count = numbers.next().unwrap_or(1_000);
    let seconds = Duration::from_secs(numbers.next().unwrap_or(60));
    let (mut acknowledged, mut leaders, mut faults, mut truncations) = (0, 0, 0, 0);
    for seed in first..first.saturating_add(count) {
        let report = ottla_simulation::run(seed, seconds);
        if let Some(violation) = report.violation {
            println!("seed {seed} at {:?}: {violation}", report.at);
            return ExitCode::FAILURE;
        }
        acknowledged += report.acknowledged;
        leaders += report.leaders;
        faults += report.faults;
        truncations += report.truncations;
    }
    println!(
        "{count} seeds of {seconds:?}: no violation; {acknowledged} records acknowledged, {leaders} leaders, {faults} faults, {truncations} logs cut"
    );
    ExitCode::SUCCESS
}
