//! Snapshots of the metadata: fetched, put in place, made, and what the quorum need not keep beside them.

use super::{Parts, Voter, role_epoch};
use crate::{
    controller::{Command, standing::Standing},
    metadata_quorum::{self, QuorumState},
};
use bytes::Bytes;
use ottla_metadata::image::Image;
use ottla_quorum::{Snapshot, SnapshotId};
use tracing::{info, warn};

impl Voter {
    /// Fetches a snapshot beside the thread.
    pub(super) fn fetch(&self, snapshot: Snapshot) {
        let id = metadata_quorum::SnapshotId { end_offset: snapshot.id.end_offset, epoch: snapshot.id.epoch };
        let epoch = role_epoch(self.quorum.role());
        info!("fetches the metadata up to offset {} from node {}", id.end_offset, snapshot.leader);
        let (commands, peers) = (self.handle.commands.clone(), self.parts.peers.clone());
        self.parts.peers.spawn(async move {
            let command = match peers.fetch_snapshot(snapshot.leader, epoch, id).await {
                Ok(bytes) => Command::Installed { id: snapshot.id, bytes },
                Err(error) => {
                    warn!("cannot fetch the metadata's snapshot: {error:#}");
                    Command::NotInstalled(snapshot.id)
                }
            };
            // Where the queue is full or gone the quorum hears nothing, and asks again.
            let _ = commands.try_send(command);
        });
    }

    /// Puts a snapshot in the place of all there is.
    pub(super) fn install(&mut self, id: SnapshotId, bytes: Bytes) -> anyhow::Result<()> {
        let file = metadata_quorum::SnapshotId { end_offset: id.end_offset, epoch: id.epoch };
        let (image, state) = self.parts.upkeep.take_snapshot(&bytes, file)?;
        if id.end_offset <= self.parts.log.end_offset() {
            // What is here already needs no snapshot, but others may need it of this node; the log goes on behind it.
            self.parts.log.sync().map_err(anyhow::Error::msg)?;
        } else {
            self.replace(image, state, id.end_offset)?;
        }
        if self.quorum.installed(id) {
            self.standing = Standing::new(id.end_offset);
            info!("took the metadata up to offset {} over", id.end_offset);
        }
        Ok(())
    }

    /// Begins the metadata and its log anew with what a snapshot says.
    pub(super) fn replace(&mut self, image: Image, state: QuorumState, end: i64) -> anyhow::Result<()> {
        self.parts.log.start_at(end)?;
        self.parts.publisher.replace(image);
        self.parts.state = state;
        self.tell_state();
        Ok(())
    }

    /// Snapshots when they are due, and what is in them goes from the quorum's log.
    pub(super) fn upkeep(&mut self) -> anyhow::Result<()> {
        let Parts { upkeep, log, publisher, clock, .. } = &mut self.parts;
        upkeep.run(log, publisher.image(), *clock);
        let Some(latest) = upkeep.latest() else { return Ok(()) };
        let Some(index) = self.standing.index_of(latest.end_offset) else { return Ok(()) };
        // What the quorum forgets must be on disk here.
        log.sync().map_err(anyhow::Error::msg)?;
        let id = SnapshotId { end_offset: latest.end_offset, epoch: latest.epoch };
        self.quorum.compact(index, id)?;
        self.standing.forget(index);
        Ok(())
    }
}
