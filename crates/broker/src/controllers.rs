//! The way to the controller, be it in this process or in another node.

mod channel;
mod directory;
mod follower;
mod forward;
mod remote;
mod requests;
mod snapshot;

pub(crate) use self::{
    channel::Channel,
    directory::{Active, Controllers, client_id, parse_voters},
    follower::{Follower, FollowerSettings, News},
    forward::{forward, is_forwarded},
    remote::Remote,
    snapshot::{SnapshotSource, fetch_snapshot},
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
    /// In this process, and no other.
    Local(controller::Handle),
    /// In another node.
    Remote(Arc<Remote>),
    /// In this process or in another node, as the quorum has it.
    Voter(controller::Handle, Arc<Remote>),
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
            Self::Voter(local, _) if local.is_active() => local.submit(event).await,
            // Tickets tell callers apart where several wait for one machine.
            Self::Remote(remote) | Self::Voter(_, remote) => remote.submit(&event(Ticket(0))).await,
        }
    }

    /// The same of the controller in this process alone, which may not be the one that decides.
    pub(crate) async fn submit_here(
        &self,
        event: impl FnOnce(Ticket) -> Event + Send + 'static,
    ) -> Result<Reply, Unavailable> {
        match self {
            Self::Local(local) | Self::Voter(local, _) => local.submit(event).await,
            Self::Remote(_) => Err(Unavailable),
        }
    }

    /// The same from a thread that may block.
    pub(crate) fn submit_blocking(
        &self,
        event: impl FnOnce(Ticket) -> Event + Send + 'static,
    ) -> Result<Reply, Unavailable> {
        match self {
            Self::Local(local) => local.submit_blocking(event),
            Self::Voter(local, _) if local.is_active() => local.submit_blocking(event),
            Self::Remote(remote) | Self::Voter(_, remote) => {
                remote.runtime().block_on(remote.submit(&event(Ticket(0))))
            }
        }
    }

    /// The way to the active controller, if it is elsewhere.
    pub(crate) fn remote(&self) -> Option<&Arc<Remote>> {
        match self {
            Self::Local(_) => None,
            Self::Voter(local, _) if local.is_active() => None,
            Self::Remote(remote) | Self::Voter(_, remote) => Some(remote),
        }
    }

    /// The controller in this process, active or not.
    pub(crate) fn local(&self) -> Option<&controller::Handle> {
        match self {
            Self::Local(local) | Self::Voter(local, _) => Some(local),
            Self::Remote(_) => None,
        }
    }

    /// The same if it is one of several voters.
    pub(crate) fn voter(&self) -> Option<&controller::Handle> {
        match self {
            Self::Voter(local, _) => Some(local),
            Self::Local(_) | Self::Remote(_) => None,
        }
    }

    /// Whether the controller in this process is the one that decides, if there is one.
    pub(crate) fn is_active(&self) -> Option<bool> {
        match self {
            Self::Local(_) => Some(true),
            Self::Voter(local, _) => Some(local.is_active()),
            Self::Remote(_) => None,
        }
    }

    /// Lets the controller end if it is in this process.
    pub(crate) fn stop(&self) {
        if let Some(local) = self.local() {
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
