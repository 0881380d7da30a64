//! Requests to whichever controller is active, over connections that are kept.

use super::quorum::{Active, Quorum, client_id};
use crate::client::{Address, Client, Error};
use ottla_protocol::{ApiKey, Codec, Message, Str};
use parking_lot::Mutex;
use std::{sync::Arc, time::Duration};

/// Connections that are kept open while nobody uses them.
const MOST_IDLE: usize = 4;

/// The way to the active controller.
pub(crate) struct Channel {
    quorum: Arc<Quorum>,
    client_id: Str,
    /// How long the controller may take to answer.
    timeout: Duration,
    idle: Mutex<Vec<(Address, Client)>>,
}

impl Channel {
    pub(crate) fn new(quorum: Arc<Quorum>, node_id: i32, timeout: Duration) -> Self {
        Self { quorum, client_id: client_id(node_id, "controller-channel"), timeout, idle: Mutex::default() }
    }

    /// Asks once. None is known to be active: no answer.
    pub(crate) async fn call<R: Message>(&self, api: ApiKey, request: &impl Codec) -> Result<R, Error> {
        let active = self.active().await?;
        let asked = tokio::time::timeout(self.timeout, self.call_at(&active.address, api, request)).await;
        asked.map_err(|_elapsed| Error::TimedOut)?
    }

    async fn active(&self) -> Result<Active, Error> {
        let mut watch = self.quorum.watch();
        let known = tokio::time::timeout(self.timeout, watch.wait_for(Option::is_some)).await;
        known.ok().and_then(Result::ok).and_then(|active| active.clone()).ok_or(Error::TimedOut)
    }

    async fn call_at<R: Message>(&self, address: &Address, api: ApiKey, request: &impl Codec) -> Result<R, Error> {
        let kept = {
            let mut idle = self.idle.lock();
            idle.retain(|(other, _)| other == address);
            idle.pop()
        };
        let mut client = match kept {
            Some((_, client)) => client,
            None => Client::connect(address, self.client_id.clone()).await?,
        };
        // One that fails is dropped, and so is one whose caller gives up.
        let answer = client.call(api, request).await?;
        let mut idle = self.idle.lock();
        if idle.len() < MOST_IDLE {
            idle.push((address.clone(), client));
        }
        Ok(answer)
    }
}
