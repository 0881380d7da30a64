//! A controller in another node: events go there as requests, and are sent again until they are answered or given up.

use super::{channel::Channel, requests};
use crate::{client::Error, controller::Unavailable};
use ottla_metadata::controller::{Event, Reply};
use ottla_protocol::ErrorCode;
use std::{sync::Arc, time::Duration};
use tokio::{
    runtime::Handle,
    time::{Instant, sleep, timeout_at},
};
use tracing::{debug, warn};

/// How long to wait before another controller, or the same, is asked again.
const RETRY: Duration = Duration::from_millis(50);

/// Sends events to the active controller.
pub(crate) struct Remote {
    channel: Arc<Channel>,
    runtime: Handle,
}

impl Remote {
    /// To be called where the runtime is.
    pub(crate) fn new(channel: Arc<Channel>) -> Arc<Self> {
        Arc::new(Self { channel, runtime: Handle::current() })
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    pub(crate) fn channel(&self) -> &Channel {
        &self.channel
    }

    /// Has an event decided. It may be decided twice if an answer is lost: each that brokers send is safe to repeat.
    pub(crate) async fn submit(&self, event: &Event) -> Result<Reply, Unavailable> {
        let deadline = Instant::now() + self.channel.patience();
        loop {
            match timeout_at(deadline, requests::ask(&self.channel, event)).await {
                Ok(Ok(reply)) if !requests::is_from_another(&reply) => return Ok(reply),
                Ok(Ok(_)) => debug!("the controller asked is not active any more"),
                Ok(Err(requests::Unasked::NotForBrokers)) => return Err(Unavailable),
                Ok(Err(requests::Unasked::NoAnswer(error))) => complain(&error),
                Err(_elapsed) => return Err(Unavailable),
            }
            if Instant::now() + RETRY >= deadline {
                return Err(Unavailable);
            }
            sleep(RETRY).await;
        }
    }
}

fn complain(error: &Error) {
    match error {
        Error::Malformed(_) | Error::Unwritable(_) | Error::Unserved(_) => {
            warn!(%error, "the controller was asked in vain")
        }
        _ => debug!(%error, "the controller does not answer"),
    }
}

/// The code that says that another controller is active.
pub(super) const ANOTHER: ErrorCode = ErrorCode::NotController;
