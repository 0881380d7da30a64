//! What a controller has besides its log, and whether it votes alone, with others, or not at all.

mod takeover;

use super::{Recovered, controller_settings, follower_settings, millis, open_logs, request_timeout};
use crate::{
    broker::{Broker, Parts},
    client::Address,
    controller::{self, Founder, Observer, PeerSettings, Peers, TICK},
    controllers::{Controllers, parse_voters},
    dialer::Setup,
    entropy, metadata_log,
    metadata_quorum::{MetadataQuorum, QuorumState, ReplicaKey, Upkeep, View},
    network::Bound,
    publisher::Publisher,
    registration,
};
use ottla_config::{ServerConfig, keys};
use ottla_metadata::{
    controller::{Activate, Controller},
    features::{Feature, KRAFT_VERSION},
    image::Endpoint,
};
use ottla_protocol::{
    Uuid,
    stored::voters_record::{self, KRaftVersionFeature, Voter},
};
use ottla_quorum::{Quorum, RocksStore, Settings};
use ottla_state_machine::Shard;
use ottla_storage::fs::Fs;
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};
use tracing::info;

/// The quorum's own folder, beside the metadata log's files: Apache Kafka leaves it alone.
const FOLDER: &str = "quorum";
/// A leader gives a sign of life each so many ticks.
const HEARTBEAT_TICKS: u32 = 2;

/// What a controller is among controllers at the start.
pub(super) enum Place {
    /// The only voter: it needs no quorum until another joins it.
    Alone,
    /// One of several voters, or one that has no vote and may get one.
    OneOfSeveral(Box<Quorum<RocksStore>>),
}

pub(super) struct Built {
    pub(super) broker: Arc<Broker>,
    pub(super) parts: controller::Parts,
    pub(super) shard: Shard<Controller>,
    /// Where it listens for controllers and brokers.
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) place: Place,
}

/// Everything that a controller's thread works with.
pub(super) fn build(
    parts: Parts,
    mut recovered: Recovered,
    bound: &[Bound],
    fs: &Arc<dyn Fs>,
) -> anyhow::Result<Built> {
    let config = parts.config.clone();
    let node_id = config.node_id();
    let directory_id = parts.metadata_dir.id;
    let endpoints = registration::endpoints(config.advertised_controller_listeners(), bound);
    let own = own(node_id, directory_id, &endpoints);
    let founder = founder(&config, &parts, directory_id);
    let fixed: BTreeMap<i32, Address> = parse_voters(&config).into_iter().collect();
    // Of what others voted on the last words count too, as they say where the voters are.
    let state = recovered.state.clone();
    let place = place(&config, &founder, &founders(&state, &fixed), &own, &recovered)?;
    if let Place::OneOfSeveral(quorum) = &place
        && let Some(end) = takeover::committed(quorum, &recovered.log, &founder.folder)?
    {
        recovered.log.cut(end)?;
        recovered = super::recover(&config, fs)?;
    }
    let Recovered { shard, mut log, image, bootstrap, snapshots, .. } = recovered;
    log.commit();

    let listener = config.get(keys::CONTROLLER_LISTENER_NAMES).first().cloned().unwrap_or_default();
    let observer = Observer::new(follower_settings(&parts), Controllers::new(&config));
    let broker = Broker::new(Parts { kraft_version: state.kraft_version, ..parts });
    open_logs(&broker, &image)?;
    let (followers, of_quorum) = (log.for_followers(), state.clone());
    let view =
        MetadataQuorum::new(node_id, View::default(), of_quorum, followers, snapshots.clone(), endpoints.clone());
    broker.set_quorum(view.clone());
    let upkeep = Upkeep::new(snapshots, state.clone(), &config, broker.clock);
    let peer_settings = PeerSettings {
        node_id,
        cluster_id: broker.cluster_id.clone(),
        directory_id,
        timeout: request_timeout(&config),
        setup: Setup::new(&config),
        snapshot_max_bytes: config.get(keys::CONTROLLER_QUORUM_FETCH_SNAPSHOT_MAX_BYTES),
    };
    let peers = Peers::new(peer_settings, broker.stopping.clone());
    let controller_ids = if fixed.is_empty() { vec![node_id] } else { fixed.keys().copied().collect() };
    let activate = Activate { settings: controller_settings(&broker, &config, controller_ids), bootstrap };
    let (publisher, clock) = (Publisher::new(broker.clone(), image), broker.clock);
    let controllers = Arc::new(Controllers::new(&config));
    let parts = controller::Parts {
        node_id,
        log,
        state,
        own,
        publisher,
        upkeep,
        clock,
        peers,
        view,
        controllers,
        activate,
        founder,
        observer,
        listener,
        fixed,
    };
    Ok(Built { broker, parts, shard, endpoints, place })
}

