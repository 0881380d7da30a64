//! Requests to whichever controller is active, over connections that are kept.

use super::directory::{Active, Controllers, client_id};
use crate::client::{Error, Pool};
use ottla_protocol::{ApiKey, Codec, Message};
use std::{sync::Arc, time::Duration};

/// The way to the active controller.
pub(crate) struct Channel {
    quorum: Arc<Controllers>,
    /// How long the controller may take to answer.
    timeout: Duration,
    pool: Pool,
}

impl Channel {
    pub(crate) fn new(quorum: Arc<Controllers>, node_id: i32, timeout: Duration) -> Self {
        Self { quorum, timeout, pool: Pool::new(client_id(node_id, "controller-channel")) }
    }

    /// Asks once. None is known to be active: no answer.
    pub(crate) async fn call<R: Message>(&self, api: ApiKey, request: &impl Codec) -> Result<R, Error> {
        let Active { address, .. } = self.active().await?;
        self.pool.retain(|other| *other == address);
        let asked = tokio::time::timeout(self.timeout, self.pool.call(&address, api, request)).await;
        asked.map_err(|_elapsed| Error::TimedOut)?
    }

    async fn active(&self) -> Result<Active, Error> {
        let mut watch = self.quorum.watch();
        let known = tokio::time::timeout(self.timeout, watch.wait_for(Option::is_some)).await;
        known.ok().and_then(Result::ok).and_then(|active| active.clone()).ok_or(Error::TimedOut)
    }
}
