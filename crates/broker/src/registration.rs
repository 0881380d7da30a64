//! This node as a broker of its cluster: it registers with the controller, tells that it lives, and takes its leave.
//!
//! A combined node does this through its controller's queue as another broker would through a request, so the controller
//! knows no difference.

use crate::{broker::Broker, controller::Unavailable, cordons, entropy, network::Bound};
use anyhow::bail;
use ottla_config::{ServerConfig, keys};
use ottla_metadata::{
    ApiError, MetadataVersion, controller,
    controller::{BrokerHeartbeat, BrokerStatus, Event, RegisterBroker, Reply},
    features::FEATURES,
    image::{BrokerFeature, Endpoint},
};
use ottla_protocol::{ErrorCode, Str, Uuid};
use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tracing::{debug, error, info, warn};

/// How long a controller may take to hear that this broker is about to stop.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// How long to pause before the controller is asked again whether this broker may serve.
const RETRY: Duration = Duration::from_millis(50);

/// How long a broker that leaves bears with a controller that has too much to do.
const BUSY: Duration = Duration::from_secs(30);
/// How long it waits until others lead its partitions and know so, as Apache Kafka does.
const HANDING_OVER: Duration = Duration::from_mins(5);

/// Why a heartbeat came to nothing.
#[derive(Debug, thiserror::Error)]
enum Unheard {
    #[error("the controller does not take this broker's heartbeat: {0}")]
    Refused(#[from] ApiError),
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Whether the controller may answer otherwise if it is asked again: Apache Kafka's refuses what waited in its queue for too long.
fn may_pass(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::RequestTimedOut | ErrorCode::NotController)
}

/// Where this node's registration stands.
pub(crate) struct Registration {
    broker: Arc<Broker>,
    interval: Duration,
    /// How long the controller may take to answer for the first time.
    patience: Duration,
    request: RegisterBroker,
    leaving: AtomicBool,
    /// `controlled.shutdown.enable`.
    hands_over: bool,
    /// `log.dir.failure.timeout.ms`.
    failure_timeout: Duration,
}

/// Log dirs that failed, and of which the controller may not know.
#[derive(Debug, Default)]
struct Failures {
    told: Vec<Uuid>,
    /// When one was found that was not told.
    since: Option<Instant>,
}

impl Failures {
    /// These are offline.
    fn found(&mut self, offline: &[Uuid], now: Instant) {
        let untold = offline.iter().any(|dir| !self.told.contains(dir));
        self.since = if untold { self.since.or(Some(now)) } else { None };
    }

    /// The controller has taken a heartbeat that named these.
    fn told(&mut self, offline: Vec<Uuid>) {
        (self.told, self.since) = (offline, None);
    }
}

impl Registration {
    pub(crate) fn new(broker: &Arc<Broker>, config: &ServerConfig, bound: &[Bound]) -> Self {
        let dirs = broker.replicas.dirs();
        // The epoch of the run before proves that nothing was lost, but only if every disk says that it was closed.
        let before: Vec<Option<i64>> =
            dirs.iter().map(|dir| dir.log_dir.clean_shutdown().and_then(|clean| clean.broker_epoch)).collect();
        let previous_broker_epoch = match before.first() {
            Some(Some(epoch)) if before.iter().all(|other| *other == Some(*epoch)) => *epoch,
            _ => -1,
        };
        let request = RegisterBroker {
            broker_id: broker.node_id,
            cluster_id: broker.cluster_id.clone(),
            incarnation_id: entropy::uuid(),
            previous_broker_epoch,
            listeners: endpoints(config.advertised_listeners(), bound),
            features: supported_features(),
            rack: config.get(keys::BROKER_RACK).map(Str::from),
            log_dirs: dirs.iter().map(|dir| dir.id).collect::<Vec<Uuid>>(),
            cordoned_log_dirs: Vec::new(),
        };
        let interval_ms = u64::try_from(config.get(keys::BROKER_HEARTBEAT_INTERVAL_MS)).unwrap_or(0).max(1);
        let patience_ms = config.get(keys::INITIAL_BROKER_REGISTRATION_TIMEOUT_MS);
        let failure_timeout_ms = config.get(keys::LOG_DIR_FAILURE_TIMEOUT_MS);
        Self {
            broker: broker.clone(),
            interval: Duration::from_millis(interval_ms),
            patience: Duration::from_millis(u64::try_from(patience_ms).unwrap_or(0)),
            request,
            leaving: AtomicBool::new(false),
            hands_over: config.get(keys::CONTROLLED_SHUTDOWN_ENABLE),
            failure_timeout: Duration::from_millis(u64::try_from(failure_timeout_ms).unwrap_or(0)),
        }
    }

