//! This node as a controller of its cluster: it tells where it listens, as soon as the cluster can take that in (KIP-919).

use crate::{broker::Broker, entropy, registration::supported_features};
use anyhow::bail;
use ottla_metadata::{
    MetadataVersion,
    controller::{Event, RegisterController, Reply},
    image::Endpoint,
};
use std::{sync::Arc, time::Duration};
use tracing::error;

/// How often to see whether the cluster's `metadata.version` was raised.
const LOOK: Duration = Duration::from_secs(1);

pub(crate) struct ControllerRegistration {
    broker: Arc<Broker>,
    request: RegisterController,
}

impl ControllerRegistration {
    pub(crate) fn new(broker: &Arc<Broker>, endpoints: Vec<Endpoint>) -> Self {
        let request = RegisterController {
            controller_id: broker.node_id,
            incarnation_id: entropy::uuid(),
            listeners: endpoints,
            features: supported_features(),
        };
        Self { broker: broker.clone(), request }
    }

    /// Nobody can come to a controller that does not listen.
    fn is_due(&self) -> bool {
        let version = self.broker.image().features().metadata_version().unwrap_or_default();
        !self.request.listeners.is_empty() && version >= MetadataVersion::CONTROLLER_REGISTRATION && !self.is_done()
    }

    fn is_done(&self) -> bool {
        let image = self.broker.image();
        let known = image.cluster().controllers().get(&self.request.controller_id);
        known.is_some_and(|known| known.incarnation_id == self.request.incarnation_id)
    }

    /// Registers if the cluster can take it in. Blocks.
    pub(crate) fn register(&self) -> anyhow::Result<()> {
        if !self.is_due() {
            return Ok(());
        }
        let request = self.request.clone();
        match self.broker.controller().submit_blocking(|ticket| Event::RegisterController(ticket, request))? {
            Reply::RegisterController(Ok(())) => Ok(()),
            other => bail!("this controller cannot be registered: {other:?}"),
        }
    }

    /// Registers when the cluster's version is raised, if that is yet to come.
    pub(crate) async fn run(self) {
        let this = Arc::new(self);
        let mut ticks = tokio::time::interval(LOOK);
        while !this.request.listeners.is_empty() && !this.is_done() {
            tokio::select! {
                biased;
                () = this.broker.stopping.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let registering = this.clone();
            match tokio::task::spawn_blocking(move || registering.register()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => error!("{error:#}"),
                Err(_panicked) => return,
            }
        }
    }
}
