//! The thread that has segments written to the disk and frees the journal's files.

use super::{
    Commits,
    writes::{MIN_WRITE_BYTES, Writes},
};
use crate::{dir::Dir, partition::Partition};
use ottla_storage::{
    SegmentError,
    journal::{self, Journal},
    log_dir,
};
use parking_lot::MutexGuard;
use std::{sync::Arc, time::Duration};
use tracing::{error, warn};

/// How long segments wait to be written back: small writes come together meanwhile.
const GATHER: Duration = Duration::from_millis(50);
/// Most rounds before a sync of the disk.
const MAX_DRAINS: usize = 2;
/// What a sync of the disk may find to be written.
const LITTLE_BYTES: u64 = 8 << 20;

/// Why segments cannot be made durable.
#[derive(Debug, thiserror::Error)]
enum SyncError {
    #[error(transparent)]
    Segment(#[from] SegmentError),
    #[error(transparent)]
    Disk(#[from] log_dir::Error),
    #[error(transparent)]
    Journal(#[from] journal::Error),
}

/// What the settler is to do.
#[derive(Default)]
pub(super) struct Work {
    /// Committed, and not yet written back.
    dirty: Vec<Arc<Partition>>,
    /// The committer waits for the disk to be synced.
    full: bool,
    /// Somebody wants a short recovery.
    checkpoint: bool,
    closed: bool,
    pub(super) failed: bool,
}

impl Work {
    fn is_urgent(&self) -> bool {
        self.full || self.checkpoint || self.closed
    }
}

impl Commits {
    /// Hands partitions over to be written back.
    pub(crate) fn to_settle(&self, partitions: impl Iterator<Item = Arc<Partition>>) {
        let new: Vec<_> = partitions.filter(|partition| partition.place().settling.mark_dirty()).collect();
        if new.is_empty() {
            return;
        }
        let mut work = self.work.lock();
        if work.dirty.is_empty() {
            self.worked.notify_all();
        }
        work.dirty.extend(new);
    }

    /// Has the disk synced soon, so that a start after a crash has little to do.
    pub(crate) fn checkpoint(&self) {
        self.work.lock().checkpoint = true;
        self.worked.notify_all();
    }

    /// Has the disk synced for the last time; the settler's thread ends then.
    pub(super) fn close_settler(&self) {
        self.work.lock().closed = true;
        self.worked.notify_all();
    }

    /// Waits, as the committer, until the settler freed files; false if it cannot.
    pub(super) fn wait_for_files(&self) -> bool {
        let mut work = self.work.lock();
        work.full = true;
        self.worked.notify_all();
        while work.full && !work.failed {
            self.worked.wait(&mut work);
        }
        !work.failed
    }

    /// Works until closed, or the disk fails. Blocks: for a thread of its own.
    pub(crate) fn run_settler(&self, dir: &Dir, write_checkpoints: impl Fn() -> Result<(), String>) {
        let mut unsynced = Vec::new();
        loop {
            let (dirty, urgent, closed) = self.next_work();
            let written = self.write_back(dir, dirty, &mut unsynced).map_err(SyncError::from);
            let sync = (urgent && !unsynced.is_empty()) || self.is_half_full();
            let result = match (written, sync) {
                (Ok(()), true) => self.sync_disk(dir, &mut unsynced, &write_checkpoints),
                (written, _) => written,
            };
            if let Err(error) = result {
                self.work.lock().failed = true;
                self.worked.notify_all();
                self.fail(dir, &error);
                return;
            }
            self.done();
            if closed {
                return;
            }
        }
    }

    fn next_work(&self) -> (Vec<Arc<Partition>>, bool, bool) {
        let mut work = self.work.lock();
        while work.dirty.is_empty() && !work.is_urgent() {
            self.worked.wait(&mut work);
        }
        self.gather(&mut work);
        (std::mem::take(&mut work.dirty), work.is_urgent(), work.closed)
    }

    fn gather(&self, work: &mut MutexGuard<'_, Work>) {
        let over = std::time::Instant::now() + GATHER;
        while !work.is_urgent() && !self.worked.wait_until(work, over).timed_out() {}
    }

    /// Has the new bytes of partitions that have many of them written.
    fn write_back(
        &self,
        dir: &Dir,
        dirty: Vec<Arc<Partition>>,
        unsynced: &mut Vec<Arc<Partition>>,
    ) -> Result<(), SegmentError> {
        let mut writes = Writes::default();
        let here = dirty.into_iter().map(|partition| (partition.place(), partition));
        // A log that moved away was synced where it is now.
        for (place, partition) in here.filter(|(place, _)| place.dir.id == dir.id) {
            place.settling.clear_dirty();
            if !self.must_hurry() {
                writes.begin(&partition, MIN_WRITE_BYTES)?;
            }
            if place.settling.mark_unsynced() {
                unsynced.push(partition);
            }
        }
        writes.finish()
    }

    /// Has what is left of all partitions written, until little is: a sync of the disk has that in front of the journal's.
    fn drain(&self, dir: &Dir, unsynced: &mut Vec<Arc<Partition>>) -> Result<(), SegmentError> {
        for _ in 0..MAX_DRAINS {
            let dirty = std::mem::take(&mut self.work.lock().dirty);
            self.write_back(dir, dirty, unsynced)?;
            let mut writes = Writes::default();
            for partition in unsynced.iter().take_while(|_| !self.must_hurry()) {
                writes.begin(partition, 1)?;
            }
            let bytes = writes.bytes;
            writes.finish()?;
            if bytes < LITTLE_BYTES || self.must_hurry() {
                break;
            }
        }
        Ok(())
    }

    fn must_hurry(&self) -> bool {
        let work = self.work.lock();
        work.full || work.closed
    }

    fn is_half_full(&self) -> bool {
        let journal = self.journal.lock();
        journal.as_ref().is_some_and(|journal| journal.free_files() <= journal.files() / 2)
    }

    /// Syncs the disk: what is in the journal up to now is not needed any more.
    fn sync_disk(
        &self,
        dir: &Dir,
        unsynced: &mut Vec<Arc<Partition>>,
        write_checkpoints: impl Fn() -> Result<(), String>,
    ) -> Result<(), SyncError> {
        // Before the last look at who has something: whoever is in the frames that are freed gets its recovery point moved.
        let seq = self.journal.lock().as_ref().map_or(0, Journal::committed_seq);
        self.drain(dir, unsynced)?;
        let mut proofs = Vec::with_capacity(unsynced.len());
        for partition in unsynced.drain(..) {
            partition.place().settling.clear_unsynced();
            match partition.with_log_in(dir, |log| log.synced_with_disk()) {
                Ok(Ok(proof)) => proofs.push((partition, proof)),
                // Its recovery point stays: recovery has more to read.
                Ok(Err(error)) if error.is_full() => warn!(%partition, %error, "no room to note what is flushed"),
                Ok(Err(error)) => return Err(error.into()),
                Err(_gone) => {}
            }
        }
        dir.log_dir.sync_all()?;
        for (partition, proof) in proofs {
            let _ = partition.with_log_in(dir, |log| log.mark_flushed(proof));
        }
        // Before the journal forgets: by them a start tells a log that was cut from one that lost something.
        if let Err(error) = write_checkpoints() {
            error!(dir = %dir.log_dir.path().display(), error, "cannot write checkpoints");
        }
        if let Some(journal) = self.journal.lock().as_mut() {
            match journal.settle(seq) {
                // Nothing is freed yet: the next time, or when there is room.
                Err(journal::Error::NoRoom { .. }) => dir.room.found_full(&dir.log_dir),
                settled => settled?,
            }
        }
        Ok(())
    }

    fn done(&self) {
        let mut work = self.work.lock();
        (work.full, work.checkpoint) = (false, false);
        self.worked.notify_all();
    }
}
