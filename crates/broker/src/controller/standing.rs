//! Where the quorum's entries and the metadata log's offsets meet, and what the world is told of each voter.

use super::voter::TICK;
use crate::metadata_quorum::{View, VoterState};
use ottla_quorum::{Peer, Role, Status};
use std::collections::{BTreeMap, VecDeque};

/// Entries whose offsets are remembered; of older ones the next snapshot's is enough.
const MOST_ENTRIES: usize = 1 << 20;

pub(super) struct Standing {
    /// Where the log ended before the first of them.
    begin: i64,
    /// Where the log ended after each entry, in order.
    ends: VecDeque<(u64, i64)>,
    /// When each voter had all that was committed.
    caught_up_ms: BTreeMap<i32, i64>,
}

impl Standing {
    /// Of a quorum's log that begins where the metadata log has an offset.
    pub(super) fn new(begin: i64) -> Self {
        Self { begin, ends: VecDeque::new(), caught_up_ms: BTreeMap::new() }
    }

    /// This entry has nothing for the log.
    pub(super) fn note_nothing(&mut self, index: u64) {
        let end = self.ends.back().map_or(self.begin, |(_, end)| *end);
        self.note(index, end);
    }

    /// The log ends at an offset with this entry.
    pub(super) fn note(&mut self, index: u64, end: i64) {
        if self.ends.len() == MOST_ENTRIES {
            self.ends.pop_front();
        }
        self.ends.push_back((index, end));
    }

    /// The last entry with which the log ended at an offset.
    pub(super) fn index_of(&self, end: i64) -> Option<u64> {
        let after = self.ends.partition_point(|(_, other)| *other <= end);
        let (index, found) = self.ends.get(after.checked_sub(1)?)?;
        (*found == end).then_some(*index)
    }

    /// Where the log ends for somebody who has the entries up to one.
    fn end_of(&self, index: u64) -> i64 {
        let after = self.ends.partition_point(|(other, _)| *other <= index);
        after.checked_sub(1).and_then(|at| self.ends.get(at)).map_or(-1, |(_, end)| *end)
    }

    /// Forgets the entries up to one.
    pub(super) fn forget(&mut self, index: u64) {
        let gone = self.ends.partition_point(|(other, _)| *other <= index);
        if let Some((_, end)) = self.ends.drain(..gone).next_back() {
            self.begin = end;
        }
    }

    /// How the quorum stands as this node sees it.
    pub(super) fn view(&mut self, status: &Status, node_id: i32, serves: bool, now_ms: i64) -> View {
        let (leader, epoch) = match status.role {
            Role::Leader { epoch } => (Some(node_id), epoch),
            Role::Follower { leader, epoch } => (Some(leader), epoch),
            Role::Unattached { epoch } => (None, epoch),
        };
        let voters = status.peers.iter().filter(|peer| !peer.member.learner);
        let voters = voters.map(|peer| self.voter(peer, status, node_id, now_ms)).collect();
        View { leader, epoch, serves, voters }
    }

    fn voter(&mut self, peer: &Peer, status: &Status, node_id: i32, now_ms: i64) -> VoterState {
        let id = peer.member.voter.id;
        let silent = peer.silent_ticks.unwrap_or(u64::MAX).saturating_mul(u64::try_from(TICK.as_millis()).unwrap_or(1));
        let last_fetch_ms = match id == node_id {
            true => now_ms,
            false => i64::try_from(silent).map_or(-1, |silent| now_ms.saturating_sub(silent).max(-1)),
        };
        if id == node_id || peer.matched >= status.commit_index {
            self.caught_up_ms.insert(id, last_fetch_ms);
        }
        let index = if id == node_id { status.commit_index } else { peer.matched };
        VoterState {
            id,
            directory_id: peer.member.voter.directory_id,
            end_offset: self.end_of(index),
            last_fetch_ms,
            last_caught_up_ms: self.caught_up_ms.get(&id).copied().unwrap_or(-1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Standing;

    #[test]
    fn entries_and_offsets_find_each_other() {
        let mut standing = Standing::new(0);
        for (index, end) in [(2, 0), (3, 5), (4, 5), (5, 9)] {
            standing.note(index, end);
        }
        assert_eq!([0, 4, 5, 9, 10].map(|end| standing.index_of(end)), [Some(2), None, Some(4), Some(5), None]);
        assert_eq!([1, 2, 4, 7].map(|index| standing.end_of(index)), [-1, 0, 5, 9]);
        standing.forget(3);
        assert_eq!([0, 5, 9].map(|end| standing.index_of(end)), [None, Some(4), Some(5)]);
        standing.forget(5);
        standing.note_nothing(6);
        assert_eq!(standing.index_of(9), Some(6), "a snapshot of all that there is stands for a change of members too");
    }
}
