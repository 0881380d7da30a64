//! A file whose bytes were all written before, if only as zeros: then a sync of what is written over them has no metadata to
//! write, and none to lose.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::Error;
use crate::fs::{self, File};

/// Bytes by which a file grows at a time: a frame waits for no more than that.
pub(super) const STEP: u64 = 1 << 20;
/// Most bytes of one [`Growth`].
const GROWTH: u64 = 8 << 20;

#[derive(Debug)]
pub(super) struct FilledFile {
    pub(super) path: PathBuf,
    pub(super) file: Arc<dyn File>,
    len: AtomicU64,
    /// Held by who writes beyond `len`.
    growing: Mutex<()>,
}

impl FilledFile {
    pub(super) fn new(path: PathBuf, file: Arc<dyn File>) -> Result<Self, Error> {
        let len = file.len().map_err(|source| Error::Io { path: path.clone(), source })?;
        Ok(Self { path, file, len: AtomicU64::new(len), growing: Mutex::new(()) })
    }

    pub(super) fn len(&self) -> u64 {
        self.len.load(Ordering::Acquire)
    }

    /// Has the file reach as far as a frame is to go, durably: in a step, or no further than needed where the disk has no
    /// room for one.
    pub(super) fn grow(&self, end: u64, most: u64) -> Result<(), Error> {
        if self.len() >= end {
            return Ok(());
        }
        let _growing = self.growing.lock();
        let len = self.len();
        if len >= end {
            return Ok(());
        }
        let roomy = len + (end - len).next_multiple_of(STEP).min(most - len);
        match self.fill(len, roomy) {
            Err(Error::NoRoom { .. }) => self.fill(len, end),
            filled => filled,
        }
    }

    /// Writes zeros from the end of the file on, durably. What was written of them for nothing is cut off: others need the last
    /// room more.
    fn fill(&self, len: u64, end: u64) -> Result<(), Error> {
        let zeros = vec![0; usize::try_from(STEP.min(end - len)).unwrap_or(0)];
        let mut position = len;
        while position < end {
            let rest = usize::try_from(end - position).unwrap_or(usize::MAX).min(zeros.len());
            let written = self.write_at(position, &[IoSlice::new(zeros.get(..rest).unwrap_or_default())]);
            if let Err(error) = written {
                let _ = self.file.truncate(len);
                return Err(error);
            }
            position += rest as u64;
        }
        self.sync()?;
        self.len.store(end, Ordering::Release);
        Ok(())
    }

    pub(super) fn overwrite(&self, position: u64, buffers: &[IoSlice<'_>]) -> Result<(), Error> {
        self.write_at(position, buffers)?;
        self.sync()
    }

    fn write_at(&self, position: u64, buffers: &[IoSlice<'_>]) -> Result<(), Error> {
        self.file.write_at(buffers, position).map_err(|source| failed(&self.path, source))
    }

    /// A sync that fails is final, for want of room too.
    fn sync(&self) -> Result<(), Error> {
        self.file.sync_data().map_err(|source| Error::Io { path: self.path.clone(), source })
    }
}

/// Why a file could not be made or written.
pub(super) fn failed(path: &Path, source: io::Error) -> Error {
    let path = path.to_path_buf();
    if fs::is_full(&source) { Error::NoRoom { path, source } } else { Error::Io { path, source } }
}

/// A file that is to be filled before frames come to its end.
#[derive(Debug)]
#[must_use = "it grows when it is run"]
pub struct Growth {
    file: Arc<FilledFile>,
    to: u64,
}

impl Growth {
    pub(super) fn new(file: Arc<FilledFile>, to: u64) -> Self {
        let to = to.min(file.len() + GROWTH);
        Self { file, to }
    }

    /// Fills the file, beside commits. [`Error::NoRoom`] changes nothing.
    pub fn run(self) -> Result<(), Error> {
        while self.file.len() < self.to {
            let _growing = self.file.growing.lock();
            let len = self.file.len();
            if len < self.to {
                self.file.fill(len, self.to.min(len + STEP))?;
            }
        }
        Ok(())
    }
}
