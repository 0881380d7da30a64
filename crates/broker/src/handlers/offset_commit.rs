//! OffsetCommit (8): a group says how far it has read.

use super::{Context, Pending, Refusal, plain_within};
use crate::groups::{Answers, reply, submit};
use ottla_coordinator::{CommitPartition, CommitTopic, CommittedTopic, Error, Event, OffsetCommit};
use ottla_metadata::image::{Image, Topic};
use ottla_protocol::{
    ErrorCode, Str, Uuid,
    frame::RequestFrame,
    messages::{
        OffsetCommitRequest, OffsetCommitResponse,
        offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
        offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic},
    },
};
use std::{pin::Pin, sync::Arc};

/// Since this version members of consumer groups may commit, and a group that does not exist is an error of its own
/// (KIP-848).
const MEMBER_EPOCH_SINCE: i16 = 9;
/// Since this version topics are named by id (KIP-848).
const BY_ID_SINCE: i16 = 10;
/// The client leaves it to the broker how long offsets are kept.
const NO_RETENTION_TIME: i64 = -1;

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain_within(cx, request, named, handle)
}

fn named(request: &OffsetCommitRequest) -> usize {
    request.topics.iter().map(|topic| 1 + topic.partitions.len()).sum()
}

async fn handle(cx: Context, mut request: OffsetCommitRequest) -> OffsetCommitResponse {
    let topics = std::mem::take(&mut request.topics);
    let Plan { failed, valid } = plan(&cx.broker.image(), cx.version, topics);
    if valid.is_empty() {
        return respond(failed.merge(Vec::new()));
    }
    let committed = commit(&cx, request, valid).await;
    respond(failed.merge(committed))
}

/// A topic by id or by name, whichever the request has.
type Key = (Uuid, Str);
type Answer = (Key, Vec<(i32, ErrorCode)>);

/// What is to be committed, and what cannot be.
struct Plan {
    failed: Answers<Key>,
    valid: Vec<CommitTopic>,
}

fn plan(image: &Image, version: i16, topics: Vec<OffsetCommitRequestTopic>) -> Plan {
    let mut plan = Plan { failed: Answers::new(), valid: Vec::new() };
    for topic in topics {
        match resolve(image, version, &topic) {
            Ok(found) => plan_topic(&mut plan, version, found, topic.partitions),
            Err(error) => {
                let partitions = topic.partitions.iter().map(|p| p.partition_index);
                plan.failed.fail(key(version, topic.topic_id, topic.name), partitions, error);
            }
        }
    }
    plan
}

fn resolve<'a>(image: &'a Image, version: i16, topic: &OffsetCommitRequestTopic) -> Result<&'a Arc<Topic>, ErrorCode> {
    match version >= BY_ID_SINCE {
        true => image.topics().by_id(&topic.topic_id).ok_or(ErrorCode::UnknownTopicId),
        false => image.topics().by_name(&topic.name).ok_or(ErrorCode::UnknownTopicOrPartition),
    }
}

fn key(version: i16, topic_id: Uuid, name: Str) -> Key {
    match version >= BY_ID_SINCE {
        true => (topic_id, Str::default()),
        false => (Uuid::ZERO, name),
    }
}

fn plan_topic(plan: &mut Plan, version: i16, topic: &Topic, partitions: Vec<OffsetCommitRequestPartition>) {
    let exists = |p: &OffsetCommitRequestPartition| topic.partitions.contains_key(&p.partition_index);
    let (valid, unknown): (Vec<_>, Vec<_>) = partitions.into_iter().partition(exists);
    if !unknown.is_empty() {
        let unknown = unknown.into_iter().map(|p| p.partition_index);
        let key = key(version, topic.id, topic.name.clone());
        plan.failed.fail(key, unknown, ErrorCode::UnknownTopicOrPartition);
    }
    if !valid.is_empty() {
        let partitions = valid.into_iter().map(|p| CommitPartition {
            partition_index: p.partition_index,
            committed_offset: p.committed_offset,
            committed_leader_epoch: p.committed_leader_epoch,
            committed_metadata: p.committed_metadata,
        });
        let (topic_id, name) = (topic.id, topic.name.clone());
        plan.valid.push(CommitTopic { topic_id, name, partitions: partitions.collect() });
    }
}

async fn commit(cx: &Context, request: OffsetCommitRequest, topics: Vec<CommitTopic>) -> Vec<Answer> {
    let version = cx.version;
    let named: Vec<(Key, Vec<i32>)> = topics.iter().map(|topic| partitions_of(version, topic)).collect();
    let group_id = request.group_id.clone();
    let commit = OffsetCommit {
        group_id: request.group_id,
        member_id: request.member_id,
        group_instance_id: request.group_instance_id,
        generation_id: request.generation_id_or_member_epoch,
        supports_member_epochs: version >= MEMBER_EPOCH_SINCE,
        retention_time_ms: Some(request.retention_time_ms).filter(|ms| *ms != NO_RETENTION_TIME),
        producer_id: None,
        topics,
    };
    let answer = submit(&cx.broker, &group_id, |ticket| Event::OffsetCommit(ticket, commit)).await;
    let committed = reply!(answer, OffsetCommit).and_then(|committed| committed.map_err(|e| group_error(version, e)));
    match committed {
        Ok(topics) => topics.into_iter().map(|topic| committed_topic(version, topic)).collect(),
        Err(error) => {
            let failed = named.into_iter();
            failed.map(|(key, partitions)| (key, partitions.into_iter().map(|p| (p, error)).collect())).collect()
        }
    }
}

fn partitions_of(version: i16, topic: &CommitTopic) -> (Key, Vec<i32>) {
    let partitions = topic.partitions.iter().map(|p| p.partition_index).collect();
    (key(version, topic.topic_id, topic.name.clone()), partitions)
}

fn group_error(version: i16, error: Error) -> ErrorCode {
    match error {
        Error::GroupIdNotFound if version < MEMBER_EPOCH_SINCE => ErrorCode::IllegalGeneration,
        error => error.code(),
    }
}

fn committed_topic(version: i16, topic: CommittedTopic) -> Answer {
    let partitions = topic.partitions.into_iter().map(|p| {
        let error = p.result.err().map_or(ErrorCode::None, Error::code);
        (p.partition_index, error)
    });
    (key(version, topic.topic_id, topic.name), partitions.collect())
}

fn respond(answers: Vec<Answer>) -> OffsetCommitResponse {
    let topics = answers.into_iter().map(|((topic_id, name), partitions)| {
        let partitions = partitions.into_iter().map(|(partition_index, error)| OffsetCommitResponsePartition {
            partition_index,
            error_code: error.code(),
            ..Default::default()
        });
        OffsetCommitResponseTopic { topic_id, name, partitions: partitions.collect(), ..Default::default() }
    });
    OffsetCommitResponse { topics: topics.collect(), ..Default::default() }
}

#[cfg(test)]
mod tests;
