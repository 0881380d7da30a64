//! SyncGroup, Heartbeat and LeaveGroup in a group of the consumer protocol, and the times its classic members have.

use super::assignment::{holds, without_epochs};
use super::embedded;
use super::group::ConsumerGroup;
use super::heartbeat::static_member;
use super::leave::fence;
use super::member::{Member, MemberState};
use super::timers::keep_session;
use crate::context::Context;
use crate::groups::cause::{Cause, Why};
use crate::groups::classic::{
    CONSUMER_PROTOCOL_TYPE, Heartbeat, LeaveGroup, LeavingMember, LeftMember, SyncGroup, Synced, name_some,
};
use crate::machine::Soft;
use crate::{Error, GroupCoordinator, Timer};
use ottla_protocol::Str;
use ottla_state_machine::{Now, Outcome};

fn join_timer(group_id: &Str, member_id: &Str) -> Timer {
    Timer::ClassicJoin { group_id: group_id.clone(), member_id: member_id.clone() }
}

fn sync_timer(group_id: &Str, member_id: &Str) -> Timer {
    Timer::ClassicSync { group_id: group_id.clone(), member_id: member_id.clone() }
}

/// A member that joined is to ask for its assignment.
pub(super) fn expect_sync(cx: &mut Context<'_>, group_id: &Str, member_id: &Str, timeout_ms: i32) {
    cx.set_timer(sync_timer(group_id, member_id), i64::from(timeout_ms));
}

/// A member that was told to join again has its rebalance timeout for it, from the first time it was told.
fn expect_join(soft: &mut Soft, now: Now, group_id: &Str, member: &Member, out: &mut Outcome<GroupCoordinator>) {
    if soft.rejoining.insert((group_id.clone(), member.member_id.clone())) {
        let timeout_ms = i64::from(member.metadata.rebalance_timeout_ms);
        soft.context(now, out).set_timer(join_timer(group_id, &member.member_id), timeout_ms);
    }
}

/// A member joined again.
pub(super) fn cancel_join(
    soft: &mut Soft,
    now: Now,
    group_id: &Str,
    member_id: &Str,
    out: &mut Outcome<GroupCoordinator>,
) {
    if soft.rejoining.remove(&(group_id.clone(), member_id.clone())) {
        soft.context(now, out).cancel_timer(join_timer(group_id, member_id));
    }
}

/// A member is gone.
pub(super) fn cancel_timers(cx: &mut Context<'_>, group_id: &Str, member_id: &Str) {
    cx.cancel_timer(join_timer(group_id, member_id));
    cx.cancel_timer(sync_timer(group_id, member_id));
}

/// The member that asks, which must be one of the classic protocol and know its epoch.
fn find<'a>(
    group: &'a ConsumerGroup,
    member_id: &Str,
    instance_id: Option<&Str>,
    generation_id: i32,
) -> Result<&'a Member, Error> {
    let member = match instance_id {
        Some(instance_id) => static_member(group, instance_id, member_id).map_err(|refused| refused.error)?,
        None => group.members.get(member_id).ok_or(Error::UnknownMemberId)?,
    };
    match () {
        () if !member.is_classic() => Err(Error::UnknownMemberId),
        () if member.current.epoch != generation_id => Err(Error::IllegalGeneration),
        () => Ok(member),
    }
}

