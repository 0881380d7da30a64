//! From one generation to the next: asking members to join, waiting for them, and going on with those who came.

use super::describe::view;
use super::group::{ClassicGroup, GroupState, InitialDelay};
use super::heartbeat::{restart_session, session_timer};
use super::join::{Joined, JoinedMember};
use super::list::GroupType;
use super::member::Member;
use crate::context::Context;
use crate::groups::cause::{Cause, Why};
use crate::machine::{Hard, Soft};
use crate::{Error, GroupCoordinator, Level, Timer};
use ottla_protocol::Str;
use ottla_state_machine::{Now, Outcome};

/// Begins a rebalance, or goes on with the one there is.
pub(super) fn rebalance_or_complete(group: &mut ClassicGroup, cx: &mut Context<'_>, why: &Why) {
    match group.is(GroupState::PreparingRebalance) {
        true => maybe_complete_join(group, cx),
        false => prepare_rebalance(group, cx, why),
    }
}

/// Begins a rebalance.
pub(super) fn prepare_rebalance(group: &mut ClassicGroup, cx: &mut Context<'_>, why: &Why) {
    if group.is(GroupState::CompletingRebalance) {
        end_syncs(group, cx, Error::RebalanceInProgress);
    }
    group.pending_sync.clear();
    cx.cancel_timer(sync_timer(group));
    let is_initial = group.is(GroupState::Empty);
    if is_initial {
        begin_initial_delay(group, cx);
    }
    group.transition_to(GroupState::PreparingRebalance, cx.now.wall_ms);
    let generation_id = group.generation_id;
    let line = format!("Preparing to rebalance, old generation {generation_id} (reason: {why})");
    cx.rebalances(&group.group_id, GroupType::Classic, why, line);
    if is_initial {
        return;
    }
    match group.has_all_members_joined() {
        true => complete_join(group, cx),
        false => set_join_timer(group, cx, group.rebalance_timeout_ms()),
    }
}

/// The first member waits a while for others, so that a fleet that starts together rebalances once (KIP-134).
fn begin_initial_delay(group: &mut ClassicGroup, cx: &mut Context<'_>) {
    let delay_ms = i64::from(cx.settings.group_initial_rebalance_delay_ms);
    let remaining_ms = (group.rebalance_timeout_ms() - delay_ms).max(0);
    set_join_timer(group, cx, delay_ms);
    group.new_member_added = false;
    group.initial_delay = Some(InitialDelay { delay_ms, remaining_ms });
}

/// Ends the joining if everyone is there, unless it is a group's first rebalance, which waits for more.
pub(super) fn maybe_complete_join(group: &mut ClassicGroup, cx: &mut Context<'_>) {
    let is_initial = group.previous_state == GroupState::Empty;
    if group.is(GroupState::PreparingRebalance) && !is_initial && group.has_all_members_joined() {
        complete_join(group, cx);
    }
}

/// The time to join is over.
pub(crate) fn join_timed_out(
    hard: &Hard,
    soft: &mut Soft,
    now: Now,
    group_id: &Str,
    out: &mut Outcome<GroupCoordinator>,
) {
    let (Some(group), mut cx) = soft.group(hard, group_id, now, out) else {
        return;
    };
    if !group.is(GroupState::PreparingRebalance) {
        return;
    }
    match group.initial_delay {
        Some(delay) if group.new_member_added && delay.remaining_ms != 0 => {
            extend_initial_delay(group, &mut cx, delay);
        }
        _ => complete_join(group, &mut cx),
    }
}

fn extend_initial_delay(group: &mut ClassicGroup, cx: &mut Context<'_>, delay: InitialDelay) {
    group.new_member_added = false;
    let configured_ms = i64::from(cx.settings.group_initial_rebalance_delay_ms);
    let next = InitialDelay {
        delay_ms: configured_ms.min(delay.remaining_ms),
        remaining_ms: (delay.remaining_ms - delay.delay_ms).max(0),
    };
    set_join_timer(group, cx, next.delay_ms);
    group.initial_delay = Some(next);
}

/// Ends the joining: who did not come is out, except static members, whose time is their session.
pub(super) fn complete_join(group: &mut ClassicGroup, cx: &mut Context<'_>) {
    cx.cancel_timer(join_timer(group));
    group.initial_delay = None;
    remove_late_members(group, cx);
    if group.members().len() == 0 {
        become_empty(group, cx);
    } else if group.elect_joined_leader() {
        begin_generation(group, cx);
    } else {
        let message = "Could not complete the rebalance because no members rejoined".to_owned();
        cx.log(Level::Warn, &group.group_id, message);
        set_join_timer(group, cx, group.rebalance_timeout_ms());
    }
}

fn remove_late_members(group: &mut ClassicGroup, cx: &mut Context<'_>) {
    let is_late = |m: &&Member| !m.is_awaiting_join() && !m.is_static();
    let late = group.members().filter(is_late);
    let late: Vec<Str> = late.map(|m| m.member_id.clone()).collect();
    if late.is_empty() {
        return;
    }
    for member_id in &late {
        remove_member(group, cx, member_id);
    }
    let names = name_some(&late);
    let message = format!("Removed dynamic members who have not joined: {names}");
    cx.info(&group.group_id, message);
}

