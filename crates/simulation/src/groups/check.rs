//! What must hold of groups, whatever happens.

use super::coordinator::Offsets;
use super::topics::{NAMES, Part, Topics, from_bytes, id, name, number_of, subscribed};
use crate::Violation;
use ottla_coordinator::{ConsumerGroupState, DescribedConsumerGroup, DescribedGroup, GroupState, Reply};
use ottla_protocol::Str;
use std::collections::{BTreeMap, BTreeSet};

/// What members were told.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// Who owns a partition by group, its life and epoch.
    owners: BTreeMap<(Str, u64, i32, Part), Str>,
    /// The furthest that was acknowledged.
    pub(super) acknowledged: Offsets,
    pub(super) commits: usize,
    pub(super) refusals: usize,
    /// How often a group was looked at that said it is stable.
    pub(super) stable: usize,
}

pub(super) fn violation(invariant: &'static str, seen: String) -> Violation {
    Violation::new(invariant, seen)
}

/// A committed offset neither goes nor goes back.
pub(crate) fn offset_goes_on(offsets: &mut Offsets, at: (Str, Part), committed: Option<i64>) -> Option<Violation> {
    let before = offsets.get(&at).copied();
    if before.is_some_and(|before| committed.is_none_or(|now| now < before)) {
        return Some(violation("offsets go on", format!("{at:?} went from {before:?} to {committed:?}")));
    }
    offsets.insert(at, committed?);
    None
}

impl History {
    /// In an epoch a partition is one member's alone.
    pub(super) fn owns(
        &mut self,
        owner: &Str,
        (group, life, epoch): (&Str, u64, i32),
        parts: impl IntoIterator<Item = Part>,
    ) -> Result<(), Violation> {
        for part in parts {
            let before = self.owners.entry((group.clone(), life, epoch, part)).or_insert_with(|| owner.clone());
            if before != owner {
                let seen = format!("{part:?} of {group} in epoch {epoch} is of {before} and {owner}");
                return Err(violation("one owner an epoch", seen));
            }
        }
        Ok(())
    }

    /// What is acknowledged is committed.
    pub(super) fn acknowledge(
        &mut self,
        group: &Str,
        told: impl IntoIterator<Item = (Part, i64)>,
        committed: &Offsets,
    ) -> Result<(), Violation> {
        self.commits += 1;
        for (part, offset) in told {
            let at = (group.clone(), part);
            if committed.get(&at).is_none_or(|committed| *committed < offset) {
                let seen = format!("{at:?}: {offset} is acknowledged, {:?} committed", committed.get(&at));
                return Err(violation("acknowledged is committed", seen));
            }
            let furthest = self.acknowledged.entry(at).or_insert(offset);
            *furthest = offset.max(*furthest);
        }
        Ok(())
    }

    /// What the coordinator says of groups: partitions have one owner each, and in a stable group all of them have.
    pub(super) fn described(&mut self, reply: &Reply, counts: &[Topics]) -> Result<(), Violation> {
        match reply {
            Reply::ConsumerGroupDescribe(groups) => groups.iter().try_for_each(|group| self.consumer(group, counts)),
            Reply::DescribeGroups(groups) => groups.iter().try_for_each(|group| self.classic(group, counts)),
            _ => Ok(()),
        }
    }

    fn consumer(&mut self, group: &DescribedConsumerGroup, counts: &[Topics]) -> Result<(), Violation> {
        let mut owned = BTreeSet::new();
        let mut read = BTreeSet::new();
        for member in &group.members {
            read.extend(member.subscribed_topic_names.iter().filter_map(|it| number_of(|topic| name(topic) == *it)));
            for topic in &member.assignment {
                let number = number_of(|it| id(it) == topic.topic_id).unwrap_or_default();
                take(&mut owned, topic.partitions.iter().map(|partition| (number, *partition)), group)?;
            }
        }
        if group.refused.is_none() && group.state == ConsumerGroupState::Stable {
            self.stable += 1;
            covers(&owned, &read, counts, group)?;
        }
        Ok(())
    }

    fn classic(&mut self, group: &DescribedGroup, counts: &[Topics]) -> Result<(), Violation> {
        if group.state != GroupState::Stable {
            return Ok(());
        }
        self.stable += 1;
        let mut owned = BTreeSet::new();
        for member in &group.members {
            take(&mut owned, from_bytes(&member.member_assignment), group)?;
        }
        let read = group.members.iter().flat_map(|member| subscribed(&member.member_metadata)).collect();
        covers(&owned, &read, counts, group)
    }
}

fn take(
    owned: &mut BTreeSet<Part>,
    parts: impl IntoIterator<Item = Part>,
    seen: &impl core::fmt::Debug,
) -> Result<(), Violation> {
    match parts.into_iter().find(|part| !owned.insert(*part)) {
        None => Ok(()),
        Some(part) => Err(violation("one owner", format!("{part:?} has two: {seen:#?}"))),
    }
}

/// Each topic that is read is owned as it is or was.
fn covers(
    owned: &BTreeSet<Part>,
    read: &BTreeSet<usize>,
    counts: &[Topics],
    seen: &impl core::fmt::Debug,
) -> Result<(), Violation> {
    for topic in 0..NAMES.len() {
        let of_topic: BTreeSet<Part> = owned.iter().filter(|(it, _)| *it == topic).copied().collect();
        let is_read = read.contains(&topic);
        let topics = BTreeSet::from([topic]);
        if is_read && !counts.iter().any(|count| count.of(&topics) == of_topic) {
            return Err(violation("a stable group covers all", format!("topic {topic}: {of_topic:?}: {seen:#?}")));
        }
    }
    Ok(())
}
