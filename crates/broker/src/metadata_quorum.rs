//! The metadata log as those see it who follow it from other nodes (KIP-595, KIP-630).
//!
//! This node is the only voter: what it has synced is committed, and that is what followers get. In Kafka they may get what
//! the leader has yet to sync, which a crash of the leader may take back.

mod generator;
mod observers;
mod snapshots;
mod upkeep;
mod validity;

pub(crate) use self::generator::{Generator, QuorumState};
pub(crate) use self::observers::{Observer, ReplicaKey};
pub(crate) use self::snapshots::{SnapshotId, Snapshots};
pub(crate) use self::upkeep::Upkeep;
pub(crate) use self::validity::Validity;

use self::observers::Observers;
use crate::fetch::waiters::Waiters;
use ottla_metadata::image::Endpoint;
use ottla_storage::{Isolation, LogReader, Read, ReadError};
use parking_lot::Mutex;
use std::sync::Arc;

/// What every connection of a follower shares.
pub(crate) struct MetadataQuorum {
    pub(crate) node_id: i32,
    /// The epoch in which this node leads, for as long as the process runs.
    pub(crate) epoch: i32,
    /// Where this controller is reached, by listener.
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) snapshots: Arc<Snapshots>,
    /// Who waits for the log to be committed further.
    pub(crate) waiters: Arc<Waiters>,
    reader: LogReader,
    observers: Mutex<Observers>,
}

impl MetadataQuorum {
    pub(crate) fn new(
        node_id: i32,
        epoch: i32,
        (reader, waiters): (LogReader, Arc<Waiters>),
        snapshots: Arc<Snapshots>,
        endpoints: Vec<Endpoint>,
    ) -> Arc<Self> {
        Arc::new(Self { node_id, epoch, endpoints, snapshots, waiters, reader, observers: Mutex::default() })
    }

    /// Where this controller is reached by those who came to a listener.
    pub(crate) fn endpoint(&self, listener: &str) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.name == listener)
    }

    pub(crate) fn high_watermark(&self) -> i64 {
        self.reader.offsets().high_watermark
    }

    pub(crate) fn log_start_offset(&self) -> i64 {
        self.reader.offsets().log_start_offset
    }

    /// Whether a follower that has read up to an offset has the same log, or else what it must do.
    pub(crate) fn validate(&self, fetch_offset: i64, last_fetched_epoch: i32) -> Validity {
        let log = validity::LogView {
            log_start_offset: self.log_start_offset(),
            log_end_offset: self.reader.offsets().log_end_offset,
            latest_epoch: self.reader.latest_epoch().unwrap_or(0),
            earliest_snapshot: self.snapshots.earliest(),
            latest_snapshot: self.snapshots.latest(),
        };
        log.validate(fetch_offset, last_fetched_epoch, |epoch| self.reader.end_offset_for_epoch(epoch))
    }

    /// Reads committed records; the first batch comes whole, however large.
    pub(crate) fn read(&self, offset: i64, max_bytes: usize) -> Result<Read, ReadError> {
        self.reader.read(offset, max_bytes, true, Isolation::HighWatermark)
    }

    /// Notes how far a follower has come.
    pub(crate) fn note(&self, key: ReplicaKey, fetch_offset: i64, now_ms: i64) {
        let end = self.high_watermark();
        self.observers.lock().note(key, fetch_offset, end, now_ms);
    }

    /// Those that follow the log without a vote.
    pub(crate) fn observers(&self, now_ms: i64) -> Vec<(ReplicaKey, Observer)> {
        self.observers.lock().all(now_ms)
    }
}
