//! The broker configs that code asks for, each with the type of its value.
//!
//! A config that becomes honoured gets its line here and its `support` changed in `data/broker-configs.tsv`.

use crate::Key;

macro_rules! keys {
    ($($constant:ident: $rust:ty = $name:literal;)*) => {
        $(
            #[doc = concat!("`", $name, "`")]
            pub const $constant: Key<$rust> = Key::new($name);
        )*

        /// Every key's name, and whether a value reads as the key's type.
        #[cfg(test)]
        pub(crate) const ALL: &[(&str, fn(&crate::Value) -> bool)] =
            &[$(($name, |value| <$rust as crate::key::ConfigValue>::read(value).is_some())),*];
    };
}

keys! {
    ADD_PARTITIONS_TO_TXN_RETRY_BACKOFF_MAX_MS: i32 = "add.partitions.to.txn.retry.backoff.max.ms";
    ADD_PARTITIONS_TO_TXN_RETRY_BACKOFF_MS: i32 = "add.partitions.to.txn.retry.backoff.ms";
    ADVERTISED_LISTENERS: Option<Vec<String>> = "advertised.listeners";
    AUTHORIZER_CLASS_NAME: String = "authorizer.class.name";
    AUTO_CREATE_TOPICS_ENABLE: bool = "auto.create.topics.enable";
    AUTO_LEADER_REBALANCE_ENABLE: bool = "auto.leader.rebalance.enable";
    BROKER_HEARTBEAT_INTERVAL_MS: i32 = "broker.heartbeat.interval.ms";
    BROKER_ID: i32 = "broker.id";
    BROKER_RACK: Option<String> = "broker.rack";
    BROKER_SESSION_TIMEOUT_MS: i32 = "broker.session.timeout.ms";
    COMPRESSION_GZIP_LEVEL: i32 = "compression.gzip.level";
    COMPRESSION_LZ4_LEVEL: i32 = "compression.lz4.level";
    COMPRESSION_TYPE: String = "compression.type";
    COMPRESSION_ZSTD_LEVEL: i32 = "compression.zstd.level";
    CONNECTIONS_MAX_IDLE_MS: i64 = "connections.max.idle.ms";
    CONNECTION_FAILED_AUTHENTICATION_DELAY_MS: i32 = "connection.failed.authentication.delay.ms";
    CONTROLLER_LISTENER_NAMES: Vec<String> = "controller.listener.names";
    CONTROLLER_QUORUM_AUTO_JOIN_ENABLE: bool = "controller.quorum.auto.join.enable";
    CONTROLLER_QUORUM_BOOTSTRAP_SERVERS: Vec<String> = "controller.quorum.bootstrap.servers";
    CONTROLLER_QUORUM_ELECTION_TIMEOUT_MS: i32 = "controller.quorum.election.timeout.ms";
    CONTROLLER_QUORUM_FETCH_MAX_BYTES: i32 = "controller.quorum.fetch.max.bytes";
    CONTROLLER_QUORUM_FETCH_SNAPSHOT_MAX_BYTES: i32 = "controller.quorum.fetch.snapshot.max.bytes";
    CONTROLLER_QUORUM_REQUEST_TIMEOUT_MS: i32 = "controller.quorum.request.timeout.ms";
    CONTROLLER_QUORUM_VOTERS: Vec<String> = "controller.quorum.voters";
    CONTROLLED_SHUTDOWN_ENABLE: bool = "controlled.shutdown.enable";
    CORDONED_LOG_DIRS: Vec<String> = "cordoned.log.dirs";
    DEFAULT_REPLICATION_FACTOR: i32 = "default.replication.factor";
    DELETE_TOPIC_ENABLE: bool = "delete.topic.enable";
    FETCH_MAX_BYTES: i32 = "fetch.max.bytes";
    FOLLOWER_REPLICATION_THROTTLED_RATE: i64 = "follower.replication.throttled.rate";
    GROUP_CONSUMER_ASSIGNMENT_INTERVAL_MS: i32 = "group.consumer.assignment.interval.ms";
    GROUP_CONSUMER_ASSIGNORS: Vec<String> = "group.consumer.assignors";
    GROUP_CONSUMER_HEARTBEAT_INTERVAL_MS: i32 = "group.consumer.heartbeat.interval.ms";
    GROUP_CONSUMER_MAX_ASSIGNMENT_INTERVAL_MS: i32 = "group.consumer.max.assignment.interval.ms";
    GROUP_CONSUMER_MAX_HEARTBEAT_INTERVAL_MS: i32 = "group.consumer.max.heartbeat.interval.ms";
    GROUP_CONSUMER_MAX_SESSION_TIMEOUT_MS: i32 = "group.consumer.max.session.timeout.ms";
    GROUP_CONSUMER_MAX_SIZE: i32 = "group.consumer.max.size";
    GROUP_CONSUMER_MIGRATION_POLICY: String = "group.consumer.migration.policy";
    GROUP_CONSUMER_MIN_ASSIGNMENT_INTERVAL_MS: i32 = "group.consumer.min.assignment.interval.ms";
    GROUP_CONSUMER_MIN_HEARTBEAT_INTERVAL_MS: i32 = "group.consumer.min.heartbeat.interval.ms";
    GROUP_CONSUMER_MIN_SESSION_TIMEOUT_MS: i32 = "group.consumer.min.session.timeout.ms";
    GROUP_CONSUMER_REGEX_REFRESH_INTERVAL_MS: i32 = "group.consumer.regex.refresh.interval.ms";
    GROUP_CONSUMER_SESSION_TIMEOUT_MS: i32 = "group.consumer.session.timeout.ms";
    GROUP_COORDINATOR_REBALANCE_PROTOCOLS: Vec<String> = "group.coordinator.rebalance.protocols";
    GROUP_INITIAL_REBALANCE_DELAY_MS: i32 = "group.initial.rebalance.delay.ms";
    GROUP_MAX_SESSION_TIMEOUT_MS: i32 = "group.max.session.timeout.ms";
    GROUP_MAX_SIZE: i32 = "group.max.size";
    GROUP_MIN_SESSION_TIMEOUT_MS: i32 = "group.min.session.timeout.ms";
    INITIAL_BROKER_REGISTRATION_TIMEOUT_MS: i32 = "initial.broker.registration.timeout.ms";
    INTER_BROKER_LISTENER_NAME: Option<String> = "inter.broker.listener.name";
    LEADER_IMBALANCE_CHECK_INTERVAL_SECONDS: i64 = "leader.imbalance.check.interval.seconds";
    LEADER_REPLICATION_THROTTLED_RATE: i64 = "leader.replication.throttled.rate";
    LISTENERS: Vec<String> = "listeners";
    LISTENER_SECURITY_PROTOCOL_MAP: String = "listener.security.protocol.map";
    LOG_CLEANER_BACKOFF_MS: i64 = "log.cleaner.backoff.ms";
    LOG_CLEANER_DEDUPE_BUFFER_SIZE: i64 = "log.cleaner.dedupe.buffer.size";
    LOG_CLEANER_DELETE_RETENTION_MS: i64 = "log.cleaner.delete.retention.ms";
    LOG_CLEANER_ENABLE: bool = "log.cleaner.enable";
    LOG_CLEANER_IO_BUFFER_SIZE: i32 = "log.cleaner.io.buffer.size";
    LOG_CLEANER_IO_BUFFER_LOAD_FACTOR: f64 = "log.cleaner.io.buffer.load.factor";
    LOG_CLEANER_IO_MAX_BYTES_PER_SECOND: f64 = "log.cleaner.io.max.bytes.per.second";
    LOG_CLEANER_MAX_COMPACTION_LAG_MS: i64 = "log.cleaner.max.compaction.lag.ms";
    LOG_CLEANER_MIN_CLEANABLE_RATIO: f64 = "log.cleaner.min.cleanable.ratio";
    LOG_CLEANER_MIN_COMPACTION_LAG_MS: i64 = "log.cleaner.min.compaction.lag.ms";
    LOG_CLEANER_THREADS: i32 = "log.cleaner.threads";
    LOG_CLEANUP_POLICY: Vec<String> = "log.cleanup.policy";
    LOG_DIR: Vec<String> = "log.dir";
    LOG_DIR_FAILURE_TIMEOUT_MS: i64 = "log.dir.failure.timeout.ms";
    LOG_DIRS: Option<Vec<String>> = "log.dirs";
    LOG_FLUSH_INTERVAL_MESSAGES: i64 = "log.flush.interval.messages";
    LOG_FLUSH_INTERVAL_MS: Option<i64> = "log.flush.interval.ms";
    LOG_FLUSH_OFFSET_CHECKPOINT_INTERVAL_MS: i32 = "log.flush.offset.checkpoint.interval.ms";
    LOG_FLUSH_SCHEDULER_INTERVAL_MS: i64 = "log.flush.scheduler.interval.ms";
    LOG_FLUSH_START_OFFSET_CHECKPOINT_INTERVAL_MS: i32 = "log.flush.start.offset.checkpoint.interval.ms";
    LOG_INDEX_INTERVAL_BYTES: i32 = "log.index.interval.bytes";
    LOG_INDEX_SIZE_MAX_BYTES: i32 = "log.index.size.max.bytes";
    LOG_MESSAGE_TIMESTAMP_AFTER_MAX_MS: i64 = "log.message.timestamp.after.max.ms";
    LOG_MESSAGE_TIMESTAMP_BEFORE_MAX_MS: i64 = "log.message.timestamp.before.max.ms";
    LOG_MESSAGE_TIMESTAMP_TYPE: String = "log.message.timestamp.type";
    LOG_PREALLOCATE: bool = "log.preallocate";
    LOG_RETENTION_BYTES: i64 = "log.retention.bytes";
    LOG_RETENTION_CHECK_INTERVAL_MS: i64 = "log.retention.check.interval.ms";
    LOG_RETENTION_HOURS: i32 = "log.retention.hours";
    LOG_RETENTION_MINUTES: Option<i32> = "log.retention.minutes";
    LOG_RETENTION_MS: Option<i64> = "log.retention.ms";
    LOG_ROLL_HOURS: i32 = "log.roll.hours";
    LOG_ROLL_JITTER_HOURS: i32 = "log.roll.jitter.hours";
    LOG_ROLL_JITTER_MS: Option<i64> = "log.roll.jitter.ms";
    LOG_ROLL_MS: Option<i64> = "log.roll.ms";
    LOG_SEGMENT_BYTES: i32 = "log.segment.bytes";
    LOG_SEGMENT_DELETE_DELAY_MS: i64 = "log.segment.delete.delay.ms";
    MAX_CONNECTIONS: i32 = "max.connections";
    MAX_CONNECTIONS_PER_IP: i32 = "max.connections.per.ip";
    MAX_CONNECTIONS_PER_IP_OVERRIDES: String = "max.connections.per.ip.overrides";
    MAX_INCREMENTAL_FETCH_SESSION_CACHE_SLOTS: i32 = "max.incremental.fetch.session.cache.slots";
    MAX_REQUEST_PARTITION_SIZE_LIMIT: i32 = "max.request.partition.size.limit";
    MESSAGE_MAX_BYTES: i32 = "message.max.bytes";
    METADATA_LOG_DIR: Option<String> = "metadata.log.dir";
    METADATA_LOG_MAX_RECORD_BYTES_BETWEEN_SNAPSHOTS: i64 = "metadata.log.max.record.bytes.between.snapshots";
    METADATA_LOG_MAX_SNAPSHOT_INTERVAL_MS: i64 = "metadata.log.max.snapshot.interval.ms";
    METADATA_LOG_SEGMENT_BYTES: i32 = "metadata.log.segment.bytes";
    METADATA_LOG_SEGMENT_MS: i64 = "metadata.log.segment.ms";
    METADATA_MAX_IDLE_INTERVAL_MS: i32 = "metadata.max.idle.interval.ms";
    METADATA_MAX_RETENTION_BYTES: i64 = "metadata.max.retention.bytes";
    METADATA_MAX_RETENTION_MS: i64 = "metadata.max.retention.ms";
    MIN_INSYNC_REPLICAS: i32 = "min.insync.replicas";
    NODE_ID: i32 = "node.id";
    NUM_PARTITIONS: i32 = "num.partitions";
    NUM_REPLICA_FETCHERS: i32 = "num.replica.fetchers";
    OFFSETS_COMMIT_TIMEOUT_MS: i32 = "offsets.commit.timeout.ms";
    OFFSETS_RETENTION_CHECK_INTERVAL_MS: i64 = "offsets.retention.check.interval.ms";
    OFFSETS_RETENTION_MINUTES: i32 = "offsets.retention.minutes";
    OFFSETS_TOPIC_COMPRESSION_CODEC: i32 = "offsets.topic.compression.codec";
    OFFSETS_TOPIC_NUM_PARTITIONS: i32 = "offsets.topic.num.partitions";
    OFFSETS_TOPIC_REPLICATION_FACTOR: i16 = "offsets.topic.replication.factor";
    OFFSETS_TOPIC_SEGMENT_BYTES: i32 = "offsets.topic.segment.bytes";
    OFFSET_METADATA_MAX_BYTES: i32 = "offset.metadata.max.bytes";
    OTTLA_JOURNAL_ENABLE: bool = "ottla.journal.enable";
    OTTLA_LOG_DIR_RESERVE_BYTES: i64 = "ottla.log.dir.reserve.bytes";
    PROCESS_ROLES: Vec<String> = "process.roles";
    PRODUCER_ID_EXPIRATION_CHECK_INTERVAL_MS: i32 = "producer.id.expiration.check.interval.ms";
    PRODUCER_ID_EXPIRATION_MS: i32 = "producer.id.expiration.ms";
    QUEUED_MAX_REQUESTS: i32 = "queued.max.requests";
    QUEUED_MAX_REQUEST_BYTES: i64 = "queued.max.request.bytes";
    REMOTE_LOG_STORAGE_SYSTEM_ENABLE: bool = "remote.log.storage.system.enable";
    REPLICA_ALTER_LOG_DIRS_IO_MAX_BYTES_PER_SECOND: i64 = "replica.alter.log.dirs.io.max.bytes.per.second";
    REPLICA_FETCH_BACKOFF_MS: i32 = "replica.fetch.backoff.ms";
    REPLICA_FETCH_MAX_BYTES: i32 = "replica.fetch.max.bytes";
    REPLICA_FETCH_MIN_BYTES: i32 = "replica.fetch.min.bytes";
    REPLICA_FETCH_RESPONSE_MAX_BYTES: i32 = "replica.fetch.response.max.bytes";
    REPLICA_FETCH_WAIT_MAX_MS: i32 = "replica.fetch.wait.max.ms";
    REPLICA_HIGH_WATERMARK_CHECKPOINT_INTERVAL_MS: i64 = "replica.high.watermark.checkpoint.interval.ms";
    REPLICA_LAG_TIME_MAX_MS: i64 = "replica.lag.time.max.ms";
    REPLICA_SELECTOR_CLASS: Option<String> = "replica.selector.class";
    REPLICA_SOCKET_RECEIVE_BUFFER_BYTES: i32 = "replica.socket.receive.buffer.bytes";
    REPLICA_SOCKET_TIMEOUT_MS: i32 = "replica.socket.timeout.ms";
    REPLICATION_QUOTA_WINDOW_NUM: i32 = "replication.quota.window.num";
    REPLICATION_QUOTA_WINDOW_SIZE_SECONDS: i32 = "replication.quota.window.size.seconds";
    REQUEST_TIMEOUT_MS: i32 = "request.timeout.ms";
    SASL_ENABLED_MECHANISMS: Vec<String> = "sasl.enabled.mechanisms";
    SASL_MECHANISM_INTER_BROKER_PROTOCOL: String = "sasl.mechanism.inter.broker.protocol";
    SECURITY_INTER_BROKER_PROTOCOL: String = "security.inter.broker.protocol";
    SOCKET_CONNECTION_SETUP_TIMEOUT_MAX_MS: i64 = "socket.connection.setup.timeout.max.ms";
    SOCKET_CONNECTION_SETUP_TIMEOUT_MS: i64 = "socket.connection.setup.timeout.ms";
    SOCKET_LISTEN_BACKLOG_SIZE: i32 = "socket.listen.backlog.size";
    SOCKET_RECEIVE_BUFFER_BYTES: i32 = "socket.receive.buffer.bytes";
    SOCKET_REQUEST_MAX_BYTES: i32 = "socket.request.max.bytes";
    SOCKET_SEND_BUFFER_BYTES: i32 = "socket.send.buffer.bytes";
    TRANSACTIONAL_ID_EXPIRATION_MS: i32 = "transactional.id.expiration.ms";
    TRANSACTION_ABORT_TIMED_OUT_TRANSACTION_CLEANUP_INTERVAL_MS: i32 =
        "transaction.abort.timed.out.transaction.cleanup.interval.ms";
    TRANSACTION_MAX_TIMEOUT_MS: i32 = "transaction.max.timeout.ms";
    TRANSACTION_PARTITION_VERIFICATION_ENABLE: bool = "transaction.partition.verification.enable";
    TRANSACTION_REMOVE_EXPIRED_TRANSACTION_CLEANUP_INTERVAL_MS: i32 =
        "transaction.remove.expired.transaction.cleanup.interval.ms";
    TRANSACTION_STATE_LOG_MIN_ISR: i32 = "transaction.state.log.min.isr";
    TRANSACTION_STATE_LOG_NUM_PARTITIONS: i32 = "transaction.state.log.num.partitions";
    TRANSACTION_STATE_LOG_REPLICATION_FACTOR: i16 = "transaction.state.log.replication.factor";
    TRANSACTION_STATE_LOG_SEGMENT_BYTES: i32 = "transaction.state.log.segment.bytes";
    UNCLEAN_LEADER_ELECTION_ENABLE: bool = "unclean.leader.election.enable";
    UNCLEAN_LEADER_ELECTION_INTERVAL_MS: i64 = "unclean.leader.election.interval.ms";
}
