//! TxnOffsetCommit (28): offsets that count when a transaction is committed (KIP-447).

use super::{Context, Pending, Refusal, plain_within};
use crate::{
    groups::{Answers, Shard},
    partition::Verified,
    shards::{Unavailable, Writer},
    transactions::{Lookup, look_up},
};
use ottla_config::keys;
use ottla_coordinator::{
    CommitPartition, CommitTopic, Error, Event, OffsetCommit, Reply,
    transactions::{Partitions, Producer},
};
use ottla_metadata::image::Image;
use ottla_protocol::{
    ErrorCode, Str,
    batch::NO_SEQUENCE,
    frame::RequestFrame,
    messages::{
        TxnOffsetCommitRequest, TxnOffsetCommitResponse,
        txn_offset_commit_request::TxnOffsetCommitRequestTopic,
        txn_offset_commit_response::{TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic},
    },
};
use ottla_storage::Verify;
use std::pin::Pin;

/// Before this version clients fail on COORDINATOR_LOAD_IN_PROGRESS (KAFKA-7296).
const LOADING_SINCE: i16 = 2;

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain_within(cx, request, named, handle)
}

fn named(request: &TxnOffsetCommitRequest) -> usize {
    request.topics.iter().map(|topic| 1 + topic.partitions.len()).sum()
}

async fn handle(cx: Context, mut request: TxnOffsetCommitRequest) -> TxnOffsetCommitResponse {
    let topics = std::mem::take(&mut request.topics);
    let (failed, valid) = plan(&cx.broker.image(), topics);
    if valid.is_empty() {
        return respond(cx.version, failed.merge(Vec::new()));
    }
    let named: Vec<(Str, Vec<i32>)> = valid.iter().map(named_in).collect();
    let committed = match commit(&cx, request, valid).await {
        Ok(committed) => committed,
        Err(error) => {
            let all = named.into_iter().map(|(name, indexes)| (name, indexes.into_iter().map(|i| (i, error)).collect()));
            all.collect()
        }
    };
    respond(cx.version, failed.merge(committed))
}

fn named_in(topic: &CommitTopic) -> (Str, Vec<i32>) {
    (topic.name.clone(), topic.partitions.iter().map(|it| it.partition_index).collect())
}

/// What cannot be committed, and what is to be.
fn plan(image: &Image, topics: Vec<TxnOffsetCommitRequestTopic>) -> (Answers<Str>, Vec<CommitTopic>) {
    let (mut failed, mut valid) = (Answers::new(), Vec::new());
    for topic in topics {
        let known = image.topics().by_name(&topic.name);
        let (found, unknown): (Vec<_>, Vec<_>) = topic.partitions.into_iter().partition(|partition| {
            known.is_some_and(|known| known.partitions.contains_key(&partition.partition_index))
        });
        if known.is_none() || !unknown.is_empty() {
            let unknown = unknown.iter().map(|partition| partition.partition_index);
            failed.fail(topic.name.clone(), unknown, ErrorCode::UnknownTopicOrPartition);
        }
        if let Some(known) = known.filter(|_| !found.is_empty()) {
            let partitions = found.into_iter().map(|partition| CommitPartition {
                partition_index: partition.partition_index,
                committed_offset: partition.committed_offset,
                committed_leader_epoch: partition.committed_leader_epoch,
                committed_metadata: partition.committed_metadata,
            });
            valid.push(CommitTopic { topic_id: known.id, name: known.name.clone(), partitions: partitions.collect() });
        }
    }
    (failed, valid)
}

type Answer = (Str, Vec<(i32, ErrorCode)>);

