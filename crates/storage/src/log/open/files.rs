//! What the files in a log's folder are.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use super::Error;
use crate::segment::file::Dir;
use crate::segment::{Lens, Segment, names};

/// A folder without leftovers.
#[derive(Debug, Default)]
pub(super) struct Files {
    segments: BTreeMap<i64, Lens>,
    pub(super) snapshots: BTreeSet<i64>,
}

impl Files {
    /// Lists a folder; index files without a log file go.
    pub(super) fn list(dir: &Dir) -> Result<Self, Error> {
        let path = dir.path();
        let entries = dir.fs().list(&path).map_err(|source| Error::Io { path, source })?;
        let mut files = Self::default();
        for entry in entries.iter().filter(|entry| !entry.is_dir) {
            if let Some(base_offset) = names::offset_of(&entry.name, names::LOG) {
                files.segments.entry(base_offset).or_default().log = entry.len;
            } else if let Some(offset) = names::offset_of(&entry.name, names::SNAPSHOT) {
                files.snapshots.insert(offset);
            }
        }
        for entry in entries.iter().filter(|entry| !entry.is_dir) {
            files.add_index(dir, &entry.name, entry.len)?;
        }
        Ok(files)
    }

    fn add_index(&mut self, dir: &Dir, name: &str, len: u64) -> Result<(), Error> {
        for kind in [names::OFFSET_INDEX, names::TIME_INDEX, names::TXN_INDEX] {
            let Some(base_offset) = names::offset_of(name, kind) else { continue };
            match (self.segments.get_mut(&base_offset), kind) {
                (Some(lens), names::OFFSET_INDEX) => lens.offset_index = Some(len),
                (Some(lens), names::TIME_INDEX) => lens.time_index = Some(len),
                (Some(lens), _) => lens.txn_index = len,
                (None, _) => remove(dir, name)?,
            }
        }
        Ok(())
    }

    /// The segments; each ends at most where the next begins, the last one nobody knows yet.
    pub(super) fn segments(&self, dir: &Arc<Dir>) -> Vec<Arc<Segment>> {
        let next_offsets = self.segments.keys().skip(1).copied().chain([i64::MAX]);
        let segments = self.segments.iter().zip(next_offsets);
        segments.map(|((base, lens), next)| Arc::new(Segment::open(dir, *base, *lens, next))).collect()
    }

    /// The segments whose indexes are missing or end in a part of an entry.
    pub(super) fn unindexed(&self) -> BTreeSet<i64> {
        let sound = |lens: &Lens| {
            lens.offset_index.is_some_and(|len| len % 8 == 0) && lens.time_index.is_some_and(|len| len % 12 == 0)
        };
        self.segments.iter().filter(|(_, lens)| !sound(lens)).map(|(base_offset, _)| *base_offset).collect()
    }
}

/// Removes a file of the folder if it is there.
pub(super) fn remove(dir: &Dir, name: &str) -> Result<(), Error> {
    let path = dir.file(name);
    match dir.fs().remove_file(&path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(Error::Io { path, source }),
        _ => Ok(()),
    }
}
