//! What the coordinator remembers, as keys and values of `__consumer_offsets`.

use crate::groups::consumer::ConsumerGroupRecord;
use crate::offsets::OffsetAndMetadata;
use ottla_protocol::codec::{DecodeError, Decoder, EncodeError};
use ottla_protocol::stored::{GroupMetadataKey, GroupMetadataValue, OffsetCommitKey, OffsetCommitValue};
use ottla_protocol::{Bytes, Message, Str};
use std::sync::Arc;

const LEGACY_OFFSET_COMMIT: i16 = 0;
const OFFSET_COMMIT: i16 = 1;
const GROUP_METADATA: i16 = 2;
/// Both keys have one layout; the id is in the version's place.
const KEY_VERSION: i16 = 0;
/// The version Kafka 4.3 writes: the highest that is not flexible.
const GROUP_METADATA_VALUE_VERSION: i16 = 3;
const OFFSET_COMMIT_VALUE_VERSION: i16 = 4;
/// The only version with a time of expiry.
const OFFSET_COMMIT_WITH_EXPIRY_VERSION: i16 = 1;
/// What a record takes in a batch besides its key and value, at most.
const RECORD_OVERHEAD: usize = 48;

/// A change to groups or offsets.
#[derive(Clone, Debug, PartialEq)]
pub enum CoordinatorRecord {
    /// A classic group's generation; without a value the group is gone.
    Group {
        /// The group.
        group_id: Str,
        /// Its generation with members and their assignment.
        value: Option<Arc<GroupMetadataValue>>,
    },
    /// A change to a group of the consumer protocol.
    Consumer {
        /// The group.
        group_id: Str,
        /// The change.
        record: ConsumerGroupRecord,
    },
    /// A committed offset; without a value it is gone.
    Offset {
        /// The group.
        group_id: Str,
        /// The topic.
        topic: Str,
        /// The partition.
        partition: i32,
        /// The offset.
        value: Option<OffsetAndMetadata>,
        /// The producer in whose transaction it is, if in one: pending until that ends.
        producer_id: Option<i64>,
    },
    /// A transaction's end, a control record in the log.
    TransactionEnd {
        /// The producer whose transaction it is.
        producer_id: i64,
        /// Whether its pending offsets count.
        committed: bool,
    },
}

/// A record of the log, read.
#[derive(Clone, Debug, PartialEq)]
pub enum Decoded {
    /// One that the coordinator applies.
    Record(CoordinatorRecord),
    /// One of a kind that is left alone: groups of the share and streams protocols, which need state of their own, and
    /// whatever newer brokers add. It stays in the log as it is, so nothing is lost when a broker that knows it takes
    /// over.
    Ignored {
        /// The int16 that begins its key, or a control record's type.
        record_type: i16,
    },
}

/// A record cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Its bytes are not what its type says.
    #[error("a record of __consumer_offsets does not decode: {0}")]
    Decode(#[from] DecodeError),
    /// A value does not fit its schema.
    #[error("a record of __consumer_offsets does not encode: {0}")]
    Encode(#[from] EncodeError),
    /// A transaction's end is a control batch, written by the transaction coordinator.
    #[error("a transaction's end has no key and value")]
    ControlRecord,
    /// What it is about is not said.
    #[error("a record of __consumer_offsets has no key")]
    NoKey,
    /// A control record's key is not one.
    #[error("a control record of __consumer_offsets does not decode: {0}")]
    ControlKey(String),
}

impl CoordinatorRecord {
    /// Reads a record; `producer_id` is that of its batch if the batch is transactional.
    pub fn decode(key: Bytes, value: Option<Bytes>, producer_id: Option<i64>) -> Result<Decoded, RecordError> {
        let mut key = Decoder::new(key);
        let record_type = key.int16()?;
        match record_type {
            LEGACY_OFFSET_COMMIT | OFFSET_COMMIT => {
                let key = OffsetCommitKey::read(&mut key, KEY_VERSION)?;
                let value = value.map(read_value::<OffsetCommitValue>).transpose()?;
                Ok(Decoded::Record(Self::Offset {
                    group_id: key.group.detached(),
                    topic: key.topic.detached(),
                    partition: key.partition,
                    value: value.map(OffsetAndMetadata::from_stored),
                    producer_id,
                }))
            }
            GROUP_METADATA => {
                let key = GroupMetadataKey::read(&mut key, KEY_VERSION)?;
                // A copy, so that what stays does not keep the whole batch in memory.
                let value = value.map(|value| read_value::<GroupMetadataValue>(Bytes::copy_from_slice(&value)));
                Ok(Decoded::Record(Self::Group {
                    group_id: key.group.detached(),
                    value: value.transpose()?.map(Arc::new),
                }))
            }
            _ => match ConsumerGroupRecord::decode(record_type, &mut key, value)? {
                Some((group_id, record)) => Ok(Decoded::Record(Self::Consumer { group_id, record })),
                None => Ok(Decoded::Ignored { record_type }),
            },
        }
    }

    /// The key, and the value or none for a tombstone.
    pub fn encode(&self) -> Result<(Bytes, Option<Bytes>), RecordError> {
        match self {
            Self::Group { group_id, value } => {
                let key = GroupMetadataKey { group: group_id.clone() };
                let value = value.as_ref().map(|value| value.to_versioned_bytes(GROUP_METADATA_VALUE_VERSION));
                Ok((key.to_versioned_bytes(GROUP_METADATA)?, value.transpose()?))
            }
            Self::Offset { group_id, topic, partition, value, .. } => {
                let key = OffsetCommitKey { group: group_id.clone(), topic: topic.clone(), partition: *partition };
                let value = value.as_ref().map(offset_value_bytes);
                Ok((key.to_versioned_bytes(OFFSET_COMMIT)?, value.transpose()?))
            }
            Self::Consumer { group_id, record } => record.encode(group_id),
            Self::TransactionEnd { .. } => Err(RecordError::ControlRecord),
        }
    }

    /// An upper bound of what the record adds to a batch.
    pub(crate) fn max_bytes(&self) -> usize {
        let payload = match self {
            Self::Group { group_id, value } => group_id.len() + value.as_deref().map_or(0, group_value_bytes),
            Self::Offset { group_id, topic, value, .. } => {
                let metadata = value.as_ref().map_or(0, |v| 64 + v.metadata.len());
                group_id.len() + topic.len() + metadata
            }
            Self::Consumer { group_id, record } => group_id.len() + record.max_bytes(),
            Self::TransactionEnd { .. } => 0,
        };
        payload + RECORD_OVERHEAD
    }
}

fn group_value_bytes(value: &GroupMetadataValue) -> usize {
    let text = |text: &Option<Str>| text.as_ref().map_or(0, |text| text.len());
    let members = value.members.iter().map(|m| {
        let names = m.member_id.len() + m.client_id.len() + m.client_host.len();
        32 + names + text(&m.group_instance_id) + m.subscription.len() + m.assignment.len()
    });
    32 + value.protocol_type.len() + text(&value.protocol) + text(&value.leader) + members.sum::<usize>()
}

fn read_value<M: Message>(value: Bytes) -> Result<M, DecodeError> {
    let mut value = Decoder::new(value);
    let version = value.int16()?;
    M::read(&mut value, version)
}

fn offset_value_bytes(value: &OffsetAndMetadata) -> Result<Bytes, EncodeError> {
    let version = match value.expire_timestamp_ms {
        Some(_) => OFFSET_COMMIT_WITH_EXPIRY_VERSION,
        None => OFFSET_COMMIT_VALUE_VERSION,
    };
    value.to_stored().to_versioned_bytes(version)
}
