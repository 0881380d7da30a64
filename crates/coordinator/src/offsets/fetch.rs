//! OffsetFetch.

use super::offset::OffsetAndMetadata;
use crate::Error;
use crate::groups::consumer::validate_fetch;
use crate::machine::{Hard, StoredGroup};
use ottla_protocol::{Str, Uuid};

const INVALID_OFFSET: i64 = -1;
const NO_LEADER_EPOCH: i32 = -1;

/// A group asks how far it has read.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct OffsetFetch {
    /// The group.
    pub group_id: Str,
    /// The member that asks, if it says.
    pub member_id: Option<Str>,
    /// Its epoch, -1 if it does not say.
    pub member_epoch: i32,
    /// The partitions; all that have an offset if none.
    pub topics: Option<Vec<FetchTopic>>,
    /// Whether to answer with an error for offsets that an open transaction may change (KIP-447).
    pub require_stable: bool,
}

/// Partitions of a topic.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct FetchTopic {
    /// Its id, zero if unknown.
    pub topic_id: Uuid,
    /// Its name.
    pub name: Str,
    /// Its partitions.
    pub partition_indexes: Vec<i32>,
}

/// Offsets of a topic.
#[derive(Clone, Debug, PartialEq)]
pub struct FetchedTopic {
    /// The id in the request; zero if all topics were asked for.
    pub topic_id: Uuid,
    /// Its name.
    pub name: Str,
    /// Its partitions.
    pub partitions: Vec<FetchedPartition>,
}

/// The offset of a partition.
#[derive(Clone, Debug, PartialEq)]
pub struct FetchedPartition {
    /// The partition.
    pub partition_index: i32,
    /// The offset, -1 if there is none.
    pub committed_offset: i64,
    /// The epoch of the record before, -1 if unknown.
    pub committed_leader_epoch: i32,
    /// What the client wrote to it.
    pub metadata: Str,
    /// Why there is none.
    pub error: Option<Error>,
}

/// Looks offsets up. As in Kafka, a classic group lets everyone look, one of the consumer protocol all but members that
/// are behind, and a group that does not exist has no offsets.
pub(crate) fn fetch(hard: &Hard, request: OffsetFetch) -> Result<Vec<FetchedTopic>, Error> {
    let group_id = &request.group_id;
    if let Some(StoredGroup::Consumer(group)) = hard.groups.get(group_id) {
        validate_fetch(group, &request)?;
    }
    let exists = hard.groups.contains_key(group_id);
    let one = |topic: &Str, partition: i32, topic_id: Uuid| {
        if request.require_stable && hard.offsets.is_open(group_id, topic, partition) {
            return no_offset(partition, Some(Error::UnstableOffsetCommit));
        }
        let offset = hard.offsets.get(group_id, topic, partition);
        match offset.filter(|offset| exists && !offset.is_of_other_topic(topic_id)) {
            Some(offset) => fetched(partition, offset),
            None => no_offset(partition, None),
        }
    };
    let topics = match &request.topics {
        Some(topics) => topics.clone(),
        None if exists => all_topics(hard, group_id),
        None => Vec::new(),
    };
    let fetch_topic = |topic: FetchTopic| FetchedTopic {
        partitions: topic
            .partition_indexes
            .iter()
            .map(|partition| one(&topic.name, *partition, topic.topic_id))
            .collect(),
        topic_id: topic.topic_id,
        name: topic.name,
    };
    Ok(topics.into_iter().map(fetch_topic).collect())
}

fn all_topics(hard: &Hard, group_id: &Str) -> Vec<FetchTopic> {
    let topics = hard.offsets.of_group(group_id).into_iter().flatten();
    topics
        .map(|(name, partitions)| FetchTopic {
            topic_id: Uuid::ZERO,
            name: name.clone(),
            partition_indexes: partitions.keys().copied().collect(),
        })
        .collect()
}

fn fetched(partition_index: i32, offset: &OffsetAndMetadata) -> FetchedPartition {
    FetchedPartition {
        partition_index,
        committed_offset: offset.committed_offset,
        committed_leader_epoch: offset.leader_epoch,
        metadata: offset.metadata.clone(),
        error: None,
    }
}

fn no_offset(partition_index: i32, error: Option<Error>) -> FetchedPartition {
    FetchedPartition {
        partition_index,
        committed_offset: INVALID_OFFSET,
        committed_leader_epoch: NO_LEADER_EPOCH,
        metadata: Str::default(),
        error,
    }
}
