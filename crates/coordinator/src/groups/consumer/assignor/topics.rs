//! Who owns each partition while an assignor works.

use super::classes::Class;
use super::{Assignment, GroupAssignment, GroupSpec};
use ottla_protocol::Uuid;
use std::collections::{BTreeMap, BTreeSet};

/// The topics that somebody is subscribed to.
pub(super) type Topics = BTreeMap<Uuid, Topic>;

/// A topic that somebody is subscribed to.
pub(super) struct Topic {
    /// The owner of each partition, by its place in the order of member ids.
    pub(super) owners: Vec<Option<usize>>,
    /// Which classes of members are subscribed.
    pub(super) classes: Vec<usize>,
}

impl Topic {
    fn new(partitions: i32) -> Self {
        let partitions = usize::try_from(partitions).unwrap_or(0);
        Self { owners: vec![None; partitions], classes: Vec::new() }
    }

    /// Lets a member keep what exists and no other member has.
    fn keep(&mut self, member: usize, partitions: &BTreeSet<i32>) {
        for partition in partitions {
            let partition = usize::try_from(*partition).ok();
            if let Some(owner) = partition.and_then(|partition| self.owners.get_mut(partition)) {
                owner.get_or_insert(member);
            }
        }
    }
}

/// The topics with their present owners: what members are no longer subscribed to has no owner.
pub(super) fn topics(group: &GroupSpec, classes: &[Class<'_>]) -> Topics {
    let topic = |(id, partitions): (&Uuid, &i32)| (*id, Topic::new(*partitions));
    let mut topics: Topics = group.partitions.iter().map(topic).collect();
    for (index, class) in classes.iter().enumerate() {
        for id in class.topics {
            if let Some(topic) = topics.get_mut(id) {
                topic.classes.push(index);
            }
        }
    }
    topics.retain(|_, topic| !topic.classes.is_empty());
    keep_present(group, &mut topics);
    topics
}

fn keep_present(group: &GroupSpec, topics: &mut Topics) {
    for (index, member) in group.members.values().enumerate() {
        for (id, partitions) in &*member.assignment {
            let topic = topics.get_mut(id).filter(|_| member.topics.contains(id));
            if let Some(topic) = topic {
                topic.keep(index, partitions);
            }
        }
    }
}

/// What every member owns.
pub(super) fn assignment(group: &GroupSpec, topics: &Topics) -> GroupAssignment {
    let mut assignments = vec![Assignment::new(); group.members.len()];
    for (id, topic) in topics {
        for (partition, owner) in (0..).zip(&topic.owners) {
            if let Some(assignment) = owner.and_then(|owner| assignments.get_mut(owner)) {
                assignment.entry(*id).or_default().insert(partition);
            }
        }
    }
    group.members.keys().cloned().zip(assignments).collect()
}
