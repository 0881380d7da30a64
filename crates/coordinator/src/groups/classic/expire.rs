//! Sessions that run out.

use super::group::{ClassicGroup, GroupState};
use super::rebalance::{complete_join, prepare_rebalance, remove_member};
use crate::GroupCoordinator;
use crate::context::Context;
use crate::groups::cause::{Cause, Why};
use crate::machine::{Hard, Soft};
use ottla_protocol::Str;
use ottla_state_machine::{Now, Outcome};

/// A member, pending or not, was silent for its whole session.
pub(crate) fn session_expired(
    hard: &Hard,
    soft: &mut Soft,
    now: Now,
    group_id: &Str,
    member_id: &Str,
    out: &mut Outcome<GroupCoordinator>,
) {
    let (Some(group), mut cx) = soft.group(hard, group_id, now, out) else {
        return;
    };
    if group.remove_pending(member_id) {
        let message = format!("Pending member {member_id} has been removed after session timeout expiration");
        cx.info(group_id, message);
        complete_if_all_joined(group, &mut cx);
    } else if let Some(member) = group.member(member_id)
        && !member.has_satisfied_heartbeat()
    {
        remove_silent(group, &mut cx, member_id);
    }
}

fn remove_silent(group: &mut ClassicGroup, cx: &mut Context<'_>, member_id: &Str) {
    let words = format!("removing member {member_id} on heartbeat expiration");
    remove_member(group, cx, member_id);
    match group.state() {
        GroupState::Stable | GroupState::CompletingRebalance => {
            prepare_rebalance(group, cx, &Why::new(Cause::SessionExpired, words));
        }
        _ => complete_if_all_joined(group, cx),
    }
}

/// Those who are left may all be waiting for the one that is gone.
fn complete_if_all_joined(group: &mut ClassicGroup, cx: &mut Context<'_>) {
    if group.is(GroupState::PreparingRebalance) && group.has_all_members_joined() {
        complete_join(group, cx);
    }
}
