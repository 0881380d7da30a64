//! One node's life: open the disks, replay the metadata, open the logs, serve, and stop in the opposite order.

mod quorum;

use crate::{
    assignments,
    broker::{Broker, Parts},
    checkpoint_file, cleaner,
    clock::{Clock, wall_ms},
    config_schema::Schema,
    controller,
    controller_registration::ControllerRegistration,
    controllers::{self, Channel, Controllers, Followed, Follower, FollowerSettings, Remote},
    dialer::Setup,
    format, housekeeping, http, isr_changes,
    joining::Joining,
    log_dirs::{self, OpenDirs},
    logging::Levels,
    metadata_log::{self, MetadataLog},
    metadata_quorum::{QuorumState, Snapshots},
    network::{self, Bound, Scope},
    publisher::{Published, Publisher},
    registration::Registration,
    replicas::Replicas,
    site::Site,
    transactions,
};
use anyhow::{Context as _, bail};
use ottla_config::{Endpoint, ProcessRole, ServerConfig, keys};
use ottla_metadata::{
    MetadataRecord,
    controller::{Activate, Event, Reply, Settings},
    image::Image,
};
use ottla_protocol::Str;
use ottla_state_machine::Shard;
use ottla_storage::fs::{Fs, RealFs};
use quorum::Place;
use std::{path::Path, sync::Arc, thread::JoinHandle, time::Duration};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

/// How long a stop waits for requests that were taken in.
const DRAIN: Duration = Duration::from_secs(10);

/// More open files of logs are of no use: opening one takes microseconds.
const MAX_LOG_FILES: usize = 10_000;

/// What a start needs to know.
pub(crate) struct Options {
    pub(crate) config: ServerConfig,
    pub(crate) http: Option<String>,
    pub(crate) must_be_formatted: bool,
    pub(crate) log_levels: Levels,
    pub(crate) clock: Clock,
}

/// Starts, serves until a signal, stops.
pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    let http = options.http.clone();
    let clock = options.clock;
    let starting = tokio::task::spawn_blocking(|| start(options));
    let Started { broker, bound, controller, registration, of_controller } = tokio::select! {
        started = starting => started??,
        signal = signals.next() => {
            info!("{signal}: stopped before it served");
            return Ok(());
        }
    };
    let listeners: Vec<String> = bound.iter().map(|b| format!("{}://{}", b.name, b.address)).collect();
    for listener in bound {
        network::serve(broker.clone(), listener)?;
    }
    if let Some(address) = &http {
        let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
        info!("metrics and health on http://{}", listener.local_addr()?);
        tokio::spawn(http::serve(broker.clone(), listener));
    }
    let registration = registration.map(Arc::new);
    if let Some(registration) = &registration {
        tokio::spawn(registration.clone().heartbeat());
        broker.fetchers.start(&broker);
        broker.transactions.start(&broker);
    }
    if let Some((controller_registration, joining)) = of_controller {
        tokio::spawn(controller_registration.run());
        tokio::spawn(joining.run());
    }
    tokio::spawn(housekeeping::run(broker.clone()));
    tokio::spawn(housekeeping::watch_room(broker.clone()));
    tokio::spawn(transactions::watch_hanging(broker.clone()));
    tokio::spawn(cleaner::run(broker.clone()));
    tokio::spawn(assignments::run(broker.clone()));
    tokio::spawn(isr_changes::run(broker.clone()));
    for dir in broker.replicas.dirs() {
        tokio::spawn(dir.removals.clone().run(broker.stopping.clone()));
    }
    let data: Vec<_> = broker.replicas.dirs().iter().map(|dir| dir.log_dir.path().display().to_string()).collect();
    info!(
        "Ottla {} serves {}, data in {}, {} partitions, cluster {}, node {}, ready after {} ms",
        env!("CARGO_PKG_VERSION"),
        listeners.join(" "),
        data.join(" "),
        broker.replicas.count(),
        broker.cluster_id,
        broker.node_id,
        clock.monotonic().as_millis(),
    );
    let doom = tokio::select! {
        signal = signals.next() => {
            info!("{signal}: stopping");
            None
        }
        reason = broker.given_up() => {
            error!("stopping: {reason}");
            Some(reason)
        }
    };
    if let Some(registration) = &registration {
        tokio::select! {
            () = registration.hand_over() => {}
            signal = signals.next() => warn!("{signal} again: stops without handing its partitions over"),
        }
    }
    if let Some(controller) = broker.controller().local() {
        controller.resign().await;
    }
    stop(broker, controller, registration, &mut signals).await?;
    doom.map_or(Ok(()), |reason| bail!("stopped: {reason}"))
}