async fn commit(cx: &Context, request: TxnOffsetCommitRequest, topics: Vec<CommitTopic>) -> Result<Vec<Answer>, ErrorCode> {
    if request.group_id.is_empty() {
        return Err(ErrorCode::InvalidGroupId);
    }
    let shard = cx.broker.groups.shard_for(&cx.broker.image(), &request.group_id)?;
    let verified = verify(cx, &request, &shard).await.map_err(of_coordinator)?;
    let writer = Writer { producer: (request.producer_id, request.producer_epoch), verified };
    let commit = OffsetCommit {
        group_id: request.group_id,
        member_id: request.member_id,
        group_instance_id: request.group_instance_id,
        generation_id: request.generation_id,
        supports_member_epochs: true,
        retention_time_ms: None,
        producer_id: Some(request.producer_id),
        topics,
    };
    let answer = shard.submit_as(Some(writer), |ticket| Event::OffsetCommit(ticket, commit)).await;
    match answer.map_err(Unavailable::code).map_err(of_coordinator)? {
        Reply::OffsetCommit(Ok(topics)) => {
            let one = |topic: ottla_coordinator::CommittedTopic| {
                let partitions = topic.partitions.into_iter();
                let code = |result: Result<(), Error>| result.err().map_or(ErrorCode::None, Error::code);
                (topic.name, partitions.map(|it| (it.partition_index, code(it.result))).collect())
            };
            Ok(topics.into_iter().map(one).collect())
        }
        Reply::OffsetCommit(Err(error)) => Err(error.code()),
        _ => Err(ErrorCode::UnknownServerError),
    }
}

/// Has the group's partition be known to the transaction's coordinator.
async fn verify(cx: &Context, request: &TxnOffsetCommitRequest, shard: &Shard) -> Result<Verified, ErrorCode> {
    let lookup = Lookup::of_offset_commit(cx.version);
    let is_required = cx.broker.config().get(keys::TRANSACTION_PARTITION_VERIFICATION_ENABLE);
    if !is_required && !lookup.adds() {
        return Ok(Verified::NotRequired);
    }
    let producer = Producer { id: request.producer_id, epoch: request.producer_epoch };
    let verify = Verify {
        producer_id: producer.id,
        epoch: producer.epoch,
        sequence: NO_SEQUENCE,
        bumps_epoch: lookup.adds(),
    };
    let partition = &shard.partition;
    let verification = partition.begin_verification(verify).map_err(|error| error.code())?;
    if verification.is_some() {
        let partitions = Partitions::from_iter([(partition.topic.clone(), partition.index)]);
        let transactional_id = request.transactional_id.detached();
        let errors = look_up(&cx.broker, lookup, &transactional_id, producer, &partitions).await;
        if let Some(error) = errors.into_values().next() {
            return Err(error);
        }
    }
    Ok(if is_required { Verified::By(verification) } else { Verified::NotRequired })
}

/// What goes wrong in the group's partition, or on the way to another coordinator, as clients know it of a coordinator.
fn of_coordinator(error: ErrorCode) -> ErrorCode {
    match error {
        ErrorCode::NetworkException => ErrorCode::CoordinatorLoadInProgress,
        ErrorCode::UnknownTopicOrPartition | ErrorCode::NotEnoughReplicas | ErrorCode::RequestTimedOut => {
            ErrorCode::CoordinatorNotAvailable
        }
        ErrorCode::NotLeaderOrFollower | ErrorCode::KafkaStorageError => ErrorCode::NotCoordinator,
        error => error,
    }
}

fn respond(version: i16, answers: Vec<Answer>) -> TxnOffsetCommitResponse {
    let known = |error| match error {
        ErrorCode::CoordinatorLoadInProgress if version < LOADING_SINCE => ErrorCode::CoordinatorNotAvailable,
        error => error,
    };
    let topics = answers.into_iter().map(|(name, partitions)| {
        let partitions = partitions.into_iter().map(|(partition_index, error)| TxnOffsetCommitResponsePartition {
            partition_index,
            error_code: known(error).code(),
            ..Default::default()
        });
        TxnOffsetCommitResponseTopic { name, partitions: partitions.collect(), ..Default::default() }
    });
    TxnOffsetCommitResponse { topics: topics.collect(), ..Default::default() }
}
