//! What the broker itself reads of its config, as the types it needs.

use ottla_config::{ServerConfig, TopicConfig, keys};
use ottla_coordinator::{
    Assignor, MigrationPolicy, Settings as GroupSettings, transactions::Settings as TransactionSettings,
};
use ottla_protocol::compression::Compression;
use ottla_storage::config::{LogConfig, TimestampType};
use std::{collections::HashMap, net::IpAddr, time::Duration};

/// The settings that hold from the start to the end of the process.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) socket_request_max_bytes: usize,
    pub(crate) socket_receive_buffer_bytes: Option<usize>,
    pub(crate) socket_send_buffer_bytes: Option<usize>,
    /// None is without a limit.
    pub(crate) connections_max_idle: Option<Duration>,
    pub(crate) max_connections: usize,
    pub(crate) max_connections_per_ip: usize,
    pub(crate) max_connections_per_ip_overrides: HashMap<IpAddr, usize>,
    pub(crate) fetch_max_bytes: usize,
    pub(crate) fetch_session_slots: usize,
    pub(crate) max_partitions_described: usize,
    /// Whether consumers are sent to replicas in their rack.
    pub(crate) reads_by_rack: bool,
    /// Whether groups of the consumer protocol are offered, if the cluster has agreed on them.
    pub(crate) offers_consumer_groups: bool,
}

/// A number that must not be negative, clamped if it is: the config's own checks have seen it before.
fn count(value: i32) -> usize {
    usize::try_from(value).unwrap_or(0)
}

/// Kafka's -1 leaves a socket's buffer to the system.
fn buffer(bytes: i32) -> Option<usize> {
    usize::try_from(bytes).ok().filter(|bytes| *bytes > 0)
}

impl Settings {
    pub(crate) fn new(config: &ServerConfig) -> Self {
        let overrides = config.max_connections_per_ip_overrides();
        let resolved = overrides.into_iter().filter_map(|(host, limit)| Some((resolve(&host)?, count(limit))));
        let idle_ms = config.get(keys::CONNECTIONS_MAX_IDLE_MS);
        Self {
            socket_request_max_bytes: count(config.get(keys::SOCKET_REQUEST_MAX_BYTES)),
            socket_receive_buffer_bytes: buffer(config.get(keys::SOCKET_RECEIVE_BUFFER_BYTES)),
            socket_send_buffer_bytes: buffer(config.get(keys::SOCKET_SEND_BUFFER_BYTES)),
            connections_max_idle: u64::try_from(idle_ms).ok().map(Duration::from_millis),
            max_connections: count(config.get(keys::MAX_CONNECTIONS)),
            max_connections_per_ip: count(config.get(keys::MAX_CONNECTIONS_PER_IP)),
            max_connections_per_ip_overrides: resolved.collect(),
            fetch_max_bytes: count(config.get(keys::FETCH_MAX_BYTES)),
            fetch_session_slots: count(config.get(keys::MAX_INCREMENTAL_FETCH_SESSION_CACHE_SLOTS)),
            max_partitions_described: count(config.get(keys::MAX_REQUEST_PARTITION_SIZE_LIMIT)),
            // There is but one class.
            reads_by_rack: config.get(keys::REPLICA_SELECTOR_CLASS).is_some(),
            offers_consumer_groups: config
                .get(keys::GROUP_COORDINATOR_REBALANCE_PROTOCOLS)
                .iter()
                .any(|name| name == "consumer"),
        }
    }
}

fn resolve(host: &str) -> Option<IpAddr> {
    use std::net::ToSocketAddrs;
    let found = (host, 0).to_socket_addrs().ok().and_then(|mut addresses| addresses.next());
    if found.is_none() {
        tracing::warn!(host, "max.connections.per.ip.overrides names a host that has no address");
    }
    found.map(|address| address.ip())
}

/// What the group coordinator needs.
pub(crate) fn group_settings(config: &ServerConfig) -> GroupSettings {
    let offsets_topic = config.topic_config(&config.offsets_topic_configs());
    GroupSettings {
        group_min_session_timeout_ms: config.get(keys::GROUP_MIN_SESSION_TIMEOUT_MS),
        group_max_session_timeout_ms: config.get(keys::GROUP_MAX_SESSION_TIMEOUT_MS),
        group_initial_rebalance_delay_ms: config.get(keys::GROUP_INITIAL_REBALANCE_DELAY_MS),
        group_max_size: config.get(keys::GROUP_MAX_SIZE),
        offset_metadata_max_bytes: config.get(keys::OFFSET_METADATA_MAX_BYTES),
        offsets_retention_ms: i64::from(config.get(keys::OFFSETS_RETENTION_MINUTES)) * 60_000,
        offsets_retention_check_interval_ms: config.get(keys::OFFSETS_RETENTION_CHECK_INTERVAL_MS),
        max_batch_bytes: count(offsets_topic.max_message_bytes),
        group_consumer_session_timeout_ms: config.get(keys::GROUP_CONSUMER_SESSION_TIMEOUT_MS),
        group_consumer_session_timeouts_ms: config.get(keys::GROUP_CONSUMER_MIN_SESSION_TIMEOUT_MS)
            ..=config.get(keys::GROUP_CONSUMER_MAX_SESSION_TIMEOUT_MS),
        group_consumer_heartbeat_intervals_ms: config.get(keys::GROUP_CONSUMER_MIN_HEARTBEAT_INTERVAL_MS)
            ..=config.get(keys::GROUP_CONSUMER_MAX_HEARTBEAT_INTERVAL_MS),
        group_consumer_assignment_intervals_ms: config.get(keys::GROUP_CONSUMER_MIN_ASSIGNMENT_INTERVAL_MS)
            ..=config.get(keys::GROUP_CONSUMER_MAX_ASSIGNMENT_INTERVAL_MS),
        group_consumer_heartbeat_interval_ms: config.get(keys::GROUP_CONSUMER_HEARTBEAT_INTERVAL_MS),
        group_consumer_max_size: config.get(keys::GROUP_CONSUMER_MAX_SIZE),
        group_consumer_assignors: config.consumer_assignors().filter_map(Assignor::from_name).collect(),
        group_consumer_migration_policy: migration_policy(config.get(keys::GROUP_CONSUMER_MIGRATION_POLICY)),
        group_consumer_assignment_interval_ms: config.get(keys::GROUP_CONSUMER_ASSIGNMENT_INTERVAL_MS),
        group_consumer_regex_refresh_interval_ms: config.get(keys::GROUP_CONSUMER_REGEX_REFRESH_INTERVAL_MS),
        ..GroupSettings::default()
    }
}