fn become_empty(group: &mut ClassicGroup, cx: &mut Context<'_>) {
    group.init_next_generation(cx.now.wall_ms);
    cx.info(&group.group_id, format!("Generation {} is now empty", group.generation_id));
    cx.record(group.to_record());
}

/// Tells the members of the generation, and the leader of all members.
fn begin_generation(group: &mut ClassicGroup, cx: &mut Context<'_>) {
    group.init_next_generation(cx.now.wall_ms);
    let message = format!("Stabilized generation {} with {} members", group.generation_id, group.members().len());
    cx.info(&group.group_id, message);
    let member_ids: Vec<Str> = group.members().map(|m| m.member_id.clone()).collect();
    for member_id in &member_ids {
        let joined = joined(group, member_id);
        if let Some(ticket) = group.take_join(member_id) {
            cx.joined(ticket, joined);
        }
        restart_session(group, cx, member_id);
    }
    for member in group.members_mut() {
        member.is_new = false;
    }
    group.pending_sync.extend(member_ids);
    cx.set_timer(sync_timer(group), group.rebalance_timeout_ms());
}

/// What a member of the current generation is told; only its leader learns of the others.
pub(super) fn joined(group: &ClassicGroup, member_id: &Str) -> Joined {
    let protocol = group.protocol_name.as_ref();
    let describe = |m: &Member| JoinedMember {
        member_id: m.member_id.clone(),
        group_instance_id: m.group_instance_id.clone(),
        metadata: m.metadata(protocol),
    };
    Joined {
        generation_id: group.generation_id,
        protocol_type: group.protocol_type.clone(),
        protocol_name: group.protocol_name.clone(),
        leader: group.leader_id.clone().unwrap_or_default(),
        skip_assignment: false,
        member_id: member_id.clone(),
        members: match group.is_leader(member_id) {
            true => group.members().map(describe).collect(),
            false => Vec::new(),
        },
    }
}

/// Takes a member out and tells whoever waits for it that it is unknown, so that it joins anew if it lives.
pub(super) fn remove_member(group: &mut ClassicGroup, cx: &mut Context<'_>, member_id: &Str) {
    cx.cancel_timer(session_timer(&group.group_id, member_id));
    let Some(member) = group.take(member_id) else {
        return;
    };
    if let Some(ticket) = member.awaiting_join {
        cx.refuse_join(ticket, Error::UnknownMemberId, &Str::default());
    }
    if let Some(ticket) = member.awaiting_sync {
        cx.synced(ticket, Err(Error::UnknownMemberId));
    }
}

/// Ends all waiting for assignments with an error, and forgets those of the generation before.
pub(super) fn end_syncs(group: &mut ClassicGroup, cx: &mut Context<'_>, error: Error) {
    let mut answered = Vec::new();
    for member in group.members_mut() {
        member.assignment = ottla_protocol::Bytes::new();
        if let Some(ticket) = member.awaiting_sync.take() {
            cx.synced(ticket, Err(error));
            answered.push(member.member_id.clone());
        }
    }
    for member_id in answered {
        restart_session(group, cx, &member_id);
    }
}

/// The maximum size has come below the size of groups: their members must join again, and the last get no place.
pub(crate) fn rebalance_oversized(hard: &Hard, soft: &mut Soft, now: Now, out: &mut Outcome<GroupCoordinator>) {
    let max_size = usize::try_from(soft.settings.group_max_size).unwrap_or(usize::MAX);
    let is_over = |group_id: &&Str| view(hard, soft, group_id).is_some_and(|g| g.members().len() > max_size);
    let oversized: Vec<Str> = hard.groups.keys().filter(is_over).cloned().collect();
    for group_id in oversized {
        let (Some(group), mut cx) = soft.group(hard, &group_id, now, out) else {
            continue;
        };
        if !group.is(GroupState::PreparingRebalance) {
            let size = group.members().len();
            let words = format!("the group of {size} members is over the maximum size");
            prepare_rebalance(group, &mut cx, &Why::new(Cause::GroupTooLarge, words));
        }
    }
}

pub(super) fn join_timer(group: &ClassicGroup) -> Timer {
    Timer::Join { group_id: group.group_id.clone() }
}

pub(super) fn sync_timer(group: &ClassicGroup) -> Timer {
    Timer::Sync { group_id: group.group_id.clone() }
}

fn set_join_timer(group: &ClassicGroup, cx: &mut Context<'_>, after_ms: i64) {
    cx.set_timer(join_timer(group), after_ms);
}

/// Names of members for a log line; the first few, so that a line stays a line.
pub(crate) fn name_some(member_ids: &[Str]) -> String {
    const SOME: usize = 10;
    let some: Vec<&str> = member_ids.iter().take(SOME).map(Str::as_str).collect();
    let more = member_ids.len().saturating_sub(SOME);
    match more {
        0 => some.join(", "),
        _ => format!("{} and {more} more", some.join(", ")),
    }
}
