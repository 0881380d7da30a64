//! Offsets are committed together with the records of the same transaction: where none is pending, they are behind all copies that
//! were read before. That no copy is missing before them is seen in the end (`copied.rs`).

use super::violation;
use crate::Violation;
use crate::groups::Part;
use crate::transactions::watcher::Question;

pub(in crate::transactions) fn check(part: Part, offset: i64, question: &Question) -> Result<(), Violation> {
    let copied = question.copied.get(&part).copied().unwrap_or(0);
    match offset < copied {
        true => {
            let text = format!("{part:?}: {offset} is fetched, copies up to {copied} were read");
            Err(violation("offsets move with the records", text))
        }
        false => Ok(()),
    }
}
