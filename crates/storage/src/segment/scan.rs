//! Walks the batches of a log file: their headers alone, or whole batches with their proof.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use ottla_protocol::batch::{self, CheckedBatch, HEADER_LEN, Header};

use crate::fs::File;

/// Bytes read at once while walking headers: what an index entry may leave to walk.
const WINDOW_BYTES: usize = 4096;
/// Bytes read at once while proving whole batches.
const CHUNK_BYTES: u64 = 1 << 20;

/// What stops a walk before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The bytes at `position` are no batch.
    #[error("at position {position}: {source}")]
    Batch { position: u64, source: batch::Error },
}

/// The headers of the batches in `[position, end)` of a file.
pub(crate) struct Headers {
    file: Arc<dyn File>,
    position: u64,
    end: u64,
    window: [u8; WINDOW_BYTES],
    window_start: u64,
    window_len: usize,
}

impl Headers {
    pub(crate) fn new(file: Arc<dyn File>, position: u64, end: u64) -> Self {
        Self { file, position, end, window: [0; WINDOW_BYTES], window_start: 0, window_len: 0 }
    }

    /// The next header and where its batch starts.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, Header)>, Error> {
        let position = self.position;
        if position >= self.end {
            return Ok(None);
        }
        let bad = |source| Error::Batch { position, source };
        let header = Header::parse(self.header_bytes()?).map_err(bad)?;
        let next = position + header.size_in_bytes() as u64;
        if next > self.end {
            let available = (self.end - position) as usize;
            return Err(bad(batch::Error::Truncated { needed: header.size_in_bytes(), available }));
        }
        self.position = next;
        Ok(Some((position, header)))
    }

    /// The next header, if what follows is a batch.
    pub(crate) fn next_sound(&mut self) -> io::Result<Option<(u64, Header)>> {
        match self.next() {
            Ok(found) => Ok(found),
            Err(Error::Batch { .. }) => Ok(None),
            Err(Error::Io(error)) => Err(error),
        }
    }

    fn header_bytes(&mut self) -> io::Result<&[u8]> {
        let wanted = (self.end - self.position).min(HEADER_LEN as u64);
        let window_end = self.window_start + self.window_len as u64;
        if self.position < self.window_start || self.position + wanted > window_end {
            let len = (self.end - self.position).min(WINDOW_BYTES as u64) as usize;
            self.window_len = self.file.read_at(&mut self.window[..len], self.position)?;
            self.window_start = self.position;
        }
        let start = (self.position - self.window_start) as usize;
        let end = (start + wanted as usize).min(self.window_len);
        Ok(self.window.get(start..end).unwrap_or_default())
    }
}

/// The batches in `[position, end)` of a file, each proven.
pub(crate) struct Batches {
    file: Arc<dyn File>,
    position: u64,
    end: u64,
    chunk: Bytes,
}

impl Batches {
    pub(crate) fn new(file: Arc<dyn File>, position: u64, end: u64) -> Self {
        Self { file, position, end, chunk: Bytes::new() }
    }

    /// The next batch and where it starts.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, CheckedBatch)>, Error> {
        let position = self.position;
        if position >= self.end {
            return Ok(None);
        }
        loop {
            match CheckedBatch::split_from(&mut self.chunk) {
                Ok(batch) => {
                    self.position += batch.size_in_bytes() as u64;
                    return Ok(Some((position, batch)));
                }
                Err(batch::Error::Truncated { needed, .. }) if self.read_more(needed)? => {}
                Err(source) => return Err(Error::Batch { position, source }),
            }
        }
    }

    /// Reads at least `needed` bytes from the position on; false if the file has no more than were there.
    fn read_more(&mut self, needed: usize) -> io::Result<bool> {
        let left = self.end - self.position;
        // What a damaged length asks for is bounded by what the file holds.
        let wanted = left.min(CHUNK_BYTES.max(needed as u64)) as usize;
        if wanted <= self.chunk.len() {
            return Ok(false);
        }
        let mut chunk = vec![0; wanted];
        let read = self.file.read_at(&mut chunk, self.position)?;
        chunk.truncate(read);
        let more = read > self.chunk.len();
        self.chunk = chunk.into();
        Ok(more)
    }
}

/// Whether a range of a file holds nothing but zeros.
pub(crate) fn is_zero(file: &dyn File, position: u64, end: u64) -> io::Result<bool> {
    let mut window = vec![0; CHUNK_BYTES as usize];
    let mut position = position;
    while position < end {
        let wanted = (end - position).min(CHUNK_BYTES) as usize;
        let read = window.get_mut(..wanted).map_or(Ok(0), |part| file.read_at(part, position))?;
        if read == 0 || window.iter().take(read).any(|byte| *byte != 0) {
            return Ok(read == 0);
        }
        position += read as u64;
    }
    Ok(true)
}
