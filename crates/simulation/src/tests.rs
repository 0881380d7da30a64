//! A few of the seeds, each time; that a seed is one history; and seeds that found something.

use crate::{Report, run, run_on_logs};
use core::time::Duration;

const SECONDS: Duration = Duration::from_secs(60);

fn without_violation(seed: u64, report: Report) -> Report {
    assert_eq!(report.violation, None, "seed {seed} at {:?}", report.at);
    report
}

#[test]
fn no_seed_breaks_what_must_hold() {
    let mut reached = [0; 8];
    for seed in 1..=120 {
        let report = without_violation(seed, run(seed, SECONDS));
        let partitions = [report.acknowledged, report.leaders, report.faults, report.truncations];
        let quorum = [report.controllers, report.changes, report.installed, report.refused];
        reached.iter_mut().zip(partitions.into_iter().chain(quorum)).for_each(|(all, count)| *all += count);
    }
    // Seeds that reach nothing prove nothing.
    let [acknowledged, leaders, faults, truncations, controllers, changes, installed, refused] = reached;
    assert!(acknowledged > 10_000 && leaders > 400 && faults > 1_000 && truncations > 50, "{reached:?}");
    assert!(controllers > 200 && changes > 200 && installed > 50 && refused > 100, "{reached:?}");
}

#[test]
fn no_seed_breaks_what_must_hold_on_logs() {
    let (mut acknowledged, mut truncations) = (0, 0);
    for seed in 1..=60 {
        let report = without_violation(seed, run_on_logs(seed, SECONDS));
        acknowledged += report.acknowledged;
        truncations += report.truncations;
    }
    assert!(acknowledged > 50_000 && truncations > 50, "{acknowledged} acknowledged, {truncations} logs cut");
}

#[test]
fn a_seed_is_one_history() {
    for seed in 1..=20 {
        assert_eq!(run(seed, SECONDS), run(seed, SECONDS), "seed {seed}");
        assert_eq!(run_on_logs(seed, SECONDS), run_on_logs(seed, SECONDS), "seed {seed}");
    }
}

fn must_hold(seed: u64) {
    without_violation(seed, run(seed, SECONDS));
}

/// The quorum asked for a snapshot once: when the answer was lost, the controller waited for ever.
#[test]
fn a_snapshot_that_does_not_come_is_asked_for_again() {
    must_hold(5);
}

/// What a leader decided while it handed its leadership over was refused, and it served no more though it went on to lead.
#[test]
fn a_leadership_that_nobody_takes_over_goes_on() {
    must_hold(67);
}

/// Entries that were handed out again after a start passed for the end of the log, so that the quorum kept no snapshot that was
/// still there.
#[test]
fn a_snapshot_is_found_again_after_a_start() {
    must_hold(869);
}

/// A controller that was removed and added while it fetched a snapshot answered entries by telling that it lives: its leader sent
/// them again at once, for ever.
#[test]
fn a_controller_that_fetches_a_snapshot_says_what_it_lacks() {
    must_hold(3_072);
}

/// Two controllers that were no voters any more told of each other, for ever, and a broker believed them.
#[test]
fn a_broker_does_not_believe_in_a_controller_of_long_ago() {
    must_hold(6_868);
    must_hold(7_358);
}

/// A registration of an earlier run came late, and took the place of the one of the present run, which had not sent a heartbeat.
#[test]
fn a_registration_that_comes_late_is_made_up_for() {
    must_hold(1_889);
}

/// Two decisions that are committed together are two steps.
#[test]
fn each_decision_is_checked() {
    must_hold(387);
}

fn must_hold_on_logs(seed: u64) {
    without_violation(seed, run_on_logs(seed, SECONDS));
}

/// A follower that had no room to cut its log took the log dir offline for good.
#[test]
fn a_log_that_cannot_be_cut_for_want_of_room_is_cut_later() {
    must_hold_on_logs(320);
}

/// A follower was killed when it had cut its log and the journal did not know yet: what the journal had above passed for a loss,
/// and the log was not opened again.
#[test]
fn a_log_that_was_cut_before_a_crash_is_opened() {
    must_hold_on_logs(723);
}
