//! The snapshots beside the metadata log: which there are, what each holds of the log, and their files.

use crate::checkpoint_file;
use ottla_storage::{
    Slice,
    fs::{Fs, Open},
};
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// What is read of a file that cannot be sent as it is.
const MOST_IN_MEMORY: usize = 1 << 20;

/// A snapshot stands for all records before its end offset, the last of which is of its epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SnapshotId {
    pub(crate) end_offset: i64,
    pub(crate) epoch: i32,
}

impl SnapshotId {
    /// What a cluster was formatted with, which its first leader writes into the log (KIP-853).
    pub(crate) const BOOTSTRAP: Self = Self { end_offset: 0, epoch: 0 };
}

/// The snapshots that are whole.
pub(crate) struct Snapshots {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    /// With their sizes.
    found: Mutex<BTreeMap<SnapshotId, u64>>,
}

impl Snapshots {
    /// Looks for snapshots in the metadata log's folder, and removes what a crash left of others.
    pub(crate) fn open(fs: Arc<dyn Fs>, dir: &Path) -> anyhow::Result<Arc<Self>> {
        checkpoint_file::sweep(&*fs, dir)?;
        let mut found = BTreeMap::new();
        for (end_offset, epoch, path) in checkpoint_file::all(&*fs, dir)? {
            found.insert(SnapshotId { end_offset, epoch }, checkpoint_file::size(&*fs, &path)?);
        }
        Ok(Arc::new(Self { fs, dir: dir.to_path_buf(), found: Mutex::new(found) }))
    }

    pub(crate) fn fs(&self) -> &dyn Fs {
        &*self.fs
    }

    pub(crate) fn path(&self, id: SnapshotId) -> PathBuf {
        self.dir.join(checkpoint_file::file_name(id.end_offset, id.epoch))
    }

    pub(crate) fn earliest(&self) -> Option<SnapshotId> {
        self.found.lock().first_key_value().map(|(id, _)| *id)
    }

    pub(crate) fn latest(&self) -> Option<SnapshotId> {
        self.found.lock().last_key_value().map(|(id, _)| *id)
    }

    /// Those there are with their sizes, the oldest first.
    pub(crate) fn all(&self) -> Vec<(SnapshotId, u64)> {
        self.found.lock().iter().map(|(id, size)| (*id, *size)).collect()
    }

    /// Takes in a snapshot whose file is whole.
    pub(crate) fn add(&self, id: SnapshotId) -> anyhow::Result<u64> {
        let size = checkpoint_file::size(&*self.fs, &self.path(id))?;
        self.found.lock().insert(id, size);
        Ok(size)
    }

    /// When the last record that a snapshot stands for was appended.
    pub(crate) fn last_contained_ms(&self, id: SnapshotId) -> anyhow::Result<i64> {
        checkpoint_file::last_contained_ms(&*self.fs, &self.path(id))
    }

    /// The size of a snapshot that there is.
    pub(crate) fn size(&self, id: SnapshotId) -> Option<u64> {
        self.found.lock().get(&id).copied()
    }

    /// Bytes of a snapshot's file, to be sent; fewer than asked for where they must be read into memory.
    pub(crate) fn slice(&self, id: SnapshotId, position: u64, len: usize) -> io::Result<Slice> {
        let path = self.path(id);
        match self.fs.open(&path, Open::Existing) {
            Ok(file) => Ok(Slice::File { file, position, len }),
            // Apache Kafka takes the right to write away from its snapshots, and the seam opens files for both.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                use std::os::unix::fs::FileExt as _;
                let mut bytes = vec![0; len.min(MOST_IN_MEMORY)];
                std::fs::File::open(&path)?.read_exact_at(&mut bytes, position)?;
                Ok(Slice::Memory(bytes.into()))
            }
            Err(error) => Err(error),
        }
    }

    /// Forgets the snapshots before one and removes their files; who has one open reads it to its end.
    pub(crate) fn remove_before(&self, id: SnapshotId) -> io::Result<Vec<SnapshotId>> {
        let removed: Vec<SnapshotId> = {
            let mut found = self.found.lock();
            let kept = found.split_off(&id);
            std::mem::replace(&mut *found, kept).into_keys().collect()
        };
        for id in &removed {
            match self.fs.remove_file(&self.path(*id)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(removed)
    }
}
