//! JoinGroup of a member of the classic protocol that is in, or comes into, a group of the consumer protocol.

use super::classic_member::{cancel_join, expect_sync};
use super::downgrade::{downgrade, may_replace};
use super::draft::Draft;
use super::embedded;
use super::group::ConsumerGroup;
use super::heartbeat::{Refused, join_static, joined_or_changed, static_member};
use super::member::Member;
use super::reconcile::{Target, reconcile};
use super::regex::{self, RegexChange};
use super::target;
use super::timers::keep_session;
use super::upgrade::classic_metadata;
use crate::groups::cause::{Cause, Why};
use crate::groups::classic::{CONSUMER_PROTOCOL_TYPE, JoinGroup, JoinRefused, Joined};
use crate::machine::{Hard, Soft, StoredGroup};
use crate::{Error, GroupCoordinator, MigrationPolicy};
use ottla_protocol::Str;
use ottla_protocol::stored::{ConsumerGroupMemberMetadataValue, ConsumerProtocolSubscription};
use ottla_state_machine::{Now, Outcome};
use std::sync::Arc;

/// Decides the join; the answer does not wait for the others, as the coordinator assigns.
pub(crate) fn classic_join(
    hard: &Hard,
    soft: &mut Soft,
    now: Now,
    request: &JoinGroup,
    out: &mut Outcome<GroupCoordinator>,
) -> Result<Joined, JoinRefused> {
    let Some((group_id, StoredGroup::Consumer(group))) = hard.groups.get_key_value(&request.group_id) else {
        return Err(JoinRefused { error: Error::UnknownMemberId, member_id: request.member_id.clone() });
    };
    let draft = Draft::of(group_id.clone(), group);
    let member_id = match request.member_id.is_empty() {
        true => request.member_id_suffix.clone(),
        false => request.member_id.detached(),
    };
    // As in Kafka a member that is refused is not told its id.
    let refused = |error| JoinRefused { error, member_id: Str::default() };
    admit(group, &member_id, request, soft).map_err(refused)?;
    if request.require_known_member_id && request.member_id.is_empty() && request.group_instance_id.is_none() {
        return Err(JoinRefused { error: Error::MemberIdRequired, member_id });
    }
    let first = request.protocols.first().and_then(|protocol| embedded::subscription(&protocol.metadata).ok());
    let subscription = first.ok_or_else(|| refused(Error::InconsistentGroupProtocol))?;
    let joined = join(draft, member_id, request, &subscription, soft, now, out);
    joined.map_err(|refusal| refused(refusal.error))
}

/// Whether the member may be in the group.
fn admit(group: &ConsumerGroup, member_id: &Str, request: &JoinGroup, soft: &Soft) -> Result<(), Error> {
    if soft.settings.group_consumer_migration_policy == MigrationPolicy::Disabled {
        return Err(Error::InconsistentGroupProtocol);
    }
    let max = soft.settings.group_consumer_max_size;
    let is_full = i32::try_from(group.members.size()).map_or(true, |members| members >= max);
    if is_full && !group.members.contains_key(member_id) {
        return Err(Error::GroupMaxSizeReached);
    }
    if request.protocol_type != CONSUMER_PROTOCOL_TYPE || !shares_protocol(group, request) {
        return Err(Error::InconsistentGroupProtocol);
    }
    Ok(())
}

/// Members of the classic protocol must be able to go back to it together.
fn shares_protocol(group: &ConsumerGroup, request: &JoinGroup) -> bool {
    let knows = |member: &Member, name: &Str| {
        let classic = member.metadata.classic_member_metadata.as_ref();
        classic.is_none_or(|classic| classic.supported_protocols.iter().any(|each| each.name == *name))
    };
    let all_know = |name: &Str| group.members.values().all(|member| knows(member, name));
    request.protocols.iter().any(|protocol| all_know(&protocol.name))
}

