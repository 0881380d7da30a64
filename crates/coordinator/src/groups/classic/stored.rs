//! A group's way into its record and back.

use super::group::{ClassicGroup, GroupState};
use super::heartbeat::session_timer;
use super::member::{Member, Protocol};
use crate::CoordinatorRecord;
use crate::context::Context;
use crate::machine::StoredGroup;
use ottla_protocol::Str;
use ottla_protocol::stored::GroupMetadataValue;
use ottla_protocol::stored::group_metadata_value::MemberMetadata;
use std::sync::Arc;

/// Kafka's mark for a time or timeout that old records do not have.
const UNKNOWN: i64 = -1;
const UNKNOWN_TIMEOUT_MS: i32 = -1;

impl ClassicGroup {
    /// The group that the log tells of, unless it is one of another protocol.
    pub(crate) fn of(group_id: &Str, stored: &StoredGroup) -> Option<Self> {
        match stored {
            StoredGroup::Offsets => Some(Self::new(group_id.clone(), None)),
            StoredGroup::Classic(stored) => Some(Self::from_stored(group_id.clone(), stored)),
            StoredGroup::Consumer(_) => None,
        }
    }

    fn from_stored(group_id: Str, stored: &GroupMetadataValue) -> Self {
        let timestamp_ms = stored.current_state_timestamp;
        let mut group = Self::new(group_id, (timestamp_ms != UNKNOWN).then_some(timestamp_ms));
        group.generation_id = stored.generation;
        group.protocol_type = Some(stored.protocol_type.clone()).filter(|protocol_type| !protocol_type.is_empty());
        group.protocol_name = stored.protocol.clone();
        group.leader_id = stored.leader.clone();
        for member in &stored.members {
            let protocol = stored.protocol.clone().unwrap_or_default();
            group.add(&stored.protocol_type, read_member(member, protocol));
        }
        if !stored.members.is_empty() {
            group.state = GroupState::Stable;
        }
        group.update_subscribed_topics();
        group
    }

    /// The record of the group with its members' assignments.
    pub(super) fn to_record(&self) -> CoordinatorRecord {
        let protocol = self.protocol_name.as_ref();
        CoordinatorRecord::Group {
            group_id: self.group_id.clone(),
            value: Some(Arc::new(GroupMetadataValue {
                protocol_type: self.protocol_type.clone().unwrap_or_default(),
                generation: self.generation_id,
                protocol: self.protocol_name.clone(),
                leader: self.leader_id.clone(),
                current_state_timestamp: self.state_timestamp_ms.unwrap_or(UNKNOWN),
                members: self.members().map(|m| write_member(m, protocol)).collect(),
                ..GroupMetadataValue::default()
            })),
        }
    }
}

fn read_member(stored: &MemberMetadata, protocol: Str) -> Member {
    let rebalance_timeout_ms = match stored.rebalance_timeout {
        UNKNOWN_TIMEOUT_MS => stored.session_timeout,
        timeout_ms => timeout_ms,
    };
    Member {
        member_id: stored.member_id.clone(),
        group_instance_id: stored.group_instance_id.clone(),
        client_id: stored.client_id.clone(),
        client_host: stored.client_host.clone(),
        rebalance_timeout_ms,
        session_timeout_ms: stored.session_timeout,
        protocols: vec![Protocol { name: protocol, metadata: stored.subscription.clone() }],
        assignment: stored.assignment.clone(),
        awaiting_join: None,
        awaiting_sync: None,
        is_new: false,
    }
}

fn write_member(member: &Member, protocol: Option<&Str>) -> MemberMetadata {
    MemberMetadata {
        member_id: member.member_id.clone(),
        group_instance_id: member.group_instance_id.clone(),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        rebalance_timeout: member.rebalance_timeout_ms,
        session_timeout: member.session_timeout_ms,
        subscription: member.metadata(protocol),
        assignment: member.assignment.clone(),
        ..MemberMetadata::default()
    }
}

/// A new coordinator gives each member a session from now on.
pub(crate) fn loaded(group_id: &Str, stored: &GroupMetadataValue, cx: &mut Context<'_>) {
    for member in &stored.members {
        let timeout_ms = i64::from(member.session_timeout);
        cx.set_timer(session_timer(group_id, &member.member_id), timeout_ms);
    }
}
