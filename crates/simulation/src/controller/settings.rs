//! What the controllers' machine and quorum are told by their configuration.

use core::time::Duration;
use ottla_metadata::bootstrap::Bootstrap;
use ottla_metadata::controller::{Activate, ConfigSchema, Settings};
use ottla_metadata::features::ELIGIBLE_LEADER_REPLICAS_VERSION;
use ottla_metadata::{ApiError, ConfigResource, MetadataVersion, ResourceType};
use ottla_protocol::{Str, Uuid};
use ottla_quorum::Settings as QuorumSettings;
use std::collections::BTreeMap;
use std::sync::Arc;

const SESSION: Duration = Duration::from_secs(9);
/// How often a quorum hears that time passed, and what that makes of Kafka's defaults: as in the broker.
pub(crate) const TICK: Duration = Duration::from_millis(50);
const ELECTION_TICKS: u32 = 10;
const HEARTBEAT_TICKS: u32 = 2;

pub(crate) const CLUSTER: &str = "simulated";

struct AnyConfig;

impl ConfigSchema for AnyConfig {
    fn is_list(&self, _kind: ResourceType, _name: &str) -> bool {
        false
    }

    fn default_value(&self, _kind: ResourceType, _name: &str) -> Option<String> {
        None
    }

    fn validate(
        &self,
        _resource: &ConfigResource,
        _new: &BTreeMap<Str, Str>,
        _old: &BTreeMap<Str, Str>,
    ) -> Result<(), ApiError> {
        Ok(())
    }
}

/// What a controller is told when it becomes active.
pub(super) fn activate(node_id: i32, eligible_leader_replicas: bool) -> Activate {
    let settings = Settings {
        cluster_id: Str::from_static(CLUSTER),
        node_id,
        controller_ids: vec![node_id],
        kraft_version: 1,
        num_partitions: 1,
        default_replication_factor: 3,
        min_insync_replicas: 1,
        unclean_leader_election_enable: false,
        broker_session_timeout: SESSION,
        leader_balance_interval: Some(Duration::from_secs(20)),
        unclean_election_interval: Duration::from_secs(300),
        max_idle_interval: None,
        schema: Arc::new(AnyConfig),
    };
    let features = [
        (MetadataVersion::FEATURE_NAME.to_owned(), MetadataVersion::LATEST.level()),
        (ELIGIBLE_LEADER_REPLICAS_VERSION.to_owned(), i16::from(eligible_leader_replicas)),
    ];
    let bootstrap = Bootstrap { features: &features, dynamic_quorum: true, ..Default::default() };
    let bootstrap = bootstrap.levels().map(|levels| levels.records()).unwrap_or_default();
    Activate { settings: Arc::new(settings), bootstrap }
}

pub(super) fn quorum(node_id: i32, directory_id: Uuid, seed: u64) -> QuorumSettings {
    QuorumSettings {
        node_id,
        directory_id,
        cluster_id: Str::from_static(CLUSTER),
        election_ticks: ELECTION_TICKS,
        heartbeat_ticks: HEARTBEAT_TICKS,
        seed,
    }
}
