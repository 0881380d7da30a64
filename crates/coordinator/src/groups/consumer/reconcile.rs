//! A member's way from what it has to what it is to have: first it gives away, then it gets what others gave away.

use super::assignment::{Assignment, Held, holds, intersects};
use super::group::ConsumerGroup;
use super::heartbeat::Refused;
use super::member::{Current, Member, MemberState};
use crate::Error;
use ottla_protocol::Uuid;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a member is to be reconciled with.
pub(super) struct Target<'a> {
    pub(super) epoch: i32,
    pub(super) assignment: &'a Assignment,
    /// The topics that the member reads now.
    pub(super) topic_ids: &'a BTreeSet<Uuid>,
    /// Whether it has just said that it reads other ones than before.
    pub(super) has_subscription_changed: bool,
    /// What the member says that it has; none if it does not say.
    pub(super) owned: Option<&'a Assignment>,
}

/// The member's next step, as far as it can go.
pub(super) fn reconcile(group: &ConsumerGroup, member: &Member, target: &Target<'_>) -> Result<Arc<Current>, Refused> {
    let current = &member.current;
    let next = match current.state {
        MemberState::Stable if current.epoch != target.epoch => advance(group, current, current.epoch, target),
        MemberState::Stable if target.has_subscription_changed => give_up_unsubscribed(current, target),
        MemberState::Stable => None,
        MemberState::UnrevokedPartitions if !still_owns(&current.pending_revocation, target) => {
            advance(group, current, current.epoch, target)
        }
        MemberState::UnrevokedPartitions if target.has_subscription_changed => give_up_unsubscribed(current, target),
        MemberState::UnrevokedPartitions => None,
        MemberState::UnreleasedPartitions => advance(group, current, current.epoch, target),
        // A newer broker knew this state. The member begins again with nothing.
        MemberState::Unknown if target.owned.is_some_and(BTreeMap::is_empty) => {
            advance(group, current, target.epoch, target)
        }
        MemberState::Unknown => {
            let message = "The consumer group member is in a unknown state. The member must abandon all its partitions \
                           and rejoin.";
            return Err(Refused::new(Error::FencedMemberEpoch, message));
        }
    };
    Ok(next.map_or_else(|| current.clone(), Arc::new))
}

/// A member that does not say what it has may have all.
fn still_owns(revoked: &Held, target: &Target<'_>) -> bool {
    target.owned.is_none_or(|owned| intersects(owned, revoked))
}

/// Takes away what the member does not read any more, and leaves the rest for when the target is reached.
fn give_up_unsubscribed(current: &Current, target: &Target<'_>) -> Option<Current> {
    let is_read = |topic_id: &Uuid| target.topic_ids.contains(topic_id);
    if current.assigned.keys().all(is_read) {
        return None;
    }
    let (assigned, given_up): (Held, Held) =
        current.assigned.clone().into_iter().partition(|(topic_id, _)| is_read(topic_id));
    let mut pending_revocation = current.pending_revocation.clone();
    for (topic_id, partitions) in given_up {
        pending_revocation.entry(topic_id).or_default().extend(partitions);
    }
    let next = Current { previous_epoch: current.epoch, assigned, ..current.clone() };
    Some(match still_owns(&pending_revocation, target) {
        true => Current { state: MemberState::UnrevokedPartitions, pending_revocation, ..next },
        false => next,
    })
}

#[derive(Default)]
struct Plan {
    assigned: Held,
    revoked: Held,
    added: BTreeMap<Uuid, BTreeSet<i32>>,
    waits_for_others: bool,
}

fn advance(group: &ConsumerGroup, current: &Current, epoch: i32, target: &Target<'_>) -> Option<Current> {
    let Plan { mut assigned, revoked, added, waits_for_others } = plan(group, current, target);
    if !revoked.is_empty() && still_owns(&revoked, target) {
        return Some(Current {
            epoch,
            previous_epoch: current.epoch,
            state: MemberState::UnrevokedPartitions,
            assigned,
            pending_revocation: revoked,
        });
    }
    for (topic_id, partitions) in added {
        let partitions = partitions.into_iter().map(|partition| (partition, target.epoch));
        assigned.entry(topic_id).or_default().extend(partitions);
    }
    Some(Current {
        epoch: target.epoch,
        previous_epoch: current.epoch,
        state: if waits_for_others { MemberState::UnreleasedPartitions } else { MemberState::Stable },
        assigned,
        pending_revocation: Held::new(),
    })
}

/// Topic by topic: what stays, what goes, what comes, and whether others still have some of it.
fn plan(group: &ConsumerGroup, current: &Current, target: &Target<'_>) -> Plan {
    let nothing = BTreeSet::new();
    let no_partitions = BTreeMap::new();
    let topic_ids: BTreeSet<&Uuid> = target.assignment.keys().chain(current.assigned.keys()).collect();
    let mut plan = Plan::default();
    for topic_id in topic_ids {
        let wanted = target.assignment.get(topic_id).filter(|_| target.topic_ids.contains(topic_id));
        let wanted = wanted.unwrap_or(&nothing);
        let has = current.assigned.get(topic_id).unwrap_or(&no_partitions);
        let (stay, go): (BTreeMap<i32, i32>, BTreeMap<i32, i32>) =
            has.iter().partition(|(partition, _)| wanted.contains(*partition));
        let mut come = BTreeSet::new();
        for partition in wanted.iter().copied().filter(|partition| !has.contains_key(partition)) {
            // It is the member's own that it has not given away yet, or free, or another's.
            let is_own = holds(&current.pending_revocation, *topic_id, partition);
            match group.is_held(*topic_id, partition) && !is_own {
                true => plan.waits_for_others = true,
                false => {
                    come.insert(partition);
                }
            }
        }
        insert(&mut plan.assigned, *topic_id, stay);
        insert(&mut plan.revoked, *topic_id, go);
        if !come.is_empty() {
            plan.added.insert(*topic_id, come);
        }
    }
    plan
}

fn insert(held: &mut Held, topic_id: Uuid, partitions: BTreeMap<i32, i32>) {
    if !partitions.is_empty() {
        held.insert(topic_id, partitions);
    }
}
