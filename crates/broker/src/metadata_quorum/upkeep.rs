//! What the controller's thread does for the metadata log between two commits: snapshots when due, and deletion of old ones.

use super::{Generator, QuorumState, SnapshotId, Snapshots};
use crate::{checkpoint_file, clock::Clock, metadata_log::MetadataLog};
use anyhow::Context as _;
use bytes::Bytes;
use ottla_config::ServerConfig;
use ottla_metadata::image::Image;
use std::{sync::Arc, time::Duration};
use tracing::error;

/// How often old snapshots and segments are looked for, as in Kafka.
const CLEAN_INTERVAL: Duration = Duration::from_secs(60);

pub(crate) struct Upkeep {
    snapshots: Arc<Snapshots>,
    generator: Generator,
    next_clean: Duration,
}

impl Upkeep {
    pub(crate) fn new(snapshots: Arc<Snapshots>, quorum: QuorumState, config: &ServerConfig, clock: Clock) -> Self {
        let now = clock.monotonic();
        let generator = Generator::new(snapshots.clone(), quorum, config, now);
        Self { snapshots, generator, next_clean: now.saturating_add(CLEAN_INTERVAL) }
    }

    /// When there is something to do, though nothing is committed.
    pub(crate) fn next(&self) -> Duration {
        self.generator.next_look().map_or(self.next_clean, |look| look.min(self.next_clean))
    }

    /// Has a snapshot made soon: somebody needs one of all there is now.
    pub(crate) fn want_snapshot(&mut self) {
        self.generator.want();
    }

    /// Writes a snapshot of all that is committed, unless there is one.
    pub(crate) fn write_now(&mut self, log: &MetadataLog, image: &Image) -> anyhow::Result<SnapshotId> {
        self.generator.write_now(image, log.bytes(), log.last_append_ms())
    }

    /// The quorum is another one from now on: what snapshots say of it.
    pub(crate) fn set_quorum(&mut self, quorum: QuorumState) {
        self.generator.set_quorum(quorum);
    }

    /// The latest snapshot.
    pub(crate) fn latest(&self) -> Option<SnapshotId> {
        self.snapshots.latest().filter(|id| *id != SnapshotId::BOOTSTRAP)
    }

    /// Keeps a snapshot that another controller made, and answers what it says of the metadata and of the quorum.
    pub(crate) fn take_snapshot(&self, bytes: &Bytes, id: SnapshotId) -> anyhow::Result<(Image, QuorumState)> {
        let snapshot = checkpoint_file::read_bytes(bytes.clone()).context("the snapshot cannot be read")?;
        let state = snapshot.into_state(id)?;
        checkpoint_file::keep(self.snapshots.fs(), &self.snapshots.path(id), bytes)?;
        self.snapshots.add(id)?;
        Ok(state)
    }

    /// Does what is due; `image` is of all that is committed.
    pub(crate) fn run(&mut self, log: &mut MetadataLog, image: &Image, clock: Clock) {
        let now = clock.now();
        self.generator.look(image, log.bytes(), log.last_append_ms(), now.monotonic);
        if now.monotonic < self.next_clean {
            return;
        }
        self.next_clean = now.monotonic.saturating_add(CLEAN_INTERVAL);
        if let Err(error) = log.clean(&self.snapshots, now.wall_ms) {
            error!("cannot delete what is old of the metadata log: {error:#}");
        }
    }
}
