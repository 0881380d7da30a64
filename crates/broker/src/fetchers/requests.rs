//! What followers ask of leaders, as Kafka's requests.

use super::fetcher::Session;
use crate::client::{Client, Error};
use ottla_config::{ServerConfig, keys};
use ottla_protocol::{
    ApiKey, ErrorCode, Str, Uuid,
    messages::{
        FetchRequest, ListOffsetsRequest, ListOffsetsResponse,
        fetch_request::{FetchPartition, FetchTopic, ForgottenTopic, ReplicaState},
        list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
    },
};
use ottla_replication::follower::FetchAt;
use ottla_storage::journal::PartitionKey;
use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

/// The version of Fetch that is spoken: followers tell their epochs since 15 (KIP-903).
pub(super) const FETCH_VERSION: i16 = 17;

const EARLIEST: i64 = -2;
const LATEST: i64 = -1;

/// How followers fetch.
#[derive(Clone, Debug)]
pub(crate) struct ReplicaFetch {
    /// `replica.socket.timeout.ms`.
    pub(super) timeout: Duration,
    /// `replica.fetch.backoff.ms`.
    pub(super) backoff: Duration,
    max_wait_ms: i32,
    min_bytes: i32,
    max_bytes: i32,
    partition_max_bytes: i32,
}

impl ReplicaFetch {
    pub(crate) fn new(config: &ServerConfig) -> Self {
        let millis = |ms: i32| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
        Self {
            timeout: millis(config.get(keys::REPLICA_SOCKET_TIMEOUT_MS)),
            backoff: millis(config.get(keys::REPLICA_FETCH_BACKOFF_MS)),
            max_wait_ms: config.get(keys::REPLICA_FETCH_WAIT_MAX_MS),
            min_bytes: config.get(keys::REPLICA_FETCH_MIN_BYTES),
            max_bytes: config.get(keys::REPLICA_FETCH_RESPONSE_MAX_BYTES),
            partition_max_bytes: config.get(keys::REPLICA_FETCH_MAX_BYTES),
        }
    }
}

/// The next fetch of a session; all partitions are named in the first.
pub(super) fn fetch(
    (replica_id, replica_epoch): (i32, i64),
    settings: &ReplicaFetch,
    session: Session,
    wanted: impl Iterator<Item = (PartitionKey, FetchAt)>,
    forgotten: &[PartitionKey],
) -> FetchRequest {
    let mut topics: BTreeMap<Uuid, Vec<FetchPartition>> = BTreeMap::new();
    let mut named = HashSet::new();
    for (key, at) in wanted {
        named.insert(key);
        topics.entry(key.topic_id).or_default().push(FetchPartition {
            partition: key.partition,
            current_leader_epoch: at.current_leader_epoch,
            fetch_offset: at.offset,
            last_fetched_epoch: at.last_fetched_epoch,
            log_start_offset: at.log_start_offset,
            partition_max_bytes: settings.partition_max_bytes,
            ..Default::default()
        });
    }
    let mut left: BTreeMap<Uuid, Vec<i32>> = BTreeMap::new();
    // Leaders forget after they have taken in what is wanted: one that is left and followed again is wanted only.
    for key in forgotten.iter().filter(|key| session.epoch > 0 && !named.contains(key)) {
        left.entry(key.topic_id).or_default().push(key.partition);
    }
    let topic = |(topic_id, partitions)| FetchTopic { topic_id, partitions, ..Default::default() };
    let forgotten = |(topic_id, partitions)| ForgottenTopic { topic_id, partitions, ..Default::default() };
    FetchRequest {
        replica_state: ReplicaState { replica_id, replica_epoch, ..Default::default() },
        max_wait_ms: settings.max_wait_ms,
        min_bytes: settings.min_bytes,
        max_bytes: settings.max_bytes,
        session_id: session.id,
        session_epoch: session.epoch,
        topics: topics.into_iter().map(topic).collect(),
        forgotten_topics_data: left.into_iter().map(forgotten).collect(),
        ..Default::default()
    }
}

/// The session after an answer; a leader without room for one gives id 0.
pub(super) fn next_session(id: i32, before: Session) -> Session {
    match id {
        0 => Session::default(),
        id => Session { id, epoch: if before.epoch == i32::MAX { 1 } else { before.epoch + 1 } },
    }
}

/// Where a leader's log starts and ends.
pub(super) async fn leader_range(
    client: &mut Client,
    replica_id: i32,
    (topic, partition_index): &(Str, i32),
    current_leader_epoch: i32,
) -> Result<(i64, i64), Error> {
    let mut ends = [0, 0];
    for (end, timestamp) in ends.iter_mut().zip([EARLIEST, LATEST]) {
        let partition = ListOffsetsPartition {
            partition_index: *partition_index,
            current_leader_epoch,
            timestamp,
            ..Default::default()
        };
        let topics = vec![ListOffsetsTopic { name: topic.clone(), partitions: vec![partition], ..Default::default() }];
        let request = ListOffsetsRequest { replica_id, topics, ..Default::default() };
        let mut answer: ListOffsetsResponse = client.call(ApiKey::ListOffsets, &request).await?;
        let found = answer.topics.pop().and_then(|mut topic| topic.partitions.pop()).ok_or(Error::OutOfStep)?;
        if found.error_code != ErrorCode::None.code() {
            return Err(Error::Closed);
        }
        *end = found.offset;
    }
    let [start, end] = ends;
    Ok((start, end))
}

#[cfg(test)]
mod tests;
