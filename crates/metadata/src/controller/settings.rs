//! What the driver tells the controller of its own configuration.

use crate::{ApiError, ConfigResource, ResourceType};
use core::{fmt, time::Duration};
use ottla_protocol::Str;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the controller must know of configs, and this crate does not.
///
/// An implementation must answer by its arguments alone, for the controller is a pure machine.
pub trait ConfigSchema: Send + Sync {
    /// Whether the config is a list, which can be appended to and subtracted from.
    fn is_list(&self, kind: ResourceType, name: &str) -> bool;

    /// What a config of a resource is while it is not set, where it has a default.
    fn default_value(&self, kind: ResourceType, name: &str) -> Option<String>;

    /// Checks all configs that a resource is to have; `old` are those it has now.
    ///
    /// For topics, groups and client metrics this is all of the check that the controller makes. Broker configs are
    /// checked as the broker does before it forwards the request: `new` is what is stored for this broker, or for all
    /// with an empty name.
    fn validate(
        &self,
        resource: &ConfigResource,
        new: &BTreeMap<Str, Str>,
        old: &BTreeMap<Str, Str>,
    ) -> Result<(), ApiError>;
}

/// What the driver tells the controller at activation.
#[derive(Clone)]
pub struct Settings {
    /// The cluster's id.
    pub cluster_id: Str,
    /// The id of this node, whose broker configs count as the cluster's where a topic has none.
    ///
    /// A broker of this id runs in this process: the run before this one has surely ended, so it need not wait for its old
    /// session to end, as it must in Kafka.
    pub node_id: i32,
    /// The ids of the controllers.
    pub controller_ids: Vec<i32>,
    /// The level of `kraft.version`, which is kept beside the metadata.
    pub kraft_version: i16,
    /// `num.partitions`, for topics that name no number.
    pub num_partitions: i32,
    /// `default.replication.factor`, for topics that name none.
    pub default_replication_factor: i16,
    /// `min.insync.replicas` of the configuration file.
    pub min_insync_replicas: i32,
    /// `unclean.leader.election.enable` of the configuration file.
    pub unclean_leader_election_enable: bool,
    /// `broker.session.timeout.ms`: how long a broker may be silent before it is taken for dead.
    pub broker_session_timeout: Duration,
    /// `leader.imbalance.check.interval.seconds`: how often leadership goes back to the first replicas; not at all without
    /// `auto.leader.rebalance.enable`.
    pub leader_balance_interval: Option<Duration>,
    /// `unclean.leader.election.interval.ms`: how often partitions without a leader are looked for that may have one which
    /// lacks records.
    pub unclean_election_interval: Duration,
    /// `metadata.max.idle.interval.ms`: how often a record is written that says nothing but that the log goes on; never if none.
    pub max_idle_interval: Option<Duration>,
    /// What is known of configs.
    pub schema: Arc<dyn ConfigSchema>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("node_id", &self.node_id)
            .field("num_partitions", &self.num_partitions)
            .field("default_replication_factor", &self.default_replication_factor)
            .finish_non_exhaustive()
    }
}