/// The policy of this name in any case; the config's own checks let only known ones through.
fn migration_policy(name: &str) -> MigrationPolicy {
    match name.to_ascii_lowercase().as_str() {
        "upgrade" => MigrationPolicy::Upgrade,
        "downgrade" => MigrationPolicy::Downgrade,
        "bidirectional" => MigrationPolicy::Bidirectional,
        _ => MigrationPolicy::Disabled,
    }
}

/// The codec that coordinators write `__consumer_offsets` with; the config's own checks let only known ids through.
pub(crate) fn offsets_topic_codec(config: &ServerConfig) -> Compression {
    let id = u8::try_from(config.get(keys::OFFSETS_TOPIC_COMPRESSION_CODEC));
    id.ok().and_then(Compression::from_id).unwrap_or_default()
}

/// How long the answer to a commit of offsets may wait for the replicas.
pub(crate) fn offsets_commit_timeout(config: &ServerConfig) -> Duration {
    Duration::from_millis(u64::try_from(config.get(keys::OFFSETS_COMMIT_TIMEOUT_MS)).unwrap_or(0))
}

/// What the transaction coordinator needs; the level of `transaction.version` is the metadata's to say.
pub(crate) fn transaction_settings(config: &ServerConfig) -> TransactionSettings {
    let topic = config.topic_config(&config.transaction_topic_configs());
    TransactionSettings {
        max_timeout_ms: config.get(keys::TRANSACTION_MAX_TIMEOUT_MS),
        id_expiration_ms: config.get(keys::TRANSACTIONAL_ID_EXPIRATION_MS).into(),
        abort_interval_ms: config.get(keys::TRANSACTION_ABORT_TIMED_OUT_TRANSACTION_CLEANUP_INTERVAL_MS).into(),
        expiry_interval_ms: config.get(keys::TRANSACTION_REMOVE_EXPIRED_TRANSACTION_CLEANUP_INTERVAL_MS).into(),
        add_partitions_wait_ms: config.get(keys::ADD_PARTITIONS_TO_TXN_RETRY_BACKOFF_MAX_MS).into(),
        max_batch_bytes: count(topic.max_message_bytes),
        ..TransactionSettings::default()
    }
}

/// How long another node may take to answer.
pub(crate) fn request_timeout(config: &ServerConfig) -> Duration {
    Duration::from_millis(u64::try_from(config.get(keys::REQUEST_TIMEOUT_MS)).unwrap_or(0))
}

/// What storage needs of a topic's configs.
pub(crate) fn log_config(topic: &TopicConfig, config: &ServerConfig) -> LogConfig {
    let bytes = |value: i32| u32::try_from(value).unwrap_or(0);
    LogConfig {
        segment_bytes: bytes(topic.segment_bytes),
        segment_ms: topic.max_segment_ms(),
        segment_jitter_ms: topic.segment_jitter_ms,
        segment_index_bytes: bytes(topic.segment_index_bytes),
        index_interval_bytes: bytes(topic.index_interval_bytes),
        max_message_bytes: bytes(topic.max_message_bytes),
        message_timestamp_type: match topic.message_timestamp_type {
            ottla_config::TimestampType::CreateTime => TimestampType::CreateTime,
            ottla_config::TimestampType::LogAppendTime => TimestampType::LogAppendTime,
        },
        flush_messages: topic.flush_messages,
        flush_ms: topic.flush_ms,
        retention_ms: topic.retention_ms,
        retention_bytes: topic.retention_bytes,
        preallocate: topic.preallocate,
        file_delete_delay_ms: topic.file_delete_delay_ms,
        delete: topic.cleanup_delete,
        compact: topic.cleanup_compact,
        delete_retention_ms: topic.delete_retention_ms,
        min_compaction_lag_ms: topic.min_compaction_lag_ms,
        max_compaction_lag_ms: topic.max_compaction_lag_ms,
        min_cleanable_dirty_ratio: topic.min_cleanable_dirty_ratio,
        producer_id_expiration_ms: i64::from(config.get(keys::PRODUCER_ID_EXPIRATION_MS)),
    }
}
