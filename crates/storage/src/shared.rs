//! What the owner of a log publishes to its readers.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::epochs::LeaderEpochs;
use crate::read::Isolation;
use crate::segment::Segment;

/// Stands for "no transaction is open".
const NONE: i64 = i64::MAX;

/// The published state of a log.
#[derive(Debug)]
pub(crate) struct Shared {
    /// In offset order, never empty; the last one is active.
    segments: ArcSwap<Vec<Arc<Segment>>>,
    log_start_offset: AtomicI64,
    high_watermark: AtomicI64,
    first_unstable_offset: AtomicI64,
    pub(crate) epochs: Mutex<LeaderEpochs>,
}

/// The offsets of a log at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offsets {
    /// The first offset that may be read.
    pub log_start_offset: i64,
    /// The offset below which all is replicated; exclusive.
    pub high_watermark: i64,
    /// The offset below which all transactions are decided; exclusive, at most the high watermark.
    pub last_stable_offset: i64,
    /// The offset that the next record gets.
    pub log_end_offset: i64,
}

impl Offsets {
    /// Where the log ends for a reader.
    pub fn end(&self, isolation: Isolation) -> i64 {
        match isolation {
            Isolation::LogEnd => self.log_end_offset,
            Isolation::HighWatermark => self.high_watermark,
            Isolation::LastStableOffset => self.last_stable_offset,
        }
    }
}

impl Shared {
    pub(crate) fn new(segments: Vec<Arc<Segment>>, log_start_offset: i64, epochs: LeaderEpochs) -> Self {
        assert!(!segments.is_empty(), "a log has a segment");
        Self {
            segments: ArcSwap::from_pointee(segments),
            log_start_offset: AtomicI64::new(log_start_offset),
            high_watermark: AtomicI64::new(log_start_offset),
            first_unstable_offset: AtomicI64::new(NONE),
            epochs: Mutex::new(epochs),
        }
    }

    pub(crate) fn segments(&self) -> Arc<Vec<Arc<Segment>>> {
        self.segments.load_full()
    }

    pub(crate) fn set_segments(&self, segments: Vec<Arc<Segment>>) {
        assert!(!segments.is_empty(), "a log has a segment");
        self.segments.store(Arc::new(segments));
    }

    pub(crate) fn offsets(&self) -> Offsets {
        // Each is read after those that bound it from below. A transaction below a high watermark was published before it,
        // so it is seen after it; one that is no longer seen is decided.
        let log_start_offset = self.log_start_offset();
        let high_watermark = self.high_watermark().max(log_start_offset);
        let first_unstable = self.first_unstable_offset.load(Ordering::Acquire);
        Offsets {
            log_start_offset,
            high_watermark,
            last_stable_offset: first_unstable.min(high_watermark),
            log_end_offset: self.log_end_offset().max(high_watermark),
        }
    }

    pub(crate) fn log_end_offset(&self) -> i64 {
        self.segments.load().last().map_or(0, |segment| segment.next_offset())
    }

    pub(crate) fn log_start_offset(&self) -> i64 {
        self.log_start_offset.load(Ordering::Acquire)
    }

    pub(crate) fn high_watermark(&self) -> i64 {
        self.high_watermark.load(Ordering::Acquire)
    }

    pub(crate) fn set_log_start_offset(&self, offset: i64) {
        self.log_start_offset.store(offset, Ordering::Release);
    }

    /// Sets the high watermark, and first where the first undecided transaction below it starts.
    pub(crate) fn set_high_watermark(&self, offset: i64, first_unstable_offset: Option<i64>) {
        self.set_first_unstable_offset(first_unstable_offset);
        self.high_watermark.store(offset, Ordering::Release);
    }

    pub(crate) fn set_first_unstable_offset(&self, offset: Option<i64>) {
        self.first_unstable_offset.store(offset.unwrap_or(NONE), Ordering::Release);
    }
}
