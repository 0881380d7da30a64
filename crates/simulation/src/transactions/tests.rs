//! A few of the seeds, each time; and that a seed is one history.

use super::run;
use core::time::Duration;

const SECONDS: Duration = Duration::from_secs(60);

#[test]
fn no_seed_breaks_what_must_hold() {
    let mut reached = [0; 8];
    for seed in 1..=40 {
        let report = run(seed, SECONDS);
        assert_eq!(report.violation, None, "seed {seed} at {:?}", report.at);
        let counts = [
            report.committed,
            report.aborted,
            report.failovers,
            report.doubled,
            report.producers,
            report.copied,
            report.unstable,
            report.refused,
        ];
        reached.iter_mut().zip(counts).for_each(|(all, count)| *all += count);
    }
    // Seeds that reach nothing prove nothing.
    let [committed, aborted, failovers, doubled, producers, copied, unstable, refused] = reached;
    assert!(
        committed > 1_000 && aborted > 1_000 && failovers > 800 && doubled > 1_000 && producers > 500,
        "{reached:?}"
    );
    assert!(copied > 40_000 && unstable > 1_000 && refused > 10, "{reached:?}");
}

#[test]
fn a_seed_is_one_history() {
    for seed in 1..=5 {
        assert_eq!(run(seed, SECONDS), run(seed, SECONDS), "seed {seed}");
    }
}