/// Decides a sync; the answer waits for nobody.
pub(crate) fn classic_sync(
    group_id: &Str,
    group: &ConsumerGroup,
    soft: &mut Soft,
    now: Now,
    request: &SyncGroup,
    out: &mut Outcome<GroupCoordinator>,
) -> Result<Synced, Error> {
    let member = find(group, &request.member_id, request.group_instance_id.as_ref(), request.generation_id)?;
    let protocol = member.metadata.classic_member_metadata.as_ref().and_then(|m| m.supported_protocols.first());
    let protocol = protocol.ok_or(Error::InconsistentGroupProtocol)?;
    if request.protocol_type.as_ref().is_some_and(|name| *name != CONSUMER_PROTOCOL_TYPE)
        || request.protocol_name.as_ref().is_some_and(|name| *name != protocol.name)
    {
        return Err(Error::InconsistentGroupProtocol);
    }
    // One that gives partitions away has joined already, and is told of the next rebalance when that is done.
    if group.assignment_epoch > member.current.epoch && member.current.state != MemberState::UnrevokedPartitions {
        expect_join(soft, now, group_id, member, out);
        return Err(Error::RebalanceInProgress);
    }
    let assigned = without_epochs(&member.current.assigned);
    let version = embedded::version(&protocol.metadata);
    let assignment = embedded::to_bytes(&assigned, &soft.topics, version).map_err(|_| Error::RecordsTooLarge)?;
    let mut cx = soft.context(now, out);
    cx.cancel_timer(sync_timer(group_id, &member.member_id));
    keep_session(&mut cx, &soft.topics, group_id, member);
    Ok(Synced {
        protocol_type: request.protocol_type.clone(),
        protocol_name: request.protocol_name.clone(),
        assignment,
    })
}

/// Decides a heartbeat. A member is told to join again when there is something for it to give away or to get.
pub(crate) fn classic_heartbeat(
    group_id: &Str,
    group: &ConsumerGroup,
    soft: &mut Soft,
    now: Now,
    request: &Heartbeat,
    out: &mut Outcome<GroupCoordinator>,
) -> Result<(), Error> {
    let member = find(group, &request.member_id, request.group_instance_id.as_ref(), request.generation_id)?;
    keep_session(&mut soft.context(now, out), &soft.topics, group_id, member);
    let must_rejoin = member.current.epoch < group.assignment_epoch
        || match member.current.state {
            MemberState::UnrevokedPartitions => true,
            MemberState::UnreleasedPartitions => !waits_for_others(group, member),
            MemberState::Stable | MemberState::Unknown => false,
        };
    if must_rejoin {
        expect_join(soft, now, group_id, member, out);
        return Err(Error::RebalanceInProgress);
    }
    Ok(())
}

/// Whether others still have something that the member is to get.
fn waits_for_others(group: &ConsumerGroup, member: &Member) -> bool {
    let target = group.target(&member.member_id);
    let mut wanted = target.iter().flat_map(|(id, partitions)| partitions.iter().map(|partition| (*id, *partition)));
    wanted.any(|(id, partition)| !holds(&member.current.assigned, id, partition) && group.is_held(id, partition))
}

/// Decides a leave of members of either protocol: operators remove static members by their instance ids (KIP-345).
pub(crate) fn classic_leave(
    group_id: &Str,
    group: &ConsumerGroup,
    soft: &mut Soft,
    now: Now,
    request: LeaveGroup,
    out: &mut Outcome<GroupCoordinator>,
) -> Vec<LeftMember> {
    let mut gone = Vec::new();
    let mut leave = |member: LeavingMember| {
        let found = find_leaving(group, &member);
        let result = found.map(|member_id| gone.push(member_id));
        LeftMember { member_id: member.member_id, group_instance_id: member.group_instance_id, result }
    };
    let replies = request.members.into_iter().map(&mut leave).collect();
    gone.sort();
    gone.dedup();
    if !gone.is_empty() {
        let why = Why::new(Cause::MemberLeft, format!("explicit LeaveGroup request of {}", name_some(&gone)));
        fence(group_id, group, &gone, &why, soft, now, out);
    }
    replies
}

fn find_leaving(group: &ConsumerGroup, leaving: &LeavingMember) -> Result<Str, Error> {
    let member = match &leaving.group_instance_id {
        None => group.members.get(&leaving.member_id),
        Some(instance_id) if leaving.member_id.is_empty() => group.static_member(instance_id),
        Some(instance_id) => {
            let member = static_member(group, instance_id, &leaving.member_id);
            Some(member.map_err(|refused| refused.error)?)
        }
    };
    member.map(|member| member.member_id.clone()).ok_or(Error::UnknownMemberId)
}
