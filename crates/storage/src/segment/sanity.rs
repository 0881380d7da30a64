//! Whether the indexes of a segment can be right, by what their last page says. `find` sees to the rest when it reads.

use std::io;

use super::scan::Headers;
use super::{Error, Segment};

/// Whether offset and time index ascend and stay within the segment. What is not is to be rebuilt.
pub(crate) fn indexes_are_sound(segment: &Segment) -> Result<bool, Error> {
    let sound = || Ok(offset_index_is_sound(segment)? && time_index_is_sound(segment)?);
    sound().map_err(|source| segment.io(source))
}

/// Whether each aborted transaction is one whose marker the segment may hold. Kafka reads the whole file too.
pub(crate) fn txn_index_is_sound(segment: &Segment) -> Result<bool, Error> {
    if segment.txn_index.file_len() == 0 {
        return Ok(true);
    }
    let Some(all) = segment.txn_index.all().map_err(|source| segment.io(source))? else { return Ok(false) };
    let within = all.iter().all(|txn| txn.first_offset < txn.last_offset && holds(segment, txn.last_offset));
    Ok(within && all.is_sorted_by(|one, next| one.last_offset < next.last_offset))
}

fn holds(segment: &Segment, offset: i64) -> bool {
    (segment.base_offset..segment.next_offset()).contains(&offset)
}

/// A complete segment's largest timestamp is in its index, unless its records have none.
fn has_no_time(segment: &Segment) -> io::Result<bool> {
    if segment.size() == 0 {
        return Ok(true);
    }
    let mut headers = Headers::new(segment.log.existing()?, 0, segment.size());
    let first = headers.next();
    segment.log.close();
    // A batch that cannot be read is for recovery to judge.
    Ok(first.is_ok_and(|first| first.is_none_or(|(_, header)| header.max_timestamp < 0)))
}

fn offset_index_is_sound(segment: &Segment) -> io::Result<bool> {
    let page = segment.offset_index.last_page()?;
    let ascending = page.is_sorted_by(|one, next| one.offset < next.offset && one.position < next.position);
    Ok(ascending && page.last().is_none_or(|last| holds(segment, last.offset) && last.position < segment.size()))
}

fn time_index_is_sound(segment: &Segment) -> io::Result<bool> {
    let page = segment.time_index.last_page()?;
    if page.is_empty() {
        return has_no_time(segment);
    }
    let ascending = page.is_sorted_by(|one, next| one.timestamp < next.timestamp && one.offset <= next.offset);
    Ok(ascending && page.last().is_none_or(|last| holds(segment, last.offset)))
}