/// This node as the metadata log has it where voters come and go.
fn own(node_id: i32, directory_id: Uuid, endpoints: &[Endpoint]) -> Voter {
    let endpoint = |endpoint: &Endpoint| voters_record::Endpoint {
        name: endpoint.name.to_uppercase().into(),
        host: endpoint.host.clone(),
        port: endpoint.port,
        ..Default::default()
    };
    let max_supported_version = Feature::named(KRAFT_VERSION).map_or(0, |feature| feature.latest);
    Voter {
        voter_id: node_id,
        voter_directory_id: directory_id,
        endpoints: endpoints.iter().map(endpoint).collect(),
        k_raft_version_feature: KRaftVersionFeature { max_supported_version, ..Default::default() },
        ..Default::default()
    }
}

fn founder(config: &ServerConfig, parts: &Parts, directory_id: Uuid) -> Founder {
    let election_timeout = millis(config.get(keys::CONTROLLER_QUORUM_ELECTION_TIMEOUT_MS).into());
    // Nodes wait up to twice as long.
    let election_ticks = u32::try_from((election_timeout / 2).as_millis() / TICK.as_millis()).unwrap_or(u32::MAX);
    let settings = Settings {
        node_id: config.node_id(),
        directory_id,
        cluster_id: parts.cluster_id.clone(),
        election_ticks: election_ticks.clamp(HEARTBEAT_TICKS + 2, 1 << 16),
        heartbeat_ticks: HEARTBEAT_TICKS,
        seed: entropy::u64(),
    };
    let folder = PathBuf::from(config.metadata_log_dir()).join(metadata_log::FOLDER).join(FOLDER);
    Founder { settings, folder }
}

/// The voters as the log has them, or else the config.
fn founders(state: &QuorumState, fixed: &BTreeMap<i32, Address>) -> Vec<ottla_quorum::Voter> {
    let voter = |(id, directory_id)| ottla_quorum::Voter { id, directory_id };
    match &state.voters {
        Some(record) => record.voters.iter().map(|v| voter((v.voter_id, v.voter_directory_id))).collect(),
        None => fixed.keys().map(|id| voter((*id, Uuid::ZERO))).collect(),
    }
}

fn place(
    config: &ServerConfig,
    founder: &Founder,
    founders: &[ottla_quorum::Voter],
    own: &Voter,
    recovered: &Recovered,
) -> anyhow::Result<Place> {
    let key = ReplicaKey::of(own);
    let is_own = |voter: &ottla_quorum::Voter| {
        voter.id == key.id && (voter.directory_id.is_zero() || voter.directory_id == key.directory_id)
    };
    // Without a config file there is nobody else.
    let knows_nobody = founders.is_empty() && config.get(keys::CONTROLLER_QUORUM_BOOTSTRAP_SERVERS).is_empty();
    let is_only = founders.len() == 1 && founders.iter().any(is_own);
    if (is_only || knows_nobody) && !founder.has_begun()? {
        return Ok(Place::Alone);
    }
    let founding = || {
        if !founders.iter().any(is_own) {
            info!("this controller has no vote, and follows those that have");
            return Ok(None);
        }
        takeover::founding(founders, &recovered.log, recovered.snapshots.latest()).map(Some)
    };
    Ok(Place::OneOfSeveral(Box::new(founder.open(founding)?)))
}
