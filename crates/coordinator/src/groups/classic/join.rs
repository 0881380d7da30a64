//! JoinGroup: who may come in, and new members.

use super::group::{ClassicGroup, GroupState};
use super::heartbeat::{restart_session_with, session_timer};
use super::join_existing::join_existing;
use super::join_static::replace_static;
use super::member::{Member, Protocol};
use super::rebalance::{rebalance_or_complete, remove_member};
use crate::context::Context;
use crate::groups::cause::{Cause, Why};
use crate::groups::consumer;
use crate::machine::{Hard, Soft, StoredGroup};
use crate::{Error, GroupCoordinator, Reply};
use ottla_protocol::{Bytes, Str};
use ottla_state_machine::{Now, Outcome, Ticket};
use std::collections::BTreeSet;

/// Ids, names and metadata of a member together may have this many bytes. Kafka has no such limit, but a member that
/// large cannot be stored either.
pub const MAX_MEMBER_METADATA_BYTES: usize = 1024 * 1024;
/// Members of a group that were given an id and have not yet joined with it.
pub const MAX_PENDING_MEMBERS: usize = 10_000;
/// Group metadata records hold names with a length of 16 bits.
const MAX_NAME_BYTES: usize = i16::MAX as usize;
/// What is left free for the 36 letters of a UUID and a dash.
const MAX_MEMBER_ID_PREFIX_BYTES: usize = MAX_NAME_BYTES - 64;
/// What a protocol takes besides its name and metadata.
const PROTOCOL_OVERHEAD_BYTES: usize = 64;
/// Clients send reasons of at most this length (KIP-800).
const MAX_REASON_CHARS: usize = 255;

/// A member wants to be in the next generation.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct JoinGroup {
    /// The group.
    pub group_id: Str,
    /// The member, empty if it has no id yet.
    pub member_id: Str,
    /// The member's name over restarts (KIP-345).
    pub group_instance_id: Option<Str>,
    /// The client's id, from the request header.
    pub client_id: Str,
    /// The client's address; Kafka writes `/127.0.0.1`.
    pub client_host: Str,
    /// What makes a new member's id unique: a random UUID as text.
    pub member_id_suffix: Str,
    /// How long the member may be silent.
    pub session_timeout_ms: i32,
    /// How long the member may take to join again.
    pub rebalance_timeout_ms: i32,
    /// `consumer`, `connect` and the like.
    pub protocol_type: Str,
    /// What the member can be assigned by, in the order of its preference.
    pub protocols: Vec<Protocol>,
    /// Why it joins, for the log (KIP-800).
    pub reason: Option<Str>,
    /// Whether a new member must join again with the id it is given: from version 4 on (KIP-394).
    pub require_known_member_id: bool,
    /// Whether a leader can be told to keep the assignment: from version 9 on (KIP-814).
    pub supports_skipping_assignment: bool,
}

/// A member is in the generation.
#[derive(Clone, Debug, PartialEq)]
pub struct Joined {
    /// The generation.
    pub generation_id: i32,
    /// The group's protocol type.
    pub protocol_type: Option<Str>,
    /// The protocol the members agree on.
    pub protocol_name: Option<Str>,
    /// The member that assigns.
    pub leader: Str,
    /// The leader must not assign anew (KIP-814).
    pub skip_assignment: bool,
    /// The member's id.
    pub member_id: Str,
    /// All members, for the leader; for others none.
    pub members: Vec<JoinedMember>,
}

/// A member, as the leader sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct JoinedMember {
    /// The member's id.
    pub member_id: Str,
    /// The member's name over restarts.
    pub group_instance_id: Option<Str>,
    /// Its metadata for the protocol agreed on.
    pub metadata: Bytes,
}

/// A member is not in the generation.
#[derive(Clone, Debug, PartialEq)]
pub struct JoinRefused {
    /// Why not.
    pub error: Error,
    /// The id it has, or is given with [`Error::MemberIdRequired`].
    pub member_id: Str,
}

