//! When the active segment is complete, and beginning the next one.

use std::sync::Arc;

use super::{Active, AppendInfo, Log};
use crate::fs::is_full;
use crate::segment::scan::Headers;
use crate::segment::{self, Indexer, Segment};

impl Active {
    /// The owner's view of a segment that it goes on with, or begins.
    pub(super) fn new(segment: Arc<Segment>, now_ms: i64) -> Result<Self, segment::Error> {
        let first_timestamp = match segment.size() {
            0 => None,
            size => {
                let mut headers = Headers::new(segment.file()?, 0, size);
                let first = headers.next().map_err(|error| segment.scan(error))?;
                first.map(|(_, header)| header.max_timestamp)
            }
        };
        Ok(Self { segment, indexer: Indexer::default(), created_ms: now_ms, first_timestamp, snapshot_at: 0 })
    }

    /// How long the segment has been filled, by the timestamps in it or else by the clock.
    fn waited_ms(&self, now_ms: i64, max_timestamp: i64) -> i64 {
        match self.first_timestamp {
            Some(first) if first >= 0 => max_timestamp.saturating_sub(first),
            _ => now_ms.saturating_sub(self.created_ms),
        }
    }
}

impl Log {
    /// Begins a new segment if what is appended does not belong into the active one; true if so.
    pub(super) fn maybe_roll(&mut self, size: u64, info: &AppendInfo, now_ms: i64) -> Result<bool, segment::Error> {
        if !self.should_roll(size, info, now_ms) {
            return Ok(false);
        }
        // At the end of the log even if the first offset is above it, so that a hole between segments tells of a power cut.
        let log_end_offset = self.log_end_offset();
        let reaches = info.last_offset.saturating_sub(log_end_offset) <= i64::from(i32::MAX);
        self.roll_at(if reaches { log_end_offset } else { info.first_offset }, now_ms)
    }

    /// Begins a new segment at the end of the log; false if the active one is empty.
    pub fn roll(&mut self, now_ms: i64) -> Result<bool, segment::Error> {
        self.roll_at(self.log_end_offset(), now_ms)
    }

    fn should_roll(&self, size: u64, info: &AppendInfo, now_ms: i64) -> bool {
        let segment = &self.active.segment;
        let config = &self.config;
        let waited =
            self.active.waited_ms(now_ms, info.max_timestamp) > config.segment_ms.saturating_sub(self.jitter_ms());
        segment.size() + size > u64::from(config.segment_bytes)
            || (segment.size() > 0 && waited)
            || segment.indexes_full(config.segment_index_bytes)
            || !segment.can_hold(info.last_offset)
    }

    /// The active segment's share of `segment.jitter.ms`. It differs between logs and segments and is the same after a restart.
    fn jitter_ms(&self) -> i64 {
        let bound = self.config.segment_jitter_ms.min(self.config.segment_ms);
        if bound <= 0 {
            return 0;
        }
        let path = self.dir.path();
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        let drawn = crc32c::crc32c_append(crc32c::crc32c(name), &self.active.segment.base_offset.to_be_bytes());
        i64::from(drawn) % bound
    }

    fn roll_at(&mut self, base_offset: i64, now_ms: i64) -> Result<bool, segment::Error> {
        let rolled = self.try_roll_at(base_offset, now_ms);
        // A full disk leaves the active segment as it was.
        self.failed |= rolled.as_ref().is_err_and(|error| !error.is_full());
        rolled
    }

    fn try_roll_at(&mut self, base_offset: i64, now_ms: i64) -> Result<bool, segment::Error> {
        let complete = Arc::clone(&self.active.segment);
        if complete.size() == 0 && complete.base_offset == base_offset {
            return Ok(false);
        }
        complete.trim()?;
        complete.seal()?;
        self.names_changed += 1;
        let segment = Arc::new(Segment::create(&self.dir, base_offset)?);
        self.active = Active::new(Arc::clone(&segment), now_ms)?;
        let mut segments = self.shared.segments().to_vec();
        segments.push(segment);
        self.shared.set_segments(segments);
        // The state at the start of a segment is what recovering it begins with. It is made durable with the segment before.
        self.producers.set_end_offset(base_offset);
        match self.snapshots.take(&self.producers) {
            // Without it, recovery reads more of the log.
            Err(segment::Error::Io { source, path }) if is_full(&source) => {
                tracing::warn!(file = %path.display(), %source, "no room for a producer snapshot");
                Ok(true)
            }
            taken => taken.map(|()| true),
        }
    }
}
