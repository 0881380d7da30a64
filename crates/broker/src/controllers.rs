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
    forward::{forward, forward_rest, is_forwarded},
    remote::Remote,
    snapshot::{SnapshotSource, fetch_snapshot},
};

use crate::{
    checkpoint_file,
    controller::{self, Unavailable},
    metadata_log,
    metadata_quorum::QuorumState,
    publisher::Publisher,
};
use ottla_metadata::{
    controller::{Event, Reply},
    image::Image,
};
use ottla_state_machine::Ticket;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tracing::error;

/// Sends events to the controller that is active.
pub(crate) enum Handle {
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
            Self::Voter(local, _) => local.submit(event).await,
            Self::Remote(_) => Err(Unavailable),
        }
    }

    /// The same from a thread that may block.
    pub(crate) fn submit_blocking(
        &self,
        event: impl FnOnce(Ticket) -> Event + Send + 'static,
    ) -> Result<Reply, Unavailable> {
        match self {
            Self::Voter(local, _) if local.is_active() => local.submit_blocking(event),
            Self::Remote(remote) | Self::Voter(_, remote) => {
                remote.runtime().block_on(remote.submit(&event(Ticket(0))))
            }
        }
    }

    /// The way to the active controller, if it is elsewhere.
    pub(crate) fn remote(&self) -> Option<&Arc<Remote>> {
        match self {
            Self::Voter(local, _) if local.is_active() => None,
            Self::Remote(remote) | Self::Voter(_, remote) => Some(remote),
        }
    }

    /// The controller in this process, active or not, and the way to the active one if that is another.
    pub(crate) fn voter(&self) -> Option<(&controller::Handle, &Arc<Remote>)> {
        match self {
            Self::Voter(local, remote) => Some((local, remote)),
            Self::Remote(_) => None,
        }
    }

    /// The controller in this process, active or not.
    pub(crate) fn local(&self) -> Option<&controller::Handle> {
        self.voter().map(|(local, _)| local)
    }

    /// Whether the controller in this process is the one that decides, if there is one.
    pub(crate) fn is_active(&self) -> Option<bool> {
        match self {
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
    /// Makes the image and what is known of the quorum what it says.
    pub(crate) fn apply(self, image: &mut Image, quorum: &mut QuorumState) -> anyhow::Result<()> {
        match self {
            Self::Batches(batches) => {
                for batch in &batches {
                    quorum.take(batch)?;
                    metadata_log::records(batch)?.iter().try_for_each(|record| image.apply(record))?;
                    image.advance(batch.header().next_offset(), batch.header().partition_leader_epoch);
                }
            }
            Self::Snapshot { id, bytes } => (*image, *quorum) = checkpoint_file::read_bytes(bytes)?.into_state(id)?,
        }
        Ok(())
    }
}

/// What a broker has whose controllers are elsewhere.
pub(crate) struct Followed {
    pub(crate) follower: Follower,
    pub(crate) controllers: Arc<Controllers>,
    pub(crate) quorum: QuorumState,
    /// The listener that controllers use among themselves.
    pub(crate) listener: String,
}

impl Followed {
    /// Takes in all that the controllers have decided by now.
    pub(crate) async fn catch_up(&mut self, image: &mut Image) -> anyhow::Result<()> {
        while !self.follower.is_caught_up() {
            self.follower.next().await?.apply(image, &mut self.quorum)?;
        }
        self.tell();
        Ok(())
    }

    fn tell(&self) {
        self.controllers.set_voters(self.quorum.addresses(&self.listener));
    }

    /// Publishes what the controllers decide, until the broker stops. For a thread of its own, as it opens logs.
    pub(crate) async fn run(mut self, mut publisher: Publisher, stopping: CancellationToken) {
        loop {
            let news = tokio::select! {
                biased;
                () = stopping.cancelled() => return,
                news = self.follower.next() => news,
            };
            if let Err(reason) = news.and_then(|news| self.publish(news, &mut publisher)) {
                error!("cannot follow the metadata any more, the broker must be restarted: {reason:#}");
                return publisher.failed(&format!("{reason:#}"));
            }
        }
    }

    fn publish(&mut self, news: News, publisher: &mut Publisher) -> anyhow::Result<()> {
        let before = self.quorum.clone();
        match news {
            News::Batches(batches) => {
                for batch in &batches {
                    self.quorum.take(batch)?;
                    publisher.note(metadata_log::records(batch)?);
                }
                let Some(last) = batches.last().map(|batch| *batch.header()) else { return Ok(()) };
                publisher.publish(last.next_offset(), last.partition_leader_epoch).map_err(anyhow::Error::msg)?;
            }
            News::Snapshot { .. } => {
                let mut image = Image::default();
                news.apply(&mut image, &mut self.quorum)?;
                publisher.replace(image);
            }
        }
        if self.quorum != before {
            publisher.broker().set_kraft_version(self.quorum.kraft_version);
            self.tell();
        }
        Ok(())
    }
}
