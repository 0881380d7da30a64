//! Runs seeds: `ottla-simulation [FIRST [COUNT [SECONDS]]]`; says what they reached, and ends with 1 at the first violation.

use core::time::Duration;
use std::collections::BTreeMap;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut numbers = std::env::args_os().skip(1).filter_map(|text| text.to_str()?.parse::<u64>().ok());
    let first = numbers.next().unwrap_or(1);
    let count = numbers.next().unwrap_or(1_000);
    let seconds = Duration::from_secs(numbers.next().unwrap_or(60));
    let mut reached = BTreeMap::new();
    for seed in first..first.saturating_add(count) {
        let report = ottla_simulation::run(seed, seconds);
        if let Some(violation) = report.violation {
            println!("seed {seed} at {:?}: {violation}", report.at);
            return ExitCode::FAILURE;
        }
        let counts = [
            ("records acknowledged", report.acknowledged),
            ("leaders", report.leaders),
            ("faults", report.faults),
            ("logs cut", report.truncations),
            ("entries of the quorum", report.entries),
            ("controllers that served", report.controllers),
            ("changes of voters", report.changes),
            ("snapshots installed", report.installed),
            ("messages refused", report.refused),
        ];
        counts.iter().for_each(|(what, count)| *reached.entry(*what).or_insert(0) += count);
    }
    println!("{count} seeds of {seconds:?}: no violation; {reached:?}");
    ExitCode::SUCCESS
}