struct Started {
    broker: Arc<Broker>,
    bound: Vec<Bound>,
    controller: Controller,
    /// None where this node is no broker.
    registration: Option<Registration>,
    /// None where this node is no controller.
    of_controller: Option<(ControllerRegistration, Joining)>,
}

/// What decides on the metadata, or follows who does.
enum Controller {
    Here(JoinHandle<MetadataLog>),
    Elsewhere(JoinHandle<()>),
}

/// Everything up to serving. Blocks.
fn start(options: Options) -> anyhow::Result<Started> {
    let Options { config, must_be_formatted, log_levels, clock, .. } = options;
    let config = Arc::new(config);
    let fs: Arc<dyn Fs> = Arc::new(RealFs::new(max_log_files()));
    let OpenDirs { dirs, dead, metadata, cluster_id } = log_dirs::open(&config, &fs, must_be_formatted)?;
    let published = Published::new();
    let max_lag = millis(config.get(keys::REPLICA_LAG_TIME_MAX_MS));
    let site = Site::new(config.node_id(), clock, max_lag, published.clone());
    let cluster_id = Str::from(cluster_id.as_str());
    let parts = Parts {
        replicas: Replicas::new(site, dirs, dead, config.clone()),
        config,
        cluster_id,
        metadata_dir: metadata,
        clock,
        published,
        log_levels,
        stopping: CancellationToken::new(),
        kraft_version: 0,
    };
    match parts.config.roles().contains(&ProcessRole::Controller) {
        true => start_controller(parts, &fs),
        false => start_broker(parts),
    }
}

/// A controller, and perhaps a broker with it.
fn start_controller(parts: Parts, fs: &Arc<dyn Fs>) -> anyhow::Result<Started> {
    let config = parts.config.clone();
    let recovered = recover(&config, fs)?;
    // Bound before the node registers: what it tells of itself must be true.
    let bound = bind(&config)?;
    let quorum::Built { broker, parts, shard, endpoints, place } = quorum::build(parts, recovered, &bound, fs)?;
    let controller_registration = ControllerRegistration::new(&broker, endpoints);
    let channel = Arc::new(Channel::new(parts.controllers.clone(), &config, request_timeout(&config)));
    let remote = Remote::new(channel);
    let joining = Joining::new(&broker, parts.own.clone());
    let (thread, bound) = match place {
        Place::Alone => {
            let activate = parts.activation();
            let (handle, thread) = controller::Alone::start(shard, parts)?;
            broker.set_controller(controllers::Handle::Voter(handle, remote));
            self::activate(&broker, activate)?;
            controller_registration.register()?;
            (thread, bound)
        }
        Place::OneOfSeveral(quorum) => {
            let (handle, thread) = controller::Voter::start(parts, *quorum)?;
            broker.set_controller(controllers::Handle::Voter(handle, remote));
            // Others are to hear from this node before they elect anybody.
            (thread, serve_controllers(&broker, bound)?)
        }
    };
    let registration = register(&broker, &config, &bound)?;
    let of_controller = Some((controller_registration, joining));
    Ok(Started { broker, bound, controller: Controller::Here(thread), registration, of_controller })
}

/// Makes this node a broker of its cluster, if it is to be one.
fn register(broker: &Arc<Broker>, config: &ServerConfig, bound: &[Bound]) -> anyhow::Result<Option<Registration>> {
    if !config.roles().contains(&ProcessRole::Broker) {
        return Ok(None);
    }
    let registration = Registration::new(broker, config, bound);
    broker.runtime.block_on(async {
        tokio::select! {
            biased;
            // Its own controller has failed: nobody needs to wait to be let in.
            reason = broker.given_up() => bail!(reason),
            registered = registration.register() => registered,
        }
    })?;
    Ok(Some(registration))
}

/// Serves the controllers' listeners; answers the others, but that it knows of all where they are.
fn serve_controllers(broker: &Arc<Broker>, bound: Vec<Bound>) -> anyhow::Result<Vec<Bound>> {
    let mut others = Vec::new();
    for listener in bound {
        match listener.scope {
            Scope::Controller => network::serve(broker.clone(), listener)?,
            Scope::Broker => others.push(listener),
        }
    }
    Ok(others)
}

