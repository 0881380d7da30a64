//! Files that were taken out of a log and wait for their removal.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::fs::{Fs, is_full};
use crate::segment::file::{Dir, LazyFile};
use crate::segment::{self, Segment, names};

/// Files that are no longer part of a log. Readers may still hold them open; `file.delete.delay.ms` is for the caller to wait.
///
/// Dropped without [`Removal::run`], they go when the log is opened the next time.
#[derive(Debug)]
#[must_use = "the files stay until the removal is run"]
pub struct Removal {
    fs: Arc<dyn Fs>,
    paths: Vec<PathBuf>,
}

impl Removal {
    /// Renames the files of segments, so that opening the log would not find them.
    pub(super) fn of_segments(dir: &Dir, segments: &[Arc<Segment>]) -> Result<Self, segment::Error> {
        let mut paths = Vec::new();
        for file in segments.iter().flat_map(|segment| segment.files()) {
            set_aside(file, &mut paths)?;
        }
        Ok(Self { fs: dir.fs_arc(), paths })
    }

    /// The same, each durably before the next, from an end of the log on: if a power cut brought back one and not its neighbour,
    /// there would be a hole in the log. Indexes go last: if it brought back a log file and not its index of aborted
    /// transactions, these would be read as committed.
    pub(super) fn one_by_one(dir: &Dir, segments: &[Arc<Segment>]) -> Result<Self, segment::Error> {
        let mut paths = Vec::new();
        for segment in segments {
            set_aside(&segment.log, &mut paths)?;
            dir.sync().map_err(|source| segment::Error::Io { path: dir.path(), source })?;
        }
        for file in segments.iter().flat_map(|segment| segment.indexes()) {
            set_aside(file, &mut paths)?;
        }
        Ok(Self { fs: dir.fs_arc(), paths })
    }

    /// A whole folder.
    pub(crate) fn of_dir(fs: Arc<dyn Fs>, dir: &Path) -> Self {
        Self { fs, paths: vec![dir.to_path_buf()] }
    }

    /// Whether there is nothing to remove.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// What will be removed.
    pub fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// Removes the files.
    pub fn run(self) -> io::Result<()> {
        for path in &self.paths {
            let removed = match self.fs.remove_file(path) {
                Err(error) if is_dir_error(&error) => self.fs.remove_dir_all(path),
                removed => removed,
            };
            match removed {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Renames a file as one to be removed, if it is there.
fn set_aside(file: &LazyFile, paths: &mut Vec<PathBuf>) -> Result<(), segment::Error> {
    match file.rename(names::DELETED) {
        Ok(true) => paths.push(file.path()),
        Ok(false) => {}
        // A longer name may not fit into the folder any more. A reader that comes too late is told to come again.
        Err(source) if is_full(&source) => {
            file.remove().map_err(|source| segment::Error::Io { path: file.path(), source })?;
        }
        Err(source) => return Err(segment::Error::Io { path: file.path(), source }),
    }
    Ok(())
}

/// Linux says EISDIR when a folder is to be removed as a file, POSIX allows EPERM.
fn is_dir_error(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::IsADirectory | io::ErrorKind::PermissionDenied)
}
