//! Says when a snapshot of the metadata is due, and has it written beside the controller's thread (KIP-630).

use super::{QuorumState, SnapshotId, Snapshots};
use crate::{
    checkpoint_file::{self, Snapshot},
    clock::wall_ms,
};
use anyhow::Context as _;
use ottla_config::{ServerConfig, keys};
use ottla_metadata::{image::Image, snapshot};
use std::{
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};
use tracing::{error, info};

/// When snapshots are due.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// `metadata.log.max.record.bytes.between.snapshots`
    bytes: u64,
    /// `metadata.log.max.snapshot.interval.ms`; none for 0.
    interval: Option<Duration>,
}

impl Limits {
    fn new(config: &ServerConfig) -> Self {
        let interval_ms = u64::try_from(config.get(keys::METADATA_LOG_MAX_SNAPSHOT_INTERVAL_MS)).unwrap_or(0);
        Self {
            bytes: u64::try_from(config.get(keys::METADATA_LOG_MAX_RECORD_BYTES_BETWEEN_SNAPSHOTS)).unwrap_or(0),
            interval: Some(Duration::from_millis(interval_ms)).filter(|interval| !interval.is_zero()),
        }
    }

    /// Why a snapshot is due after so many bytes and so much time, if it is.
    fn reason(self, bytes: u64, since: Duration) -> Option<String> {
        if bytes == 0 {
            return None;
        }
        if bytes >= self.bytes {
            return Some(format!("there are {bytes} bytes of records since the last"));
        }
        let waited = self.interval.is_some_and(|interval| since >= interval);
        waited.then(|| format!("the last is {} s old", since.as_secs()))
    }
}

/// Decides when, and writes.
pub(crate) struct Generator {
    snapshots: Arc<Snapshots>,
    quorum: QuorumState,
    limits: Limits,
    /// Bytes that the log had taken in by the last snapshot.
    bytes_then: u64,
    /// When that was.
    then: Duration,
    /// Somebody needs one, due or not.
    wanted: bool,
    /// One is being written; another one waits for the next commit after it.
    writer: Option<JoinHandle<()>>,
}

impl Generator {
    /// `now` counts as the time of the last snapshot, as in Kafka.
    pub(crate) fn new(snapshots: Arc<Snapshots>, quorum: QuorumState, config: &ServerConfig, now: Duration) -> Self {
        let limits = Limits::new(config);
        Self { snapshots, quorum, limits, bytes_then: 0, then: now, wanted: false, writer: None }
    }

    /// The quorum is another one from now on.
    pub(crate) fn set_quorum(&mut self, quorum: QuorumState) {
        self.quorum = quorum;
    }

    /// When to look again, though nothing is committed.
    pub(crate) fn next_look(&self) -> Option<Duration> {
        self.limits.interval.map(|interval| self.then.saturating_add(interval))
    }

    /// Has the next look find one due.
    pub(crate) fn want(&mut self) {
        self.wanted = true;
    }

    /// Writes one of all there is, unless it is there. Blocks.
    pub(crate) fn write_now(&mut self, image: &Image, bytes: u64, last_append_ms: i64) -> anyhow::Result<SnapshotId> {
        if let Some(writer) = self.writer.take() {
            // What it could not do was logged.
            let _ = writer.join();
        }
        (self.bytes_then, self.wanted) = (bytes, false);
        let id = SnapshotId { end_offset: image.offset(), epoch: image.epoch() };
        if self.snapshots.size(id).is_none() {
            write(&self.snapshots, self.quorum.clone(), image, id, last_append_ms)?;
        }
        Ok(id)
    }

    /// Has a snapshot written if one is due. `bytes` are all that the log has taken in, at last at `last_append_ms`.
    pub(crate) fn look(&mut self, image: &Image, bytes: u64, last_append_ms: i64, now: Duration) {
        if image.in_transaction() || self.writer.as_ref().is_some_and(|writer| !writer.is_finished()) {
            return;
        }
        let reason = self.limits.reason(bytes.saturating_sub(self.bytes_then), now.saturating_sub(self.then));
        let reason = reason.or_else(|| self.wanted.then(|| "a new controller needs it".to_owned()));
        let Some(reason) = reason else {
            if self.next_look().is_some_and(|at| at <= now) {
                // Nothing changed, so there is nothing to write.
                self.then = now;
            }
            return;
        };
        (self.bytes_then, self.then, self.wanted) = (bytes, now, false);
        let id = SnapshotId { end_offset: image.offset(), epoch: image.epoch() };
        if self.snapshots.size(id).is_some() {
            return;
        }
        let (snapshots, quorum, image) = (self.snapshots.clone(), self.quorum.clone(), image.clone());
        let work = move || {
            match write(&snapshots, quorum, &image, id, last_append_ms) {
                Ok((size, took)) => info!(
                    "wrote a snapshot of the metadata up to offset {} in {} ms, {size} bytes: {reason}",
                    id.end_offset,
                    took.as_millis()
                ),
                // The log has everything; the next snapshot is tried when it is due.
                Err(error) => error!("cannot write a snapshot of the metadata: {error:#}"),
            }
        };
        match std::thread::Builder::new().name("metadata-snapshot".into()).spawn(work) {
            Ok(writer) => self.writer = Some(writer),
            Err(error) => error!(%error, "cannot write a snapshot of the metadata"),
        }
    }
}

fn write(
    snapshots: &Snapshots,
    quorum: QuorumState,
    image: &Image,
    id: SnapshotId,
    last_contained_log_time_ms: i64,
) -> anyhow::Result<(u64, Duration)> {
    let began = Instant::now();
    let QuorumState { kraft_version, voters } = quorum;
    let snapshot = Snapshot { records: snapshot::records(image), voters, kraft_version, last_contained_log_time_ms };
    checkpoint_file::write(snapshots.fs(), &snapshots.path(id), &snapshot, wall_ms())?;
    let size = snapshots.add(id).context("the snapshot was written and is not there")?;
    Ok((size, began.elapsed()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_or_time_make_a_snapshot_due_but_never_without_news() {
        let limits = Limits { bytes: 100, interval: Some(Duration::from_secs(60)) };
        let due = |limits: Limits, bytes, secs| limits.reason(bytes, Duration::from_secs(secs)).is_some();
        assert!(!due(limits, 99, 59));
        assert!(due(limits, 100, 0));
        assert!(due(limits, 1, 60));
        assert!(!due(limits, 0, 3600));
        assert!(!due(Limits { interval: None, ..limits }, 99, 1 << 40));
    }
}
