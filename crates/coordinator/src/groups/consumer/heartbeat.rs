//! ConsumerGroupHeartbeat: a member joins, says that it lives and what it has, and learns what it is to have.

use super::assignment::{Assignment, is_subset, without_epochs};
use super::draft::Draft;
use super::group::{ConsumerGroup, removal_records, target_record};
use super::member::{Current, LEAVE_GROUP_MEMBER_EPOCH, LEAVE_GROUP_STATIC_MEMBER_EPOCH, Member};
use super::reconcile::{Target, reconcile};
use super::regex::{self, RegexChange};
use super::timers::{keep_rebalance_timer, keep_session};
use super::{leave, open, target};
use crate::groups::cause::{Cause, Why};
use crate::machine::{Hard, Soft};
use crate::{Error, GroupCoordinator};
use ottla_config::group_keys::CONSUMER_HEARTBEAT_INTERVAL_MS;
use ottla_protocol::Str;
use ottla_protocol::stored::ConsumerGroupMemberMetadataValue;
use ottla_state_machine::{Now, Outcome};
use std::sync::Arc;

/// The mark for a rebalance timeout that is not given.
const NO_TIMEOUT: i32 = -1;

/// A member is heard of. What is none has not changed since the member told it last.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct ConsumerHeartbeat {
    /// The group.
    pub group_id: Str,
    /// The member; empty if the coordinator is to choose (version 0).
    pub member_id: Str,
    /// The id for a member that brings none; random.
    pub new_member_id: Str,
    /// The member's epoch; 0 to join, -1 to leave, -2 for a static member that will come back.
    pub member_epoch: i32,
    /// Its name over restarts.
    pub instance_id: Option<Str>,
    /// Its rack.
    pub rack_id: Option<Str>,
    /// Its client's id.
    pub client_id: Str,
    /// Its client's address.
    pub client_host: Str,
    /// How long it may take to give partitions away; -1 if it has not changed.
    pub rebalance_timeout_ms: i32,
    /// The topics it reads.
    pub subscribed_topic_names: Option<Vec<Str>>,
    /// The expression for the topics it reads, in RE2's syntax; empty for none.
    pub subscribed_topic_regex: Option<Str>,
    /// The assignor it would have.
    pub server_assignor: Option<Str>,
    /// The partitions it has.
    pub topic_partitions: Option<Assignment>,
}

/// What a member is told.
#[derive(Clone, Debug, PartialEq)]
pub struct ConsumerHeartbeatAnswer {
    /// Its id.
    pub member_id: Str,
    /// Its epoch from now on.
    pub member_epoch: i32,
    /// When to be heard of again.
    pub heartbeat_interval_ms: i32,
    /// What it has from now on; none if that is what it had.
    pub assignment: Option<Assignment>,
}

/// A refusal, with words for the client's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What is wrong.
    pub error: Error,
    /// The same in words.
    pub message: String,
}

impl Refused {
    pub(crate) fn new(error: Error, message: impl Into<String>) -> Self {
        Self { error, message: message.into() }
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::new(error, error.to_string())
    }
}

/// Decides a heartbeat.
pub(crate) fn heartbeat(
    hard: &Hard,
    soft: &mut Soft,
    now: Now,
    request: ConsumerHeartbeat,
    out: &mut Outcome<GroupCoordinator>,
) -> Result<ConsumerHeartbeatAnswer, Refused> {
    match request.member_epoch {
        LEAVE_GROUP_MEMBER_EPOCH | LEAVE_GROUP_STATIC_MEMBER_EPOCH => leave::leave(hard, soft, now, &request, out),
        _ => live(hard, soft, now, &request, out),
    }
}

