//! JoinGroup of a static member that was restarted: it takes its old place under a new id (KIP-345).

use super::group::{ClassicGroup, GroupState};
use super::heartbeat::{restart_session, session_timer};
use super::join::{JoinGroup, client_reason};
use super::join_existing::wait_for_others;
use super::rebalance::{joined, maybe_complete_join, prepare_rebalance, rebalance_or_complete};
use crate::Error;
use crate::context::Context;
use crate::groups::cause::{Cause, Why};
use ottla_protocol::Str;
use ottla_state_machine::Ticket;

pub(super) fn replace_static(
    group: &mut ClassicGroup,
    cx: &mut Context<'_>,
    ticket: Ticket,
    request: JoinGroup,
    old_member_id: &Str,
    member_id: &Str,
) {
    let old_leader = group.leader_id.clone().unwrap_or_default();
    let reason = client_reason(request.reason.as_ref());
    let supports_skipping_assignment = request.supports_skipping_assignment;
    fence(group, cx, old_member_id);
    group.rename(old_member_id, member_id);
    restart_session(group, cx, member_id);
    match group.state() {
        GroupState::Stable => {
            let settled = settle(group, cx, ticket, request, member_id);
            if settled && supports_skipping_assignment {
                let mut joined = joined(group, member_id);
                joined.skip_assignment = group.is_leader(member_id);
                cx.joined(ticket, joined);
            } else if settled {
                // A leader that cannot skip the assignment must not take itself for one.
                let mut joined = joined(group, member_id);
                joined.leader = old_leader;
                joined.members.clear();
                cx.joined(ticket, joined);
            } else {
                let words =
                    format!("static member {member_id} joined with a change of protocol; client reason: {reason}");
                rebalance_or_complete(group, cx, &Why::new(Cause::SubscriptionChanged, words));
            }
        }
        // The leader may already be assigning to the old id.
        GroupState::CompletingRebalance => {
            wait_for_others(group, cx, ticket, request, member_id);
            let words = format!("updated metadata of static member {member_id}; client reason: {reason}");
            prepare_rebalance(group, cx, &Why::new(Cause::StaticMemberReplaced, words));
        }
        GroupState::PreparingRebalance | GroupState::Empty | GroupState::Dead => {
            wait_for_others(group, cx, ticket, request, member_id);
            maybe_complete_join(group, cx);
        }
    }
}

/// Takes the new id into a stable group without a rebalance, if the members still agree on the protocol. If they do
/// not, the member waits.
fn settle(group: &mut ClassicGroup, cx: &mut Context<'_>, ticket: Ticket, request: JoinGroup, member_id: &Str) -> bool {
    group.update(member_id, request.protocols, request.rebalance_timeout_ms, request.session_timeout_ms);
    if group.protocol_name != group.select_protocol() {
        group.await_join(member_id, ticket);
        return false;
    }
    group.update_subscribed_topics();
    cx.record(group.to_record());
    true
}

/// Whoever waits under the old id is told that another has taken its place.
fn fence(group: &mut ClassicGroup, cx: &mut Context<'_>, old_member_id: &Str) {
    cx.cancel_timer(session_timer(&group.group_id, old_member_id));
    if let Some(ticket) = group.take_join(old_member_id) {
        cx.refuse_join(ticket, Error::FencedInstanceId, old_member_id);
    }
    if let Some(ticket) = group.take_sync(old_member_id) {
        cx.synced(ticket, Err(Error::FencedInstanceId));
    }
}