    /// Registers and begins to serve.
    pub(crate) async fn register(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + self.patience;
        self.broker.replicas.set_registered();
        let mut waits = false;
        loop {
            let request = self.request.clone();
            let reply = self.broker.controller().submit(|ticket| Event::RegisterBroker(ticket, request)).await;
            match reply {
                Ok(Reply::RegisterBroker(Ok(epoch))) => {
                    self.broker.set_epoch(epoch);
                    break;
                }
                Ok(Reply::RegisterBroker(Err(error))) if error.code == ErrorCode::DuplicateBrokerRegistration => {
                    if !std::mem::replace(&mut waits, true) {
                        info!("waits until the session of a broker with id {} ends: {error}", self.broker.node_id);
                    }
                }
                Ok(Reply::RegisterBroker(Err(error))) if may_pass(error.code) && Instant::now() < deadline => {
                    debug!("is not registered yet: {error}");
                }
                Ok(Reply::RegisterBroker(Err(error))) => bail!("the controller refuses this broker: {error}"),
                Ok(other) => bail!("the controller answered {other:?}"),
                Err(unavailable) if Instant::now() >= deadline => bail!("cannot register: {unavailable}"),
                Err(_unavailable) => {}
            }
            self.pause().await?;
        }
        loop {
            match self.beat_once().await {
                Ok(status) if !status.is_fenced => return Ok(()),
                Ok(_) if Instant::now() >= deadline => bail!("the controller keeps this broker fenced"),
                Err(error) if Instant::now() >= deadline => return Err(error.into()),
                Ok(_) => {}
                // It may just have too much to do: the next one is as good.
                Err(error) => debug!("is not taken as serving yet: {error}"),
            }
            self.pause().await?;
        }
    }

    async fn pause(&self) -> anyhow::Result<()> {
        tokio::select! {
            biased;
            () = self.broker.stopping.cancelled() => bail!("stopped before this broker was registered"),
            () = sleep(RETRY) => Ok(()),
        }
    }

    async fn beat_once(&self) -> Result<BrokerStatus, Unheard> {
        let beat = self.beat(false);
        let reply = self.broker.controller().submit(|ticket| Event::BrokerHeartbeat(ticket, beat)).await?;
        Ok(status(reply)?)
    }

    fn beat(&self, want_fence: bool) -> BrokerHeartbeat {
        BrokerHeartbeat {
            broker_id: self.broker.node_id,
            broker_epoch: self.broker.epoch(),
            current_metadata_offset: self.broker.image().offset() - 1,
            want_fence,
            want_shut_down: want_fence || self.leaving.load(Ordering::Acquire),
            offline_log_dirs: self.offline_log_dirs(),
            cordoned_log_dirs: Some(cordons::ids(&self.broker.config(), self.broker.replicas.dirs())),
        }
    }

    fn offline_log_dirs(&self) -> Vec<Uuid> {
        self.broker.replicas.dirs().iter().filter(|dir| dir.is_offline()).map(|dir| dir.id).collect()
    }

    /// Tells the controller that this broker lives, until it stops.
    pub(crate) async fn heartbeat(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(self.interval);
        let mut failures = Failures::default();
        loop {
            tokio::select! {
                biased;
                () = self.broker.stopping.cancelled() => return,
                _ = ticks.tick() => {}
                // The controller chooses brokers by what it knows of their log dirs.
                () = self.broker.config_changed.notified() => {}
            }
            let beat = self.beat(false);
            let offline = beat.offline_log_dirs.clone();
            let beating = self.broker.controller().submit(|ticket| Event::BrokerHeartbeat(ticket, beat));
            let Some(answer) = self.in_time(beating, &mut failures).await else {
                // Others would go on to count on what is there no more.
                let timeout = self.failure_timeout.as_millis();
                let reason = format!("the controller could not be told in {timeout} ms that a log dir failed");
                return self.broker.give_up(reason);
            };
            if matches!(&answer, Ok(Reply::BrokerHeartbeat(Ok(_)))) {
                failures.told(offline);
            }
            match answer.map(status) {
                Ok(Ok(status)) if status.is_fenced && !self.leaving.load(Ordering::Acquire) => {
                    warn!("this broker is fenced")
                }
                Ok(Ok(_)) => {}
                Ok(Err(error)) => error!(%error, "the controller does not take this broker's heartbeat"),
                Err(unavailable) => error!("{unavailable}"),
            }
        }
    }