fn live(
    hard: &Hard,
    soft: &mut Soft,
    now: Now,
    request: &ConsumerHeartbeat,
    out: &mut Outcome<GroupCoordinator>,
) -> Result<ConsumerHeartbeatAnswer, Refused> {
    let mut draft = open::open(hard, soft, &request.group_id, request.member_epoch == 0)?;
    has_room(draft.group(), &request.member_id, soft)?;
    let before = find_member(&mut draft, request)?;
    let had_regexes = !draft.group().regexes.is_empty();
    let mut member = before.clone();
    if !says_nothing_new(&before, request) {
        member.metadata = Arc::new(updated(&before, request));
    }
    let is_new = !draft.group().members.contains_key(&member.member_id);
    if is_new || member.metadata != before.metadata {
        draft.write(member.metadata_record());
    }
    let names_changed = member.metadata.subscribed_topic_names != before.metadata.subscribed_topic_names;
    let regex_change = regex::change(&mut draft, &before, &member)?;
    let why =
        (names_changed || regex_change == RegexChange::Resolved).then(|| joined_or_changed("member", &member, is_new));
    target::refresh_epoch(&mut draft, soft, why, now, out);
    target::refresh(&mut draft, soft, now, out);
    let topic_ids = target::topic_ids(draft.group(), &member, &soft.topics);
    let next = reconcile(
        draft.group(),
        &member,
        &Target {
            epoch: draft.group().assignment_epoch,
            assignment: &draft.group().target(&member.member_id),
            topic_ids: &topic_ids,
            has_subscription_changed: names_changed || regex_change != RegexChange::None,
            owned: request.topic_partitions.as_ref(),
        },
    )?;
    let has_moved = next != member.current;
    member.current = next;
    if has_moved {
        draft.write_last(member.current_record());
    }
    let answer = answer(request, &before, &member, soft);
    let last = soft.resolved.get(&draft.group_id).filter(|_| had_regexes);
    let wants_regexes = regex::wants_refresh(draft.group(), &member, regex_change, last, soft, now);
    // Timers outlive the request, and its text would keep it in memory.
    let group_id = draft.group_id.clone();
    open::close(draft, hard, soft, now, out)?;
    let mut cx = soft.context(now, out);
    if has_moved {
        keep_rebalance_timer(&mut cx, &group_id, &member);
    }
    keep_session(&mut cx, &soft.topics, &group_id, &member);
    if wants_regexes {
        regex::schedule(&mut cx, &group_id);
    }
    Ok(answer)
}

/// A member, called so, makes for a new epoch by what it reads.
pub(super) fn joined_or_changed(what: &str, member: &Member, is_new: bool) -> Why {
    match is_new {
        true => Why::new(Cause::MemberJoined, format!("{what} {} joined", member.member_id)),
        false => Why::new(Cause::SubscriptionChanged, format!("{what} {} reads other topics", member.member_id)),
    }
}

fn has_room(group: &ConsumerGroup, member_id: &Str, soft: &Soft) -> Result<(), Refused> {
    let max = soft.settings.group_consumer_max_size;
    let is_full = i32::try_from(group.members.size()).map_or(true, |members| members >= max);
    match is_full && (member_id.is_empty() || !group.members.contains_key(member_id)) {
        true => Err(Refused::new(
            Error::GroupMaxSizeReached,
            format!("The consumer group has reached its maximum capacity of {max} members."),
        )),
        false => Ok(()),
    }
}

/// The member as the group knows it; a new one, if it joins.
fn find_member(draft: &mut Draft<'_>, request: &ConsumerHeartbeat) -> Result<Member, Refused> {
    let member_id = match request.member_id.is_empty() {
        true => request.new_member_id.clone(),
        false => request.member_id.detached(),
    };
    match &request.instance_id {
        None => {
            let joins = request.member_epoch == 0;
            let member = known_member(draft, &member_id, joins)?;
            validate_epoch(&member, request)?;
            Ok(member)
        }
        Some(instance_id) if request.member_epoch == 0 => join_static(draft, member_id, instance_id, false),
        Some(instance_id) => {
            let member = static_member(draft.group(), instance_id, &member_id)?.clone();
            validate_epoch(&member, request)?;
            Ok(member)
        }
    }
}

fn known_member(draft: &Draft<'_>, member_id: &Str, joins: bool) -> Result<Member, Refused> {
    match draft.group().members.get(member_id) {
        Some(member) => Ok(member.clone()),
        None if joins => Ok(Member::new(member_id.clone())),
        None => Err(unknown_member(&draft.group_id, member_id)),
    }
}

pub(super) fn unknown_member(group_id: &Str, member_id: &Str) -> Refused {
    Refused::new(Error::UnknownMemberId, format!("Member {member_id} is not a member of group {group_id}."))
}

/// The member that has the instance id, which must be the caller.
pub(super) fn static_member<'a>(
    group: &'a ConsumerGroup,
    instance_id: &Str,
    member_id: &Str,
) -> Result<&'a Member, Refused> {
    let Some(member) = group.static_member(instance_id) else {
        return Err(Refused::new(Error::UnknownMemberId, format!("Instance id {instance_id} is unknown.")));
    };
    match member.member_id == *member_id {
        true => Ok(member),
        false => Err(Refused::new(
            Error::FencedInstanceId,
            format!(
                "Static member {member_id} with instance id {instance_id} was fenced by member {}.",
                member.member_id
            ),
        )),
    }
}

