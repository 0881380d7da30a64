//! Produce (0): appends record batches, in order, and answers when they are as safe as `acks` asks.

mod transactional;

use self::transactional::Lookups;
use super::{
    Answered, Context, Pending, Refusal,
    current_leader::{Hints, Node},
};
use crate::{
    clock::wall_ms,
    dir::Dir,
    error_code,
    network::Peer,
    partition::{AppendError, Durable, NotDurable, Partition, Until},
};
use ottla_protocol::{
    ErrorCode, Records, Str, Uuid,
    batch::{self, CheckedBatch},
    compression::Compression,
    frame::RequestFrame,
    messages::{
        ProduceRequest, ProduceResponse,
        produce_request::{PartitionProduceData, TopicProduceData},
        produce_response::{
            BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse, TopicProduceResponse,
        },
    },
};
use std::{
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::{
    sync::SemaphorePermit,
    time::{Instant, error::Elapsed, timeout_at},
};

/// Kafka's admin client may write to internal topics, nobody else may.
const ADMIN_CLIENT_ID: &str = "__admin_client";
/// Since this version the leader is told (KIP-951).
const LEADERS_SINCE: i16 = 10;
/// A request waits so long for its disks at least, whatever its timeout.
const LEAST_TIMEOUT: Duration = Duration::from_secs(1);

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    let request: ProduceRequest = super::read(&cx, request)?;
    Ok(Box::pin(handle(cx, request)))
}

/// Everything up to the first wait is done when the request is first polled, and the connection starts no other while this
/// one waits for its disks, so appends keep the connection's order.
async fn handle(cx: Context, request: ProduceRequest) -> Answered {
    let acks = request.acks;
    let deadline = deadline(request.timeout_ms);
    let mut commits = Vec::new();
    let mut response = match wait_for_disks(&cx, &request, deadline).await {
        Ok(_places) => match transactional::look_up(&cx, &request).await {
            Ok(lookups) => produce(&cx, request, &lookups, &mut commits),
            Err(error) => refuse_all(request, error),
        },
        Err(_elapsed) => refuse_all(request, ErrorCode::RequestTimedOut),
    };
    if acks != 0 {
        wait_until_durable(&mut response, commits, deadline).await;
        name_leaders(&cx, &mut response);
        return cx.respond(&response).map(Some);
    }
    match first_error(&response) {
        // No response means success, so a failure can be told by closing only.
        Some(error) => Err(Refusal::UnacknowledgedProduce(error)),
        None => Ok(None),
    }
}

fn first_error(response: &ProduceResponse) -> Option<String> {
    response.responses.iter().find_map(|topic| {
        let failed = topic.partition_responses.iter().find(|p| p.error_code != 0)?;
        let error = ErrorCode::from_code(failed.error_code).map_or("unknown", ErrorCode::name);
        Some(format!("{error} for {}-{}", topic.name, failed.index))
    })
}

/// Until when the client waits. Kafka answers with a follower's speed, which needs no wait where there is none; here a sync
/// is always waited for, so a client that names no time gets enough for that.
fn deadline(timeout_ms: i32) -> Instant {
    let timeout = u64::try_from(timeout_ms).map_or(LEAST_TIMEOUT, Duration::from_millis);
    Instant::now() + timeout.max(LEAST_TIMEOUT)
}

/// Waits while the disks that the request writes to are behind. What is answered is to be kept during the appends.
async fn wait_for_disks<'a>(
    cx: &'a Context,
    request: &ProduceRequest,
    deadline: Instant,
) -> Result<Vec<SemaphorePermit<'a>>, Elapsed> {
    let mut places = Vec::new();
    for dir in cx.broker.replicas.dirs().iter().filter(|dir| dir.is_behind()) {
        if writes_to(cx, request, dir) {
            let _held_up = HeldUp::new(&cx.peer);
            places.extend(timeout_at(deadline, dir.catch_up()).await?);
        }
    }
    Ok(places)
}

fn writes_to(cx: &Context, request: &ProduceRequest, dir: &Dir) -> bool {
    let is_there = |topic: &Str, index| cx.broker.replicas.replica(topic, index).is_some_and(|r| r.dir().id == dir.id);
    request.topic_data.iter().any(|topic| {
        let name = resolve(cx, topic);
        name.is_ok_and(|name| topic.partition_data.iter().any(|data| is_there(&name, data.index)))
    })
}

/// Keeps the connection from starting other requests.
struct HeldUp<'a>(&'a Peer);

impl<'a> HeldUp<'a> {
    fn new(peer: &'a Peer) -> Self {
        peer.held_up.store(true, Ordering::Relaxed);
        Self(peer)
    }
}

