//! Making what was appended durable, off the owner's lock.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Log;
use crate::fs::Open;
use crate::segment::file::Dir;
use crate::segment::{self, Segment};
use crate::{epochs, partition_metadata};

/// What must be synced so that everything up to an offset is durable.
///
/// [`FlushTask::run`] blocks for as long as the disk takes and needs no lock. If it fails, the log dir is to be taken offline:
/// what a failed fsync did not write is lost even if the next one succeeds.
#[derive(Debug)]
#[must_use = "a flush happens when it is run"]
pub struct FlushTask {
    dir: Arc<Dir>,
    segments: Vec<Arc<Segment>>,
    /// Names came or went: what was deleted must not come back, torn, below what is flushed now.
    sync_dir: bool,
    /// Snapshots, and the files of a line or two.
    small: Vec<PathBuf>,
    flushed: Flushed,
}

/// Bytes of the active segment between two snapshots of the producers: what recovery walks over at most.
const SNAPSHOT_EVERY_BYTES: u64 = 64 << 20;

/// Proof of a flush, for [`Log::mark_flushed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flushed {
    up_to: i64,
    truncations: u64,
    names: u64,
}

impl FlushTask {
    /// Syncs the files.
    pub fn run(self) -> Result<Flushed, segment::Error> {
        for segment in &self.segments {
            Self::sync_segment(segment)?;
        }
        for path in &self.small {
            self.sync_small(path)?;
        }
        if self.sync_dir {
            match self.dir.sync() {
                // The folder was renamed away to be deleted.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(segment::Error::Io { path: self.dir.path(), source }),
                Ok(()) => {}
            }
        }
        Ok(self.flushed)
    }

    fn sync_segment(segment: &Segment) -> Result<(), segment::Error> {
        match segment.sync() {
            // Truncations and deletions remove segments; what a truncation overtook is not vouched for.
            Err(segment::Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(()),
            synced => synced,
        }
    }

    fn sync_small(&self, path: &Path) -> Result<(), segment::Error> {
        match self.dir.fs().open(path, Open::Existing).and_then(|file| file.sync_data()) {
            // Truncations and deletions remove snapshots; a log without an epoch or topic id has no such file.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(segment::Error::Io { path: path.to_path_buf(), source }),
            Ok(()) => Ok(()),
        }
    }
}

impl Flushed {
    /// The offset below which everything was durable.
    pub fn up_to(&self) -> i64 {
        self.up_to
    }
}

impl Log {
    /// What is to be synced for everything appended so far; none if it is durable already, or if the log failed. An error for want
    /// of room changes nothing.
    pub fn flush_task(&mut self) -> Result<Option<FlushTask>, segment::Error> {
        let up_to = self.log_end_offset();
        let sync_dir = self.names_changed != self.names_synced;
        if self.failed || (up_to <= self.recovery_point && !sync_dir && !self.snapshots.has_unsynced()) {
            return Ok(None);
        }
        let segments = self.shared.segments();
        // From where recovery would begin: the one that ends at the recovery point may have been completed, and its indexes
        // written, after its last flush.
        let after = segments.partition_point(|segment| segment.base_offset < self.recovery_point);
        let first = after.saturating_sub(1).min(segments.len() - 1);
        let flushed = self.proof()?;
        let mut small = self.snapshots.take_unsynced();
        if sync_dir {
            small.extend([epochs::FILE, partition_metadata::FILE].map(|name| self.dir.file(name)));
        }
        let segments = segments.get(first..).unwrap_or_default().to_vec();
        Ok(Some(FlushTask { dir: Arc::clone(&self.dir), segments, sync_dir, small, flushed }))
    }

    /// A proof that everything appended so far is durable, to be taken before the whole disk is synced and used after. An error
    /// for want of room changes nothing.
    pub fn synced_with_disk(&mut self) -> Result<Flushed, segment::Error> {
        self.check_not_failed()?;
        let proof = self.proof()?;
        self.snapshots.take_unsynced();
        Ok(proof)
    }

    /// What a flush makes durable: with the batches the index entries of them, from which recovery goes on, and where the state of
    /// the producers has far to be rebuilt from, a snapshot of that.
    fn proof(&mut self) -> Result<Flushed, segment::Error> {
        let written = self.write_for_recovery();
        self.failed |= written.as_ref().is_err_and(|error| !error.is_full());
        written.map(|()| Flushed {
            up_to: self.log_end_offset(),
            truncations: self.truncations,
            names: self.names_changed,
        })
    }

    fn write_for_recovery(&mut self) -> Result<(), segment::Error> {
        self.active.segment.write_indexes()?;
        let size = self.active.segment.size();
        if size >= self.active.snapshot_at + SNAPSHOT_EVERY_BYTES {
            self.snapshots.take(&self.producers)?;
            let (base_offset, end) = (self.active.segment.base_offset, self.producers.end_offset());
            self.snapshots.remove(|offset| offset > base_offset && offset < end)?;
            self.active.snapshot_at = size;
        }
        Ok(())
    }

    /// Moves the recovery point to what was flushed, unless the log was truncated meanwhile.
    pub fn mark_flushed(&mut self, flushed: Flushed) {
        self.names_synced = self.names_synced.max(flushed.names);
        if flushed.truncations == self.truncations {
            self.recovery_point = self.recovery_point.max(flushed.up_to);
        }
    }

    /// Notes that a flush failed: no more appends are taken, and no flush is tried again.
    pub fn mark_failed(&mut self) {
        self.failed = true;
    }

    pub(super) fn check_not_failed(&self) -> Result<(), segment::Error> {
        if self.failed { Err(segment::Error::Failed { path: self.active.segment.log.path() }) } else { Ok(()) }
    }

    /// Makes everything appended so far durable before it answers.
    pub fn flush(&mut self) -> Result<(), segment::Error> {
        self.check_not_failed()?;
        let Some(task) = self.flush_task()? else { return Ok(()) };
        match task.run() {
            Ok(flushed) => {
                self.mark_flushed(flushed);
                Ok(())
            }
            Err(error) => {
                self.mark_failed();
                Err(error)
            }
        }
    }
}