/// Decides a join.
pub(crate) fn join(
    hard: &Hard,
    soft: &mut Soft,
    now: Now,
    ticket: Ticket,
    mut request: JoinGroup,
    out: &mut Outcome<GroupCoordinator>,
) {
    let is_unknown_member = request.member_id.is_empty();
    let group_id = request.group_id.clone();
    if let Err(error) = validate(&request, &soft.settings) {
        let mut cx = soft.context(now, out);
        return cx.refuse_join(ticket, error, &request.member_id);
    }
    let is_new_group = match hard.groups.get(&group_id) {
        Some(StoredGroup::Consumer(group)) if group.members.is_empty() => true,
        Some(StoredGroup::Consumer(_)) => {
            let reply = consumer::classic_join(hard, soft, now, &request, out);
            return out.reply(ticket, Reply::JoinGroup(reply));
        }
        Some(_) => false,
        None => true,
    };
    if is_new_group && is_unknown_member {
        // A group of the consumer protocol that nobody is in gives way.
        if let Some((group_id, StoredGroup::Consumer(group))) = hard.groups.get_key_value(&group_id) {
            consumer::forget(group_id, group, &mut soft.context(now, out));
            soft.forget_consumer_group(group_id);
        }
        let group_id = group_id.detached();
        let group = ClassicGroup::new(group_id.clone(), Some(now.wall_ms));
        soft.groups.insert(group_id, Box::new(group));
    }
    let (Some(group), mut cx) = soft.group(hard, &group_id, now, out) else {
        let mut cx = soft.context(now, out);
        return cx.refuse_join(ticket, Error::UnknownMemberId, &request.member_id);
    };
    if is_new_group && is_unknown_member {
        // Written before the first rebalance, so that a new coordinator knows of the group too.
        cx.record(group.to_record());
    }
    own(&mut request);
    join_group(group, &mut cx, ticket, request);
}

fn join_group(group: &mut ClassicGroup, cx: &mut Context<'_>, ticket: Ticket, request: JoinGroup) {
    let is_unknown_member = request.member_id.is_empty();
    if !has_room_for(group, cx, &request.member_id) {
        remove_member(group, cx, &request.member_id);
        cx.refuse_join(ticket, Error::GroupMaxSizeReached, &Str::default());
    } else if !group.supports_protocols(&request.protocol_type, &request.protocols) {
        cx.refuse_join(ticket, Error::InconsistentGroupProtocol, &request.member_id);
    } else if is_unknown_member {
        join_new(group, cx, ticket, request);
    } else {
        join_existing(group, cx, ticket, request);
    }
}

/// Whether a member may be in the group. While members rejoin, those who came count, so that the last find no room in
/// a group that is too large.
fn has_room_for(group: &ClassicGroup, cx: &Context<'_>, member_id: &Str) -> bool {
    let max_size = usize::try_from(cx.settings.group_max_size).unwrap_or(0);
    let member = group.member(member_id);
    match group.state() {
        GroupState::Empty | GroupState::Dead => true,
        GroupState::PreparingRebalance => {
            member.is_some_and(Member::is_awaiting_join) || group.awaiting_join_count() < max_size
        }
        GroupState::CompletingRebalance | GroupState::Stable => member.is_some() || group.members().len() < max_size,
    }
}

fn join_new(group: &mut ClassicGroup, cx: &mut Context<'_>, ticket: Ticket, request: JoinGroup) {
    let name = request.group_instance_id.as_ref();
    let name = name.unwrap_or(&request.client_id);
    let member_id = Str::from(format!("{name}-{}", request.member_id_suffix));
    let static_id = request.group_instance_id.as_ref();
    match static_id.and_then(|id| group.static_member_id(id)).cloned() {
        Some(old_id) => replace_static(group, cx, ticket, request, &old_id, &member_id),
        None if static_id.is_none() && request.require_known_member_id => {
            require_member_id(group, cx, ticket, &request, member_id);
        }
        None => add_member(group, cx, ticket, request, member_id),
    }
}

