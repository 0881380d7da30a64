//! A controller that is one of several: its quorum, its peers, and the thread that drives them.

use super::{Recovered, controller_settings, millis, open_logs};
use crate::{
    broker::{Broker, Parts},
    client::Address,
    controller::{PeerSettings, Peers, TICK, Voter, VoterParts},
    controllers::{self, Channel, Controllers, Remote, parse_voters},
    dialer::Setup,
    entropy, metadata_log,
    metadata_quorum::{MetadataQuorum, QuorumState, Upkeep, View},
    network::Bound,
    publisher::Publisher,
    registration,
};
use anyhow::{Context as _, ensure};
use ottla_config::{ServerConfig, keys};
use ottla_metadata::{controller::Activate, image::Endpoint};
use ottla_protocol::{Uuid, stored::VotersRecord};
use ottla_quorum::{Founding, Quorum, RocksStore, Settings, SnapshotId};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc, thread::JoinHandle};

/// The quorum's own folder, beside the metadata log's files: Apache Kafka leaves it alone.
const FOLDER: &str = "quorum";
/// A leader gives a sign of life each so many ticks.
const HEARTBEAT_TICKS: u32 = 2;

/// A voter and where it listens.
struct VoterAt {
    voter: ottla_quorum::Voter,
    address: Address,
}

fn folder(config: &ServerConfig) -> PathBuf {
    PathBuf::from(config.metadata_log_dir()).join(metadata_log::FOLDER).join(FOLDER)
}

/// The voters as the config or what the cluster was formatted with has them.
fn voters(config: &ServerConfig, formatted: Option<&VotersRecord>) -> Vec<VoterAt> {
    let fixed = parse_voters(config).into_iter();
    let fixed =
        fixed.map(|(id, address)| VoterAt { voter: ottla_quorum::Voter { id, directory_id: Uuid::ZERO }, address });
    let listener = config.get(keys::CONTROLLER_LISTENER_NAMES).first();
    let dynamic = formatted.into_iter().flat_map(|record| &record.voters).filter_map(|voter| {
        let named =
            voter.endpoints.iter().find(|endpoint| Some(endpoint.name.as_str()) == listener.map(String::as_str));
        let endpoint = named.or(voter.endpoints.first())?;
        let address = Address { host: endpoint.host.clone(), port: endpoint.port };
        let voter = ottla_quorum::Voter { id: voter.voter_id, directory_id: voter.voter_directory_id };
        Some(VoterAt { voter, address })
    });
    fixed.chain(dynamic).collect()
}

/// Whether this controller is one of several, or was.
pub(super) fn is_one_of_several(config: &ServerConfig, formatted: Option<&VotersRecord>) -> bool {
    voters(config, formatted).len() > 1 || folder(config).exists()
}

/// A controller's thread, and where it listens.
pub(super) type Started = (Arc<Broker>, JoinHandle<metadata_log::MetadataLog>, Vec<Endpoint>);

/// Starts to vote. Nobody may be elected yet when this answers.
pub(super) fn start(parts: Parts, recovered: Recovered, bound: &[Bound]) -> anyhow::Result<Started> {
    let config = parts.config.clone();
    let Recovered { mut log, image, voters: formatted, bootstrap, kraft_version, snapshots, .. } = recovered;
    let node_id = config.node_id();
    let voters = voters(&config, formatted.as_ref());
    let metadata_dir =
        parts.replicas.dirs().iter().find(|dir| dir.log_dir.path().as_os_str() == config.metadata_log_dir());
    let directory_id = metadata_dir.context("the metadata's log dir is not open")?.id;
    let founding = founding(&config, &voters, &log)?;
    let election_timeout = millis(config.get(keys::CONTROLLER_QUORUM_ELECTION_TIMEOUT_MS).into());
    // Nodes wait up to twice as long.
    let election_ticks = u32::try_from((election_timeout / 2).as_millis() / TICK.as_millis()).unwrap_or(u32::MAX);
    let settings = Settings {
        node_id,
        directory_id,
        cluster_id: parts.cluster_id.clone(),
        election_ticks: election_ticks.clamp(HEARTBEAT_TICKS + 2, 1 << 16),
        heartbeat_ticks: HEARTBEAT_TICKS,
        seed: entropy::u64(),
    };
    let store = RocksStore::open(&folder(&config))?;
    let quorum = Quorum::open(settings, store, founding.as_ref()).context("the quorum of controllers")?;
    log.commit();

    let broker = Broker::new(Parts { kraft_version, voters: formatted.clone(), ..parts });
    open_logs(&broker, &image)?;
    let endpoints = registration::endpoints(config.advertised_controller_listeners(), bound);
    let view = MetadataQuorum::new(node_id, View::default(), log.for_followers(), snapshots.clone(), endpoints.clone());
    broker.set_quorum(view.clone());
    let state = QuorumState { kraft_version, voters: formatted.clone() };
    let upkeep = Upkeep::new(snapshots, state, &config, broker.clock);
    let timeout = millis(config.get(keys::CONTROLLER_QUORUM_REQUEST_TIMEOUT_MS).into());
    let listener = config.get(keys::CONTROLLER_LISTENER_NAMES).first().map_or("", String::as_str);
    let peer_settings = PeerSettings {
        node_id,
        cluster_id: broker.cluster_id.clone(),
        directory_id,
        timeout,
        setup: Setup::new(&config),
        snapshot_max_bytes: config.get(keys::CONTROLLER_QUORUM_FETCH_SNAPSHOT_MAX_BYTES),
    };
    let mut addresses: BTreeMap<i32, Address> = voters.into_iter().map(|at| (at.voter.id, at.address)).collect();
    if let Some(own) = endpoints.iter().find(|endpoint| endpoint.name == listener) {
        addresses.entry(node_id).or_insert_with(|| Address { host: own.host.clone(), port: own.port });
    }
    let controller_ids = addresses.keys().copied().collect();
    let peers = Peers::new(peer_settings, addresses, broker.stopping.clone());
    let found = Arc::new(Controllers::new(&config));
    let activate = Activate { settings: controller_settings(&broker, &config, controller_ids), bootstrap };
    let publisher = Publisher::new(broker.clone(), image);
    let clock = broker.clock;
    let (controllers, founders) = (found.clone(), formatted);
    let voter =
        VoterParts { node_id, quorum, log, publisher, upkeep, clock, peers, view, controllers, activate, founders };
    let (handle, thread) = Voter::start(voter)?;
    let channel = Arc::new(Channel::new(found, &config, timeout));
    broker.set_controller(controllers::Handle::Voter(handle, Remote::new(channel)));
    Ok((broker, thread, endpoints))
}

/// How the quorum begins, if it has not yet.
fn founding(
    config: &ServerConfig,
    voters: &[VoterAt],
    log: &metadata_log::MetadataLog,
) -> anyhow::Result<Option<Founding>> {
    if folder(config).exists() {
        return Ok(None);
    }
    ensure!(
        log.end_offset() == 0,
        "the metadata log has records, and the quorum that is to go on with it has none: a cluster whose controllers were \
         Apache Kafka's, or that had one controller, cannot become a quorum of several yet"
    );
    let voters = voters.iter().map(|at| at.voter).collect();
    Ok(Some(Founding { voters, epoch: log.epoch(), snapshot: SnapshotId::default() }))
}
