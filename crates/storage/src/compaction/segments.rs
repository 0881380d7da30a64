//! The segments of a log as they were when its cleaning began.

use std::ops::Range;
use std::sync::Arc;

use ottla_protocol::batch;

use super::group::Sizes;
use crate::segment::{self, AbortedTxn, Segment};

/// The segments of a log. Those that are done are given up one after the other.
#[derive(Debug)]
pub(super) struct Source {
    segments: Vec<Arc<Segment>>,
}

impl Source {
    pub(super) fn new(segments: Vec<Arc<Segment>>) -> Self {
        Self { segments }
    }

    pub(super) fn segment(&self, n: usize) -> &Arc<Segment> {
        &self.segments[n]
    }

    /// Where segment `n` ends at the latest: where the next one starts.
    pub(super) fn end_of(&self, n: usize) -> i64 {
        self.segments.get(n + 1).map_or(i64::MAX, |next| next.base_offset)
    }

    /// The segments from the one that holds `from` on that start below `to`.
    pub(super) fn range(&self, from: i64, to: i64) -> Range<usize> {
        let first = self.segments.partition_point(|segment| segment.base_offset <= from).saturating_sub(1);
        let end = self.segments.partition_point(|segment| segment.base_offset < to);
        first..end.max(first)
    }

    /// What decides on the groups of the first `count` segments.
    pub(super) fn sizes(&self, count: usize) -> Vec<Sizes> {
        let sizes = |segment: &Arc<Segment>| {
            let (offset_index_bytes, time_index_bytes) = segment.index_bytes();
            Sizes { base_offset: segment.base_offset, log_bytes: segment.size(), offset_index_bytes, time_index_bytes }
        };
        self.segments.iter().take(count).map(sizes).collect()
    }

    /// Gives up the first segments.
    pub(super) fn take_first(&mut self, count: usize) -> Vec<Arc<Segment>> {
        let rest = self.segments.split_off(count);
        std::mem::replace(&mut self.segments, rest)
    }

    /// Transactions aborted among the offsets of `[from, to)`, which segment number `first` holds or follows.
    pub(super) fn aborted(&self, first: usize, from: i64, to: i64) -> Result<Vec<AbortedTxn>, segment::Error> {
        let mut found = Vec::new();
        for segment in self.segments.iter().skip(first) {
            if segment.txn_index.collect(from, to, &mut found).map_err(|source| segment.io(source))? {
                break;
            }
        }
        Ok(found)
    }
}

/// Records that cannot be read, in a batch whose checksum is right.
pub(super) fn corrupt(segment: &Segment, position: u64, source: batch::Error) -> segment::Error {
    segment::Error::Corrupt { path: segment.log.path(), position, source }
}