impl Drop for HeldUp<'_> {
    fn drop(&mut self) {
        self.0.held_up.store(false, Ordering::Relaxed);
    }
}

fn refuse_all(request: ProduceRequest, error: ErrorCode) -> ProduceResponse {
    let topics = request.topic_data.into_iter().map(|topic| TopicProduceResponse {
        name: topic.name,
        topic_id: topic.topic_id,
        partition_responses: topic.partition_data.iter().map(|data| refused(data.index, error)).collect(),
        ..Default::default()
    });
    ProduceResponse { responses: topics.collect(), ..Default::default() }
}

fn refused(index: i32, error: ErrorCode) -> PartitionProduceResponse {
    PartitionProduceResponse { index, error_code: error.code(), base_offset: -1, ..Default::default() }
}

/// Answers success only for what is durable. What takes too long may become so yet, as with Kafka's followers.
async fn wait_until_durable(response: &mut ProduceResponse, commits: Vec<Option<Durable>>, deadline: Instant) {
    let partitions = response.responses.iter_mut().flat_map(|topic| &mut topic.partition_responses);
    for (partition, commit) in partitions.zip(commits) {
        let Some(commit) = commit else { continue };
        match timeout_at(deadline, commit.wait()).await {
            Ok(Ok(())) => {}
            Ok(Err(NotDurable::Offline)) => *partition = refused(partition.index, ErrorCode::KafkaStorageError),
            Ok(Err(NotDurable::TooFewInSync)) => {
                *partition = refused(partition.index, ErrorCode::NotEnoughReplicasAfterAppend);
            }
            Ok(Err(NotDurable::Gone)) => *partition = refused(partition.index, ErrorCode::NotLeaderOrFollower),
            Err(_elapsed) => *partition = refused(partition.index, ErrorCode::RequestTimedOut),
        }
    }
}

/// Tells who leads where this broker does not.
fn name_leaders(cx: &Context, response: &mut ProduceResponse) {
    let not_leader = |p: &PartitionProduceResponse| p.error_code == ErrorCode::NotLeaderOrFollower.code();
    if cx.version < LEADERS_SINCE || !response.responses.iter().flat_map(|t| &t.partition_responses).any(not_leader) {
        return;
    }
    let mut hints = Hints::new(cx);
    for topic in &mut response.responses {
        for partition in topic.partition_responses.iter_mut().filter(|p| not_leader(p)) {
            let (leader_id, leader_epoch) = hints.leader((&topic.name, topic.topic_id), partition.index);
            partition.current_leader = LeaderIdAndEpoch { leader_id, leader_epoch, ..Default::default() };
        }
    }
    let nodes = hints.into_nodes();
    let endpoint = |(node_id, node): (i32, Node)| NodeEndpoint {
        node_id,
        host: node.host,
        port: node.port,
        rack: node.rack,
        ..Default::default()
    };
    response.node_endpoints = nodes.map(endpoint).collect();
}

/// Appends, and puts what each partition of the response waits for into `commits`.
fn produce(
    cx: &Context,
    request: ProduceRequest,
    lookups: &Lookups,
    commits: &mut Vec<Option<Durable>>,
) -> ProduceResponse {
    let acks = request.acks;
    let topics = request.topic_data.into_iter();
    let responses = topics.map(|topic| topic_response(cx, acks, lookups, topic, commits)).collect();
    ProduceResponse { responses, ..Default::default() }
}

fn topic_response(
    cx: &Context,
    acks: i16,
    lookups: &Lookups,
    topic: TopicProduceData,
    commits: &mut Vec<Option<Durable>>,
) -> TopicProduceResponse {
    let name = resolve(cx, &topic);
    let partition_responses = topic
        .partition_data
        .into_iter()
        .map(|data| {
            let (response, commit) = partition_response(cx, acks, lookups, name.as_ref(), data);
            commits.push(commit);
            response
        })
        .collect();
    TopicProduceResponse { name: topic.name, topic_id: topic.topic_id, partition_responses, ..Default::default() }
}

/// The topic's name; since version 13 the client gives the id (KIP-516).
fn resolve(cx: &Context, topic: &TopicProduceData) -> Result<Str, ErrorCode> {
    match topic.topic_id {
        Uuid::ZERO if cx.version < 13 => Ok(topic.name.clone()),
        id => {
            let image = cx.broker.image();
            image.topics().by_id(&id).map(|topic| topic.name.clone()).ok_or(ErrorCode::UnknownTopicId)
        },
    }
}

