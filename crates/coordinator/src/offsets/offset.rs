//! A committed offset with what came with it.

use crate::CoordinatorRecord;
use ottla_protocol::stored::OffsetCommitValue;
use ottla_protocol::{Str, Uuid};

/// Kafka's mark for a leader epoch nobody knows.
const NO_LEADER_EPOCH: i32 = -1;
/// Kafka's mark for a time that was not given.
const NO_TIMESTAMP: i64 = -1;

/// A committed offset.
#[derive(Clone, Debug, PartialEq)]
pub struct OffsetAndMetadata {
    /// The offset with which the group goes on.
    pub committed_offset: i64,
    /// The epoch of the record before it, -1 if unknown (KIP-320).
    pub leader_epoch: i32,
    /// What the client wrote to it.
    pub metadata: Str,
    /// When it was committed, in milliseconds since 1970.
    pub commit_timestamp_ms: i64,
    /// When it expires, if the client said so (OffsetCommit 2 to 4).
    pub expire_timestamp_ms: Option<i64>,
    /// The topic's id, zero if unknown.
    pub topic_id: Uuid,
    /// Where its record is in the log.
    pub record_offset: i64,
}

impl OffsetAndMetadata {
    pub(crate) fn from_stored(stored: OffsetCommitValue) -> Self {
        let expires = stored.expire_timestamp;
        Self {
            committed_offset: stored.offset,
            leader_epoch: stored.leader_epoch,
            metadata: stored.metadata.detached(),
            commit_timestamp_ms: stored.commit_timestamp,
            expire_timestamp_ms: (expires != NO_TIMESTAMP).then_some(expires),
            topic_id: stored.topic_id,
            record_offset: 0,
        }
    }

    /// What is stored; the only version with a time of expiry has no leader epoch and no topic id.
    pub(crate) fn to_stored(&self) -> OffsetCommitValue {
        let is_old = self.expire_timestamp_ms.is_some();
        OffsetCommitValue {
            offset: self.committed_offset,
            leader_epoch: if is_old { NO_LEADER_EPOCH } else { self.leader_epoch },
            metadata: self.metadata.clone(),
            commit_timestamp: self.commit_timestamp_ms,
            expire_timestamp: self.expire_timestamp_ms.unwrap_or(NO_TIMESTAMP),
            topic_id: if is_old { Uuid::ZERO } else { self.topic_id },
            ..OffsetCommitValue::default()
        }
    }

    /// The same from a record at `record_offset`, as replay would read it.
    pub(crate) fn at(&self, record_offset: i64) -> Self {
        Self { record_offset, ..Self::from_stored(self.to_stored()) }
    }

    /// Whether an offset of another topic of the same name is asked for.
    pub(crate) fn is_of_other_topic(&self, topic_id: Uuid) -> bool {
        !self.topic_id.is_zero() && !topic_id.is_zero() && self.topic_id != topic_id
    }
}

impl CoordinatorRecord {
    /// The record that takes an offset away.
    pub(crate) fn offset_tombstone(group_id: &Str, topic: &Str, partition: i32) -> Self {
        Self::Offset { group_id: group_id.clone(), topic: topic.clone(), partition, value: None, producer_id: None }
    }
}
