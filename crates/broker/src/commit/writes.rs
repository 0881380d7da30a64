//! Segments on their way to the disk, a few at a time: a burst of them would hold up the journal.

use crate::partition::Partition;
use ottla_storage::{SegmentError, WriteBack};
use std::{collections::VecDeque, io};

/// How many are written at once.
const DEPTH: usize = 4;
/// Fewer bytes of a partition wait for more.
pub(super) const MIN_WRITE_BYTES: u64 = 64 << 10;

#[derive(Default)]
pub(super) struct Writes {
    under_way: VecDeque<WriteBack>,
    /// Of all that were begun.
    pub(super) bytes: u64,
}

impl Writes {
    /// Begins to write what a partition has, if that is so many bytes, once others are done.
    pub(super) fn begin(&mut self, partition: &Partition, min_bytes: u64) -> Result<(), SegmentError> {
        let begun = match partition.reader().write_back(min_bytes) {
            // The segment was deleted meanwhile.
            Err(SegmentError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(()),
            begun => begun?,
        };
        for write in begun {
            self.bytes += write.size_in_bytes();
            self.under_way.push_back(write);
        }
        self.wait_until(DEPTH)
    }

    /// Waits for those that are not done.
    pub(super) fn finish(mut self) -> Result<(), SegmentError> {
        self.wait_until(0)
    }

    fn wait_until(&mut self, count: usize) -> Result<(), SegmentError> {
        while self.under_way.len() > count
            && let Some(write) = self.under_way.pop_front()
        {
            write.finish()?;
        }
        Ok(())
    }
}