fn partition_response(
    cx: &Context,
    acks: i16,
    lookups: &Lookups,
    topic: Result<&Str, &ErrorCode>,
    data: PartitionProduceData,
) -> (PartitionProduceResponse, Option<Durable>) {
    let index = data.index;
    let appended = topic.map_err(|error| Failure::from(*error)).and_then(|topic| append(cx, acks, lookups, topic, data));
    match appended {
        Ok((response, commit)) => (PartitionProduceResponse { index, ..response }, commit),
        Err(failure) => {
            cx.broker.metrics.produce_failed();
            let response = PartitionProduceResponse {
                index,
                error_code: failure.code.code(),
                base_offset: -1,
                log_start_offset: failure.log_start_offset,
                record_errors: if cx.version >= 8 { failure.records } else { Vec::new() },
                error_message: failure.message.filter(|_| cx.version >= 8).map(Str::from),
                ..Default::default()
            };
            (response, None)
        }
    }
}

/// Why a partition's records were not appended.
struct Failure {
    code: ErrorCode,
    message: Option<String>,
    records: Vec<BatchIndexAndErrorMessage>,
    log_start_offset: i64,
}

impl From<ErrorCode> for Failure {
    fn from(code: ErrorCode) -> Self {
        Self { code, message: None, records: Vec::new(), log_start_offset: -1 }
    }
}

impl Failure {
    fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { message: Some(message.into()), ..Self::from(code) }
    }

    /// A failure in the log, where Kafka gives the start of the log beside most errors.
    fn of_log(self, partition: &Partition) -> Self {
        let log_start_offset = match self.code {
            ErrorCode::CorruptMessage
            | ErrorCode::MessageTooLarge
            | ErrorCode::RecordListTooLarge
            | ErrorCode::NotLeaderOrFollower
            | ErrorCode::KafkaStorageError => -1,
            _ => partition.reader().offsets().log_start_offset,
        };
        Self { log_start_offset, ..self }
    }
}

impl From<AppendError> for Failure {
    fn from(error: AppendError) -> Self {
        let code = error.code();
        let record_error = |(batch_index, message): (i32, String)| BatchIndexAndErrorMessage {
            batch_index,
            batch_index_error_message: Some(Str::from(message)),
            ..Default::default()
        };
        let records = error.record_errors().into_iter().map(record_error).collect();
        Self { code, message: error.message(), records, log_start_offset: -1 }
    }
}

fn append(
    cx: &Context,
    acks: i16,
    lookups: &Lookups,
    topic: &Str,
    data: PartitionProduceData,
) -> Result<(PartitionProduceResponse, Option<Durable>), Failure> {
    if !(-1..=1).contains(&acks) {
        return Err(ErrorCode::InvalidRequiredAcks.into());
    }
    let partition = find(cx, topic, data.index)?;
    let verified = lookups.of(topic, data.index)?;
    let batch = check(cx.version, &partition, data.records)?;
    let size = batch.size_in_bytes();
    let appended = partition.append(batch, wall_ms(), acks, verified).map_err(|error| Failure::from(error).of_log(&partition))?;
    cx.broker.metrics.produced(size);
    let response = PartitionProduceResponse {
        base_offset: appended.first_offset,
        log_append_time_ms: appended.log_append_time_ms,
        log_start_offset: appended.log_start_offset,
        ..Default::default()
    };
    let until = if acks == -1 { Until::Committed } else { Until::Synced };
    Ok((response, (acks != 0).then(|| partition.durable(appended.last_offset + 1, until))))
}

fn find(cx: &Context, topic: &Str, index: i32) -> Result<Arc<Partition>, Failure> {
    let partition = cx.broker.replicas.led(topic, index)?;
    if partition.is_internal() && cx.client_id.as_ref().is_none_or(|id| id != ADMIN_CLIENT_ID) {
        return Err(Failure::new(ErrorCode::InvalidTopicException, format!("Cannot append to internal topic {topic}")));
    }
    Ok(partition)
}

/// Exactly one batch, of magic 2, in a codec that the version knows: Kafka's ProduceRequest.validateRecords.
fn check(version: i16, partition: &Partition, records: Option<Records>) -> Result<CheckedBatch, Failure> {
    let bytes = records.as_ref().and_then(Records::bytes).cloned().unwrap_or_default();
    let batch = CheckedBatch::parse_produced(bytes).map_err(|error| {
        let failure = Failure::new(error_code::of_batch(&error), error.to_string());
        match error {
            // Kafka finds these in its log; before version 7 it looks at the codec first, because of zstd.
            batch::Error::Count { .. } => failure.of_log(partition),
            batch::Error::UnknownCompression(_) if version >= 7 => failure.of_log(partition),
            _ => failure,
        }
    })?;
    if version < 7 && batch.compression() == Compression::Zstd {
        let message = format!("Produce requests with version {version} are not allowed to use ZStandard compression");
        return Err(Failure::new(ErrorCode::UnsupportedCompressionType, message));
    }
    Ok(batch)
}
