//! What several handlers say of topics, and topics that the broker itself asks for.

use crate::{broker::Broker, entropy};
use ottla_config::{ServerConfig, keys};
use ottla_metadata::{
    controller::{CreatableTopic, CreateTopics, Event, Reply},
    image::{self, DIRECTORY_LOST, DIRECTORY_MIGRATING, DIRECTORY_UNASSIGNED, Endpoint, Image},
    topic_name::{self, GROUP_METADATA_TOPIC_NAME, TRANSACTION_STATE_TOPIC_NAME},
};
use ottla_protocol::{ErrorCode, Str};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::timeout;

/// How long an internal topic is waited for: what the same client asks after that waits behind it.
const INTERNAL_PATIENCE: Duration = Duration::from_secs(3);

/// Every operation on a topic, as a bit field (KIP-430); without an authorizer everyone may do all.
/// Read, Write, Create, Delete, Alter, Describe, DescribeConfigs, AlterConfigs.
pub(super) const ALL_OPERATIONS: i32 = bits(&[3, 4, 5, 6, 7, 8, 10, 11]);
/// Every operation on the cluster: Create, Alter, Describe, ClusterAction, DescribeConfigs, AlterConfigs, IdempotentWrite.
pub(super) const ALL_CLUSTER_OPERATIONS: i32 = bits(&[5, 7, 8, 9, 10, 11, 12]);
/// Every operation on a group: Read, Delete, Describe, DescribeConfigs, AlterConfigs.
pub(super) const ALL_GROUP_OPERATIONS: i32 = bits(&[3, 6, 8, 10, 11]);

const fn bits(operations: &[u8]) -> i32 {
    let mut field = 0;
    let mut i = 0;
    while i < operations.len() {
        field |= 1 << operations[i];
        i += 1;
    }
    field
}

/// The brokers that may serve, with their address on a listener.
pub(super) fn active_brokers<'a>(
    image: &'a Image,
    listener: &'a str,
) -> impl Iterator<Item = (&'a image::Broker, &'a Endpoint)> {
    let active = image.cluster().brokers().values().filter(|broker| !broker.fenced);
    active.filter_map(move |broker| Some((&**broker, broker.listener(listener)?)))
}

/// Whether a broker may serve, and has an address on a listener.
pub(super) fn is_active(image: &Image, listener: &str, broker_id: i32) -> bool {
    image.cluster().broker(broker_id).is_some_and(|broker| !broker.fenced && broker.listener(listener).is_some())
}

/// Whether a replica cannot be reached, because of its broker or of its disk (KIP-858).
pub(super) fn is_offline(image: &Image, listener: &str, partition: &image::Partition, broker_id: i32) -> bool {
    let Some(broker) = image.cluster().broker(broker_id) else { return true };
    let on_lost_disk = match partition.directory(broker_id) {
        None | Some(DIRECTORY_UNASSIGNED | DIRECTORY_MIGRATING) => false,
        Some(DIRECTORY_LOST) => true,
        Some(directory) => !broker.log_dirs.is_empty() && !broker.log_dirs.contains(&directory),
    };
    !is_active(image, listener, broker_id) || on_lost_disk
}

/// Replicas that cannot be reached.
pub(super) fn offline_replicas(image: &Image, listener: &str, partition: &image::Partition) -> Vec<i32> {
    partition.replicas.iter().copied().filter(|id| is_offline(image, listener, partition, *id)).collect()
}

/// Why a client cannot be told the leader, if so.
pub(super) fn leader_error(
    image: &Image,
    partition: &image::Partition,
    listener: &str,
    knows_listeners: bool,
) -> ErrorCode {
    match image.cluster().broker(partition.leader) {
        None => ErrorCode::LeaderNotAvailable,
        Some(broker) if broker.fenced => ErrorCode::LeaderNotAvailable,
        Some(broker) if broker.listener(listener).is_some() => ErrorCode::None,
        Some(_) if knows_listeners => ErrorCode::ListenerNotFound,
        Some(_) => ErrorCode::LeaderNotAvailable,
    }
}

