//! What is copied is the input, each record once.

use super::violation;
use crate::Violation;
use crate::groups::Part;
use crate::transactions::copier::{Input, copied};
use crate::transactions::partition::Partition;
use std::collections::{BTreeMap, BTreeSet};

/// Copies that were read, by where they are from.
pub(in crate::transactions) type Copies = BTreeMap<Part, BTreeSet<i64>>;

/// No record is copied twice.
pub(in crate::transactions) fn once(partitions: &[Partition]) -> Result<Copies, Violation> {
    let mut copies = Copies::new();
    for (part, offset) in partitions.iter().flat_map(|it| &it.read).filter_map(|value| copied(*value)) {
        if !copies.entry(part).or_default().insert(offset) {
            return Err(violation("copied once", format!("record {offset} of {part:?} is read twice")));
        }
    }
    Ok(copies)
}

/// Once faults have stopped all is copied, and the group's offsets are at its end, with nothing pending.
pub(in crate::transactions) fn all(
    copies: &Copies,
    offsets: &BTreeMap<Part, Option<i64>>,
    input: &Input,
) -> Result<(), Violation> {
    for part in input.topics.of(&BTreeSet::from([0])) {
        let read = copies.get(&part).map_or(0, BTreeSet::len);
        let offset = offsets.get(&part).copied().flatten();
        if i64::try_from(read) != Ok(input.length) || offset != Some(input.length) {
            let text = format!("{part:?}: {read} of {} records are copied, the offset is {offset:?}", input.length);
            return Err(violation("all is copied", text));
        }
    }
    Ok(())
}
