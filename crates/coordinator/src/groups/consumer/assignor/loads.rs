//! How many partitions each member has, with the members of each class in that order.

use super::classes::Class;
use super::lightest::Lightest;
use super::topics::Topics;
use std::collections::BTreeSet;

/// The members' loads.
pub(super) struct Loads {
    members: Vec<Member>,
    /// Load and member.
    classes: Vec<BTreeSet<(usize, usize)>>,
}

#[derive(Clone, Default)]
struct Member {
    load: usize,
    class: usize,
}

impl Loads {
    pub(super) fn new(topics: &Topics, classes: &[Class<'_>]) -> Self {
        let member_count = classes.iter().map(|class| class.members.len()).sum();
        let mut members = vec![Member::default(); member_count];
        for owner in topics.values().flat_map(|topic| &topic.owners) {
            if let Some(member) = owner.and_then(|owner| members.get_mut(owner)) {
                member.load += 1;
            }
        }
        for (index, class) in classes.iter().enumerate() {
            for member in &class.members {
                if let Some(member) = members.get_mut(*member) {
                    member.class = index;
                }
            }
        }
        let load = |member: &usize| (members.get(*member).map_or(0, |member| member.load), *member);
        let by_load = |class: &Class<'_>| class.members.iter().map(load).collect();
        let classes = classes.iter().map(by_load).collect();
        Self { members, classes }
    }

    pub(super) fn of(&self, member: usize) -> usize {
        self.members.get(member).map_or(0, |member| member.load)
    }

    /// The smallest load in some classes.
    pub(super) fn least(&self, classes: &[usize]) -> Option<usize> {
        let first = |class: &usize| self.classes.get(*class).and_then(BTreeSet::first);
        classes.iter().filter_map(first).map(|(load, _)| *load).min()
    }

    /// The members of some classes, as they get partitions.
    pub(super) fn lightest(&self, classes: &[usize]) -> Lightest<'_> {
        Lightest::new(classes.iter().filter_map(|class| self.classes.get(*class)).map(BTreeSet::iter))
    }

    /// Members got some partitions, and lost some.
    pub(super) fn change(&mut self, member: usize, gained: usize, lost: usize) {
        let Some(Member { load, class }) = self.members.get_mut(member) else { return };
        let old = *load;
        *load = (old + gained).saturating_sub(lost);
        if let Some(class) = self.classes.get_mut(*class) {
            class.remove(&(old, member));
            class.insert((*load, member));
        }
    }
}
