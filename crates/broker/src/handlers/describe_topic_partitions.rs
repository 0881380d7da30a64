//! DescribeTopicPartitions (75): topics page by page, with who is eligible to lead their partitions (KIP-966).

use super::{Context, Pending, Refusal, plain_within, topics};
use ottla_metadata::{
    image::{Image, Partition, Topic},
    topic_name,
};
use ottla_protocol::{
    ErrorCode, Str,
    frame::RequestFrame,
    messages::{
        DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
        describe_topic_partitions_response::{
            Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
        },
    },
};
use std::{collections::BTreeSet, pin::Pin};

#[cfg(test)]
mod tests;

const NO_LEADER: i32 = -1;

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain_within(cx, request, named, handle)
}

fn named(request: &DescribeTopicPartitionsRequest) -> usize {
    request.topics.len()
}

async fn handle(cx: Context, request: DescribeTopicPartitionsRequest) -> DescribeTopicPartitionsResponse {
    let asked = usize::try_from(request.response_partition_limit).unwrap_or(0);
    let limit = asked.min(cx.broker.settings.max_partitions_described).max(1);
    page(&cx.broker.image(), &cx.peer.listener, &request, limit)
}

/// Where a page starts.
struct From<'a> {
    topic: &'a str,
    partition: usize,
}

fn page(
    image: &Image,
    listener: &str,
    request: &DescribeTopicPartitionsRequest,
    limit: usize,
) -> DescribeTopicPartitionsResponse {
    let Ok(from) = cursor(request) else { return invalid(request) };
    let mut page = Page { image, listener, room: limit, response: DescribeTopicPartitionsResponse::default() };
    if request.topics.is_empty() {
        for topic in image.topics().iter_from(from.topic) {
            if page.add(&topic.name, Some(topic), &from).is_full() {
                break;
            }
        }
        return page.response;
    }
    let named: BTreeSet<&Str> = request.topics.iter().map(|t| &t.name).filter(|n| n.as_str() >= from.topic).collect();
    for name in named {
        if page.add(name, image.topics().by_name(name).map(|topic| &**topic), &from).is_full() {
            break;
        }
    }
    page.response
}

/// The cursor of a request, which must be one of the topics it names, if it names any.
fn cursor(request: &DescribeTopicPartitionsRequest) -> Result<From<'_>, ()> {
    let Some(cursor) = &request.cursor else { return Ok(From { topic: "", partition: 0 }) };
    let topic = cursor.topic_name.as_str();
    let named = request.topics.is_empty() || request.topics.iter().any(|t| t.name == topic);
    let partition = usize::try_from(cursor.partition_index).map_err(|_| ())?;
    if named { Ok(From { topic, partition }) } else { Err(()) }
}

fn invalid(request: &DescribeTopicPartitionsRequest) -> DescribeTopicPartitionsResponse {
    let failed = request.topics.iter().map(|topic| DescribeTopicPartitionsResponseTopic {
        error_code: ErrorCode::InvalidRequest.code(),
        name: Some(topic.name.clone()),
        ..Default::default()
    });
    DescribeTopicPartitionsResponse { topics: failed.collect(), ..Default::default() }
}

struct Page<'a> {
    image: &'a Image,
    listener: &'a str,
    /// Partitions that it still takes.
    room: usize,
    response: DescribeTopicPartitionsResponse,
}

impl Page<'_> {
    fn is_full(&self) -> bool {
        self.response.next_cursor.is_some()
    }

    /// Adds what there is room for; the cursor tells where the next page starts.
    fn add(&mut self, name: &Str, topic: Option<&Topic>, from: &From<'_>) -> &Self {
        let first = if *name == from.topic { from.partition } else { 0 };
        if self.room == 0 {
            self.end(name, 0);
            return self;
        }
        let Some(topic) = topic else {
            self.response.topics.push(unknown(name));
            return self;
        };
        let partitions = topic.partitions.iter().skip(first).take(self.room);
        let partitions: Vec<_> = partitions.map(|(index, p)| describe(self.image, self.listener, *index, p)).collect();
        self.room -= partitions.len();
        let next = first.saturating_add(partitions.len());
        self.response.topics.push(DescribeTopicPartitionsResponseTopic {
            name: Some(name.clone()),
            topic_id: topic.id,
            is_internal: topic_name::is_internal(name),
            partitions,
            topic_authorized_operations: topics::ALL_OPERATIONS,
            ..Default::default()
        });
        if next < topic.partitions.len() {
            self.end(name, next);
        }
        self
    }

    fn end(&mut self, topic_name: &Str, partition: usize) {
        let partition_index = i32::try_from(partition).unwrap_or(i32::MAX);
        let cursor = Cursor { topic_name: topic_name.clone(), partition_index, ..Default::default() };
        self.response.next_cursor = Some(Box::new(cursor));
    }
}

fn unknown(name: &Str) -> DescribeTopicPartitionsResponseTopic {
    let error = match topic_name::validate(name) {
        Ok(()) => ErrorCode::UnknownTopicOrPartition,
        Err(error) => error.code,
    };
    DescribeTopicPartitionsResponseTopic {
        error_code: error.code(),
        name: Some(name.clone()),
        is_internal: topic_name::is_internal(name),
        topic_authorized_operations: topics::ALL_OPERATIONS,
        ..Default::default()
    }
}

fn describe(
    image: &Image,
    listener: &str,
    partition_index: i32,
    partition: &Partition,
) -> DescribeTopicPartitionsResponsePartition {
    let leader = image.cluster().broker(partition.leader).filter(|broker| broker.listener(listener).is_some());
    let offline = partition.replicas.iter().filter(|id| topics::is_offline(image, listener, partition, **id));
    DescribeTopicPartitionsResponsePartition {
        partition_index,
        leader_id: leader.map_or(NO_LEADER, |broker| broker.id),
        leader_epoch: partition.leader_epoch,
        replica_nodes: partition.replicas.clone(),
        isr_nodes: partition.isr.clone(),
        eligible_leader_replicas: Some(partition.elr.clone()),
        last_known_elr: Some(partition.last_known_elr.clone()),
        offline_replicas: offline.copied().collect(),
        ..Default::default()
    }
}
