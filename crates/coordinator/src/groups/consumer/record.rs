//! What the coordinator remembers of groups of the consumer protocol (KIP-848).

use crate::RecordError;
use ottla_protocol::codec::{DecodeError, Decoder};
use ottla_protocol::stored::{
    ConsumerGroupCurrentMemberAssignmentKey, ConsumerGroupCurrentMemberAssignmentValue, ConsumerGroupMemberMetadataKey,
    ConsumerGroupMemberMetadataValue, ConsumerGroupMetadataKey, ConsumerGroupMetadataValue,
    ConsumerGroupPartitionMetadataKey, ConsumerGroupRegularExpressionKey, ConsumerGroupRegularExpressionValue,
    ConsumerGroupTargetAssignmentMemberKey, ConsumerGroupTargetAssignmentMemberValue,
    ConsumerGroupTargetAssignmentMetadataKey, ConsumerGroupTargetAssignmentMetadataValue,
};
use ottla_protocol::{Bytes, Message, Str};
use std::sync::Arc;

const GROUP: i16 = 3;
const PARTITION_METADATA: i16 = 4;
const MEMBER: i16 = 5;
const TARGET: i16 = 6;
const TARGET_MEMBER: i16 = 7;
const CURRENT: i16 = 8;
const REGEX: i16 = 16;
/// The only version of all keys and values.
const VERSION: i16 = 0;

/// A change to a group of the consumer protocol; without a value, what its key names is gone.
#[derive(Clone, Debug, PartialEq)]
pub enum ConsumerGroupRecord {
    /// The group's epoch and what it knew of its topics.
    Group(Option<ConsumerGroupMetadataValue>),
    /// What brokers before 4.1 knew of the topics, in place of a hash: its contents mean nothing any more.
    PartitionMetadata {
        /// Whether it is there.
        exists: bool,
    },
    /// What a member says of itself.
    Member(Str, Option<Arc<ConsumerGroupMemberMetadataValue>>),
    /// The epoch of the target assignment.
    Target(Option<ConsumerGroupTargetAssignmentMetadataValue>),
    /// What a member is to have.
    TargetMember(Str, Option<Arc<ConsumerGroupTargetAssignmentMemberValue>>),
    /// What a member has, and how far it is on its way to its target.
    Current(Str, Option<Arc<ConsumerGroupCurrentMemberAssignmentValue>>),
    /// The topics that a regular expression matches.
    Regex(Str, Option<Arc<ConsumerGroupRegularExpressionValue>>),
}

impl ConsumerGroupRecord {
    /// Reads a record of the type that its key began with; none if the type is another's.
    pub(crate) fn decode(
        record_type: i16,
        key: &mut Decoder,
        value: Option<Bytes>,
    ) -> Result<Option<(Str, Self)>, RecordError> {
        // A copy, so that what stays does not keep the whole batch in memory.
        let value = value.map(|value| Bytes::copy_from_slice(&value));
        let read = match record_type {
            GROUP => {
                let ConsumerGroupMetadataKey { group_id, .. } = Message::read(key, VERSION)?;
                (group_id, Self::Group(read_value(value)?))
            }
            PARTITION_METADATA => {
                let ConsumerGroupPartitionMetadataKey { group_id, .. } = Message::read(key, VERSION)?;
                (group_id, Self::PartitionMetadata { exists: value.is_some() })
            }
            MEMBER => {
                let ConsumerGroupMemberMetadataKey { group_id, member_id, .. } = Message::read(key, VERSION)?;
                (group_id, Self::Member(member_id.detached(), read_value(value)?.map(Arc::new)))
            }
            TARGET => {
                let ConsumerGroupTargetAssignmentMetadataKey { group_id, .. } = Message::read(key, VERSION)?;
                (group_id, Self::Target(read_value(value)?))
            }
            TARGET_MEMBER => {
                let ConsumerGroupTargetAssignmentMemberKey { group_id, member_id, .. } = Message::read(key, VERSION)?;
                (group_id, Self::TargetMember(member_id.detached(), read_value(value)?.map(Arc::new)))
            }
            CURRENT => {
                let ConsumerGroupCurrentMemberAssignmentKey { group_id, member_id, .. } = Message::read(key, VERSION)?;
                (group_id, Self::Current(member_id.detached(), read_value(value)?.map(Arc::new)))
            }
            REGEX => {
                let ConsumerGroupRegularExpressionKey { group_id, regular_expression, .. } =
                    Message::read(key, VERSION)?;
                (group_id, Self::Regex(regular_expression.detached(), read_value(value)?.map(Arc::new)))
            }
            _ => return Ok(None),
        };
        Ok(Some((read.0.detached(), read.1)))
    }

