//! What operators may set about groups and offsets.

use crate::groups::consumer::Assignor;
use std::ops::RangeInclusive;

/// Whether groups change from one protocol to the other while they have members (`group.consumer.migration.policy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MigrationPolicy {
    /// Not at all.
    Disabled,
    /// From the classic to the consumer protocol.
    Upgrade,
    /// From the consumer to the classic protocol.
    Downgrade,
    /// Both ways.
    Bidirectional,
}

/// The settings of a group coordinator; given with [`Event::Configure`](crate::Event::Configure), Kafka's defaults before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `group.min.session.timeout.ms`.
    pub group_min_session_timeout_ms: i32,
    /// `group.max.session.timeout.ms`.
    pub group_max_session_timeout_ms: i32,
    /// `group.initial.rebalance.delay.ms`.
    pub group_initial_rebalance_delay_ms: i32,
    /// `group.max.size`.
    pub group_max_size: i32,
    /// How long a new member may wait in its first join before it must show that it lives; no config, as in Kafka.
    pub group_new_member_join_timeout_ms: i32,
    /// `offset.metadata.max.bytes`; counts UTF-16 units, as Kafka does.
    pub offset_metadata_max_bytes: i32,
    /// `offsets.retention.minutes`, in milliseconds.
    pub offsets_retention_ms: i64,
    /// `offsets.retention.check.interval.ms`.
    pub offsets_retention_check_interval_ms: i64,
    /// `group.consumer.session.timeout.ms`.
    pub group_consumer_session_timeout_ms: i32,
    /// What a group's own session timeout is brought within: `group.consumer.min.session.timeout.ms` and `max`.
    pub group_consumer_session_timeouts_ms: RangeInclusive<i32>,
    /// `group.consumer.heartbeat.interval.ms`.
    pub group_consumer_heartbeat_interval_ms: i32,
    /// What a group's own heartbeat interval is brought within.
    pub group_consumer_heartbeat_intervals_ms: RangeInclusive<i32>,
    /// `group.consumer.max.size`.
    pub group_consumer_max_size: i32,
    /// `group.consumer.assignors`; the first is for groups whose members name none.
    pub group_consumer_assignors: Vec<Assignor>,
    /// `group.consumer.migration.policy`.
    pub group_consumer_migration_policy: MigrationPolicy,
    /// `group.consumer.assignment.interval.ms`.
    pub group_consumer_assignment_interval_ms: i32,
    /// What a group's own assignment interval is brought within.
    pub group_consumer_assignment_intervals_ms: RangeInclusive<i32>,
    /// `group.consumer.regex.refresh.interval.ms`.
    pub group_consumer_regex_refresh_interval_ms: i32,
    /// The largest batch that `__consumer_offsets` takes, its `max.message.bytes`.
    pub max_batch_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            group_min_session_timeout_ms: 6_000,
            group_max_session_timeout_ms: 1_800_000,
            group_initial_rebalance_delay_ms: 3_000,
            group_max_size: i32::MAX,
            group_new_member_join_timeout_ms: 300_000,
            offset_metadata_max_bytes: 4_096,
            offsets_retention_ms: 7 * 24 * 60 * 60 * 1_000,
            offsets_retention_check_interval_ms: 600_000,
            group_consumer_session_timeout_ms: 45_000,
            group_consumer_session_timeouts_ms: 45_000..=60_000,
            group_consumer_heartbeat_interval_ms: 5_000,
            group_consumer_heartbeat_intervals_ms: 5_000..=15_000,
            group_consumer_max_size: i32::MAX,
            group_consumer_assignors: vec![Assignor::Uniform, Assignor::Range],
            group_consumer_migration_policy: MigrationPolicy::Bidirectional,
            group_consumer_assignment_interval_ms: 1_000,
            group_consumer_assignment_intervals_ms: 0..=15_000,
            group_consumer_regex_refresh_interval_ms: 600_000,
            max_batch_bytes: 1_048_588,
        }
    }
}
