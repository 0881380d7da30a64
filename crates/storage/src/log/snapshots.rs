//! The producer snapshots in a log's folder.

use std::collections::BTreeSet;
use std::io::{self, IoSlice};
use std::path::PathBuf;
use std::sync::Arc;

use crate::fs::{self, Open};
use crate::producers::{Producers, snapshot};
use crate::segment::file::Dir;
use crate::segment::{self, names};

/// Which snapshots there are, by the offset they were taken at.
#[derive(Debug)]
pub(super) struct Snapshots {
    dir: Arc<Dir>,
    offsets: BTreeSet<i64>,
    /// Those that were not synced yet.
    unsynced: BTreeSet<i64>,
}

impl Snapshots {
    pub(super) fn new(dir: Arc<Dir>, offsets: BTreeSet<i64>) -> Self {
        Self { dir, offsets, unsynced: BTreeSet::new() }
    }

    /// Writes a snapshot of the state, unless there is one at its offset already.
    pub(super) fn take(&mut self, producers: &Producers) -> Result<(), segment::Error> {
        let offset = producers.end_offset();
        if self.offsets.contains(&offset) {
            return Ok(());
        }
        let path = self.path(offset);
        let bytes = snapshot::encode(producers.iter());
        let write = || self.dir.fs().open(&path, Open::Truncate)?.write_at(&[IoSlice::new(&bytes)], 0);
        write().map_err(|source| segment::Error::Io { path, source })?;
        self.offsets.insert(offset);
        self.unsynced.insert(offset);
        Ok(())
    }

    /// The state at the latest sound snapshot in `(log_start_offset, up_to]`, or none at `log_start_offset`.
    pub(super) fn load(&mut self, log_start_offset: i64, up_to: i64, now_ms: i64, expiration_ms: i64) -> Producers {
        let candidates: Vec<i64> = self.offsets.range(..=up_to).rev().copied().collect();
        for offset in candidates.into_iter().take_while(|offset| *offset > log_start_offset) {
            match self.read(offset) {
                Ok(entries) => return Producers::restore(offset, entries, now_ms, expiration_ms),
                Err(error) => {
                    tracing::warn!(file = %self.path(offset).display(), %error, "ignoring a producer snapshot");
                    let _removed = self.dir.fs().remove_file(&self.path(offset));
                    self.offsets.remove(&offset);
                }
            }
        }
        Producers::starting_at(log_start_offset)
    }

    fn read(&self, offset: i64) -> io::Result<Vec<(i64, crate::producers::ProducerEntry)>> {
        let file = self.dir.fs().open(&self.path(offset), Open::Existing)?;
        snapshot::decode(&fs::read_to_end(&*file, snapshot::MAX_BYTES)?).map_err(io::Error::other)
    }

    /// Removes the snapshots of which `unwanted` holds.
    pub(super) fn remove(&mut self, unwanted: impl Fn(i64) -> bool) -> Result<(), segment::Error> {
        let offsets: Vec<i64> = self.offsets.iter().copied().filter(|offset| unwanted(*offset)).collect();
        for offset in offsets {
            let path = self.path(offset);
            match self.dir.fs().remove_file(&path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(segment::Error::Io { path, source });
                }
                _ => {}
            }
            self.offsets.remove(&offset);
            self.unsynced.remove(&offset);
        }
        Ok(())
    }

    /// Snapshots that belong to no segment are of no use, but for the latest of all.
    pub(super) fn remove_stray(&mut self, base_offsets: &BTreeSet<i64>) -> Result<(), segment::Error> {
        let latest = self.offsets.last().copied();
        self.remove(|offset| !base_offsets.contains(&offset) && Some(offset) != latest)
    }

    pub(super) fn has_unsynced(&self) -> bool {
        !self.unsynced.is_empty()
    }

    /// The files that a flush must sync.
    pub(super) fn take_unsynced(&mut self) -> Vec<PathBuf> {
        std::mem::take(&mut self.unsynced).into_iter().map(|offset| self.path(offset)).collect()
    }

    fn path(&self, offset: i64) -> PathBuf {
        self.dir.file(&names::at(offset, names::SNAPSHOT))
    }
}
