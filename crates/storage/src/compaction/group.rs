//! Which segments are cleaned into one, so that segments do not get ever smaller.

use std::ops::Range;

/// What of a segment decides how it is grouped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub(crate) base_offset: i64,
    pub(crate) log_bytes: u64,
    pub(crate) offset_index_bytes: u64,
    pub(crate) time_index_bytes: u64,
}

/// Most of what a group may have together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// `segment.bytes`
    pub(crate) log_bytes: u64,
    /// `segment.index.bytes`, for each of the two indexes.
    pub(crate) index_bytes: u64,
    /// Where the last segment ends at the latest.
    pub(crate) end_offset: i64,
}

/// Groups segments that follow one another, as Kafka does. Each group has at least one.
pub(crate) fn group(segments: &[Sizes], bounds: &Bounds) -> Vec<Range<usize>> {
    let mut groups = Vec::new();
    let mut start = 0;
    while start < segments.len() {
        let end = end_of_group(segments, start, bounds);
        groups.push(start..end);
        start = end;
    }
    groups
}

fn end_of_group(segments: &[Sizes], start: usize, bounds: &Bounds) -> usize {
    let Some(first) = segments.get(start) else { return start };
    let mut sum = *first;
    let mut end = start + 1;
    while let Some(segment) = segments.get(end) {
        sum.log_bytes += segment.log_bytes;
        sum.offset_index_bytes += segment.offset_index_bytes;
        sum.time_index_bytes += segment.time_index_bytes;
        let too_large = sum.log_bytes > bounds.log_bytes
            || sum.offset_index_bytes > bounds.index_bytes
            || sum.time_index_bytes > bounds.index_bytes;
        if too_large || !reaches(segments, end, first.base_offset, bounds) {
            break;
        }
        end += 1;
    }
    end
}

/// Whether the offsets of segment `n` fit into the indexes of one that starts at `base_offset`. One without records always
/// does, or else a log of empty segments would keep one for every 2^31 offsets.
fn reaches(segments: &[Sizes], n: usize, base_offset: i64, bounds: &Bounds) -> bool {
    let next_offset = segments.get(n + 1).map_or(bounds.end_offset, |next| next.base_offset);
    let is_empty = segments.get(n).is_some_and(|segment| segment.log_bytes == 0);
    is_empty || (next_offset - 1).saturating_sub(base_offset) <= i64::from(i32::MAX)
}
