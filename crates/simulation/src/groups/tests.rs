//! A few of the seeds, each time; and that a seed is one history.

use super::run;
use core::time::Duration;

const SECONDS: Duration = Duration::from_secs(60);

#[test]
fn no_seed_breaks_what_must_hold() {
    let mut reached = [0; 6];
    for seed in 1..=100 {
        let report = run(seed, SECONDS);
        assert_eq!(report.violation, None, "seed {seed} at {:?}", report.at);
        let counts =
            [report.rebalances, report.failovers, report.processes, report.commits, report.refusals, report.stable];
        reached.iter_mut().zip(counts).for_each(|(all, count)| *all += count);
    }
    // Seeds that reach nothing prove nothing.
    let [rebalances, failovers, processes, commits, refusals, stable] = reached;
    assert!(rebalances > 1_000 && failovers > 300 && processes > 800, "{reached:?}");
    assert!(commits > 10_000 && refusals > 800 && stable > 10_000, "{reached:?}");
}

#[test]
fn a_seed_is_one_history() {
    for seed in 1..=10 {
        assert_eq!(run(seed, SECONDS), run(seed, SECONDS), "seed {seed}");
    }
}