/// A static member joins, in the place of the one that had its instance id. If both are of the consumer protocol, that one
/// must have left for a while (KIP-848).
pub(super) fn join_static(
    draft: &mut Draft<'_>,
    member_id: Str,
    instance_id: &Str,
    is_classic: bool,
) -> Result<Member, Refused> {
    let Some(existing) = draft.group().static_member(instance_id).cloned() else {
        return Ok(draft.group().member_or_new(&member_id));
    };
    let has_left = existing.current.epoch == LEAVE_GROUP_STATIC_MEMBER_EPOCH;
    if !is_classic && !existing.is_classic() && !has_left {
        let message = format!(
            "Static member {member_id} with instance id {instance_id} cannot join the group because the instance id is \
             owned by {} member.",
            existing.member_id
        );
        return Err(Refused::new(Error::UnreleasedInstanceId, message));
    }
    let target = draft.group().target(&existing.member_id);
    let current = Current { epoch: 0, previous_epoch: 0, ..(*existing.current).clone() };
    let member = Member { member_id, current: Arc::new(current), metadata: existing.metadata };
    draft.write_all(removal_records(&existing.member_id));
    draft.write(member.metadata_record());
    draft.write(target_record(&member.member_id, &target));
    draft.write(member.current_record());
    Ok(member)
}

/// A member that lost an answer comes with the epoch before, and may have no more than it was told then.
fn validate_epoch(member: &Member, request: &ConsumerHeartbeat) -> Result<(), Refused> {
    let (received, known) = (request.member_epoch, member.current.epoch);
    let repeats = || {
        let owned = request.topic_partitions.as_ref();
        received == member.current.previous_epoch
            && owned.is_some_and(|owned| is_subset(owned, &member.current.assigned))
    };
    let relation = match received {
        0 => return Ok(()),
        _ if received == known => return Ok(()),
        _ if received > known => "greater",
        _ if repeats() => return Ok(()),
        _ => "smaller",
    };
    Err(Refused::new(
        Error::FencedMemberEpoch,
        format!(
            "The consumer group member has a {relation} member epoch ({received}) than the one known by the group \
             coordinator ({known}). The member must abandon all its partitions and rejoin."
        ),
    ))
}

/// Most heartbeats say only that the member lives.
fn says_nothing_new(before: &Member, request: &ConsumerHeartbeat) -> bool {
    let known = &before.metadata;
    request.subscribed_topic_names.is_none()
        && request.subscribed_topic_regex.is_none()
        && request.server_assignor.is_none()
        && request.rack_id.is_none()
        && request.rebalance_timeout_ms == NO_TIMEOUT
        && (request.instance_id.is_none() || request.instance_id == known.instance_id)
        && request.client_id == known.client_id
        && request.client_host == known.client_host
        && known.classic_member_metadata.is_none()
}

/// What the member says of itself, with what it said before where it says nothing.
fn updated(before: &Member, request: &ConsumerHeartbeat) -> ConsumerGroupMemberMetadataValue {
    let mut metadata = (*before.metadata).clone();
    let keep = |value: &mut Option<Str>, new: &Option<Str>| {
        if let Some(new) = new {
            *value = Some(new.detached());
        }
    };
    keep(&mut metadata.instance_id, &request.instance_id);
    keep(&mut metadata.rack_id, &request.rack_id);
    keep(&mut metadata.server_assignor, &request.server_assignor);
    keep(&mut metadata.subscribed_topic_regex, &request.subscribed_topic_regex);
    if request.rebalance_timeout_ms != NO_TIMEOUT {
        metadata.rebalance_timeout_ms = request.rebalance_timeout_ms;
    }
    if let Some(names) = &request.subscribed_topic_names {
        metadata.subscribed_topic_names = names.iter().map(Str::detached).collect();
        metadata.subscribed_topic_names.sort();
        metadata.subscribed_topic_names.dedup();
    }
    metadata.client_id = request.client_id.detached();
    metadata.client_host = request.client_host.detached();
    metadata.classic_member_metadata = None;
    metadata
}

/// A member that says all of itself wants to hear all as well: it joins, or had an error.
fn answer(request: &ConsumerHeartbeat, before: &Member, member: &Member, soft: &Soft) -> ConsumerHeartbeatAnswer {
    let names_topics = request.subscribed_topic_names.is_some() || request.subscribed_topic_regex.is_some();
    let is_full = request.rebalance_timeout_ms != NO_TIMEOUT && names_topics && request.topic_partitions.is_some();
    let is_told = request.member_epoch == 0 || is_full || before.current.assigned != member.current.assigned;
    let limits = &soft.settings.group_consumer_heartbeat_intervals_ms;
    let interval_ms = soft.topics.group_config_ms(&request.group_id, CONSUMER_HEARTBEAT_INTERVAL_MS, limits);
    ConsumerHeartbeatAnswer {
        member_id: member.member_id.clone(),
        member_epoch: member.current.epoch,
        heartbeat_interval_ms: interval_ms.unwrap_or(soft.settings.group_consumer_heartbeat_interval_ms),
        assignment: is_told.then(|| without_epochs(&member.current.assigned)),
    }
}
