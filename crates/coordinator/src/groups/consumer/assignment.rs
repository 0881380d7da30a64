//! Partitions by topic: as they are targeted and reported, and as they are held.

use ottla_protocol::Uuid;
use std::collections::{BTreeMap, BTreeSet};

/// Partitions by topic; no topic is without any.
pub type Assignment = BTreeMap<Uuid, BTreeSet<i32>>;

/// Partitions that a member holds, each with the epoch from which on it does.
pub(crate) type Held = BTreeMap<Uuid, BTreeMap<i32, i32>>;

/// The partitions without their epochs.
pub(crate) fn without_epochs(held: &Held) -> Assignment {
    held.iter().map(|(topic_id, partitions)| (*topic_id, partitions.keys().copied().collect())).collect()
}

/// All partitions with one epoch.
pub(crate) fn with_epoch(assignment: &Assignment, epoch: i32) -> Held {
    let partitions = |partitions: &BTreeSet<i32>| partitions.iter().map(|partition| (*partition, epoch)).collect();
    assignment.iter().map(|(topic_id, each)| (*topic_id, partitions(each))).collect()
}

/// Whether the partition is among those held.
pub(crate) fn holds(held: &Held, topic_id: Uuid, partition: i32) -> bool {
    held.get(&topic_id).is_some_and(|partitions| partitions.contains_key(&partition))
}

/// Whether all partitions are among those held.
pub(crate) fn is_subset(owned: &Assignment, held: &Held) -> bool {
    pairs(owned).all(|(topic_id, partition)| holds(held, topic_id, partition))
}

/// Whether any partition is among those held.
pub(crate) fn intersects(owned: &Assignment, held: &Held) -> bool {
    pairs(owned).any(|(topic_id, partition)| holds(held, topic_id, partition))
}

fn pairs(assignment: &Assignment) -> impl Iterator<Item = (Uuid, i32)> {
    assignment.iter().flat_map(|(topic_id, each)| each.iter().map(|partition| (*topic_id, *partition)))
}
