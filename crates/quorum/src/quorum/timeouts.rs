//! Election timeouts from a seed: raft draws them from the thread's randomness, which no second run would repeat.

use super::Settings;
use raft::{Raft, StateRole, Storage};

/// Draws a timeout whenever raft may have drawn one.
pub(super) struct Timeouts {
    state: u64,
    election_ticks: u32,
    drawn_for: Option<(u64, StateRole, u64)>,
    ticks: usize,
}

impl Timeouts {
    pub(super) fn new(settings: &Settings) -> Self {
        // Nodes that were given the same seed still differ.
        let node = u64::from(settings.node_id.unsigned_abs());
        let state = settings.seed ^ node.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self { state, election_ticks: settings.election_ticks, drawn_for: None, ticks: 0 }
    }

    /// Puts the drawn timeout in place of raft's. Raft compares it with the ticks in `tick` alone.
    pub(super) fn observe<T: Storage>(&mut self, raft: &mut Raft<T>) {
        let now = (raft.term, raft.state, raft.leader_id);
        if self.drawn_for != Some(now) {
            self.drawn_for = Some(now);
            let extra = self.next() % u64::from(self.election_ticks);
            let ticks = u64::from(self.election_ticks) + extra;
            self.ticks = usize::try_from(ticks).unwrap_or(usize::MAX);
        }
        raft.set_randomized_election_timeout(self.ticks);
    }

    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
