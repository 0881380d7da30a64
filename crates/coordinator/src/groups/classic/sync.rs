//! SyncGroup: the leader brings the assignment, everyone fetches theirs.

use super::group::{ClassicGroup, GroupState};
use super::heartbeat::restart_session;
use super::rebalance::{end_syncs, name_some, prepare_rebalance, rebalance_or_complete, remove_member, sync_timer};
use crate::context::Context;
use crate::groups::cause::{Cause, Why};
use crate::groups::consumer;
use crate::machine::{Hard, Soft, StoredGroup};
use crate::{Error, GroupCoordinator, Reply};
use ottla_protocol::{Bytes, Str};
use ottla_state_machine::{Now, Outcome, Ticket};
use std::collections::BTreeMap;

/// A member asks for its assignment.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct SyncGroup {
    /// The group.
    pub group_id: Str,
    /// The generation the member is in.
    pub generation_id: i32,
    /// The member.
    pub member_id: Str,
    /// Its name over restarts.
    pub group_instance_id: Option<Str>,
    /// The protocol type it believes in, from version 5 on.
    pub protocol_type: Option<Str>,
    /// The protocol it believes in, from version 5 on.
    pub protocol_name: Option<Str>,
    /// All assignments, if it is the leader.
    pub assignments: Vec<GroupAssignment>,
}

/// What the leader assigns to a member.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupAssignment {
    /// The member.
    pub member_id: Str,
    /// What it shall do, in words that members understand.
    pub assignment: Bytes,
}

/// A member's assignment.
#[derive(Clone, Debug, PartialEq)]
pub struct Synced {
    /// The group's protocol type.
    pub protocol_type: Option<Str>,
    /// The group's protocol.
    pub protocol_name: Option<Str>,
    /// What the leader assigned to the member; empty if nothing.
    pub assignment: Bytes,
}

/// Decides a sync.
pub(crate) fn sync(
    hard: &Hard,
    soft: &mut Soft,
    now: Now,
    ticket: Ticket,
    request: SyncGroup,
    out: &mut Outcome<GroupCoordinator>,
) {
    if let Some((group_id, StoredGroup::Consumer(group))) = hard.groups.get_key_value(&request.group_id) {
        let reply = consumer::classic_sync(group_id, group, soft, now, &request, out);
        return out.reply(ticket, Reply::SyncGroup(reply));
    }
    let (group, mut cx) = soft.group(hard, &request.group_id, now, out);
    let group = match validate(group, &request) {
        Ok(group) => group,
        Err(error) => return cx.synced(ticket, Err(error)),
    };
    if group.is(GroupState::Stable) {
        mark_synced(group, &mut cx, &request.member_id);
        return cx.synced(ticket, synced(group, &request.member_id));
    }
    if let Some(superseded) = group.await_sync(&request.member_id, ticket) {
        cx.synced(superseded, Err(Error::RebalanceInProgress));
    }
    mark_synced(group, &mut cx, &request.member_id);
    if group.is_leader(&request.member_id) {
        assign(group, &mut cx, request);
    }
}

fn validate<'a>(group: Option<&'a mut ClassicGroup>, request: &SyncGroup) -> Result<&'a mut ClassicGroup, Error> {
    if request.group_id.is_empty() {
        return Err(Error::InvalidGroupId);
    }
    let group = group.ok_or(Error::UnknownMemberId)?;
    group.validate_member(&request.member_id, request.group_instance_id.as_ref())?;
    if request.generation_id != group.generation_id() {
        return Err(Error::IllegalGeneration);
    }
    let differs = |theirs: &Option<Str>, ours: &Option<Str>| theirs.is_some() && ours.is_some() && theirs != ours;
    if differs(&request.protocol_type, &group.protocol_type) || differs(&request.protocol_name, &group.protocol_name) {
        return Err(Error::InconsistentGroupProtocol);
    }
    match group.state() {
        GroupState::CompletingRebalance | GroupState::Stable => Ok(group),
        GroupState::PreparingRebalance => Err(Error::RebalanceInProgress),
        GroupState::Empty | GroupState::Dead => Err(Error::UnknownMemberId),
    }
}

/// The member has asked; when all have, nobody needs to be waited for.
fn mark_synced(group: &mut ClassicGroup, cx: &mut Context<'_>, member_id: &Str) {
    group.pending_sync.remove(member_id);
    if group.pending_sync.is_empty() {
        cx.cancel_timer(sync_timer(group));
    }
}

/// Stores the leader's assignment and hands it out to those who wait; their answers wait for the record.
fn assign(group: &mut ClassicGroup, cx: &mut Context<'_>, request: SyncGroup) {
    let assignments = request.assignments.into_iter();
    let mut assignments: BTreeMap<Str, Bytes> =
        assignments.map(|a| (a.member_id, Bytes::copy_from_slice(&a.assignment))).collect();
    for member in group.members_mut() {
        member.assignment = assignments.remove(&member.member_id).unwrap_or_default();
    }
    let record = group.to_record();
    if !cx.fits(record.max_bytes()) {
        return assignment_too_large(group, cx, &request.member_id);
    }
    cx.record(record);
    group.transition_to(GroupState::Stable, cx.now.wall_ms);
    let message = format!(
        "Assignment received from leader {} for generation {} with {} members",
        request.member_id,
        group.generation_id,
        group.members().len()
    );
    cx.info(&group.group_id, message);
    hand_out(group, cx);
}

fn hand_out(group: &mut ClassicGroup, cx: &mut Context<'_>) {
    let waiting = group.members().filter(|m| m.awaiting_sync.is_some());
    let waiting: Vec<Str> = waiting.map(|m| m.member_id.clone()).collect();
    for member_id in waiting {
        if let Some(ticket) = group.take_sync(&member_id) {
            cx.synced(ticket, synced(group, &member_id));
        }
        restart_session(group, cx, &member_id);
    }
}

fn assignment_too_large(group: &mut ClassicGroup, cx: &mut Context<'_>, leader: &Str) {
    end_syncs(group, cx, Error::RecordsTooLarge);
    let words = format!("the assignment of leader {leader} is too large to be stored");
    rebalance_or_complete(group, cx, &Why::new(Cause::AssignmentTooLarge, words));
}

fn synced(group: &ClassicGroup, member_id: &Str) -> Result<Synced, Error> {
    let member = group.member(member_id).ok_or(Error::UnknownMemberId)?;
    Ok(Synced {
        protocol_type: group.protocol_type.clone(),
        protocol_name: group.protocol_name.clone(),
        assignment: member.assignment.clone(),
    })
}

/// Members that joined and did not ask for their assignment in time are out.
pub(crate) fn sync_timed_out(
    hard: &Hard,
    soft: &mut Soft,
    now: Now,
    group_id: &Str,
    out: &mut Outcome<GroupCoordinator>,
) {
    let (Some(group), mut cx) = soft.group(hard, group_id, now, out) else {
        return;
    };
    let late: Vec<Str> = core::mem::take(&mut group.pending_sync).into_iter().collect();
    let is_expected = matches!(group.state(), GroupState::CompletingRebalance | GroupState::Stable);
    if late.is_empty() || !is_expected {
        return;
    }
    for member_id in &late {
        remove_member(group, &mut cx, member_id);
    }
    let names = name_some(&late);
    let words = format!("removing {names} on pending sync request expiration");
    prepare_rebalance(group, &mut cx, &Why::new(Cause::RebalanceTimedOut, words));
}
