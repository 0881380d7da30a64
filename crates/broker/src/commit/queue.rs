//! Changes that wait to be committed, in order.

use crate::partition::Partition;
use ottla_storage::journal::Entry;
use std::sync::Weak;

/// Changes that are committed together.
#[derive(Default)]
pub(super) struct Group {
    pub(super) entries: Vec<Entry>,
    /// Whose they are, one for each.
    pub(super) partitions: Vec<Weak<Partition>>,
}

/// What waits.
#[derive(Default)]
pub(super) struct Queue {
    entries: Vec<Entry>,
    partitions: Vec<Weak<Partition>>,
    bytes: usize,
    pub(super) closed: bool,
}

impl Queue {
    pub(super) fn push(&mut self, entry: Entry, partition: Weak<Partition>) {
        self.bytes += entry.size_in_bytes();
        self.entries.push(entry);
        self.partitions.push(partition);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes changes of at most `max_bytes` out, one at least.
    pub(super) fn take(&mut self, max_bytes: usize) -> Group {
        let mut bytes = 0;
        let mut fits = |entry: &Entry| {
            bytes += entry.size_in_bytes();
            bytes <= max_bytes
        };
        let count = self.entries.iter().take_while(|entry| fits(entry)).count().max(1).min(self.entries.len());
        let left = (self.entries.split_off(count), self.partitions.split_off(count));
        let entries = std::mem::replace(&mut self.entries, left.0);
        let partitions = std::mem::replace(&mut self.partitions, left.1);
        self.bytes -= entries.iter().map(Entry::size_in_bytes).sum::<usize>();
        Group { entries, partitions }
    }
}
