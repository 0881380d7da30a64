//! Which segments become one.

use super::super::group::{Bounds, Sizes, group};

fn check(segments: &[(i64, u64, u64, u64)], bounds: (u64, u64), expected: &[usize]) {
    let sizes: Vec<Sizes> = segments
        .iter()
        .map(|(base_offset, log_bytes, offset_index_bytes, time_index_bytes)| Sizes {
            base_offset: *base_offset,
            log_bytes: *log_bytes,
            offset_index_bytes: *offset_index_bytes,
            time_index_bytes: *time_index_bytes,
        })
        .collect();
    let last = segments.last().map_or(0, |last| last.0);
    let bounds = Bounds { log_bytes: bounds.0, index_bytes: bounds.1, end_offset: last + 10 };
    let groups = group(&sizes, &bounds);
    assert_eq!(groups.iter().map(|group| group.len()).collect::<Vec<_>>(), expected);
    assert!(groups.iter().map(|group| group.start).eq(groups.iter().scan(0, |next, group| {
        let start = *next;
        *next = group.end;
        Some(start)
    })));
}

#[test]
fn groups_are_bounded_by_bytes() {
    check(&[], (100, 100), &[]);
    check(&[(0, 500, 0, 0)], (100, 100), &[1]);
    check(&[(0, 50, 0, 0), (10, 50, 0, 0), (20, 1, 0, 0)], (100, 100), &[2, 1]);
    check(&[(0, 1, 60, 0), (10, 1, 40, 0), (20, 1, 1, 0)], (100, 100), &[2, 1]);
    check(&[(0, 1, 0, 60), (10, 1, 0, 41), (20, 1, 0, 1)], (100, 100), &[1, 2]);
    check(&[(0, 500, 0, 0), (10, 0, 0, 0), (20, 100, 0, 0)], (100, 100), &[1, 2]);
}

#[test]
fn groups_are_bounded_by_offsets() {
    let max = i64::from(i32::MAX);
    check(&[(0, 1, 0, 0), (max - 9, 1, 0, 0)], (100, 100), &[2]);
    check(&[(0, 1, 0, 0), (max - 8, 1, 0, 0)], (100, 100), &[1, 1]);
    check(&[(0, 1, 0, 0), (10, 1, 0, 0), (max + 1, 1, 0, 0)], (100, 100), &[2, 1]);
    // Segments without records do not stand apart for ever.
    check(&[(0, 0, 0, 0), (max, 0, 0, 0), (3 * max, 0, 0, 0)], (100, 100), &[3]);
}
