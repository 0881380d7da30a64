//! A few of the seeds, each time; and that a seed is one history.

use crate::run;
use core::time::Duration;

const SECONDS: Duration = Duration::from_secs(60);

#[test]
fn no_seed_breaks_what_must_hold() {
    let mut reached = [0; 4];
    for seed in 1..=150 {
        let report = run(seed, SECONDS);
        assert_eq!(report.violation, None, "seed {seed} at {:?}", report.at);
        let counts = [report.acknowledged, report.leaders, report.faults, report.truncations];
        reached.iter_mut().zip(counts).for_each(|(all, count)| *all += count);
    }
    // Seeds that reach nothing prove nothing.
    let [acknowledged, leaders, faults, truncations] = reached;
    assert!(acknowledged > 10_000 && leaders > 500 && faults > 1_000 && truncations > 50, "{reached:?}");
}

#[test]
fn a_seed_is_one_history() {
    for seed in 1..=20 {
        assert_eq!(run(seed, SECONDS), run(seed, SECONDS), "seed {seed}");
    }
}
