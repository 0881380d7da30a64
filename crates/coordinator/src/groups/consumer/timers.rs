//! How long members may be silent, and how long they may take to give partitions away.

use super::classic_member;
use super::group::ConsumerGroup;
use super::leave::fence;
use super::member::{Member, MemberState};
use super::topics::Topics;
use crate::context::Context;
use crate::groups::cause::{Cause, Why};
use crate::groups::classic::session_timer;
use crate::machine::{Hard, Soft, StoredGroup};
use crate::{GroupCoordinator, Timer};
use ottla_config::group_keys::CONSUMER_SESSION_TIMEOUT_MS;
use ottla_protocol::Str;
use ottla_state_machine::{Now, Outcome};

fn rebalance_timer(group_id: &Str, member_id: &Str) -> Timer {
    Timer::Rebalance { group_id: group_id.clone(), member_id: member_id.clone() }
}

/// Gives a member its whole session again.
pub(super) fn keep_session(cx: &mut Context<'_>, topics: &Topics, group_id: &Str, member: &Member) {
    let timeout_ms = match &member.metadata.classic_member_metadata {
        Some(classic) => classic.session_timeout_ms,
        None => {
            let limits = &cx.settings.group_consumer_session_timeouts_ms;
            let own_ms = topics.group_config_ms(group_id, CONSUMER_SESSION_TIMEOUT_MS, limits);
            own_ms.unwrap_or(cx.settings.group_consumer_session_timeout_ms)
        }
    };
    cx.set_timer(session_timer(group_id, &member.member_id), i64::from(timeout_ms));
}

/// A member that must give partitions away has its rebalance timeout to do it.
pub(super) fn keep_rebalance_timer(cx: &mut Context<'_>, group_id: &Str, member: &Member) {
    let timer = rebalance_timer(group_id, &member.member_id);
    match member.current.state == MemberState::UnrevokedPartitions {
        true => cx.set_timer(timer, i64::from(member.metadata.rebalance_timeout_ms)),
        false => cx.cancel_timer(timer),
    }
}

/// A member is gone.
pub(super) fn cancel_timers(cx: &mut Context<'_>, group_id: &Str, member_id: &Str) {
    cx.cancel_timer(session_timer(group_id, member_id));
    cx.cancel_timer(rebalance_timer(group_id, member_id));
    classic_member::cancel_timers(cx, group_id, member_id);
}

/// A new coordinator gives each member its times from now on.
pub(crate) fn loaded(group_id: &Str, group: &ConsumerGroup, topics: &Topics, cx: &mut Context<'_>) {
    for member in group.members.values() {
        keep_session(cx, topics, group_id, member);
        if member.current.state == MemberState::UnrevokedPartitions {
            keep_rebalance_timer(cx, group_id, member);
        }
    }
}

/// A member was silent for too long; true if it was one of a group of this protocol.
pub(crate) fn session_expired(
    hard: &Hard,
    soft: &mut Soft,
    now: Now,
    group_id: &Str,
    member_id: &Str,
    out: &mut Outcome<GroupCoordinator>,
) -> bool {
    let why = (Cause::SessionExpired, "its session expired");
    expire(hard, soft, now, (group_id, member_id), why, out)
}

/// A member did not give its partitions away in time.
pub(crate) fn rebalance_timed_out(
    hard: &Hard,
    soft: &mut Soft,
    now: Now,
    group_id: &Str,
    member_id: &Str,
    out: &mut Outcome<GroupCoordinator>,
) {
    let why = (Cause::RebalanceTimedOut, "it did not give its partitions away within the rebalance timeout");
    expire(hard, soft, now, (group_id, member_id), why, out);
}

/// A member of the classic protocol did not join again, or did not ask for its assignment, in time.
pub(crate) fn classic_timed_out(
    hard: &Hard,
    soft: &mut Soft,
    now: Now,
    group_id: &Str,
    member_id: &Str,
    out: &mut Outcome<GroupCoordinator>,
) {
    soft.rejoining.remove(&(group_id.clone(), member_id.clone()));
    let why = (Cause::RebalanceTimedOut, "it did not join or sync within the rebalance timeout");
    expire(hard, soft, now, (group_id, member_id), why, out);
}

fn expire(
    hard: &Hard,
    soft: &mut Soft,
    now: Now,
    (group_id, member_id): (&Str, &Str),
    (cause, words): (Cause, &str),
    out: &mut Outcome<GroupCoordinator>,
) -> bool {
    let Some(StoredGroup::Consumer(group)) = hard.groups.get(group_id) else {
        return false;
    };
    if group.members.contains_key(member_id) {
        let why = Why::new(cause, format!("member {member_id} is removed: {words}"));
        fence(group_id, group, std::slice::from_ref(member_id), &why, soft, now, out);
    }
    true
}
