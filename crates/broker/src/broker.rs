//! What every connection and handler shares: config, image, replicas, coordinators.

use crate::{
    clock::Clock,
    controllers,
    fetch::sessions::Sessions,
    fetchers::{Fetchers, ReplicaFetch},
    groups::Groups,
    log_dirs::MetadataDir,
    logging::Levels,
    metadata_quorum::MetadataQuorum,
    metrics::{self, ClusterOverview, Metrics, Rebalances},
    network::{Complaints, Limits},
    publisher::Published,
    replicas::Replicas,
    settings::Settings,
    suspicion::Suspects,
    throttles::Throttles,
    transactions::Transactions,
};
use arc_swap::ArcSwap;
use ottla_config::{ServerConfig, keys};
use ottla_metadata::image::Image;
use ottla_protocol::Str;
use parking_lot::Mutex;
use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicI16, AtomicI64, Ordering},
};
use tokio::{
    runtime::Handle,
    sync::{Notify, watch},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The broker.
pub(crate) struct Broker {
    pub(crate) node_id: i32,
    pub(crate) cluster_id: Str,
    kraft_version: AtomicI16,
    pub(crate) clock: Clock,
    pub(crate) settings: Settings,
    pub(crate) limits: Arc<Limits>,
    pub(crate) complaints: Complaints,
    pub(crate) replicas: Arc<Replicas>,
    pub(crate) groups: Groups,
    pub(crate) transactions: Transactions,
    pub(crate) fetchers: Fetchers,
    /// Brokers that may be gone.
    pub(crate) suspects: Suspects,
    pub(crate) throttles: Throttles,
    /// How this broker follows others.
    pub(crate) replica_fetch: ReplicaFetch,
    /// The epoch of its registration; -1 before.
    epoch: AtomicI64,
    /// For threads that are none of the runtime's.
    pub(crate) runtime: Handle,
    pub(crate) fetch_sessions: Mutex<Sessions>,
    pub(crate) producer_ids: crate::producer_ids::ProducerIds,
    pub(crate) metrics: Metrics,
    pub(crate) log_levels: Levels,
    pub(crate) published: Arc<Published>,
    /// Cancelled when the broker begins to stop.
    pub(crate) stopping: CancellationToken,
    /// Why the process must end, once it must.
    doom: watch::Sender<Option<String>>,
    /// Connections, which are waited for on a stop.
    pub(crate) connections: TaskTracker,
    config: ArcSwap<ServerConfig>,
    /// Told when the config changed.
    pub(crate) config_changed: Notify,
    controller: OnceLock<controllers::Handle>,
    quorum: OnceLock<Arc<MetadataQuorum>>,
    /// Keeps others out as long as this node works there.
    _metadata_dir: MetadataDir,
}

impl Broker {
    pub(crate) fn new(parts: Parts) -> Arc<Self> {
        let Parts { config, cluster_id, metadata_dir, clock, replicas, published, log_levels, stopping, kraft_version } =
            parts;
        let settings = Settings::new(&config);
        let limits = Limits::new(
            settings.max_connections,
            settings.max_connections_per_ip,
            settings.max_connections_per_ip_overrides.clone(),
        );
        let rebalances: Arc<Rebalances> = Arc::default();
        Arc::new(Self {
            node_id: config.node_id(),
            cluster_id,
            kraft_version: AtomicI16::new(kraft_version),
            clock,
            limits,
            complaints: Complaints::default(),
            groups: Groups::new(clock, &config, rebalances.clone(), stopping.clone()),
            transactions: Transactions::new(clock, &config, stopping.clone()),
            fetchers: Fetchers::default(),
            suspects: Suspects::default(),
            throttles: Throttles::new(&config),
            replica_fetch: ReplicaFetch::new(&config),
            epoch: AtomicI64::new(-1),
            runtime: Handle::current(),
            fetch_sessions: Mutex::new(Sessions::new(settings.fetch_session_slots)),
            producer_ids: crate::producer_ids::ProducerIds::default(),
            metrics: Metrics::new(rebalances),
            log_levels,
            published,
            replicas,
            settings,
            stopping,
            doom: watch::Sender::new(None),
            connections: TaskTracker::new(),
            config: ArcSwap::new(config),
            config_changed: Notify::new(),
            controller: OnceLock::new(),
            quorum: OnceLock::new(),
            _metadata_dir: metadata_dir,
        })
    }

    /// The config as it is now, dynamic changes included.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        self.config.load_full()
    }

    /// Takes dynamic changes of the config in.
    pub(crate) fn take_config(&self, config: Arc<ServerConfig>) {
        self.groups.configure(crate::settings::group_settings(&config));
        self.transactions.configure(&config);
        self.throttles.configure(&config);
        self.config.store(config);
        self.config_changed.notify_one();
    }

    /// Has the process end, for a reason that no request can tell.
    pub(crate) fn give_up(&self, reason: String) {
        self.doom.send_replace(Some(reason));
    }

    /// Waits until it must end, and answers why.
    pub(crate) async fn given_up(&self) -> String {
        let mut doom = self.doom.subscribe();
        let reason = doom.wait_for(Option::is_some).await;
        reason.ok().and_then(|reason| reason.clone()).unwrap_or_default()
    }

    /// The metadata as it is now.
    pub(crate) fn image(&self) -> Arc<Image> {
        self.published.image()
    }

    /// Whether voters may come and go (KIP-853): 1 if so. It is kept beside the metadata, not in it.
    pub(crate) fn kraft_version(&self) -> i16 {
        self.kraft_version.load(Ordering::Acquire)
    }

    pub(crate) fn set_kraft_version(&self, level: i16) {
        self.kraft_version.store(level, Ordering::Release);
    }

    /// The controller; set before the first connection is accepted.
    pub(crate) fn controller(&self) -> &controllers::Handle {
        self.controller.get().expect("the controller is set before anything is served")
    }

    pub(crate) fn set_controller(&self, handle: controllers::Handle) {
        assert!(self.controller.set(handle).is_ok(), "the controller is set once");
    }

    /// The epoch of this broker's registration.
    pub(crate) fn epoch(&self) -> i64 {
        self.epoch.load(Ordering::Acquire)
    }

    pub(crate) fn set_epoch(&self, epoch: i64) {
        self.epoch.store(epoch, Ordering::Release);
    }

    /// The metadata log as its followers see it; set before the first connection is accepted.
    pub(crate) fn quorum(&self) -> &Arc<MetadataQuorum> {
        self.quorum.get().expect("the quorum is set before anything is served")
    }

    pub(crate) fn set_quorum(&self, quorum: Arc<MetadataQuorum>) {
        assert!(self.quorum.set(quorum).is_ok(), "the quorum is set once");
    }

    pub(crate) fn auto_create_topics(&self) -> bool {
        self.config.load().get(keys::AUTO_CREATE_TOPICS_ENABLE)
    }

    /// Why the broker should be taken out of service, if so.
    pub(crate) fn unhealthy(&self) -> Option<String> {
        match self.stopping.is_cancelled() {
            true => Some("stopping".to_owned()),
            false => self.published.failure().or_else(|| self.replicas.failure()),
        }
    }

    /// What is counted and measured, for Prometheus.
    pub(crate) async fn render_metrics(&self) -> String {
        let groups = self.groups.list().await;
        let image = self.image();
        let gauge = |n: usize| n as f64;
        let gauges = [
            ("ottla_connections", "Open client connections.", self.limits.open() as f64),
            ("ottla_topics", "Topics in the cluster.", gauge(image.topics().len())),
            (
                "ottla_log_dirs_short_of_room",
                "Log dirs that refuse producers because their disks are nearly full.",
                gauge(self.replicas.dirs().iter().filter(|dir| dir.room.is_short()).count()),
            ),
            (
                "ottla_log_dirs_offline",
                "Log dirs that a disk error took out of service.",
                gauge(self.replicas.dirs().iter().filter(|dir| dir.is_offline()).count()),
            ),
            ("ottla_log_bytes", "Bytes in the segments of all partitions.", self.replicas.bytes() as f64),
            ("ottla_fetch_sessions", "Open incremental fetch sessions.", gauge(self.fetch_sessions.lock().len())),
            (
                "ottla_hanging_transactions",
                "Open transactions in partitions of this broker that lasted longer than any may; each is named in the log.",
                gauge(self.transactions.hanging()),
            ),
            ("ottla_uptime_seconds", "Time since the process began.", self.clock.monotonic().as_secs_f64()),
        ];
        let mut out = self.metrics.render(self.clock.monotonic(), &groups, &self.transactions.count_ids(), &gauges);
        self.metrics.replication.render(&mut out, &self.replicas.standing(), &self.throttles);
        if let Some(is_active) = self.controller().is_active() {
            ClusterOverview::of(&image).render(&mut out, &self.metrics.elections, is_active);
        }
        out
    }

    /// The same of each group: as many lines as there are committed offsets, so it is asked for by itself.
    pub(crate) async fn render_group_metrics(&self) -> String {
        let end = |topic: &str, index| Some(self.replicas.partition(topic, index).ok()?.high_watermark());
        metrics::render_each(&self.groups.measure().await, end)
    }
}

/// What a broker is made of.
pub(crate) struct Parts {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) cluster_id: Str,
    pub(crate) metadata_dir: MetadataDir,
    pub(crate) clock: Clock,
    pub(crate) replicas: Arc<Replicas>,
    pub(crate) published: Arc<Published>,
    pub(crate) log_levels: Levels,
    pub(crate) stopping: CancellationToken,
    pub(crate) kraft_version: i16,
}
