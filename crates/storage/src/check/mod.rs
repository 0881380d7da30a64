//! Checks a log dir without changing it: what is wrong, where, and what the next start would make of it.

mod cursor;
mod dir;
mod finding;
mod partition;
mod producers;
mod records;
mod segment;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};

pub use finding::{AtStart, Finding};

use crate::fs::Fs;

const LOCK_FILE: &str = ".lock";

/// Why a log dir cannot be checked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk failed.
    #[error("{path}: {source}")]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// How.
        source: io::Error,
    },
    /// A broker works on it.
    #[error("{0} is in use by another process: stop the broker first")]
    Locked(PathBuf),
    /// There is no `meta.properties`.
    #[error("{0} is no log dir: it has no meta.properties")]
    NotFormatted(PathBuf),
}

/// What was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Folders of partitions.
    pub partitions: u64,
    /// Log files.
    pub segments: u64,
    /// Batches in them.
    pub batches: u64,
    /// What was told.
    pub findings: u64,
}

/// Checks all that a log dir holds and hands each finding to `tell`. Nothing on the disk is changed.
pub fn check(fs: &std::sync::Arc<dyn Fs>, path: &Path, tell: &mut dyn FnMut(&Finding)) -> Result<Counts, Error> {
    let io = |source| Error::Io { path: path.to_path_buf(), source };
    // Taken only where it is: a broker that runs has made it, and a check makes no files.
    let lock = path.join(LOCK_FILE);
    let _lock = match fs.exists(&lock).map_err(io)? {
        true => Some(fs.lock(&lock).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => Error::Locked(path.to_path_buf()),
            _ => io(error),
        })?),
        false => None,
    };
    let mut report = finding::Report::new(path, tell);
    dir::check(fs, path, &mut report)?;
    Ok(report.counts)
}
