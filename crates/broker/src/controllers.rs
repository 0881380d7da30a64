//! The way to the controller, be it in this process or in another node.

mod channel;
mod follower;
mod forward;
mod quorum;
mod remote;
mod requests;

pub(crate) use self::{
    channel::Channel,
    follower::{Follower, FollowerSettings, News},
    forward::{forward, is_forwarded},
    quorum::{Quorum, client_id},
    remote::Remote,
};

use crate::{
    controller::{self, Unavailable},
    publisher::Publisher,
};
use ottla_metadata::{
    controller::{Event, Reply},
    image::{self, Image},
};
use ottla_state_machine::Ticket;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tracing::error;

/// Sends events to the controller that is active.
pub(crate) enum Handle {
    Local(controller::Handle),
    Remote(Arc<Remote>),
}

impl Handle {
    /// Has an event decided, and waits until what it led to is committed; where the controller is in this process also until
    /// it is published here.
    pub(crate) async fn submit(
        &self,
        event: impl FnOnce(Ticket) -> Event + Send + 'static,
    ) -> Result<Reply, Unavailable> {
        match self {
            Self::Local(local) => local.submit(event).await,
            // Tickets tell callers apart where several wait for one machine.
            Self::Remote(remote) => remote.submit(&event(Ticket(0))).await,
        }
    }

    /// The same from a thread that may block.
    pub(crate) fn submit_blocking(
        &self,
        event: impl FnOnce(Ticket) -> Event + Send + 'static,
    ) -> Result<Reply, Unavailable> {
        match self {
            Self::Local(local) => local.submit_blocking(event),
            Self::Remote(remote) => remote.runtime().block_on(remote.submit(&event(Ticket(0)))),
        }
    }

    /// The way to controllers elsewhere, if there is none here.
    pub(crate) fn remote(&self) -> Option<&Arc<Remote>> {
        match self {
            Self::Local(_) => None,
            Self::Remote(remote) => Some(remote),
        }
    }

    /// Lets the controller end if it is in this process.
    pub(crate) fn stop(&self) {
        if let Self::Local(local) = self {
            local.stop();
        }
    }
}

impl News {
    /// Makes the image what it says.
    pub(crate) fn apply(self, image: &mut Image) -> Result<(), image::Error> {
        let (records, end, epoch) = match self {
            Self::Records { records, end, epoch } => (records, end, epoch),
            Self::Snapshot { snapshot, end, epoch } => {
                *image = Image::default();
                (snapshot.records, end, epoch)
            }
        };
        records.iter().try_for_each(|record| image.apply(record))?;
        image.advance(end, epoch);
        Ok(())
    }
}

/// Publishes what the controllers elsewhere decide, until the broker stops. For a thread of its own, as it opens logs.
pub(crate) async fn follow(mut follower: Follower, mut publisher: Publisher, stopping: CancellationToken) {
    loop {
        let news = tokio::select! {
            biased;
            () = stopping.cancelled() => return,
            news = follower.next() => news,
        };
        let published = news.and_then(|news| match news {
            News::Records { records, end, epoch } => {
                publisher.note(records);
                publisher.publish(end, epoch).map_err(anyhow::Error::msg)
            }
            News::Snapshot { .. } => {
                let mut image = Image::default();
                news.apply(&mut image)?;
                publisher.replace(image);
                Ok(())
            }
        });
        if let Err(reason) = published {
            error!("cannot follow the metadata any more, the broker must be restarted: {reason:#}");
            return publisher.failed(&format!("{reason:#}"));
        }
    }
}
