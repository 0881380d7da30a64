//! Nothing that a caller was told is missing from the committed log.

use super::{MetadataLog, Violation};
use crate::controller::Rest;

/// Somebody is told what rests on a batch and all before it.
pub(crate) fn check(controller: i32, (base_offset, bytes): &Rest, log: &MetadataLog) -> Result<(), Violation> {
    match log.batch(*base_offset) {
        Some(committed) if committed == bytes => Ok(()),
        found => {
            let there = if found.is_some() { "another is" } else { "none is" };
            let seen = format!("{controller} answers by the batch at offset {base_offset}, where {there} committed");
            Err(Violation::new("told", seen))
        }
    }
}
