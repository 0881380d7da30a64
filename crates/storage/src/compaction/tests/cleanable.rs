//! What may be cleaned, as functions of plain values.

use super::super::{Cleanable, LogState, SegmentState, cleanable};
use super::*;

/// Segments of 100 bytes at 0, 10, 20, 30 and, active, 40. Their timestamps are 1000 more than those before.
fn state() -> LogState {
    let segment = |n: i64| SegmentState {
        base_offset: n * 10,
        size: 100,
        largest_timestamp: n * 1000 + 999,
        first_timestamp: n * 1000 + 1,
    };
    LogState {
        log_start_offset: 0,
        log_end_offset: 50,
        last_stable_offset: 50,
        segments: (0..5).map(segment).collect(),
    }
}

fn check(
    change: impl FnOnce(&mut LogState, &mut LogConfig),
    checkpoint: Option<i64>,
    expected: (i64, i64, bool, u64, u64, i64),
) {
    let (mut state, mut config) = (state(), LogConfig::default());
    change(&mut state, &mut config);
    let Cleanable { first_dirty_offset, first_uncleanable_offset, reset, clean_bytes, cleanable_bytes, overdue_ms } =
        cleanable(&state, &config, checkpoint, 10_000);
    let found = (first_dirty_offset, first_uncleanable_offset, reset, clean_bytes, cleanable_bytes, overdue_ms);
    assert_eq!(found, expected);
}

#[test]
fn the_dirty_part_ends_before_the_active_segment() {
    check(|_, _| {}, None, (0, 40, false, 0, 400, 0));
    check(|_, _| {}, Some(20), (20, 40, false, 200, 200, 0));
    check(|_, _| {}, Some(40), (40, 40, false, 400, 0, 0));
    check(|_, _| {}, Some(50), (50, 40, false, 500, 0, 0));
    // Within a segment: its bytes count on both sides, as in Kafka.
    check(|_, _| {}, Some(25), (25, 40, false, 300, 200, 0));
}

#[test]
fn a_checkpoint_outside_of_the_log_is_reset() {
    check(|state, _| state.log_start_offset = 15, Some(3), (15, 40, true, 200, 300, 0));
    check(|state, _| state.log_start_offset = 15, None, (15, 40, false, 200, 300, 0));
    check(|_, _| {}, Some(51), (0, 40, true, 0, 400, 0));
}

#[test]
fn undecided_transactions_and_young_records_are_left_alone() {
    check(|state, _| state.last_stable_offset = 30, None, (0, 30, false, 0, 300, 0));
    // Of the segment with the first undecided record nothing is left out: as in Kafka it is the first that is not cleaned.
    check(|state, _| state.last_stable_offset = 27, None, (0, 20, false, 0, 200, 0));
    check(|_, config| config.min_compaction_lag_ms = 8002, None, (0, 10, false, 0, 100, 0));
    check(|_, config| config.min_compaction_lag_ms = 8001, None, (0, 20, false, 0, 200, 0));
    check(|_, config| config.min_compaction_lag_ms = i64::MAX, None, (0, 0, false, 0, 0, 0));
    check(|_, config| config.min_compaction_lag_ms = -5, None, (0, 40, false, 0, 400, 0));
}

#[test]
fn records_wait_no_longer_than_they_may() {
    check(|_, config| config.max_compaction_lag_ms = 9000, None, (0, 40, false, 0, 400, 999));
    check(|_, config| config.max_compaction_lag_ms = 9000, Some(10), (10, 40, false, 100, 300, 0));
    check(|_, config| config.max_compaction_lag_ms = 7000, Some(10), (10, 40, false, 100, 300, 1999));
    // The active segment does not count.
    check(|_, config| config.max_compaction_lag_ms = 1, Some(40), (40, 40, false, 400, 0, 0));
}

#[test]
fn a_log_is_due_when_it_is_dirty_enough_or_overdue() {
    let cleanable = |clean_bytes, cleanable_bytes, overdue_ms| Cleanable {
        first_dirty_offset: 0,
        first_uncleanable_offset: 0,
        reset: false,
        clean_bytes,
        cleanable_bytes,
        overdue_ms,
    };
    let config = LogConfig { min_cleanable_dirty_ratio: 0.5, ..LogConfig::default() };
    for (log, ratio, due) in [
        (cleanable(0, 0, 0), 0.0, false),
        (cleanable(0, 0, 5), 0.0, false),
        (cleanable(50, 50, 0), 0.5, false),
        (cleanable(49, 51, 0), 0.51, true),
        (cleanable(99, 1, 1), 0.01, true),
        (cleanable(99, 1, 0), 0.01, false),
    ] {
        assert_eq!((log.dirty_ratio(), log.is_due(&config)), (ratio, due));
    }
}
