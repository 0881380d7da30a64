//! This node as a broker of its cluster: it registers with the controller, tells that it lives, and takes its leave.
//!
//! A combined node does this through its controller's queue as another broker would through a request, so the controller
//! knows no difference.

use crate::{broker::Broker, cordons, entropy, network::Bound};
use anyhow::bail;
use ottla_config::{ServerConfig, keys};
use ottla_metadata::{
    MetadataVersion, controller,
    controller::{BrokerHeartbeat, BrokerStatus, Event, RegisterBroker, Reply},
    features::FEATURES,
    image::{BrokerFeature, Endpoint},
};
use ottla_protocol::{Str, Uuid};
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use tracing::{error, warn};

/// Where this node's registration stands.
pub(crate) struct Registration {
    broker: Arc<Broker>,
    interval: Duration,
    request: RegisterBroker,
    epoch: AtomicI64,
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
        Self {
            broker: broker.clone(),
            interval: Duration::from_millis(interval_ms),
            request,
            epoch: AtomicI64::new(-1),
        }
    }

    /// The epoch of this registration.
    pub(crate) fn epoch(&self) -> i64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Registers and begins to serve. Blocks.
    pub(crate) fn register(&self) -> anyhow::Result<()> {
        let request = self.request.clone();
        let reply = self.broker.controller().submit_blocking(|ticket| Event::RegisterBroker(ticket, request))?;
        match reply {
            Reply::RegisterBroker(Ok(epoch)) => self.epoch.store(epoch, Ordering::Release),
            Reply::RegisterBroker(Err(error)) => bail!("the controller refuses this broker: {error}"),
            other => bail!("the controller answered {other:?}"),
        }
        let beat = self.beat(false);
        let reply = self.broker.controller().submit_blocking(|ticket| Event::BrokerHeartbeat(ticket, beat))?;
        match status(reply) {
            Ok(status) if !status.is_fenced => Ok(()),
            Ok(_) => bail!("the controller keeps this broker fenced"),
            Err(error) => bail!("the controller does not take this broker's heartbeat: {error}"),
        }
    }

    fn beat(&self, want_shut_down: bool) -> BrokerHeartbeat {
        let dirs = self.broker.replicas.dirs().iter();
        BrokerHeartbeat {
            broker_id: self.broker.node_id,
            broker_epoch: self.epoch(),
            current_metadata_offset: self.broker.image().offset() - 1,
            want_fence: false,
            want_shut_down,
            offline_log_dirs: dirs.filter(|dir| dir.is_offline()).map(|dir| dir.id).collect(),
            cordoned_log_dirs: Some(cordons::ids(&self.broker.config(), self.broker.replicas.dirs())),
        }
    }

    /// Tells the controller that this broker lives, until it stops.
    pub(crate) async fn heartbeat(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(self.interval);
        loop {
            tokio::select! {
                biased;
                () = self.broker.stopping.cancelled() => return,
                _ = ticks.tick() => {}
                // The controller chooses brokers by what it knows of their log dirs.
                () = self.broker.config_changed.notified() => {}
            }
            let beat = self.beat(false);
            match self.broker.controller().submit(|ticket| Event::BrokerHeartbeat(ticket, beat)).await.map(status) {
                Ok(Ok(status)) if status.is_fenced => warn!("this broker is fenced"),
                Ok(Ok(_)) => {}
                Ok(Err(error)) => error!(%error, "the controller does not take this broker's heartbeat"),
                Err(unavailable) => error!("{unavailable}"),
            }
        }
    }

    /// Asks to stop; a single node has nobody to hand its partitions to, so it does not wait for that. Blocks.
    pub(crate) fn leave(&self) {
        let beat = BrokerHeartbeat { want_fence: true, ..self.beat(true) };
        if let Err(unavailable) =
            self.broker.controller().submit_blocking(|ticket| Event::BrokerHeartbeat(ticket, beat))
        {
            warn!("could not take leave of the controller: {unavailable}");
        }
    }
}

fn status(reply: Reply) -> Result<BrokerStatus, ottla_metadata::ApiError> {
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