    /// Whether it says that something is gone.
    pub(crate) fn is_tombstone(&self) -> bool {
        match self {
            Self::Group(value) => value.is_none(),
            Self::PartitionMetadata { exists } => !exists,
            Self::Member(_, value) => value.is_none(),
            Self::Target(value) => value.is_none(),
            Self::TargetMember(_, value) => value.is_none(),
            Self::Current(_, value) => value.is_none(),
            Self::Regex(_, value) => value.is_none(),
        }
    }

    /// An upper bound of what it adds to a batch, besides the group's id.
    pub(crate) fn max_bytes(&self) -> usize {
        const FIXED: usize = 64;
        let text = |text: &Option<Str>| text.as_ref().map_or(0, |text| text.len());
        let names = |names: &[Str]| names.iter().map(|name| name.len() + 5).sum::<usize>();
        let value = match self {
            Self::Group(_) | Self::PartitionMetadata { .. } | Self::Target(_) => 0,
            Self::Member(id, value) => {
                let value = value.as_deref().map_or(0, |v| {
                    let texts = text(&v.instance_id) + text(&v.rack_id) + text(&v.subscribed_topic_regex);
                    let classic = v.classic_member_metadata.iter().flat_map(|classic| &classic.supported_protocols);
                    let classic: usize = classic.map(|each| each.name.len() + each.metadata.len() + 16).sum();
                    let client = v.client_id.len() + v.client_host.len() + text(&v.server_assignor);
                    texts + client + classic + names(&v.subscribed_topic_names)
                });
                id.len() + value
            }
            Self::TargetMember(id, value) => {
                let topics = value.iter().flat_map(|value| &value.topic_partitions);
                id.len() + topics.map(|topic| 32 + 4 * topic.partitions.len()).sum::<usize>()
            }
            Self::Current(id, value) => {
                let topics =
                    value.iter().flat_map(|v| v.assigned_partitions.iter().chain(&v.partitions_pending_revocation));
                id.len() + topics.map(|topic| 40 + 8 * topic.partitions.len()).sum::<usize>()
            }
            Self::Regex(regex, value) => regex.len() + value.as_deref().map_or(0, |value| names(&value.topics)),
        };
        FIXED + value
    }

    /// The key, and the value or none for a tombstone.
    pub(crate) fn encode(&self, group_id: &Str) -> Result<(Bytes, Option<Bytes>), RecordError> {
        let group_id = group_id.clone();
        let (key, value) = match self {
            Self::Group(value) => {
                let key = ConsumerGroupMetadataKey { group_id };
                (key.to_versioned_bytes(GROUP)?, write_value(value.as_ref()))
            }
            Self::PartitionMetadata { .. } => {
                let key = ConsumerGroupPartitionMetadataKey { group_id };
                (key.to_versioned_bytes(PARTITION_METADATA)?, None)
            }
            Self::Member(member_id, value) => {
                let key = ConsumerGroupMemberMetadataKey { group_id, member_id: member_id.clone() };
                (key.to_versioned_bytes(MEMBER)?, write_value(value.as_deref()))
            }
            Self::Target(value) => {
                let key = ConsumerGroupTargetAssignmentMetadataKey { group_id };
                (key.to_versioned_bytes(TARGET)?, write_value(value.as_ref()))
            }
            Self::TargetMember(member_id, value) => {
                let key = ConsumerGroupTargetAssignmentMemberKey { group_id, member_id: member_id.clone() };
                (key.to_versioned_bytes(TARGET_MEMBER)?, write_value(value.as_deref()))
            }
            Self::Current(member_id, value) => {
                let key = ConsumerGroupCurrentMemberAssignmentKey { group_id, member_id: member_id.clone() };
                (key.to_versioned_bytes(CURRENT)?, write_value(value.as_deref()))
            }
            Self::Regex(regex, value) => {
                let key = ConsumerGroupRegularExpressionKey { group_id, regular_expression: regex.clone() };
                (key.to_versioned_bytes(REGEX)?, write_value(value.as_deref()))
            }
        };
        Ok((key, value.transpose()?))
    }
}

fn read_value<M: Message>(value: Option<Bytes>) -> Result<Option<M>, DecodeError> {
    let read = |value| {
        let mut decoder = Decoder::new(value);
        let version = decoder.int16()?;
        M::read(&mut decoder, version)
    };
    value.map(read).transpose()
}

fn write_value<M: Message>(value: Option<&M>) -> Option<Result<Bytes, ottla_protocol::codec::EncodeError>> {
    value.map(|value| value.to_versioned_bytes(VERSION))
}
