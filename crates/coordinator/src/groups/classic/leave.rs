//! LeaveGroup: members go, or an administrator removes them.

use super::group::{ClassicGroup, GroupState};
use super::heartbeat::session_timer;
use super::join::client_reason;
use super::rebalance::{maybe_complete_join, name_some, prepare_rebalance, remove_member};
use crate::context::Context;
use crate::groups::cause::{Cause, Why};
use crate::groups::consumer;
use crate::machine::{Hard, Soft, StoredGroup};
use crate::{Error, GroupCoordinator};
use ottla_protocol::Str;
use ottla_state_machine::{Now, Outcome};

/// Members leave together (KIP-345).
#[derive(Clone, Debug, PartialEq, Default)]
pub struct LeaveGroup {
    /// The group.
    pub group_id: Str,
    /// Who leaves.
    pub members: Vec<LeavingMember>,
}

/// A member that leaves.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct LeavingMember {
    /// Its id; empty to remove a static member by its instance id.
    pub member_id: Str,
    /// Its name over restarts.
    pub group_instance_id: Option<Str>,
    /// Why, for the log (KIP-800).
    pub reason: Option<Str>,
}

/// What became of a leaving member.
#[derive(Clone, Debug, PartialEq)]
pub struct LeftMember {
    /// The id in the request.
    pub member_id: Str,
    /// The instance id in the request.
    pub group_instance_id: Option<Str>,
    /// Whether it is out.
    pub result: Result<(), Error>,
}

/// Decides a leave.
pub(crate) fn leave(
    hard: &Hard,
    soft: &mut Soft,
    now: Now,
    request: LeaveGroup,
    out: &mut Outcome<GroupCoordinator>,
) -> Result<Vec<LeftMember>, Error> {
    if request.group_id.is_empty() {
        return Err(Error::InvalidGroupId);
    }
    if let Some((group_id, StoredGroup::Consumer(group))) = hard.groups.get_key_value(&request.group_id) {
        return Ok(consumer::classic_leave(group_id, group, soft, now, request, out));
    }
    let (Some(group), mut cx) = soft.group(hard, &request.group_id, now, out) else {
        let all = request.members.into_iter();
        return Ok(all.map(|m| left(m, Err(Error::UnknownMemberId))).collect());
    };
    let reason = request.members.iter().find_map(|m| m.reason.clone());
    let leave = |member: LeavingMember| {
        let result = leave_one(group, &mut cx, &member);
        left(member, result)
    };
    let replies: Vec<LeftMember> = request.members.into_iter().map(leave).collect();
    let gone = replies.iter().filter(|reply| reply.result.is_ok());
    let gone: Vec<Str> = gone.map(name).collect();
    if !gone.is_empty() {
        go_on_without(group, &mut cx, &gone, reason.as_ref());
    }
    Ok(replies)
}

fn name(member: &LeftMember) -> Str {
    match member.member_id.is_empty() {
        true => member.group_instance_id.clone().unwrap_or_default(),
        false => member.member_id.clone(),
    }
}

fn left(member: LeavingMember, result: Result<(), Error>) -> LeftMember {
    LeftMember { member_id: member.member_id, group_instance_id: member.group_instance_id, result }
}

fn leave_one(group: &mut ClassicGroup, cx: &mut Context<'_>, member: &LeavingMember) -> Result<(), Error> {
    let instance_id = member.group_instance_id.as_ref();
    if member.member_id.is_empty() {
        let member_id = instance_id.and_then(|id| group.static_member_id(id));
        let member_id = member_id.cloned().ok_or(Error::UnknownMemberId)?;
        remove_member(group, cx, &member_id);
    } else if group.remove_pending(&member.member_id) {
        cx.cancel_timer(session_timer(&group.group_id, &member.member_id));
    } else {
        group.validate_member(&member.member_id, instance_id)?;
        remove_member(group, cx, &member.member_id);
    }
    Ok(())
}

fn go_on_without(group: &mut ClassicGroup, cx: &mut Context<'_>, gone: &[Str], reason: Option<&Str>) {
    let words = format!("explicit LeaveGroup request of {}; client reason: {}", name_some(gone), client_reason(reason));
    match group.state() {
        GroupState::Stable | GroupState::CompletingRebalance => {
            prepare_rebalance(group, cx, &Why::new(Cause::MemberLeft, words));
        }
        GroupState::PreparingRebalance => maybe_complete_join(group, cx),
        GroupState::Empty | GroupState::Dead => {}
    }
}
