//! Runs seeds: `ottla-simulation [logs | transactions | groups] [FIRST [COUNT [SECONDS]]]`; says what they reached, and ends with 1 at the first
//! violation.

use core::time::Duration;
use ottla_simulation::{Report, Violation};
use std::collections::BTreeMap;
use std::process::ExitCode;

/// What came of a seed: what did not hold and when, and how often it reached what.
type Outcome = (Option<Violation>, Duration, Vec<(&'static str, usize)>);

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1).peekable();
    let on_logs = words.next_if(|word| word == "logs").is_some();
    let of_transactions = words.next_if(|word| word == "transactions").is_some();
    let of_groups = words.next_if(|word| word == "groups").is_some();
    let run = match (on_logs, of_transactions, of_groups) {
        (true, ..) => |seed, seconds| replicas(ottla_simulation::run_on_logs(seed, seconds)),
        (_, true, _) => transactions,
        (.., true) => groups,
        _ => |seed, seconds| replicas(ottla_simulation::run(seed, seconds)),
    };
    let mut numbers = words.filter_map(|word| word.to_str()?.parse::<u64>().ok());
    let first = numbers.next().unwrap_or(1);
    let count = numbers.next().unwrap_or(1_000);
    let seconds = Duration::from_secs(numbers.next().unwrap_or(60));
    let mut reached = BTreeMap::new();
    for seed in first..first.saturating_add(count) {
        let (violation, at, counts) = run(seed, seconds);
        if let Some(violation) = violation {
            println!("seed {seed} at {at:?}: {violation}");
            return ExitCode::FAILURE;
        }
        counts.iter().for_each(|(what, count)| *reached.entry(*what).or_insert(0) += count);
    }
    println!("{count} seeds of {seconds:?}: no violation; {reached:?}");
    ExitCode::SUCCESS
}

fn replicas(report: Report) -> Outcome {
    let counts = vec![
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
    (report.violation, report.at, counts)
}

fn transactions(seed: u64, seconds: Duration) -> Outcome {
    let report = ottla_simulation::run_transactions(seed, seconds);
    let counts = vec![
        ("transactions committed", report.committed),
        ("transactions aborted", report.aborted),
        ("failovers", report.failovers),
        ("messages that came twice", report.doubled),
        ("producers", report.producers),
        ("records copied", report.copied),
        ("unstable offsets", report.unstable),
        ("commits of offsets refused", report.refused),
    ];
    (report.violation, report.at, counts)
}

fn groups(seed: u64, seconds: Duration) -> Outcome {
    let report = ottla_simulation::run_groups(seed, seconds);
    let counts = vec![
        ("rebalances", report.rebalances),
        ("failovers", report.failovers),
        ("processes", report.processes),
        ("commits acknowledged", report.commits),
        ("requests refused", report.refusals),
        ("times that a group was stable", report.stable),
    ];
    (report.violation, report.at, counts)
}
