//! Requests to whichever controller is active, over connections that are kept.

use super::directory::{Active, Controllers, client_id};
use crate::{
    client::{Address, Client, Error},
    dialer::{Dialer, Setup},
};
use ottla_config::{ServerConfig, keys};
use ottla_protocol::{ApiKey, Codec, Message, Str};
use parking_lot::Mutex;
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, timeout_at};

/// Connections that are kept open while nobody uses them.
const MOST_IDLE: usize = 4;

/// The way to the active controller.
pub(crate) struct Channel {
    quorum: Arc<Controllers>,
    client_id: Str,
    /// How long the controller may take to answer what can be asked again.
    timeout: Duration,
    /// `request.timeout.ms`: how long an answer is waited for in all.
    patience: Duration,
    dialer: Dialer,
    idle: Mutex<Vec<(Address, Client)>>,
}

impl Channel {
    pub(crate) fn new(quorum: Arc<Controllers>, config: &ServerConfig, timeout: Duration) -> Self {
        let patience_ms = config.get(keys::REQUEST_TIMEOUT_MS);
        Self {
            quorum,
            client_id: client_id(config.node_id(), "controller-channel"),
            timeout,
            patience: Duration::from_millis(u64::try_from(patience_ms).unwrap_or(0)),
            dialer: Dialer::new(Setup::new(config)),
            idle: Mutex::default(),
        }
    }

    /// How long an answer is waited for in all, whoever is asked.
    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    /// Asks once what is safe to repeat. None is known to be active: no answer.
    pub(crate) async fn call<R: Message>(&self, api: ApiKey, request: &impl Codec) -> Result<R, Error> {
        self.call_until(Instant::now() + self.timeout, api, request).await
    }

    /// Asks once, and gives up before the deadline only if another controller is active by then or the connection is lost.
    pub(crate) async fn call_until<R: Message>(
        &self,
        deadline: Instant,
        api: ApiKey,
        request: &impl Codec,
    ) -> Result<R, Error> {
        let mut watch = self.quorum.watch();
        let known = timeout_at(deadline, watch.wait_for(Option::is_some)).await;
        let active = known.ok().and_then(Result::ok).and_then(|active| active.clone()).ok_or(Error::TimedOut)?;
        let is_another = |now: &Option<Active>| now.as_ref().is_some_and(|now| now.id != active.id);
        tokio::select! {
            biased;
            answer = timeout_at(deadline, self.call_at(&active.address, api, request)) => {
                answer.map_err(|_elapsed| Error::TimedOut)?
            }
            _ = watch.wait_for(is_another) => Err(Error::Closed),
        }
    }

    async fn call_at<R: Message>(&self, address: &Address, api: ApiKey, request: &impl Codec) -> Result<R, Error> {
        let kept = {
            let mut idle = self.idle.lock();
            idle.retain(|(other, _)| other == address);
            idle.pop()
        };
        let mut client = match kept {
            Some((_, client)) => client,
            None => Client::connect(&self.dialer, address, self.client_id.clone()).await?,
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
