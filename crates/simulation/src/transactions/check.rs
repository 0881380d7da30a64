//! What must hold of transactions, whatever happens: here of records; of the group's offsets a file each.

pub(super) mod aborted;
pub(super) mod copied;
pub(super) mod stable;
pub(super) mod together;

use super::partition::Partition;
use super::producer::{Outcome, Producer};
use crate::Violation;
use std::collections::{BTreeMap, BTreeSet};

/// What was read as committed once stays, and nothing comes before it.
pub(super) fn reads_go_on(partition: &mut Partition, index: usize) -> Result<(), Violation> {
    let now = partition.read_committed();
    if !now.starts_with(&partition.read) {
        let (before, now) = (&partition.read, &now);
        return Err(violation("reads go on", format!("partition {index}: read {before:?}, then {now:?}")));
    }
    partition.read = now;
    Ok(())
}

/// Nothing of a transaction is read that was aborted or whose end nobody asked for; all of one that was committed, once; and of
/// one of which its producer does not know, all or nothing.
pub(super) fn all_or_nothing<'a>(
    producers: impl Iterator<Item = &'a Producer>,
    partitions: &[Partition],
    is_healed: bool,
) -> Result<(), Violation> {
    let mut times = BTreeMap::<u64, usize>::new();
    for value in partitions.iter().flat_map(|partition| &partition.read) {
        *times.entry(*value).or_default() += 1;
    }
    if let Some((value, count)) = times.iter().find(|(_, count)| **count > 1) {
        return Err(violation("once", format!("value {value} is read {count} times")));
    }
    for producer in producers {
        for transaction in &producer.transactions {
            let seen = transaction.values.iter().filter(|value| times.contains_key(value)).count();
            let all = transaction.values.len();
            let holds = match transaction.outcome {
                Outcome::Never => seen == 0,
                // Partitions hear of it one after the other.
                Outcome::Maybe | Outcome::Committed if !is_healed => true,
                Outcome::Maybe => seen == 0 || seen == all,
                Outcome::Committed => seen == all,
            };
            if !holds {
                let (id, outcome) = (&producer.transactional_id, transaction.outcome);
                let text = format!("{id}: {outcome:?}, and {seen} of {all} values are read: {:?}", transaction.values);
                return Err(violation("all or nothing", text));
            }
        }
    }
    Ok(())
}

/// A producer id never goes back to an older epoch.
pub(super) fn epochs_grow(
    log: &[(ottla_protocol::Str, ottla_coordinator::transactions::Producer)],
) -> Result<(), Violation> {
    let mut last = BTreeMap::new();
    for (id, producer) in log {
        let before = last.insert((id, producer.id), producer.epoch);
        if before.is_some_and(|before| before > producer.epoch) {
            return Err(violation("epochs grow", format!("{id}: {before:?}, then {producer}")));
        }
    }
    Ok(())
}

/// Once faults have stopped no transaction is left open.
pub(super) fn nothing_hangs(partitions: &[Partition], unfinished: usize) -> Result<(), Violation> {
    let held = partitions.iter().enumerate().filter(|(_, it)| it.last_stable_offset() < it.end());
    let held: BTreeSet<usize> = held.map(|(index, _)| index).collect();
    match held.is_empty() && unfinished == 0 {
        true => Ok(()),
        false => {
            Err(violation("nothing hangs", format!("{unfinished} transactions; last stable offset held in {held:?}")))
        }
    }
}

fn violation(invariant: &'static str, text: String) -> Violation {
    Violation::new(invariant, text)
}
