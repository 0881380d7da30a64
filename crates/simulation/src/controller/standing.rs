//! Where the quorum's entries and the metadata log's offsets meet, as in the broker's `controller/standing.rs`.

use std::collections::VecDeque;

#[derive(Default)]
pub(super) struct Standing {
    /// Where each entry's batch ends, in order. Entries without one are part of no snapshot but that of the next batch.
    ends: VecDeque<(u64, i64)>,
}

impl Standing {
    pub(super) fn note(&mut self, index: u64, end: i64) {
        self.ends.push_back((index, end));
    }

    /// The last entry with which the log ended at an offset.
    pub(super) fn index_of(&self, end: i64) -> Option<u64> {
        let after = self.ends.partition_point(|(_, other)| *other <= end);
        let (index, found) = self.ends.get(after.checked_sub(1)?)?;
        (*found == end).then_some(*index)
    }

    /// Forgets the entries up to one.
    pub(super) fn forget(&mut self, index: u64) {
        let gone = self.ends.partition_point(|(other, _)| *other <= index);
        self.ends.drain(..gone);
    }

    pub(super) fn clear(&mut self) {
        self.ends.clear();
    }
}
