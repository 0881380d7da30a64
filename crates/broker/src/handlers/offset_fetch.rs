//! OffsetFetch (9): how far groups have read.

use super::{Context, Pending, Refusal, plain_within};
use crate::groups::{reply, submit};
use ottla_coordinator::{Error, Event, FetchTopic, FetchedPartition, FetchedTopic, OffsetFetch};
use ottla_metadata::image::Image;
use ottla_protocol::{
    ErrorCode, Str, Uuid,
    frame::RequestFrame,
    messages::{
        OffsetFetchRequest, OffsetFetchResponse,
        offset_fetch_response::{
            OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
            OffsetFetchResponseTopic, OffsetFetchResponseTopics,
        },
    },
};
use std::pin::Pin;

/// Since this version the response has room for an error of the whole group.
const GROUP_ERROR_SINCE: i16 = 2;
/// Since this version offsets of several groups are asked for at once (KIP-709).
const BATCHED_SINCE: i16 = 8;
/// Since this version topics are named by id (KIP-848).
const BY_ID_SINCE: i16 = 10;
/// The epoch of who is in no group.
const NO_MEMBER_EPOCH: i32 = -1;
const NO_OFFSET: i64 = -1;
const NO_LEADER_EPOCH: i32 = -1;

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain_within(cx, request, named, handle)
}

fn named(request: &OffsetFetchRequest) -> usize {
    let single = request.topics.iter().flatten().map(|topic| 1 + topic.partition_indexes.len());
    let batched = request.groups.iter().map(|group| {
        let topics = group.topics.iter().flatten();
        1 + topics.map(|topic| 1 + topic.partition_indexes.len()).sum::<usize>()
    });
    single.sum::<usize>() + batched.sum::<usize>()
}

async fn handle(cx: Context, request: OffsetFetchRequest) -> OffsetFetchResponse {
    let require_stable = request.require_stable;
    let mut fetched = Vec::new();
    for wanted in wanted(cx.version, request) {
        fetched.push(fetch(&cx, wanted, require_stable).await);
    }
    respond(cx.version, fetched)
}

/// A group, the member that asks, and the topics asked for, all if none.
#[derive(Clone, Debug, PartialEq)]
struct Wanted {
    group_id: Str,
    /// None for who is in no group, and before the version that has it (KIP-848).
    member_id: Option<Str>,
    member_epoch: i32,
    topics: Option<Vec<FetchTopic>>,
}

/// What is known of a group's offsets.
#[derive(Clone, Debug, PartialEq)]
struct Fetched {
    group_id: Str,
    error: ErrorCode,
    topics: Vec<TopicOffsets>,
}

#[derive(Clone, Debug, PartialEq)]
struct TopicOffsets {
    name: Str,
    topic_id: Uuid,
    partitions: Vec<PartitionOffset>,
}

#[derive(Clone, Debug, PartialEq)]
struct PartitionOffset {
    partition_index: i32,
    committed_offset: i64,
    committed_leader_epoch: i32,
    metadata: Str,
    error: ErrorCode,
}

fn wanted(version: i16, request: OffsetFetchRequest) -> Vec<Wanted> {
    if version < BATCHED_SINCE {
        let topic = |topic: ottla_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic| FetchTopic {
            topic_id: Uuid::ZERO,
            name: topic.name,
            partition_indexes: topic.partition_indexes,
        };
        let topics = request.topics.map(|topics| topics.into_iter().map(topic).collect());
        return vec![Wanted { group_id: request.group_id, member_id: None, member_epoch: NO_MEMBER_EPOCH, topics }];
    }
    let groups = request.groups.into_iter().map(|group| {
        let topics = group.topics.map(|topics| {
            let topics = topics.into_iter();
            topics
                .map(|topic| FetchTopic {
                    topic_id: topic.topic_id,
                    name: topic.name,
                    partition_indexes: topic.partition_indexes,
                })
                .collect()
        });
        Wanted { group_id: group.group_id, member_id: group.member_id, member_epoch: group.member_epoch, topics }
    });
    groups.collect()
}

async fn fetch(cx: &Context, wanted: Wanted, require_stable: bool) -> Fetched {
    let Plan { asked, unknown } = plan(&cx.broker.image(), cx.version, wanted.topics);
    let group_id = wanted.group_id;
    let fetch = OffsetFetch {
        group_id: group_id.clone(),
        member_id: wanted.member_id,
        member_epoch: wanted.member_epoch,
        topics: asked.clone(),
        require_stable,
    };
    let answer = submit(&cx.broker, &group_id, |ticket| Event::OffsetFetch(ticket, fetch)).await;
    match reply!(answer, OffsetFetch).and_then(|fetched| fetched.map_err(Error::code)) {
        Ok(topics) => {
            let image = cx.broker.image();
            let topics = topics.into_iter().filter_map(|topic| found(&image, cx.version, topic));
            let unknown = unknown.into_iter().map(|topic| failed(topic, ErrorCode::UnknownTopicId));
            Fetched { group_id, error: ErrorCode::None, topics: topics.chain(unknown).collect() }
        }
        Err(error) => group_error(cx.version, group_id, asked.unwrap_or_default(), error),
    }
}

