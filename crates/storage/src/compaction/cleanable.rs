//! What of a log may be cleaned, and how much it needs to: pure functions of its offsets, sizes, settings and the time.

use crate::config::LogConfig;

/// What is to be known of a log.
#[derive(Clone, Debug)]
pub(crate) struct LogState {
    pub(crate) log_start_offset: i64,
    pub(crate) log_end_offset: i64,
    pub(crate) last_stable_offset: i64,
    /// In offset order, never empty; the last one is active.
    pub(crate) segments: Vec<SegmentState>,
}

/// What is to be known of a segment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SegmentState {
    pub(crate) base_offset: i64,
    pub(crate) size: u64,
    /// Of its records, or else when its file changed. Asked for only if there is a `min.compaction.lag.ms`.
    pub(crate) largest_timestamp: i64,
    /// Max timestamp of its first batch. Asked for only if there is a `max.compaction.lag.ms`.
    pub(crate) first_timestamp: i64,
}

/// Which part of a log may be cleaned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cleanable {
    /// Where the part begins that was not cleaned yet.
    pub first_dirty_offset: i64,
    /// Where the first segment starts that may not be cleaned.
    pub first_uncleanable_offset: i64,
    /// The checkpointed offset is outside of the log: [`Cleanable::first_dirty_offset`] is to be checkpointed in its place.
    pub reset: bool,
    /// Bytes of the segments before the dirty part.
    pub clean_bytes: u64,
    /// Bytes of the segments of the dirty part.
    pub cleanable_bytes: u64,
    /// For how long the dirty part has waited longer than `max.compaction.lag.ms`.
    pub overdue_ms: i64,
}

impl Cleanable {
    /// The share of the log that is dirty, from 0 to 1: of several logs the one with the largest comes first.
    pub fn dirty_ratio(&self) -> f64 {
        match self.clean_bytes + self.cleanable_bytes {
            0 => 0.0,
            total => self.cleanable_bytes as f64 / total as f64,
        }
    }

    /// Whether the log is dirty enough, or has waited long enough, to be cleaned now.
    pub fn is_due(&self, config: &LogConfig) -> bool {
        (self.overdue_ms > 0 && self.cleanable_bytes > 0) || self.dirty_ratio() > config.min_cleanable_dirty_ratio
    }
}

/// What may be cleaned of a log that was cleaned up to the checkpointed offset.
pub(crate) fn cleanable(state: &LogState, config: &LogConfig, checkpoint: Option<i64>, now_ms: i64) -> Cleanable {
    let (first_dirty_offset, reset) = first_dirty(state, checkpoint);
    let uncleanable = first_uncleanable(state, config, first_dirty_offset, now_ms).max(first_dirty_offset);
    let active = state.active().base_offset;
    // Whole segments are cleaned: what a bound lies in is taken up to where the segment starts. As in Kafka the floor
    // is the segment that holds the bound.
    let first_uncleanable_offset = state.sealed_from(uncleanable).first().map_or(active, |first| first.base_offset);
    let bytes = |segments: &[SegmentState]| segments.iter().map(|segment| segment.size).sum();
    Cleanable {
        first_dirty_offset,
        first_uncleanable_offset,
        reset,
        clean_bytes: bytes(state.range(i64::MIN, first_dirty_offset)),
        cleanable_bytes: bytes(state.range(first_dirty_offset.min(first_uncleanable_offset), first_uncleanable_offset)),
        overdue_ms: overdue(state, config, first_dirty_offset, now_ms),
    }
}

/// The checkpointed offset if it is within the log, or else where the log starts.
fn first_dirty(state: &LogState, checkpoint: Option<i64>) -> (i64, bool) {
    match checkpoint {
        None => (state.log_start_offset, false),
        Some(offset) if offset < state.log_start_offset || offset > state.log_end_offset => {
            (state.log_start_offset, true)
        }
        Some(offset) => (offset, false),
    }
}

fn first_uncleanable(state: &LogState, config: &LogConfig, first_dirty_offset: i64, now_ms: i64) -> i64 {
    let lag_ms = config.min_compaction_lag_ms.max(0);
    let too_young = |segment: &&SegmentState| segment.largest_timestamp > now_ms.saturating_sub(lag_ms);
    let young = match lag_ms {
        0 => None,
        _ => state.sealed_from(first_dirty_offset).iter().find(too_young).map(|segment| segment.base_offset),
    };
    let bounds = [Some(state.last_stable_offset), Some(state.active().base_offset), young];
    bounds.into_iter().flatten().min().unwrap_or(first_dirty_offset)
}

fn overdue(state: &LogState, config: &LogConfig, first_dirty_offset: i64, now_ms: i64) -> i64 {
    let timestamps = state.sealed_from(first_dirty_offset).iter().map(|segment| segment.first_timestamp);
    let clean_until = now_ms.saturating_sub(config.max_compaction_lag_ms.max(0));
    match timestamps.filter(|timestamp| *timestamp > 0).min() {
        Some(earliest) => clean_until.saturating_sub(earliest).max(0),
        None => 0,
    }
}

impl LogState {
    fn active(&self) -> SegmentState {
        self.segments.last().copied().unwrap_or_default()
    }

    /// The segments from the one that holds `from` on that start below `to`.
    fn range(&self, from: i64, to: i64) -> &[SegmentState] {
        let first = self.segments.partition_point(|segment| segment.base_offset <= from).saturating_sub(1);
        let end = self.segments.partition_point(|segment| segment.base_offset < to);
        self.segments.get(first..end).unwrap_or_default()
    }

    /// The same without an end, but for the active segment.
    fn sealed_from(&self, from: i64) -> &[SegmentState] {
        let active = self.active().base_offset;
        if from > active { &[] } else { self.range(from, active) }
    }
}
