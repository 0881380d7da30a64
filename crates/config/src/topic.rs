//! The configs in force for one topic: its own overrides over the broker's defaults.

use std::collections::BTreeMap;

use crate::key::ConfigValue;
use crate::{ServerConfig, Value, keys, topic_table};

/// Who compresses: the producer's choice stands, or the broker recompresses to this codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompressionType {
    Producer,
    Uncompressed,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

/// Whose clock a record's timestamp is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampType {
    CreateTime,
    LogAppendTime,
}

/// Replicas whose replication is throttled (KIP-73).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ThrottledReplicas {
    #[default]
    None,
    All,
    /// Partitions, each with a broker.
    These(Vec<(i32, i32)>),
}

impl ThrottledReplicas {
    /// The validator lets nothing else through.
    fn parse(entries: &[String]) -> Self {
        if entries.concat() == "*" {
            return Self::All;
        }
        let replica = |entry: &String| {
            let (partition, broker) = entry.split_once(':')?;
            Some((partition.parse().ok()?, broker.parse().ok()?))
        };
        match entries.iter().filter_map(replica).collect::<Vec<_>>() {
            replicas if replicas.is_empty() => Self::None,
            replicas => Self::These(replicas),
        }
    }

    pub fn contains(&self, partition: i32, broker: i32) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::These(replicas) => replicas.contains(&(partition, broker)),
        }
    }
}

/// What storage, produce and fetch need to know of a topic. `-1` in a retention means without a limit.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicConfig {
    pub cleanup_compact: bool,
    pub cleanup_delete: bool,
    pub compression_type: CompressionType,
    pub compression_gzip_level: i32,
    pub compression_lz4_level: i32,
    pub compression_zstd_level: i32,
    pub delete_retention_ms: i64,
    pub file_delete_delay_ms: i64,
    pub flush_messages: i64,
    pub flush_ms: i64,
    pub follower_throttled: ThrottledReplicas,
    pub index_interval_bytes: i32,
    pub leader_throttled: ThrottledReplicas,
    pub max_compaction_lag_ms: i64,
    pub max_message_bytes: i32,
    pub message_timestamp_after_max_ms: i64,
    pub message_timestamp_before_max_ms: i64,
    pub message_timestamp_type: TimestampType,
    pub min_cleanable_dirty_ratio: f64,
    pub min_compaction_lag_ms: i64,
    pub min_insync_replicas: i32,
    pub preallocate: bool,
    pub retention_bytes: i64,
    pub retention_ms: i64,
    pub segment_bytes: i32,
    pub segment_index_bytes: i32,
    pub segment_jitter_ms: i64,
    pub segment_ms: i64,
    pub unclean_leader_election_enable: bool,
}

impl ServerConfig {
    /// The configs of a topic with these overrides. An override that is unknown or does not parse leaves the default.
    pub fn topic_config(&self, overrides: &BTreeMap<String, String>) -> TopicConfig {
        let values = Effective { broker: self, overrides };
        let policies: Vec<String> = values.get::<Vec<String>, _>("cleanup.policy", <[String]>::to_vec);
        let number = |name| values.get::<i32, _>(name, |value| value);
        let long = |name| values.get::<i64, _>(name, |value| value);
        let throttled = |name| values.get::<Vec<String>, _>(name, ThrottledReplicas::parse);
        let flag = |name| values.get::<bool, _>(name, |value| value);
        TopicConfig {
            cleanup_compact: policies.iter().any(|policy| policy == "compact"),
            cleanup_delete: policies.iter().any(|policy| policy == "delete"),
            compression_type: values.get::<String, _>("compression.type", compression_type),
            compression_gzip_level: number("compression.gzip.level"),
            compression_lz4_level: number("compression.lz4.level"),
            compression_zstd_level: number("compression.zstd.level"),
            delete_retention_ms: long("delete.retention.ms"),
            file_delete_delay_ms: long("file.delete.delay.ms"),
            flush_messages: long("flush.messages"),
            flush_ms: long("flush.ms"),
            follower_throttled: throttled("follower.replication.throttled.replicas"),
            index_interval_bytes: number("index.interval.bytes"),
            leader_throttled: throttled("leader.replication.throttled.replicas"),
            max_compaction_lag_ms: long("max.compaction.lag.ms"),
            max_message_bytes: number("max.message.bytes"),
            message_timestamp_after_max_ms: long("message.timestamp.after.max.ms"),
            message_timestamp_before_max_ms: long("message.timestamp.before.max.ms"),
            message_timestamp_type: values.get::<String, _>("message.timestamp.type", timestamp_type),
            min_cleanable_dirty_ratio: values.get::<f64, _>("min.cleanable.dirty.ratio", |value| value),
            min_compaction_lag_ms: long("min.compaction.lag.ms"),
            min_insync_replicas: number("min.insync.replicas"),
            preallocate: flag("preallocate"),
            retention_bytes: long("retention.bytes"),
            retention_ms: long("retention.ms"),
            segment_bytes: values.segment_bytes(),
            segment_index_bytes: number("segment.index.bytes"),
            segment_jitter_ms: long("segment.jitter.ms"),
            segment_ms: long("segment.ms"),
            unclean_leader_election_enable: flag("unclean.leader.election.enable"),
        }
    }