/// A broker whose controllers are other nodes.
fn start_broker(parts: Parts) -> anyhow::Result<Started> {
    let config = parts.config.clone();
    let quorum = Arc::new(Controllers::new(&config));
    let timeout = request_timeout(&config);
    let settings = follower_settings(&parts);
    let follower = Follower::new(settings, quorum.clone(), (0, 0));
    let listener = config.get(keys::CONTROLLER_LISTENER_NAMES).first().cloned().unwrap_or_default();
    let mut followed = Followed { follower, controllers: quorum.clone(), quorum: QuorumState::default(), listener };
    let mut image = Image::default();
    let runtime = tokio::runtime::Handle::current();
    info!("looks for the active controller");
    runtime.block_on(followed.catch_up(&mut image))?;
    let broker = Broker::new(Parts { kraft_version: followed.quorum.kraft_version, ..parts });
    let bound = bind(&config)?;
    open_logs(&broker, &image)?;
    let channel = Arc::new(Channel::new(quorum, &config, timeout));
    broker.set_controller(controllers::Handle::Remote(Remote::new(channel)));
    let publisher = Publisher::new(broker.clone(), image);
    let (stopping, run) = (broker.stopping.clone(), runtime.clone());
    let following = move || run.block_on(followed.run(publisher, stopping));
    let following = std::thread::Builder::new().name("metadata".into()).spawn(following)?;
    let registration = register(&broker, &config, &bound)?;
    let controller = Controller::Elsewhere(following);
    Ok(Started { broker, bound, controller, registration, of_controller: None })
}

/// How long a node waits for the active controller to answer.
fn request_timeout(config: &ServerConfig) -> Duration {
    millis(config.get(keys::CONTROLLER_QUORUM_REQUEST_TIMEOUT_MS).into())
}

fn follower_settings(parts: &Parts) -> FollowerSettings {
    let config = &parts.config;
    FollowerSettings {
        node_id: config.node_id(),
        cluster_id: parts.cluster_id.clone(),
        directory_id: parts.metadata_dir.id,
        timeout: request_timeout(config),
        setup: Setup::new(config),
        max_bytes: config.get(keys::CONTROLLER_QUORUM_FETCH_MAX_BYTES),
        snapshot_max_bytes: config.get(keys::CONTROLLER_QUORUM_FETCH_SNAPSHOT_MAX_BYTES),
    }
}

/// Finds the logs of what the metadata has, and begins to make appends durable.
fn open_logs(broker: &Arc<Broker>, image: &Image) -> anyhow::Result<()> {
    let changes = broker.replicas.load(image)?;
    broker.replicas.start_making()?;
    broker.replicas.start_commits()?;
    broker.replicas.resume_moves(image);
    broker.replicas.start_restoring()?;
    broker.replicas.assignments().add(broker.replicas.all());
    broker.take_config(broker.replicas.config());
    broker.published.set(Arc::new(image.clone()));
    broker.groups.publish(Arc::new(image.clone()));
    broker.groups.follow(&changes, &ottla_metadata::Delta::default());
    broker.transactions.publish(image);
    broker.transactions.follow(&changes);
    broker.fetchers.follow(&changes);
    Ok(())
}

/// Files of logs that are kept open: half of what the system allows, as connections need descriptors too.
fn max_log_files() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let allowed = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: allowed.maximum, ..allowed };
    let limit = if setrlimit(Resource::Nofile, raised).is_ok() { allowed.maximum } else { allowed.current };
    limit.map_or(MAX_LOG_FILES, |limit| usize::try_from(limit / 2).unwrap_or(MAX_LOG_FILES)).min(MAX_LOG_FILES)
}

/// The metadata as the disk has it.
struct Recovered {
    shard: Shard<ottla_metadata::controller::Controller>,
    log: MetadataLog,
    image: Image,
    state: QuorumState,
    bootstrap: Vec<MetadataRecord>,
    snapshots: Arc<Snapshots>,
}

fn recover(config: &ServerConfig, fs: &Arc<dyn Fs>) -> anyhow::Result<Recovered> {
    let dir = Path::new(config.metadata_log_dir());
    let mut shard = Shard::new();
    let mut image = Image::default();
    let mut state = QuorumState::default();
    let snapshots = Snapshots::open(fs.clone(), &dir.join(metadata_log::FOLDER))?;
    if let Some(id) = snapshots.latest() {
        let path = snapshots.path(id);
        let snapshot = checkpoint_file::read(&**fs, &path)?.context("a snapshot vanished")?;
        for record in &snapshot.records {
            shard.replay(id.end_offset - 1, record);
        }
        (image, state) = snapshot.into_state(id).with_context(|| path.display().to_string())?;
    }
    let from = image.offset();
    let log = MetadataLog::open(fs.clone(), config, from, wall_ms(), &mut state, |offset, epoch, record| {
        if offset < from {
            return Ok(());
        }
        image.apply(&record).with_context(|| format!("the metadata log at offset {offset}"))?;
        image.advance(offset + 1, epoch);
        shard.replay(offset, &record);
        Ok(())
    })?;
    let bootstrap = checkpoint_file::read(&**fs, &dir.join(format::BOOTSTRAP_FILE))?;
    let bootstrap = match bootstrap {
        Some(snapshot) => snapshot.records,
        None => format::default_bootstrap()?,
    };
    Ok(Recovered { shard, log, image, state, bootstrap, snapshots })
}

