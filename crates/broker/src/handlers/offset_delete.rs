//! OffsetDelete (47): takes offsets of a group away (KIP-496).

use super::{Context, Pending, Refusal, plain_within};
use crate::groups::{Answers, reply, submit};
use ottla_coordinator::{Error, Event, OffsetDelete, TopicPartitions};
use ottla_metadata::image::Image;
use ottla_protocol::{
    ErrorCode, Str,
    frame::RequestFrame,
    messages::{
        OffsetDeleteRequest, OffsetDeleteResponse,
        offset_delete_request::OffsetDeleteRequestTopic,
        offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic},
    },
};
use std::pin::Pin;

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain_within(cx, request, named, handle)
}

fn named(request: &OffsetDeleteRequest) -> usize {
    request.topics.iter().map(|topic| 1 + topic.partitions.len()).sum()
}

async fn handle(cx: Context, request: OffsetDeleteRequest) -> OffsetDeleteResponse {
    match delete(&cx, request).await {
        Ok(topics) => respond(topics),
        Err(error) => OffsetDeleteResponse { error_code: error.code(), ..Default::default() },
    }
}

type Answer = (Str, Vec<(i32, ErrorCode)>);

async fn delete(cx: &Context, request: OffsetDeleteRequest) -> Result<Vec<Answer>, ErrorCode> {
    let group_id = request.group_id;
    if group_id.is_empty() {
        return Err(ErrorCode::InvalidGroupId);
    }
    let Plan { failed, valid } = plan(&cx.broker.image(), request.topics);
    // Asked even if nothing is left to delete: the group's own error counts more than its topics'.
    let delete = OffsetDelete { group_id: group_id.clone(), topics: valid };
    let answer = submit(&cx.broker, &group_id, |ticket| Event::OffsetDelete(ticket, delete)).await;
    let deleted = reply!(answer, OffsetDelete)?.map_err(Error::code)?;
    let deleted = deleted.into_iter().map(|topic| {
        let partitions = topic.partitions.into_iter().map(|p| {
            let error = p.result.err().map_or(ErrorCode::None, Error::code);
            (p.partition_index, error)
        });
        (topic.name, partitions.collect())
    });
    Ok(failed.merge(deleted.collect()))
}

/// What is to be deleted, and what does not exist.
struct Plan {
    failed: Answers<Str>,
    valid: Vec<TopicPartitions>,
}

fn plan(image: &Image, topics: Vec<OffsetDeleteRequestTopic>) -> Plan {
    let mut plan = Plan { failed: Answers::new(), valid: Vec::new() };
    for topic in topics {
        let indexes = topic.partitions.iter().map(|p| p.partition_index);
        let Some(found) = image.topics().by_name(&topic.name) else {
            plan.failed.fail(topic.name.clone(), indexes, ErrorCode::UnknownTopicOrPartition);
            continue;
        };
        let (valid, unknown): (Vec<_>, Vec<_>) = indexes.partition(|index| found.partitions.contains_key(index));
        if !unknown.is_empty() {
            plan.failed.fail(topic.name.clone(), unknown, ErrorCode::UnknownTopicOrPartition);
        }
        if !valid.is_empty() {
            plan.valid.push(TopicPartitions { name: topic.name, partition_indexes: valid });
        }
    }
    plan
}

fn respond(answers: Vec<Answer>) -> OffsetDeleteResponse {
    let topics = answers.into_iter().map(|(name, partitions)| {
        let partitions = partitions.into_iter().map(|(partition_index, error)| OffsetDeleteResponsePartition {
            partition_index,
            error_code: error.code(),
        });
        OffsetDeleteResponseTopic { name, partitions: partitions.collect() }
    });
    OffsetDeleteResponse { topics: topics.collect(), ..Default::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::{
        Uuid,
        messages::offset_delete_request::OffsetDeleteRequestPartition,
        stored::{PartitionRecord, TopicRecord},
    };

    fn topic(name: &str, partitions: &[i32]) -> OffsetDeleteRequestTopic {
        let partition = |index: &i32| OffsetDeleteRequestPartition { partition_index: *index };
        OffsetDeleteRequestTopic { name: name.into(), partitions: partitions.iter().map(partition).collect() }
    }

    #[test]
    fn only_partitions_that_exist_are_asked_for() {
        let mut image = Image::default();
        let record = TopicRecord { name: "t".into(), topic_id: Uuid::ONE, ..Default::default() };
        image.apply(&record.into()).expect("a sound record");
        let record = PartitionRecord { partition_id: 0, topic_id: Uuid::ONE, ..Default::default() };
        image.apply(&record.into()).expect("a sound record");
        let plan = plan(&image, vec![topic("t", &[0, 5]), topic("u", &[1])]);
        assert_eq!(plan.valid, [TopicPartitions { name: "t".into(), partition_indexes: vec![0] }]);
        let unknown = ErrorCode::UnknownTopicOrPartition;
        let failed = [("t".into(), vec![(5, unknown)]), ("u".into(), vec![(1, unknown)])];
        assert_eq!(plan.failed.merge(Vec::new()), failed);
    }
}
