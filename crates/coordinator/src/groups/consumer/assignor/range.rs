//! `range`: each topic is cut into one contiguous range for each subscriber.
//!
//! The subscribers of all topics come in one order, so topics with as many partitions and the same subscribers are cut at
//! the same places. The present target has no say: static members keep theirs because their order does not change.

use super::classes::classes;
use super::{Assignment, GroupAssignment, GroupSpec, MemberSpec};
use core::ops::Range;
use ottla_protocol::{Str, Uuid};
use std::collections::BTreeMap;

pub(super) fn assign(group: &GroupSpec) -> GroupAssignment {
    let mut topics = topics(group);
    in_order(group).into_iter().map(|(id, member)| (id.clone(), ranges(member, &mut topics))).collect()
}

/// Static members by their instance ids, then the others by their member ids. A member that comes back with its instance
/// id has a new member id, and would have another range in the order of those.
fn in_order(group: &GroupSpec) -> Vec<(&Str, &MemberSpec)> {
    let mut members: Vec<_> = group.members.iter().collect();
    members.sort_by_key(|&(_, member)| (member.instance_id.is_none(), member.instance_id.as_ref()));
    members
}

fn ranges(member: &MemberSpec, topics: &mut BTreeMap<Uuid, Topic>) -> Assignment {
    let mut assignment = Assignment::new();
    for id in &*member.topics {
        let range = topics.get_mut(id).map(Topic::next_range).unwrap_or_default();
        if !range.is_empty() {
            assignment.insert(*id, range.collect());
        }
    }
    assignment
}

/// What of a topic is not yet given.
struct Topic {
    next_partition: i32,
    /// What every subscriber gets.
    quota: i32,
    /// How many of the first subscribers get one more.
    extras: i32,
}

impl Topic {
    fn next_range(&mut self) -> Range<i32> {
        let start = self.next_partition;
        self.next_partition += self.quota + i32::from(self.extras > 0);
        self.extras -= i32::from(self.extras > 0);
        start..self.next_partition
    }
}

fn topics(group: &GroupSpec) -> BTreeMap<Uuid, Topic> {
    let mut subscribers = BTreeMap::<_, usize>::new();
    for class in classes(group) {
        for id in class.topics {
            *subscribers.entry(*id).or_default() += class.members.len();
        }
    }
    let topic = |(id, subscribers)| {
        let partitions = group.partitions.get(&id).copied().unwrap_or(0);
        let subscribers = i32::try_from(subscribers).unwrap_or(i32::MAX);
        let (quota, extras) = (partitions / subscribers, partitions % subscribers);
        (id, Topic { next_partition: 0, quota, extras })
    };
    subscribers.into_iter().map(topic).collect()
}