fn bind(config: &ServerConfig) -> anyhow::Result<Vec<Bound>> {
    let backlog = config.get(keys::SOCKET_LISTEN_BACKLOG_SIZE);
    let bind = |(scope, endpoint): (Scope, &Endpoint)| {
        let host = endpoint.host.as_deref().unwrap_or_default();
        Bound::bind(scope, endpoint.listener.as_str(), host, endpoint.port, backlog).map_err(anyhow::Error::from)
    };
    let (of_broker, of_controller) = (config.listeners(), config.controller_listeners());
    let of_broker = of_broker.into_iter().map(|endpoint| (Scope::Broker, endpoint));
    let of_controller = of_controller.into_iter().map(|endpoint| (Scope::Controller, endpoint));
    of_broker.chain(of_controller).map(bind).collect()
}

/// What the controller is told of the config.
fn controller_settings(broker: &Broker, config: &Arc<ServerConfig>, controller_ids: Vec<i32>) -> Arc<Settings> {
    Arc::new(Settings {
        cluster_id: broker.cluster_id.clone(),
        node_id: config.node_id(),
        controller_ids,
        kraft_version: broker.kraft_version(),
        num_partitions: config.get(keys::NUM_PARTITIONS),
        default_replication_factor: i16::try_from(config.get(keys::DEFAULT_REPLICATION_FACTOR)).unwrap_or(i16::MAX),
        min_insync_replicas: config.get(keys::MIN_INSYNC_REPLICAS),
        unclean_leader_election_enable: config.get(keys::UNCLEAN_LEADER_ELECTION_ENABLE),
        broker_session_timeout: millis(config.get(keys::BROKER_SESSION_TIMEOUT_MS).into()),
        leader_balance_interval: config
            .get(keys::AUTO_LEADER_REBALANCE_ENABLE)
            .then(|| millis(config.get(keys::LEADER_IMBALANCE_CHECK_INTERVAL_SECONDS).saturating_mul(1_000))),
        unclean_election_interval: millis(config.get(keys::UNCLEAN_LEADER_ELECTION_INTERVAL_MS)),
        max_idle_interval: max_idle_interval(config),
        schema: Arc::new(Schema::new(config.clone())),
    })
}

/// Records that say nothing are for those who ask for them: each costs every controller a sync.
fn max_idle_interval(config: &ServerConfig) -> Option<Duration> {
    let key = keys::METADATA_MAX_IDLE_INTERVAL_MS;
    Some(millis(config.get(key).into())).filter(|interval| !interval.is_zero() && config.is_set(key))
}

fn activate(broker: &Broker, activate: Activate) -> anyhow::Result<()> {
    match broker.controller().submit_blocking(|ticket| Event::Activate(ticket, activate))? {
        Reply::Activate(Ok(())) => Ok(()),
        Reply::Activate(Err(error)) => bail!("the controller does not start: {error}"),
        other => bail!("the controller answered {other:?}"),
    }
}

fn millis(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

/// Answers what was taken in, gives up leadership, closes every log, and leaves the disks as a clean stop must.
async fn stop(
    broker: Arc<Broker>,
    controller: Controller,
    registration: Option<Arc<Registration>>,
    signals: &mut Signals,
) -> anyhow::Result<()> {
    broker.stopping.cancel();
    broker.connections.close();
    broker.groups.stopped().await;
    broker.transactions.stopped().await;
    tokio::select! {
        () = broker.connections.wait() => {}
        () = tokio::time::sleep(DRAIN) => warn!("{} connections did not end in {} s", broker.connections.len(), DRAIN.as_secs()),
        signal = signals.next() => bail!("{signal} again: stopped without waiting; the next start recovers"),
    }
    let closing = tokio::task::spawn_blocking(move || {
        broker.fetchers.stopped();
        if let Some(registration) = registration {
            registration.leave();
        }
        broker.controller().stop();
        let panicked = |_| anyhow::anyhow!("the controller's thread panicked");
        match controller {
            Controller::Here(thread) => thread.join().map_err(panicked)?.close()?,
            Controller::Elsewhere(thread) => thread.join().map_err(panicked)?,
        }
        broker.replicas.close(broker.epoch())
    });
    closing.await??;
    info!("stopped");
    Ok(())
}

/// The signals that stop a broker.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
