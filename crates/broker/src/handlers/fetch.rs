//! Fetch (1): reads record batches from many partitions, waiting until there are `min_bytes` or `max_wait_ms` is over.

use super::{
    Answered, Context, Pending, Refusal,
    current_leader::{Hints, Node},
    fetch_metadata,
};
use crate::{
    entropy,
    fetch::{
        self,
        read::{self, Limits, Near, PartitionRead, Reader},
        session::{Key, TopicKey, Wanted},
        sessions::{Asked, Outcome, Plan},
    },
    network::Scope,
};
use ottla_protocol::{
    ErrorCode, Records, Str, Uuid,
    frame::RequestFrame,
    messages::{
        FetchRequest, FetchResponse,
        fetch_request::{FetchPartition, FetchTopic},
        fetch_response::{
            AbortedTransaction, EpochEndOffset, FetchableTopicResponse, LeaderIdAndEpoch, NodeEndpoint, PartitionData,
        },
    },
};
use ottla_storage::{Isolation, Slice};
use std::{pin::Pin, time::Duration};

/// Since this version topics are named by id (KIP-516).
const BY_ID_SINCE: i16 = 13;
/// Since this version consumers may read from followers (KIP-392).
const FROM_FOLLOWERS_SINCE: i16 = 11;
/// Since this version the leader is told (KIP-951).
const LEADERS_SINCE: i16 = 16;
/// A client that asks to wait longer waits this long.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(3600);

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    let request: FetchRequest = super::read(&cx, request)?;
    if cx.peer.scope == Scope::Controller {
        return Ok(Box::pin(fetch_metadata::handle(cx, request)));
    }
    Ok(Box::pin(handle(cx, request)))
}

async fn handle(cx: Context, request: FetchRequest) -> Answered {
    let Some(isolation) = fetch::isolation(request.isolation_level) else {
        return cx.respond(&failed(cx.version, &request, ErrorCode::UnknownServerError)).map(Some);
    };
    let limits = limits(&cx, &request, isolation);
    let plan = cx.broker.fetch_sessions.lock().plan(cx.broker.clock.monotonic(), asked(cx.version, request));
    if let Plan::Error(error) = plan {
        return cx.respond(&FetchResponse { error_code: error.code(), ..Default::default() }).map(Some);
    }
    let is_news = |reads: &[PartitionRead]| is_behind(&cx, &plan, limits.reader, reads);
    let reads = read::until_enough(&cx.broker, plan.partitions(), &limits, is_news).await;
    answer(&cx, &plan, limits.reader, reads)
}

/// Whether a follower is to hear at once of a high watermark: consumers may read from it.
fn is_behind(cx: &Context, plan: &Plan, reader: Reader, reads: &[PartitionRead]) -> bool {
    match (plan, reader) {
        (Plan::Incremental { session_id, partitions }, Reader::Replica { .. }) => {
            let outcomes: Vec<Outcome> = reads.iter().map(PartitionRead::outcome).collect();
            cx.broker.fetch_sessions.lock().is_behind(*session_id, partitions, &outcomes)
        }
        _ => false,
    }
}

/// Who reads: since version 15 replicas name themselves with their epochs (KIP-903).
fn reader(version: i16, request: &FetchRequest) -> Reader {
    let state = &request.replica_state;
    let (id, epoch) = if version >= 15 { (state.replica_id, state.replica_epoch) } else { (request.replica_id, -1) };
    match id >= 0 {
        true => Reader::Replica { id, epoch },
        false => Reader::Consumer { of_follower: version >= FROM_FOLLOWERS_SINCE },
    }
}