fn join(
    mut draft: Draft<'_>,
    member_id: Str,
    request: &JoinGroup,
    subscription: &ConsumerProtocolSubscription,
    soft: &mut Soft,
    now: Now,
    out: &mut Outcome<GroupCoordinator>,
) -> Result<Joined, Refused> {
    let instance_id = request.group_instance_id.as_ref();
    let replaced = instance_id.and_then(|instance_id| draft.group().static_member(instance_id)).cloned();
    let downgrades = replaced.is_some_and(|replaced| may_replace(draft.group(), &replaced, soft));
    let before = match instance_id {
        None => draft.group().member_or_new(&member_id),
        Some(instance_id) if request.member_id.is_empty() => join_static(&mut draft, member_id, instance_id, true)?,
        Some(instance_id) => static_member(draft.group(), instance_id, &member_id)?.clone(),
    };
    let mut member = Member { metadata: Arc::new(updated(&before, request, subscription)), ..before.clone() };
    let is_new = !draft.group().members.contains_key(&member.member_id);
    if is_new || member.metadata != before.metadata {
        draft.write(member.metadata_record());
    }
    let names_changed = member.metadata.subscribed_topic_names != before.metadata.subscribed_topic_names;
    let has_changed = names_changed || regex::change(&mut draft, &before, &member)? != RegexChange::None;
    let why = has_changed.then(|| joined_or_changed("classic member", &member, is_new));
    target::refresh_epoch(&mut draft, soft, why, now, out);
    let is_stale = draft.group().assignment_epoch < draft.group().epoch;
    if !downgrades {
        target::refresh(&mut draft, soft, now, out);
    }
    if !(downgrades && is_stale) {
        let topic_ids = target::topic_ids(draft.group(), &member, &soft.topics);
        let owned = embedded::owned(subscription, &soft.topics);
        let target = Target {
            epoch: draft.group().assignment_epoch,
            assignment: &draft.group().target(&member.member_id),
            topic_ids: &topic_ids,
            has_subscription_changed: has_changed,
            owned: Some(&owned),
        };
        let next = reconcile(draft.group(), &member, &target)?;
        if next != member.current {
            member.current = next;
            draft.write(member.current_record());
        }
    }
    let joined = joined(&member, request);
    if !draft.fits(&soft.context(now, out)) {
        return Err(Error::RecordsTooLarge.into());
    }
    if downgrades {
        let words = "downgrade from the consumer protocol with a stale assignment";
        let why = is_stale.then(|| Why::new(Cause::Downgraded, words));
        downgrade(draft, &[], why.as_ref(), soft, now, out);
        return Ok(joined);
    }
    let group_id = draft.group_id.clone();
    draft.finish(&mut soft.context(now, out));
    cancel_join(soft, now, &group_id, &member.member_id, out);
    let mut cx = soft.context(now, out);
    keep_session(&mut cx, &soft.topics, &group_id, &member);
    expect_sync(&mut cx, &group_id, &member.member_id, request.rebalance_timeout_ms);
    Ok(joined)
}

fn updated(
    before: &Member,
    request: &JoinGroup,
    subscription: &ConsumerProtocolSubscription,
) -> ConsumerGroupMemberMetadataValue {
    let mut names: Vec<Str> = subscription.topics.iter().map(Str::detached).collect();
    names.sort();
    names.dedup();
    let was = &before.metadata;
    ConsumerGroupMemberMetadataValue {
        instance_id: request.group_instance_id.as_ref().map(Str::detached).or_else(|| was.instance_id.clone()),
        rack_id: subscription.rack_id.as_ref().map(Str::detached).or_else(|| was.rack_id.clone()),
        client_id: request.client_id.detached(),
        client_host: request.client_host.detached(),
        subscribed_topic_names: names,
        subscribed_topic_regex: Some(Str::default()),
        rebalance_timeout_ms: request.rebalance_timeout_ms,
        server_assignor: was.server_assignor.clone(),
        classic_member_metadata: Some(Box::new(classic_metadata(request.session_timeout_ms, &request.protocols))),
        ..ConsumerGroupMemberMetadataValue::default()
    }
}

/// Nobody leads: whoever is told so assigns nothing and only asks for its assignment.
fn joined(member: &Member, request: &JoinGroup) -> Joined {
    Joined {
        generation_id: member.current.epoch,
        protocol_type: Some(Str::from_static(CONSUMER_PROTOCOL_TYPE)),
        protocol_name: request.protocols.first().map(|protocol| protocol.name.detached()),
        leader: Str::default(),
        skip_assignment: false,
        member_id: member.member_id.clone(),
        members: Vec::new(),
    }
}