/// Makes a topic that a client asked about. The answer is always an error that tells the client to ask again: without one it
/// would take the topic for one that has no partitions.
pub(super) async fn auto_create(broker: &Broker, name: &Str) -> ErrorCode {
    if let Some(internal) =
        [GROUP_METADATA_TOPIC_NAME, TRANSACTION_STATE_TOPIC_NAME].into_iter().find(|it| *name == **it)
    {
        ensure_internal(broker, internal).await;
        return ErrorCode::UnknownTopicOrPartition;
    }
    if topic_name::validate(name).is_err() {
        return ErrorCode::InvalidTopicException;
    }
    let (partitions, factor) = of_its_own(&broker.config());
    match create(broker, name.clone(), partitions, factor, BTreeMap::new()).await {
        // Kafka answers UNKNOWN_TOPIC_OR_PARTITION while the creation is on its way; clients ask again either way.
        ErrorCode::None | ErrorCode::TopicAlreadyExists => ErrorCode::UnknownTopicOrPartition,
        ErrorCode::InvalidReplicationFactor => ErrorCode::InvalidReplicationFactor,
        error => error,
    }
}

/// How many partitions and replicas a topic gets by this broker's config; -1 leaves it to the controller's, as Kafka's brokers do
/// that were not told.
fn of_its_own(config: &ServerConfig) -> (i32, i16) {
    let (partitions, factor) = (keys::NUM_PARTITIONS, keys::DEFAULT_REPLICATION_FACTOR);
    (
        if config.is_set(partitions) { config.get(partitions) } else { -1 },
        if config.is_set(factor) { i16::try_from(config.get(factor)).unwrap_or(i16::MAX) } else { -1 },
    )
}

/// Makes an internal topic if it is not there; `COORDINATOR_NOT_AVAILABLE` makes the client come again.
pub(crate) async fn ensure_internal(broker: &Broker, name: &'static str) -> ErrorCode {
    if broker.image().topics().by_name(name).is_some() {
        return ErrorCode::None;
    }
    let config = broker.config();
    let (partitions, factor, configs) = match name {
        TRANSACTION_STATE_TOPIC_NAME => (
            config.get(keys::TRANSACTION_STATE_LOG_NUM_PARTITIONS),
            config.get(keys::TRANSACTION_STATE_LOG_REPLICATION_FACTOR),
            config.transaction_topic_configs(),
        ),
        _ => (
            config.get(keys::OFFSETS_TOPIC_NUM_PARTITIONS),
            config.get(keys::OFFSETS_TOPIC_REPLICATION_FACTOR),
            config.offsets_topic_configs(),
        ),
    };
    let created = create(broker, Str::from_static(name), partitions, factor, configs);
    match timeout(INTERNAL_PATIENCE, created).await.unwrap_or(ErrorCode::RequestTimedOut) {
        ErrorCode::None | ErrorCode::TopicAlreadyExists => ErrorCode::None,
        error => {
            // Some clients ask again at once.
            if let Some(left_out) = broker.complaints.admit(broker.clock.monotonic()) {
                tracing::warn!(topic = name, %error, left_out, "cannot create the internal topic");
            }
            ErrorCode::CoordinatorNotAvailable
        }
    }
}

async fn create(
    broker: &Broker,
    name: Str,
    num_partitions: i32,
    replication_factor: i16,
    configs: BTreeMap<String, String>,
) -> ErrorCode {
    let topic = CreatableTopic {
        name: name.detached(),
        topic_id: entropy::uuid(),
        num_partitions,
        replication_factor,
        assignments: Vec::new(),
        configs: configs.iter().map(|(k, v)| (Str::from(k.as_str()), Some(Str::from(v.as_str())))).collect(),
    };
    let event = CreateTopics { topics: vec![topic], validate_only: false, seed: entropy::u64() };
    match broker.controller().submit(|ticket| Event::CreateTopics(ticket, event)).await {
        Ok(Reply::CreateTopics(Ok(topics))) => match topics.into_iter().next().map(|topic| topic.result) {
            Some(Ok(_)) => {
                tracing::info!(topic = %name, "topic created");
                ErrorCode::None
            }
            Some(Err(error)) => error.code,
            None => ErrorCode::UnknownServerError,
        },
        Ok(Reply::CreateTopics(Err(error))) => error.code,
        _ => ErrorCode::CoordinatorNotAvailable,
    }
}
