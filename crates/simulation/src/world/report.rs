//! What came of a seed.

use super::World;
use crate::broker::Broker;
use crate::invariants::Violation;
use core::time::Duration;

/// What a seed led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What did not hold, if anything.
    pub violation: Option<Violation>,
    /// When, on the world's clock.
    pub at: Duration,
    /// A number that two runs of a seed have in common.
    pub trace: u64,
    /// Records that producers were told of.
    pub acknowledged: usize,
    /// Records that were committed.
    pub committed: usize,
    /// Epochs of leaders.
    pub leaders: usize,
    /// Faults there were.
    pub faults: usize,
    /// Logs that were cut to agree with a leader's.
    pub truncations: usize,
    /// Entries that the quorum of controllers committed.
    pub entries: usize,
    /// Epochs in which a controller served.
    pub controllers: usize,
    /// Changes of the quorum's members.
    pub changes: usize,
    /// Snapshots of the metadata that a controller took from another.
    pub installed: usize,
    /// Messages that a quorum refused.
    pub refused: usize,
}

/// Runs the world of a seed with faults for so long, and then until it is well again.
pub fn run(seed: u64, faulty: Duration) -> Report {
    run_world(World::new(seed, false), faulty)
}

/// The same with the logs of storage on the brokers' disks, which are full at times.
pub fn run_on_logs(seed: u64, faulty: Duration) -> Report {
    run_world(World::new(seed, true), faulty)
}

fn run_world(mut world: World, faulty: Duration) -> Report {
    let outcome = world.history(faulty);
    Report {
        violation: outcome.err(),
        at: world.now,
        trace: world.trace,
        acknowledged: world.acknowledged.count(),
        committed: world.committed.count(),
        leaders: world.one_leader.count(),
        faults: world.faults,
        truncations: world.brokers.iter().map(Broker::truncations).sum(),
        entries: world.metadata_log.count(),
        controllers: world.one_controller.count(),
        changes: world.metadata_log.changes(),
        installed: world.controllers.iter().map(|controller| controller.installed).sum(),
        refused: world.controllers.iter().map(|controller| controller.refused).sum(),
    }
}
