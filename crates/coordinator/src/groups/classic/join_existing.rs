//! JoinGroup of members that have an id.

use super::group::{ClassicGroup, GroupState};
use super::join::{JoinGroup, add_member, client_reason};
use super::rebalance::{joined, rebalance_or_complete};
use crate::Error;
use crate::context::Context;
use crate::groups::cause::{Cause, Why};
use ottla_protocol::Str;
use ottla_state_machine::Ticket;

pub(super) fn join_existing(group: &mut ClassicGroup, cx: &mut Context<'_>, ticket: Ticket, request: JoinGroup) {
    let member_id = request.member_id.clone();
    if group.is_pending(&member_id) && request.group_instance_id.is_none() {
        return add_member(group, cx, ticket, request, member_id);
    }
    if let Err(error) = group.validate_member(&member_id, request.group_instance_id.as_ref()) {
        return cx.refuse_join(ticket, error, &member_id);
    }
    match why_rebalance(group, &request) {
        Ok(Some((cause, what))) => {
            let client_reason = client_reason(request.reason.as_ref());
            let words = format!("{what} {member_id} during {}; client reason: {client_reason}", group.state());
            wait_for_others(group, cx, ticket, request, &member_id);
            rebalance_or_complete(group, cx, &Why::new(cause, words));
        }
        // The answer was lost perhaps; the generation is what it was.
        Ok(None) => {
            let mut joined = joined(group, &member_id);
            if group.is(GroupState::Stable) {
                joined.members.clear();
            }
            cx.joined(ticket, joined);
        }
        Err(error) => cx.refuse_join(ticket, error, &member_id),
    }
}

/// Why the join of a known member asks for a new generation, if it does.
fn why_rebalance(group: &ClassicGroup, request: &JoinGroup) -> Result<Option<(Cause, &'static str)>, Error> {
    let member_id = &request.member_id;
    let protocols = group.member(member_id).map(|m| m.protocols());
    let has_changed = protocols.is_none_or(|protocols| protocols != request.protocols);
    match group.state() {
        GroupState::PreparingRebalance => Ok(Some((Cause::MemberJoined, "joining member"))),
        // Leaders rejoin when something changed that members do not tell of, such as a topic's partitions.
        GroupState::Stable if group.is_leader(member_id) => Ok(Some((Cause::LeaderRejoined, "rejoining leader"))),
        GroupState::CompletingRebalance | GroupState::Stable if has_changed => {
            Ok(Some((Cause::SubscriptionChanged, "updated metadata of member")))
        }
        GroupState::CompletingRebalance | GroupState::Stable => Ok(None),
        GroupState::Empty | GroupState::Dead => Err(Error::UnknownMemberId),
    }
}

/// Takes over what the member says and lets it wait. Whoever waited for the same member is told to try again: Kafka
/// never answers it, for its connection is gone in all likelihood.
pub(super) fn wait_for_others(
    group: &mut ClassicGroup,
    cx: &mut Context<'_>,
    ticket: Ticket,
    request: JoinGroup,
    member_id: &Str,
) {
    group.update(member_id, request.protocols, request.rebalance_timeout_ms, request.session_timeout_ms);
    if let Some(superseded) = group.await_join(member_id, ticket) {
        cx.refuse_join(superseded, Error::RebalanceInProgress, member_id);
    }
}
