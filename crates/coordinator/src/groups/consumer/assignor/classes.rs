//! Members with the same subscription, so that what they have in common is looked at once.

use super::GroupSpec;
use ottla_protocol::Uuid;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The members that are subscribed to the same topics.
pub(super) struct Class<'a> {
    pub(super) topics: &'a BTreeSet<Uuid>,
    /// Their places in the order of member ids.
    pub(super) members: Vec<usize>,
}

/// The classes of a group, in the order of their first members.
pub(super) fn classes(group: &GroupSpec) -> Vec<Class<'_>> {
    let mut classes = Vec::new();
    let mut by_topics = BTreeMap::new();
    // Comparing sets is what costs; most members share theirs.
    let mut by_address = BTreeMap::new();
    for (index, member) in group.members.values().enumerate() {
        let class = *by_address.entry(Arc::as_ptr(&member.topics)).or_insert_with(|| {
            *by_topics.entry(&*member.topics).or_insert_with(|| {
                classes.push(Class { topics: &member.topics, members: Vec::new() });
                classes.len() - 1
            })
        });
        if let Some(class) = classes.get_mut(class) {
            class.members.push(index);
        }
    }
    classes
}