/// What the coordinator is asked, and topics whose id nobody knows.
struct Plan {
    asked: Option<Vec<FetchTopic>>,
    unknown: Vec<FetchTopic>,
}

/// Names topics that are asked for by id. As in Kafka, names are taken as they are: a group may have offsets in topics
/// that are gone.
fn plan(image: &Image, version: i16, topics: Option<Vec<FetchTopic>>) -> Plan {
    let mut unknown = Vec::new();
    let asked = topics.map(|topics| {
        let mut asked = Vec::with_capacity(topics.len());
        for topic in topics {
            let known = (version >= BY_ID_SINCE).then(|| image.topics().by_id(&topic.topic_id));
            match known {
                None => asked.push(topic),
                Some(Some(known)) => asked.push(FetchTopic { name: known.name.clone(), ..topic }),
                Some(None) => unknown.push(topic),
            }
        }
        asked
    });
    Plan { asked, unknown }
}

/// A topic of the coordinator's answer; left out if it needs an id and has none, for then it is gone.
fn found(image: &Image, version: i16, topic: FetchedTopic) -> Option<TopicOffsets> {
    let mut topic_id = topic.topic_id;
    if version >= BY_ID_SINCE && topic_id.is_zero() {
        topic_id = image.topics().by_name(&topic.name)?.id;
    }
    let partitions = topic.partitions.into_iter().map(offset).collect();
    Some(TopicOffsets { name: topic.name, topic_id, partitions })
}

fn offset(partition: FetchedPartition) -> PartitionOffset {
    PartitionOffset {
        partition_index: partition.partition_index,
        committed_offset: partition.committed_offset,
        committed_leader_epoch: partition.committed_leader_epoch,
        metadata: partition.metadata,
        error: partition.error.map_or(ErrorCode::None, Error::code),
    }
}

fn failed(topic: FetchTopic, error: ErrorCode) -> TopicOffsets {
    let partitions = topic.partition_indexes.into_iter().map(|partition_index| PartitionOffset {
        partition_index,
        committed_offset: NO_OFFSET,
        committed_leader_epoch: NO_LEADER_EPOCH,
        metadata: Str::default(),
        error,
    });
    TopicOffsets { name: topic.name, topic_id: topic.topic_id, partitions: partitions.collect() }
}

/// The group's own error; version 1 has no place for it but at each partition.
fn group_error(version: i16, group_id: Str, asked: Vec<FetchTopic>, error: ErrorCode) -> Fetched {
    match version >= GROUP_ERROR_SINCE {
        true => Fetched { group_id, error, topics: Vec::new() },
        false => {
            let topics = asked.into_iter().map(|topic| failed(topic, error)).collect();
            Fetched { group_id, error: ErrorCode::None, topics }
        }
    }
}

fn respond(version: i16, fetched: Vec<Fetched>) -> OffsetFetchResponse {
    if version >= BATCHED_SINCE {
        return OffsetFetchResponse { groups: fetched.into_iter().map(group).collect(), ..Default::default() };
    }
    let Some(Fetched { error, topics, .. }) = fetched.into_iter().next() else {
        return OffsetFetchResponse::default();
    };
    OffsetFetchResponse {
        error_code: error.code(),
        topics: topics.into_iter().map(single_topic).collect(),
        ..Default::default()
    }
}

fn single_topic(topic: TopicOffsets) -> OffsetFetchResponseTopic {
    let partitions = topic.partitions.into_iter().map(|p| OffsetFetchResponsePartition {
        partition_index: p.partition_index,
        committed_offset: p.committed_offset,
        committed_leader_epoch: p.committed_leader_epoch,
        metadata: Some(p.metadata),
        error_code: p.error.code(),
        ..Default::default()
    });
    OffsetFetchResponseTopic { name: topic.name, partitions: partitions.collect(), ..Default::default() }
}

fn group(fetched: Fetched) -> OffsetFetchResponseGroup {
    let topics = fetched.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.into_iter().map(|p| OffsetFetchResponsePartitions {
            partition_index: p.partition_index,
            committed_offset: p.committed_offset,
            committed_leader_epoch: p.committed_leader_epoch,
            metadata: Some(p.metadata),
            error_code: p.error.code(),
            ..Default::default()
        });
        OffsetFetchResponseTopics {
            name: topic.name,
            topic_id: topic.topic_id,
            partitions: partitions.collect(),
            ..Default::default()
        }
    });
    OffsetFetchResponseGroup {
        group_id: fetched.group_id,
        topics: topics.collect(),
        error_code: fetched.error.code(),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests;