fn limits(cx: &Context, request: &FetchRequest, isolation: Isolation) -> Limits {
    let reader = reader(cx.version, request);
    let most = cx.broker.settings.fetch_max_bytes;
    let isolation = if let Reader::Replica { .. } = reader { Isolation::LogEnd } else { isolation };
    let max_wait_ms = u64::try_from(request.max_wait_ms).unwrap_or(0);
    Limits {
        max_wait: Duration::from_millis(max_wait_ms).min(MAX_WAIT),
        min_bytes: usize::try_from(request.min_bytes).unwrap_or(0),
        max_bytes: usize::try_from(request.max_bytes).unwrap_or(0).min(most),
        isolation,
        near: near(cx, request, reader),
        reader,
    }
}

/// Where a consumer is that is to read from a replica near to it.
fn near(cx: &Context, request: &FetchRequest, reader: Reader) -> Option<Near> {
    let by_rack = cx.broker.settings.reads_by_rack && reader == Reader::Consumer { of_follower: true };
    let near = || Near { rack: request.rack_id.clone(), listener: cx.peer.listener.clone() };
    (by_rack && !request.rack_id.is_empty()).then(near)
}

/// The answer to a request that fails as a whole: up to version 12 every partition has the error too.
fn failed(version: i16, request: &FetchRequest, error: ErrorCode) -> FetchResponse {
    let mut response = FetchResponse { error_code: if version >= 7 { error.code() } else { 0 }, ..Default::default() };
    let partitions = |topic: &FetchTopic| {
        let data = |p: &FetchPartition| partition_data(version, p.partition, PartitionRead::Unknown(error), &mut Vec::new());
        topic.partitions.iter().map(data).collect()
    };
    if version < BY_ID_SINCE {
        let topic = |topic: &FetchTopic| FetchableTopicResponse {
            topic: topic.topic.clone(),
            partitions: partitions(topic),
            ..Default::default()
        };
        response.responses = request.topics.iter().map(topic).collect();
    }
    response
}

fn asked(version: i16, request: FetchRequest) -> Asked {
    let by_id = version >= BY_ID_SINCE;
    let topic = |name: Str, id: Uuid| if by_id { TopicKey::Id(id) } else { TopicKey::Name(name) };
    let mut partitions = Vec::new();
    for fetched in request.topics {
        let topic = topic(fetched.topic, fetched.topic_id);
        partitions.extend(fetched.partitions.into_iter().map(|p| {
            let wanted = Wanted {
                fetch_offset: p.fetch_offset,
                max_bytes: p.partition_max_bytes,
                current_leader_epoch: p.current_leader_epoch,
                last_fetched_epoch: p.last_fetched_epoch,
                log_start_offset: p.log_start_offset,
            };
            (Key { topic: topic.clone(), partition: p.partition }, wanted)
        }));
    }
    let forgotten = request.forgotten_topics_data.into_iter().flat_map(|forgotten| {
        let topic = topic(forgotten.topic, forgotten.topic_id);
        forgotten.partitions.into_iter().map(move |partition| Key { topic: topic.clone(), partition })
    });
    let forgotten = forgotten.collect();
    Asked { session_id: request.session_id, epoch: request.session_epoch, by_id, partitions, forgotten }
}

