//! Heartbeat, and the sessions that it keeps alive.

use super::group::{ClassicGroup, GroupState};
use crate::context::Context;
use crate::groups::consumer;
use crate::machine::{Hard, Soft, StoredGroup};
use crate::{Error, GroupCoordinator, Timer};
use ottla_protocol::Str;
use ottla_state_machine::{Now, Outcome};

/// A member says that it lives.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Heartbeat {
    /// The group.
    pub group_id: Str,
    /// The generation the member is in.
    pub generation_id: i32,
    /// The member.
    pub member_id: Str,
    /// Its name over restarts.
    pub group_instance_id: Option<Str>,
}

/// Decides a heartbeat.
pub(crate) fn heartbeat(
    hard: &Hard,
    soft: &mut Soft,
    now: Now,
    request: &Heartbeat,
    out: &mut Outcome<GroupCoordinator>,
) -> Result<(), Error> {
    if request.group_id.is_empty() {
        return Err(Error::InvalidGroupId);
    }
    if let Some((group_id, StoredGroup::Consumer(group))) = hard.groups.get_key_value(&request.group_id) {
        return consumer::classic_heartbeat(group_id, group, soft, now, request, out);
    }
    let (Some(group), mut cx) = soft.group(hard, &request.group_id, now, out) else {
        return Err(Error::UnknownMemberId);
    };
    group.validate_member(&request.member_id, request.group_instance_id.as_ref())?;
    if request.generation_id != group.generation_id() {
        return Err(Error::IllegalGeneration);
    }
    restart_session(group, &mut cx, &request.member_id);
    match group.is(GroupState::PreparingRebalance) {
        true => Err(Error::RebalanceInProgress),
        false => Ok(()),
    }
}

/// Gives a member its whole session again.
pub(crate) fn restart_session(group: &ClassicGroup, cx: &mut Context<'_>, member_id: &Str) {
    if let Some(member) = group.member(member_id) {
        // The group's own name for it: that of a request would keep the whole request in memory.
        restart_session_with(group, cx, &member.member_id, i64::from(member.session_timeout_ms));
    }
}

/// Gives a member a time of its own.
pub(super) fn restart_session_with(group: &ClassicGroup, cx: &mut Context<'_>, member_id: &Str, timeout_ms: i64) {
    cx.set_timer(session_timer(&group.group_id, member_id), timeout_ms);
}

/// The timer of a member's session.
pub(crate) fn session_timer(group_id: &Str, member_id: &Str) -> Timer {
    Timer::Session { group_id: group_id.clone(), member_id: member_id.clone() }
}
