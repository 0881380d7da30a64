//! Members leave, for good or for a while, or are removed.

use super::downgrade::{downgrade, may_downgrade};
use super::draft::Draft;
use super::group::{ConsumerGroup, removal_records};
use super::heartbeat::{ConsumerHeartbeat, ConsumerHeartbeatAnswer, Refused, static_member, unknown_member};
use super::member::{Current, LEAVE_GROUP_STATIC_MEMBER_EPOCH, Member};
use super::open;
use super::record::ConsumerGroupRecord;
use super::timers::cancel_timers;
use crate::GroupCoordinator;
use crate::context::Context;
use crate::groups::cause::{Cause, Why};
use crate::groups::classic::GroupType;
use crate::machine::{Hard, Soft};
use ottla_protocol::Str;
use ottla_state_machine::{Now, Outcome};
use std::sync::Arc;

/// Decides a heartbeat by which a member leaves.
pub(super) fn leave(
    hard: &Hard,
    soft: &mut Soft,
    now: Now,
    request: &ConsumerHeartbeat,
    out: &mut Outcome<GroupCoordinator>,
) -> Result<ConsumerHeartbeatAnswer, Refused> {
    let draft = open::existing(hard, soft, &request.group_id)?;
    let member = find_member(draft.group(), request)?.clone();
    let (member_id, group_id) = (&member.member_id, draft.group_id.clone());
    match request.member_epoch == LEAVE_GROUP_STATIC_MEMBER_EPOCH {
        true => leave_for_a_while(draft, &member, &mut soft.context(now, out)),
        false => {
            let why = Why::new(Cause::MemberLeft, format!("member {member_id} left"));
            fence(&group_id, draft.group(), std::slice::from_ref(member_id), &why, soft, now, out);
        }
    }
    Ok(ConsumerHeartbeatAnswer {
        member_id: request.member_id.clone(),
        member_epoch: request.member_epoch,
        heartbeat_interval_ms: 0,
        assignment: None,
    })
}

fn find_member<'a>(group: &'a ConsumerGroup, request: &ConsumerHeartbeat) -> Result<&'a Member, Refused> {
    match &request.instance_id {
        Some(instance_id) => static_member(group, instance_id, &request.member_id),
        None => {
            let member = group.members.get(&request.member_id);
            member.ok_or_else(|| unknown_member(&request.group_id, &request.member_id))
        }
    }
}

/// A static member keeps its place, and its session runs on (KIP-848). What it has counts as given anew, so that commits
/// of the one that left are told from those of the one that comes.
fn leave_for_a_while(mut draft: Draft<'_>, member: &Member, cx: &mut Context<'_>) {
    let mut current = Current { epoch: LEAVE_GROUP_STATIC_MEMBER_EPOCH, ..(*member.current).clone() };
    current.pending_revocation.clear();
    current.assigned.values_mut().flat_map(|partitions| partitions.values_mut()).for_each(|epoch| *epoch = 0);
    let member = Member { current: Arc::new(current), ..member.clone() };
    draft.write_last(member.current_record());
    cx.info(&draft.group_id, format!("Static member {} left for a while", member.member_id));
    draft.finish(cx);
}

/// Removes members: the group goes on without them from its next epoch on, by the classic protocol if only members of
/// that are left.
pub(super) fn fence(
    group_id: &Str,
    group: &ConsumerGroup,
    member_ids: &[Str],
    why: &Why,
    soft: &mut Soft,
    now: Now,
    out: &mut Outcome<GroupCoordinator>,
) {
    let mut draft = Draft::of(group_id.clone(), group);
    if may_downgrade(group, member_ids, soft) {
        return downgrade(draft, member_ids, Some(why), soft, now, out);
    }
    for member_id in member_ids {
        let regex = group.members.get(member_id).and_then(Member::regex).cloned();
        draft.write_all(removal_records(member_id));
        if let Some(regex) = regex
            && !draft.group().regex_subscribers.contains_key(&regex)
            && draft.group().regexes.contains_key(&regex)
        {
            draft.write(ConsumerGroupRecord::Regex(regex, None));
        }
    }
    let hash = draft.metadata_hash(&mut soft.topics);
    draft.bump(hash);
    for member_id in member_ids {
        soft.rejoining.remove(&(group_id.clone(), member_id.clone()));
    }
    let mut cx = soft.context(now, out);
    cx.rebalances(group_id, GroupType::Consumer, why, format!("Epoch {}: {why}", draft.group().epoch));
    member_ids.iter().for_each(|member_id| cancel_timers(&mut cx, group_id, member_id));
    draft.finish(&mut cx);
}
