//! `uniform`: members have as many partitions as one another, and keep what they have as far as that allows.

use super::classes::classes;
use super::topics::{assignment, topics};
use super::{GroupAssignment, GroupSpec, heterogeneous, homogeneous};

pub(super) fn assign(group: &GroupSpec) -> GroupAssignment {
    let classes = classes(group);
    let mut topics = topics(group, &classes);
    match classes.as_slice() {
        [class] => homogeneous::balance(&mut topics, class.members.len()),
        classes => heterogeneous::balance(&mut topics, classes, heterogeneous::MAX_STEPS),
    }
    assignment(group, &topics)
}