    /// The value a topic config has by the broker's configs, whose unit it may not share.
    pub(crate) fn topic_default(&self, name: &'static str) -> Value {
        let row = topic_table().row(name);
        match name {
            "segment.ms" => Value::Long(self.log_roll_ms()),
            "segment.jitter.ms" => Value::Long(self.log_roll_jitter_ms()),
            "retention.ms" => Value::Long(self.log_retention_ms()),
            "flush.ms" => Value::Long(self.log_flush_interval_ms()),
            _ => {
                let broker = row.synonyms.first().and_then(|synonym| self.value(synonym.name));
                broker.cloned().unwrap_or_else(|| row.default_value())
            }
        }
    }

    /// The topic configs of `__consumer_offsets`, as Kafka creates it.
    pub fn offsets_topic_configs(&self) -> BTreeMap<String, String> {
        let segment_bytes = self.get(keys::OFFSETS_TOPIC_SEGMENT_BYTES).to_string();
        BTreeMap::from([
            ("cleanup.policy".to_owned(), "compact".to_owned()),
            ("compression.type".to_owned(), "producer".to_owned()),
            ("segment.bytes".to_owned(), segment_bytes),
        ])
    }

    /// The topic configs of `__transaction_state`, as Kafka creates it.
    pub fn transaction_topic_configs(&self) -> BTreeMap<String, String> {
        let segment_bytes = self.get(keys::TRANSACTION_STATE_LOG_SEGMENT_BYTES).to_string();
        let min_insync_replicas = self.get(keys::TRANSACTION_STATE_LOG_MIN_ISR).to_string();
        BTreeMap::from([
            ("cleanup.policy".to_owned(), "compact".to_owned()),
            ("compression.type".to_owned(), "uncompressed".to_owned()),
            ("min.insync.replicas".to_owned(), min_insync_replicas),
            ("segment.bytes".to_owned(), segment_bytes),
            ("unclean.leader.election.enable".to_owned(), "false".to_owned()),
        ])
    }
}

struct Effective<'a> {
    broker: &'a ServerConfig,
    overrides: &'a BTreeMap<String, String>,
}

impl Effective<'_> {
    fn value(&self, name: &'static str) -> Value {
        let own = self.overrides.get(name).and_then(|text| topic_table().row(name).parse(text).ok());
        own.unwrap_or_else(|| self.broker.topic_default(name))
    }

    fn get<T: ConfigValue, R>(&self, name: &'static str, convert: impl for<'v> FnOnce(T::Out<'v>) -> R) -> R {
        let value = self.value(name);
        convert(T::read(&value).unwrap_or_else(|| panic!("{name} is read as another type than its row has")))
    }

    /// Kafka's tests set segments smaller than the least allowed size through the internal name.
    fn segment_bytes(&self) -> i32 {
        let internal = self.get::<Option<i32>, _>("internal.segment.bytes", |value| value);
        internal.unwrap_or_else(|| self.get::<i32, _>("segment.bytes", |value| value))
    }
}

/// The validator lets only these names through.
fn compression_type(name: &str) -> CompressionType {
    match name {
        "uncompressed" => CompressionType::Uncompressed,
        "gzip" => CompressionType::Gzip,
        "snappy" => CompressionType::Snappy,
        "lz4" => CompressionType::Lz4,
        "zstd" => CompressionType::Zstd,
        _ => CompressionType::Producer,
    }
}

fn timestamp_type(name: &str) -> TimestampType {
    match name {
        "LogAppendTime" => TimestampType::LogAppendTime,
        _ => TimestampType::CreateTime,
    }
}

impl TopicConfig {
    /// How long a segment may stay the active one: compaction must get at its records in time.
    pub fn max_segment_ms(&self) -> i64 {
        if self.cleanup_compact && self.max_compaction_lag_ms > 0 {
            self.segment_ms.min(self.max_compaction_lag_ms)
        } else {
            self.segment_ms
        }
    }
}