/// Gives out an id to join with, so that a client that loses answers does not leave dead members behind (KIP-394).
fn require_member_id(
    group: &mut ClassicGroup,
    cx: &mut Context<'_>,
    ticket: Ticket,
    request: &JoinGroup,
    member_id: Str,
) {
    if group.pending().len() >= MAX_PENDING_MEMBERS {
        return cx.refuse_join(ticket, Error::TooManyPendingMembers, &Str::default());
    }
    let timer = session_timer(&group.group_id, &member_id);
    cx.set_timer(timer, i64::from(request.session_timeout_ms));
    cx.refuse_join(ticket, Error::MemberIdRequired, &member_id);
    group.add_pending(member_id);
}

/// Takes a new member in. Its session is a long one at first: it cannot send heartbeats while it waits in its join.
pub(super) fn add_member(
    group: &mut ClassicGroup,
    cx: &mut Context<'_>,
    ticket: Ticket,
    request: JoinGroup,
    member_id: Str,
) {
    let words = format!(
        "adding new member {member_id} with group instance id {}; client reason: {}",
        request.group_instance_id.as_deref().unwrap_or("none"),
        client_reason(request.reason.as_ref())
    );
    if group.is(GroupState::PreparingRebalance) && group.previous_state == GroupState::Empty {
        group.new_member_added = true;
    }
    let member = Member {
        member_id: member_id.clone(),
        group_instance_id: request.group_instance_id,
        client_id: request.client_id,
        client_host: request.client_host,
        rebalance_timeout_ms: request.rebalance_timeout_ms,
        session_timeout_ms: request.session_timeout_ms,
        protocols: request.protocols,
        assignment: Bytes::new(),
        awaiting_join: Some(ticket),
        awaiting_sync: None,
        is_new: true,
    };
    group.add(&request.protocol_type, member);
    let timeout_ms = i64::from(cx.settings.group_new_member_join_timeout_ms);
    restart_session_with(group, cx, &member_id, timeout_ms);
    rebalance_or_complete(group, cx, &Why::new(Cause::MemberJoined, words));
}

/// A reason that a client gave, at a length for a log line.
pub(super) fn client_reason(reason: Option<&Str>) -> String {
    let reason = reason.map_or("not provided", Str::as_str);
    reason.chars().take(MAX_REASON_CHARS).collect()
}

fn validate(request: &JoinGroup, settings: &crate::Settings) -> Result<(), Error> {
    if request.group_id.is_empty() || request.group_id.len() > MAX_NAME_BYTES {
        return Err(Error::InvalidGroupId);
    }
    let allowed = settings.group_min_session_timeout_ms..=settings.group_max_session_timeout_ms;
    if !allowed.contains(&request.session_timeout_ms) {
        return Err(Error::InvalidSessionTimeout);
    }
    let names = [
        Some(&request.member_id),
        request.group_instance_id.as_ref(),
        Some(&request.client_id),
        Some(&request.client_host),
        Some(&request.protocol_type),
    ];
    let names = names.into_iter().flatten();
    let protocols = request.protocols.iter();
    let mut all_names = names.clone().chain(protocols.clone().map(|p| &p.name));
    if all_names.any(|name| name.len() > MAX_MEMBER_ID_PREFIX_BYTES) {
        return Err(Error::NameTooLong);
    }
    let metadata = protocols.map(|p| PROTOCOL_OVERHEAD_BYTES + p.name.len() + p.metadata.len());
    let size = metadata.sum::<usize>() + names.map(|name| name.len()).sum::<usize>();
    match size > MAX_MEMBER_METADATA_BYTES {
        true => Err(Error::MemberMetadataTooLarge),
        false => Ok(()),
    }
}

/// Copies what the group will keep, as the request's bytes belong to a larger buffer, and keeps the first protocol of
/// each name.
fn own(request: &mut JoinGroup) {
    request.client_id = request.client_id.detached();
    request.client_host = request.client_host.detached();
    request.member_id = request.member_id.detached();
    request.protocol_type = request.protocol_type.detached();
    request.group_instance_id = request.group_instance_id.as_ref().map(Str::detached);
    let mut seen = BTreeSet::new();
    let protocols = core::mem::take(&mut request.protocols);
    let first = protocols.into_iter().filter(|p| seen.insert(p.name.clone()));
    request.protocols =
        first.map(|p| Protocol { name: p.name.detached(), metadata: Bytes::copy_from_slice(&p.metadata) }).collect();
}
