//! A group of the classic protocol becomes one of the consumer protocol, with the members and the assignment it has.

use super::assignment::{Assignment, with_epoch};
use super::draft::Draft;
use super::embedded;
use super::group::target_record;
use super::heartbeat::Refused;
use super::member::{Current, Member, MemberState};
use super::record::ConsumerGroupRecord;
use super::topics::Topics;
use crate::groups::classic::{self, ClassicGroup};
use crate::machine::Soft;
use crate::{Error, MigrationPolicy};
use ottla_protocol::Str;
use ottla_protocol::stored::{
    ConsumerGroupMemberMetadataValue, ConsumerGroupMetadataValue, ConsumerGroupTargetAssignmentMetadataValue,
    consumer_group_member_metadata_value::{ClassicMemberMetadata, ClassicProtocol},
};
use std::sync::Arc;

/// The group as one of the consumer protocol, if it may and can be one.
pub(super) fn upgrade(group: &ClassicGroup, soft: &mut Soft) -> Result<Draft<'static>, Refused> {
    let refuse = |reason: &str| {
        let message = format!("Cannot upgrade classic group {} to consumer group because {reason}.", group.group_id);
        Err(Refused::new(Error::GroupIdNotFound, message))
    };
    let policy = soft.settings.group_consumer_migration_policy;
    if !matches!(policy, MigrationPolicy::Upgrade | MigrationPolicy::Bidirectional) {
        return refuse("online upgrade is disabled");
    }
    if !group.uses_consumer_protocol() {
        return refuse("the group does not use the consumer embedded protocol");
    }
    if i32::try_from(group.members().len()).map_or(true, |size| size > soft.settings.group_consumer_max_size) {
        return refuse("the group size exceeds the consumer group maximum size");
    }
    let mut members = Vec::new();
    for member in group.members() {
        match convert(group, member, &soft.topics) {
            Ok(Some(converted)) => members.push(converted),
            Ok(None) => {
                return refuse(
                    "an unsupported custom assignor is in use. Please refer to the documentation or switch to a default \
                     assignor before re-attempting the upgrade",
                );
            }
            Err(_) => return refuse("the embedded consumer protocol is malformed"),
        }
    }
    Ok(draft(group, members, soft))
}

fn draft(group: &ClassicGroup, members: Vec<(Member, Assignment)>, soft: &mut Soft) -> Draft<'static> {
    let epoch = group.generation_id();
    let mut draft = Draft::new(group.group_id.clone());
    draft.write_all(members.iter().map(|(member, _)| member.metadata_record()));
    let metadata_hash = draft.metadata_hash(&mut soft.topics);
    let value = ConsumerGroupMetadataValue { epoch, metadata_hash, ..ConsumerGroupMetadataValue::default() };
    draft.write(ConsumerGroupRecord::Group(Some(value)));
    draft.write_all(members.iter().map(|(member, target)| target_record(&member.member_id, target)));
    let value = ConsumerGroupTargetAssignmentMetadataValue {
        assignment_epoch: epoch,
        ..ConsumerGroupTargetAssignmentMetadataValue::default()
    };
    draft.write(ConsumerGroupRecord::Target(Some(value)));
    draft.write_all(members.iter().map(|(member, _)| member.current_record()));
    draft
}

type Converted = Result<Option<(Member, Assignment)>, ottla_protocol::codec::DecodeError>;

/// A member with the assignment of the last generation: none if something of that would be lost.
fn convert(group: &ClassicGroup, member: &classic::Member, topics: &Topics) -> Converted {
    let Some(target) = embedded::assignment(&member.assignment, topics)? else {
        return Ok(None);
    };
    let subscription = embedded::subscription(&member.metadata(group.protocol_name()))?;
    let mut names: Vec<Str> = subscription.topics.iter().map(Str::detached).collect();
    names.sort();
    names.dedup();
    let epoch = group.generation_id();
    let metadata = ConsumerGroupMemberMetadataValue {
        instance_id: member.group_instance_id.clone(),
        rack_id: subscription.rack_id.as_ref().map(Str::detached),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        subscribed_topic_names: names,
        subscribed_topic_regex: Some(Str::default()),
        rebalance_timeout_ms: member.rebalance_timeout_ms,
        server_assignor: None,
        classic_member_metadata: Some(Box::new(classic_metadata(member.session_timeout_ms, member.protocols()))),
        ..ConsumerGroupMemberMetadataValue::default()
    };
    let current = Current {
        epoch,
        previous_epoch: epoch,
        state: MemberState::Stable,
        assigned: with_epoch(&target, epoch),
        ..Current::default()
    };
    let member_id = member.member_id.clone();
    Ok(Some((Member { member_id, metadata: Arc::new(metadata), current: Arc::new(current) }, target)))
}

/// What is kept of a member's classic side.
pub(super) fn classic_metadata(session_timeout_ms: i32, protocols: &[classic::Protocol]) -> ClassicMemberMetadata {
    let protocol = |protocol: &classic::Protocol| ClassicProtocol {
        name: protocol.name.detached(),
        metadata: ottla_protocol::Bytes::copy_from_slice(&protocol.metadata),
        ..ClassicProtocol::default()
    };
    ClassicMemberMetadata {
        session_timeout_ms,
        supported_protocols: protocols.iter().map(protocol).collect(),
        ..ClassicMemberMetadata::default()
    }
}
