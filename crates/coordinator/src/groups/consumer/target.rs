//! The group's epoch and the target assignment that follows it.

use super::assignor::{Assignor, GroupSpec, MemberSpec};
use super::draft::Draft;
use super::group::{ConsumerGroup, target_record};
use super::member::Member;
use super::record::ConsumerGroupRecord;
use super::topics::Topics;
use crate::GroupCoordinator;
use crate::groups::cause::{Cause, Why};
use crate::groups::classic::GroupType;
use crate::machine::Soft;
use ottla_config::group_keys::CONSUMER_ASSIGNMENT_INTERVAL_MS;
use ottla_protocol::stored::ConsumerGroupTargetAssignmentMetadataValue;
use ottla_protocol::{Str, Uuid};
use ottla_state_machine::{Now, Outcome};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The topic names and the expression of a subscription.
type Reads<'a> = (&'a [Str], Option<&'a Str>);

/// Begins a new epoch for a reason, or if the group's topics are not what they were.
pub(super) fn refresh_epoch(
    draft: &mut Draft<'_>,
    soft: &mut Soft,
    why: Option<Why>,
    now: Now,
    out: &mut Outcome<GroupCoordinator>,
) {
    let is_known = soft.checked.get(&draft.group_id) == Some(&soft.topics.version());
    if why.is_none() && is_known {
        return;
    }
    soft.checked.insert(draft.group_id.clone(), soft.topics.version());
    let hash = draft.metadata_hash(&mut soft.topics);
    let topics_changed = hash != draft.group().metadata_hash;
    let why = why.or_else(|| topics_changed.then(|| Why::new(Cause::TopicsChanged, "its topics changed")));
    if let Some(why) = why {
        draft.bump(hash);
        let line = format!("Epoch {}: {why}", draft.group().epoch);
        soft.context(now, out).rebalances(&draft.group_id, GroupType::Consumer, &why, line);
    }
    if draft.group().has_partition_metadata {
        draft.write(ConsumerGroupRecord::PartitionMetadata { exists: false });
    }
}

/// Makes the target assignment of the group's epoch, if there is none and the last is old enough (KIP-1263).
pub(super) fn refresh(draft: &mut Draft<'_>, soft: &mut Soft, now: Now, out: &mut Outcome<GroupCoordinator>) {
    if draft.group().assignment_epoch >= draft.group().epoch || !may_assign(draft, soft, now) {
        return;
    }
    let assignor = preferred_assignor(draft.group(), &soft.settings.group_consumer_assignors);
    let spec = spec(draft.group(), &soft.topics);
    let targets = assignor.assign(&spec);
    for (member_id, target) in &targets {
        if draft.group().targets.get(member_id).is_none_or(|before| **before != *target) {
            draft.write(target_record(member_id, target));
        }
    }
    let epoch = draft.group().epoch;
    let value = ConsumerGroupTargetAssignmentMetadataValue {
        assignment_epoch: epoch,
        assignment_timestamp: now.wall_ms,
        ..ConsumerGroupTargetAssignmentMetadataValue::default()
    };
    draft.write(ConsumerGroupRecord::Target(Some(value)));
    let line = format!("Epoch {epoch}: {} assigned to {} members", assignor.name(), targets.len());
    soft.context(now, out).info(&draft.group_id, line);
}

/// Members that join together are assigned to together: not more often than in the interval.
fn may_assign(draft: &Draft<'_>, soft: &Soft, now: Now) -> bool {
    let last_ms = draft.group().assignment_timestamp_ms;
    let limits = &soft.settings.group_consumer_assignment_intervals_ms;
    let interval_ms = soft.topics.group_config_ms(&draft.group_id, CONSUMER_ASSIGNMENT_INTERVAL_MS, limits);
    let interval_ms = i64::from(interval_ms.unwrap_or(soft.settings.group_consumer_assignment_interval_ms));
    last_ms == 0 || interval_ms == 0 || now.wall_ms >= last_ms.saturating_add(interval_ms)
}

/// The assignor that most members name; the broker's first if none does.
pub(super) fn preferred_assignor(group: &ConsumerGroup, assignors: &[Assignor]) -> Assignor {
    let mut votes: BTreeMap<&Str, usize> = BTreeMap::new();
    for name in group.members.values().filter_map(|member| member.metadata.server_assignor.as_ref()) {
        *votes.entry(name).or_default() += 1;
    }
    let winner = votes.into_iter().max_by_key(|(_, votes)| *votes);
    let named = winner.and_then(|(name, _)| Assignor::from_name(name));
    named.or(assignors.first().copied()).unwrap_or(Assignor::Uniform)
}

fn spec(group: &ConsumerGroup, topics: &Topics) -> GroupSpec {
    // Members of a group mostly read the same topics: they share one set.
    let mut sets: BTreeMap<Reads<'_>, Arc<BTreeSet<Uuid>>> = BTreeMap::new();
    let mut members = BTreeMap::new();
    for member in group.members.values() {
        let reads = (member.metadata.subscribed_topic_names.as_slice(), member.regex());
        let topics = sets.entry(reads).or_insert_with(|| Arc::new(topic_ids(group, member, topics))).clone();
        let spec = MemberSpec {
            instance_id: member.instance_id().cloned(),
            topics,
            assignment: group.target(&member.member_id),
        };
        members.insert(member.member_id.clone(), spec);
    }
    let ids = sets.values().flat_map(|ids| ids.iter().copied());
    let partitions = ids.filter_map(|id| Some((id, topics.partitions_of(id)?))).collect();
    GroupSpec { members, partitions }
}

/// The ids of the topics that a member reads and that exist. An expression that is not resolved yet matches none.
pub(super) fn topic_ids(group: &ConsumerGroup, member: &Member, topics: &Topics) -> BTreeSet<Uuid> {
    let matched = member.regex().and_then(|regex| group.regexes.get(regex));
    let matched = matched.into_iter().flat_map(|resolved| &resolved.topics);
    let names = member.metadata.subscribed_topic_names.iter().chain(matched);
    names.filter_map(|name| topics.id_of(name)).collect()
}