/// Settles the session and writes the response, its records as file ranges.
fn answer(cx: &Context, plan: &Plan, reader: Reader, reads: Vec<PartitionRead>) -> Answered {
    let outcomes: Vec<Outcome> = reads.iter().map(PartitionRead::outcome).collect();
    let now = cx.broker.clock.monotonic();
    let (session_id, told) = {
        let mut sessions = cx.broker.fetch_sessions.lock();
        match plan {
            Plan::Error(_) | Plan::Sessionless(_) => (0, vec![true; reads.len()]),
            Plan::Full(read) => {
                let by_id = cx.version >= BY_ID_SINCE;
                (sessions.create(now, entropy::i32(), by_id, read, &outcomes), vec![true; reads.len()])
            }
            Plan::Incremental { session_id, partitions } => (*session_id, sessions.changed(*session_id, partitions, &outcomes)),
        }
    };
    let mut response = FetchResponse { session_id, ..Default::default() };
    let mut records = Vec::new();
    let (mut sent, mut throttled) = (0, 0);
    let mut hints = None;
    for ((key, _), (read, told)) in plan.partitions().iter().zip(reads.into_iter().zip(told)) {
        if told {
            sent += read.bytes();
            throttled += if read.is_throttled() { read.bytes() } else { 0 };
            let mut data = partition_data(cx.version, key.partition, read, &mut records);
            let topic = topic_entry(&mut response.responses, &key.topic);
            if cx.version >= LEADERS_SINCE && is_led_elsewhere(data.error_code) {
                let hints = hints.get_or_insert_with(|| Hints::new(cx));
                let (leader_id, leader_epoch) = hints.leader((&topic.topic, topic.topic_id), key.partition);
                data.current_leader = LeaderIdAndEpoch { leader_id, leader_epoch, ..Default::default() };
            }
            topic.partitions.push(data);
        }
    }
    // Brokers know one another.
    if let (Some(hints), Reader::Consumer { .. }) = (hints, reader) {
        response.node_endpoints = hints.into_nodes().map(endpoint).collect();
    }
    match reader {
        Reader::Consumer { .. } => cx.broker.metrics.fetched(sent),
        Reader::Replica { .. } => cx.broker.metrics.replication.sent(sent),
    }
    if throttled > 0 {
        cx.broker.throttles.leader.record(throttled, now);
    }
    let mut outgoing = cx.respond(&response)?;
    outgoing.records = records;
    Ok(Some(outgoing))
}

fn is_led_elsewhere(error_code: i16) -> bool {
    error_code == ErrorCode::NotLeaderOrFollower.code() || error_code == ErrorCode::FencedLeaderEpoch.code()
}

fn endpoint((node_id, node): (i32, Node)) -> NodeEndpoint {
    NodeEndpoint { node_id, host: node.host, port: node.port, rack: node.rack, ..Default::default() }
}

/// Partitions of one topic that follow one another share its entry.
fn topic_entry<'a>(topics: &'a mut Vec<FetchableTopicResponse>, key: &TopicKey) -> &'a mut FetchableTopicResponse {
    let (topic, topic_id) = match key {
        TopicKey::Name(name) => (name.clone(), Uuid::ZERO),
        TopicKey::Id(id) => (Str::default(), *id),
    };
    let same = topics.last().is_some_and(|last| last.topic == topic && last.topic_id == topic_id);
    if !same {
        topics.push(FetchableTopicResponse { topic, topic_id, ..Default::default() });
    }
    let last = topics.len() - 1;
    &mut topics[last]
}

fn partition_data(version: i16, partition_index: i32, read: PartitionRead, sent: &mut Vec<Vec<Slice>>) -> PartitionData {
    let mut data = PartitionData { partition_index, ..Default::default() };
    match read {
        PartitionRead::Unknown(error) | PartitionRead::Failed(error) => {
            data.error_code = error.code();
            data.high_watermark = -1;
            data.records = Some(Records::default());
            data.aborted_transactions = matches!(read, PartitionRead::Unknown(_)).then(Vec::new);
        }
        PartitionRead::Read(read) => {
            data.high_watermark = read.high_watermark;
            data.last_stable_offset = read.last_stable_offset;
            data.log_start_offset = read.log_start_offset;
            data.preferred_read_replica = read.preferred.unwrap_or(-1);
            data.aborted_transactions = read.aborted.map(|aborted| {
                let transaction = |(producer_id, first_offset)| AbortedTransaction {
                    producer_id,
                    first_offset,
                    ..Default::default()
                };
                aborted.into_iter().map(transaction).collect()
            });
            if let Some((epoch, end_offset)) = read.diverging.filter(|_| version >= 12) {
                data.diverging_epoch = EpochEndOffset { epoch, end_offset, ..Default::default() };
            }
            let size = read.slices.iter().map(Slice::len).sum();
            data.records = Some(match size {
                0 => Records::default(),
                _ => {
                    sent.push(read.slices);
                    Records::External { id: sent.len() as u64 - 1, size }
                }
            });
        }
    }
    data
}
