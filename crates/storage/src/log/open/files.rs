//! What the files in a log's folder are.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use super::Error;
use crate::fs::Entry;
use crate::segment::file::Dir;
use crate::segment::{Lens, Segment, names};

/// A folder without leftovers.
#[derive(Debug, Default)]
pub(crate) struct Files {
    segments: BTreeMap<i64, Lens>,
    pub(crate) snapshots: BTreeSet<i64>,
}

impl Files {
    /// Lists a folder; index files without a log file go.
    pub(super) fn list(dir: &Dir) -> Result<Self, Error> {
        let path = dir.path();
        let entries = dir.fs().list(&path).map_err(|source| Error::Io { path, source })?;
        let files = Self::of(&entries);
        for entry in entries.iter().filter(|entry| !entry.is_dir) {
            if index_of(&entry.name).is_some_and(|(base_offset, _)| !files.segments.contains_key(&base_offset)) {
                remove(dir, &entry.name)?;
            }
        }
        Ok(files)
    }

    /// What the names in a folder say.
    pub(crate) fn of(entries: &[Entry]) -> Self {
        let mut files = Self::default();
        for entry in entries.iter().filter(|entry| !entry.is_dir) {
            if let Some(base_offset) = names::offset_of(&entry.name, names::LOG) {
                files.segments.entry(base_offset).or_default().log = entry.len;
            } else if let Some(offset) = names::offset_of(&entry.name, names::SNAPSHOT) {
                files.snapshots.insert(offset);
            }
        }
        for entry in entries.iter().filter(|entry| !entry.is_dir) {
            files.add_index(&entry.name, entry.len);
        }
        files
    }

    fn add_index(&mut self, name: &str, len: u64) {
        let Some((base_offset, kind)) = index_of(name) else { return };
        let Some(lens) = self.segments.get_mut(&base_offset) else { return };
        match kind {
            names::OFFSET_INDEX => lens.offset_index = Some(len),
            names::TIME_INDEX => lens.time_index = Some(len),
            _ => lens.txn_index = len,
        }
    }

    /// The base offsets of the log files.
    pub(crate) fn base_offsets(&self) -> impl Iterator<Item = i64> {
        self.segments.keys().copied()
    }

    /// The segments; each ends at most where the next begins, the last one nobody knows yet.
    pub(crate) fn segments(&self, dir: &Arc<Dir>) -> Vec<Arc<Segment>> {
        let next_offsets = self.segments.keys().skip(1).copied().chain([i64::MAX]);
        let segments = self.segments.iter().zip(next_offsets);
        segments.map(|((base, lens), next)| Arc::new(Segment::open(dir, *base, *lens, next))).collect()
    }

    /// The segments whose indexes are missing or end in a part of an entry.
    pub(crate) fn unindexed(&self) -> BTreeSet<i64> {
        let sound = |lens: &Lens| {
            lens.offset_index.is_some_and(|len| len % 8 == 0) && lens.time_index.is_some_and(|len| len % 12 == 0)
        };
        self.segments.iter().filter(|(_, lens)| !sound(lens)).map(|(base_offset, _)| *base_offset).collect()
    }
}

/// The base offset and kind of an index file.
fn index_of(name: &str) -> Option<(i64, &'static str)> {
    let kinds = [names::OFFSET_INDEX, names::TIME_INDEX, names::TXN_INDEX];
    kinds.into_iter().find_map(|kind| Some((names::offset_of(name, kind)?, kind)))
}

/// Removes a file of the folder if it is there.
pub(super) fn remove(dir: &Dir, name: &str) -> Result<(), Error> {
    let path = dir.file(name);
    match dir.fs().remove_file(&path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(Error::Io { path, source }),
        _ => Ok(()),
    }
}
