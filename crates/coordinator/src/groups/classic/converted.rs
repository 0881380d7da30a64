//! Groups that come from the consumer protocol, or go to it (KIP-848).

use super::delete::forget;
use super::group::{CONSUMER_PROTOCOL_TYPE, ClassicGroup, GroupState};
use super::heartbeat::restart_session;
use super::member::{Member, Protocol};
use super::rebalance::{end_syncs, prepare_rebalance};
use crate::context::Context;
use crate::groups::cause::{Cause, Why};
use crate::machine::{Hard, Soft, StoredGroup};
use crate::{Error, GroupCoordinator};
use ottla_protocol::stored::ConsumerGroupMemberMetadataValue;
use ottla_protocol::{Bytes, Str};
use ottla_state_machine::{Now, Outcome};

impl Member {
    /// A member as the consumer protocol knew it.
    pub(crate) fn converted(
        member_id: Str,
        metadata: &ConsumerGroupMemberMetadataValue,
        session_timeout_ms: i32,
        protocols: Vec<Protocol>,
        assignment: Bytes,
    ) -> Self {
        Self {
            member_id,
            group_instance_id: metadata.instance_id.clone(),
            client_id: metadata.client_id.clone(),
            client_host: metadata.client_host.clone(),
            rebalance_timeout_ms: metadata.rebalance_timeout_ms,
            session_timeout_ms,
            protocols,
            assignment,
            awaiting_join: None,
            awaiting_sync: None,
            is_new: false,
        }
    }
}

impl ClassicGroup {
    /// A stable group of members that have their assignments.
    pub(crate) fn converted(
        group_id: Str,
        generation_id: i32,
        members: impl Iterator<Item = Member>,
        now_ms: i64,
    ) -> Self {
        let mut group = Self::new(group_id, Some(now_ms));
        let protocol_type = Str::from_static(CONSUMER_PROTOCOL_TYPE);
        members.for_each(|member| group.add(&protocol_type, member));
        group.generation_id = generation_id;
        group.protocol_name = group.select_protocol();
        group.state = GroupState::Stable;
        group.update_subscribed_topics();
        group
    }

    pub(crate) fn protocol_name(&self) -> Option<&Str> {
        self.protocol_name.as_ref()
    }
}

/// Writes the group, and has its members join again if there is a reason for it. Then nobody is written down as its leader, so
/// that another coordinator, to which a group is stable that has members, knows that they are to join again.
pub(crate) fn begin(group: &mut ClassicGroup, cx: &mut Context<'_>, why: Option<&Why>) {
    let leader_id = group.leader_id.take_if(|_| why.is_some());
    cx.record(group.to_record());
    group.leader_id = leader_id.or(group.leader_id.take());
    let members: Vec<Str> = group.members().map(|member| member.member_id.clone()).collect();
    members.iter().for_each(|member_id| restart_session(group, cx, member_id));
    if let Some(why) = why {
        prepare_rebalance(group, cx, why);
    }
}

/// Goes on with what [`begin`] began where the coordinator before could not.
pub(crate) fn resume_downgrades(hard: &Hard, soft: &mut Soft, now: Now, out: &mut Outcome<GroupCoordinator>) {
    let is_unfinished = |stored: &StoredGroup| match stored {
        StoredGroup::Classic(stored) => stored.leader.is_none() && !stored.members.is_empty(),
        _ => false,
    };
    let unfinished = hard.groups.iter().filter(|(_, stored)| is_unfinished(stored));
    let unfinished: Vec<Str> = unfinished.map(|(group_id, _)| group_id.clone()).collect();
    for group_id in unfinished {
        if let (Some(group), mut cx) = soft.group(hard, &group_id, now, out) {
            let words = "its downgrade from the consumer protocol was interrupted";
            prepare_rebalance(group, &mut cx, &Why::new(Cause::Downgraded, words));
        }
    }
}

/// Ends a group that goes on by the consumer protocol. Whoever waits in it is asked to join again.
pub(crate) fn end(group: &mut ClassicGroup, cx: &mut Context<'_>) {
    let members: Vec<Str> = group.members().map(|member| member.member_id.clone()).collect();
    for member_id in &members {
        if let Some(ticket) = group.take_join(member_id) {
            cx.refuse_join(ticket, Error::RebalanceInProgress, &Str::default());
        }
    }
    end_syncs(group, cx, Error::RebalanceInProgress);
    forget(group, cx);
}