    /// What the controller answers; none if a log dir failed, before or while it is asked, and the time to tell it is over.
    async fn in_time<T>(&self, beating: impl Future<Output = T>, failures: &mut Failures) -> Option<T> {
        let mut beating = pin!(beating);
        loop {
            let now = Instant::now();
            failures.found(&self.offline_log_dirs(), now);
            let look = now + self.interval;
            let deadline = failures.since.map(|since| since + self.failure_timeout);
            if let Ok(answer) = timeout_at(deadline.map_or(look, |deadline| deadline.min(look)), &mut beating).await {
                return Some(answer);
            }
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return None;
            }
        }
    }

    /// Has the partitions that this broker leads handed over while it still serves, if there is anybody to take them.
    pub(crate) async fn hand_over(&self) {
        if !self.hands_over {
            return;
        }
        let image = self.broker.image();
        let others = image.cluster().brokers().values().filter(|broker| broker.id != self.broker.node_id);
        if others.filter(|broker| broker.is_active()).count() == 0 {
            return;
        }
        self.leaving.store(true, Ordering::Release);
        let (deadline, end) = (Instant::now() + BUSY, Instant::now() + HANDING_OVER);
        loop {
            match timeout(LAST_WORDS, self.beat_once()).await {
                Ok(Ok(status)) if status.should_shut_down => return,
                Ok(Ok(_)) if Instant::now() < end => {}
                Ok(Ok(_)) => return warn!("stops without having handed all its partitions over: others take too long"),
                Ok(Err(Unheard::Refused(error))) if may_pass(error.code) && Instant::now() < deadline => {}
                Ok(Err(error)) => return warn!("stops without handing its partitions over: {error}"),
                Err(_elapsed) => return warn!("stops without handing its partitions over: no controller answers"),
            }
            sleep(RETRY).await;
        }
    }

    /// Says that this broker is gone. Blocks.
    pub(crate) fn leave(&self) {
        let beat = self.beat(true);
        let told = async {
            timeout(LAST_WORDS, self.broker.controller().submit(|ticket| Event::BrokerHeartbeat(ticket, beat))).await
        };
        if !matches!(self.broker.runtime.block_on(told), Ok(Ok(_))) {
            warn!("could not take leave of the controller, which will miss this broker in time");
        }
    }
}

fn status(reply: Reply) -> Result<BrokerStatus, ApiError> {
    match reply {
        controller::Reply::BrokerHeartbeat(status) => status,
        _ => Err(ottla_protocol::ErrorCode::UnknownServerError.into()),
    }
}

/// What clients are told to connect to; a port of 0 becomes the one that was bound.
pub(crate) fn endpoints(advertised: &[ottla_config::Endpoint], bound: &[Bound]) -> Vec<Endpoint> {
    let endpoint = |advertised: &ottla_config::Endpoint| {
        let name = advertised.listener.as_str();
        let port = match advertised.port {
            0 => bound.iter().find(|b| &*b.name == name).map_or(0, |b| b.address.port()),
            port => port,
        };
        let host = advertised.host.clone().unwrap_or_else(own_name);
        Endpoint { name: name.into(), host: host.into(), port, security_protocol: advertised.security_protocol.id() }
    };
    advertised.iter().map(endpoint).collect()
}

/// The machine's name, which others may be able to resolve.
fn own_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The features this build knows, with the levels it can run at.
pub(crate) fn supported_features() -> Vec<BrokerFeature> {
    let feature = |name: &str, min, max| BrokerFeature {
        name: name.into(),
        min_supported_version: min,
        max_supported_version: max,
    };
    let levels: Vec<i16> = MetadataVersion::all().map(MetadataVersion::level).collect();
    let range = (levels.iter().copied().min().unwrap_or(0), levels.iter().copied().max().unwrap_or(0));
    let others = FEATURES.iter().map(|f| feature(f.name, 0, f.latest));
    std::iter::once(feature(MetadataVersion::FEATURE_NAME, range.0, range.1)).chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_to_tell_of_a_failure_begins_with_the_first_that_is_untold() {
        let (dirs, now) = ([Uuid::ONE, Uuid::from_bytes([7; 16])], Instant::now());
        let mut failures = Failures::default();
        failures.found(&[], now);
        assert_eq!(failures.since, None);
        failures.found(&dirs[..1], now);
        failures.found(&dirs, now + RETRY);
        assert_eq!(failures.since, Some(now));
        failures.told(dirs[..1].to_vec());
        failures.found(&dirs[..1], now + RETRY * 2);
        assert_eq!(failures.since, None);
        failures.found(&dirs, now + RETRY * 3);
        assert_eq!(failures.since, Some(now + RETRY * 3));
    }
}
