//! Groups and assignments as text, for the assignors' tests.

mod generated;
mod heterogeneous;
mod homogeneous;
mod names;
mod properties;
mod range;

use super::{Assignment, Assignor, GroupAssignment, GroupSpec, MemberSpec};
use ottla_protocol::{Str, Uuid};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The topic of a number; topics are in the order of theirs.
fn topic(number: u8) -> Uuid {
    let mut bytes = [0; 16];
    bytes[15] = number;
    Uuid::from_bytes(bytes)
}

/// A group. Topics are numbers with their partition counts, as in `1=3 2=6`; members are as in `A: 1 2 <- 1:0,2 2:5`, with
/// what they are subscribed to and what they have, or `A@I: 1` with an instance id.
fn group(topics: &str, members: &[&str]) -> GroupSpec {
    let count = |text: &str| {
        let (number, count) = text.split_once('=').unwrap();
        (topic(number.parse().unwrap()), count.parse().unwrap())
    };
    let partitions = topics.split_whitespace().map(count).collect();
    GroupSpec { members: members.iter().map(|text| member(text)).collect(), partitions }
}

fn member(text: &str) -> (Str, MemberSpec) {
    let (id, rest) = text.split_once(':').unwrap();
    let (id, instance_id) = id.split_once('@').map_or((id, None), |(id, instance)| (id, Some(Str::from(instance))));
    let (topics, assignment) = rest.split_once("<-").unwrap_or((rest, ""));
    let topics = topics.split_whitespace().map(|number| topic(number.parse().unwrap())).collect();
    let assignment = Arc::new(assignment.split_whitespace().map(partitions).collect());
    (Str::from(id), MemberSpec { instance_id, topics: Arc::new(topics), assignment })
}

fn partitions(text: &str) -> (Uuid, BTreeSet<i32>) {
    let (number, partitions) = text.split_once(':').unwrap();
    (topic(number.parse().unwrap()), partitions.split(',').map(|partition| partition.parse().unwrap()).collect())
}

/// Checks what an assignor makes of a group; each line is a member with what it gets.
fn check(assignor: Assignor, group: &GroupSpec, expected: &[&str]) {
    let shown: Vec<_> = assignor.assign(group).iter().map(|(id, assignment)| show(id, assignment)).collect();
    assert_eq!(shown, expected);
}

fn show(id: &Str, assignment: &Assignment) -> String {
    let mut text = format!("{id}:");
    for (id, partitions) in assignment {
        let partitions: Vec<_> = partitions.iter().map(i32::to_string).collect();
        text += &format!(" {}:{}", id.as_bytes()[15], partitions.join(","));
    }
    text
}

/// The group once it has an assignment.
fn assigned(mut group: GroupSpec, assignment: GroupAssignment) -> GroupSpec {
    for (id, assignment) in assignment {
        group.members.get_mut(&id).unwrap().assignment = Arc::new(assignment);
    }
    group
}

/// How many partitions each member has.
fn sizes(assignment: &GroupAssignment) -> BTreeMap<&Str, usize> {
    assignment.iter().map(|(id, assignment)| (id, assignment.values().map(BTreeSet::len).sum())).collect()
}
