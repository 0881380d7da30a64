//! Handing what was appended to the disk early, so that a sync finds little to do.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Error, Segment};
use crate::fs::File;

const PAGE_BYTES: u64 = 4096;

/// Bytes on their way to the disk.
#[derive(Debug)]
#[must_use = "errors are told where it is waited for"]
pub struct WriteBack {
    file: Arc<dyn File>,
    path: PathBuf,
    position: u64,
    len: u64,
}

impl WriteBack {
    /// How many.
    pub fn size_in_bytes(&self) -> u64 {
        self.len
    }

    /// Waits until they are there. It promises nothing about durability.
    pub fn finish(self) -> Result<(), Error> {
        let waited = self.file.await_write_back(self.position, self.len);
        waited.map_err(|source| Error::Io { path: self.path, source })
    }
}

impl Segment {
    /// Bytes of the whole pages that were appended and not yet handed to the disk. The last page fills and would be written again
    /// and again.
    pub(crate) fn to_write_back(&self) -> u64 {
        let whole_pages = self.size() / PAGE_BYTES * PAGE_BYTES;
        whole_pages.saturating_sub(self.written_back.load(Ordering::Relaxed))
    }

    /// Begins to hand them to the disk; one thread at a time calls this.
    pub(crate) fn write_back(&self) -> Result<WriteBack, Error> {
        let (position, len) = (self.written_back.load(Ordering::Relaxed), self.to_write_back());
        let file = self.file()?;
        file.begin_write_back(position, len).map_err(|source| self.io(source))?;
        self.written_back.store(position + len, Ordering::Relaxed);
        Ok(WriteBack { file, path: self.log.path(), position, len })
    }
}
