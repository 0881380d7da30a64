//! A file of entries of one size in ascending order, appended to by one owner and searched by any thread.
//!
//! The newest entries wait in memory and are written a page at a time: indexes can be rebuilt from the log, so they need not
//! be on disk before it is.

use std::io::{self, IoSlice};
use std::sync::Arc;

use parking_lot::Mutex;

use super::file::{Dir, LazyFile};
use crate::fs::is_full;

/// Bytes read or written at once.
const PAGE_BYTES: usize = 4096;

/// Entries of `N` bytes.
#[derive(Debug)]
pub(crate) struct Entries<const N: usize> {
    file: LazyFile,
    state: Mutex<State<N>>,
}

#[derive(Debug, Default)]
struct State<const N: usize> {
    /// Entries that are in the file.
    written: usize,
    /// Entries after those.
    tail: Vec<[u8; N]>,
    /// What the file holds is no part of this: all entries are in the tail until they are written.
    anew: bool,
}

impl<const N: usize> Entries<N> {
    const PER_PAGE: usize = PAGE_BYTES / N;

    /// Entries of a file that holds `file_len` bytes, 0 if it is not there yet.
    pub(crate) fn new(dir: Arc<Dir>, name: String, file_len: u64) -> Self {
        let written = usize::try_from(file_len).unwrap_or(0) / N;
        Self { file: LazyFile::new(dir, name), state: Mutex::new(State { written, ..State::default() }) }
    }

    pub(crate) fn file(&self) -> &LazyFile {
        &self.file
    }

    /// Number of entries.
    pub(crate) fn len(&self) -> usize {
        let state = self.state.lock();
        state.written + state.tail.len()
    }

    /// Entry `n`, if there are as many.
    pub(crate) fn get(&self, n: usize) -> io::Result<Option<[u8; N]>> {
        {
            let state = self.state.lock();
            if n >= state.written {
                return Ok(state.tail.get(n - state.written).copied());
            }
        }
        Ok(self.read(n, 1)?.first().copied())
    }

    /// The last entry.
    pub(crate) fn last(&self) -> io::Result<Option<[u8; N]>> {
        match self.len() {
            0 => Ok(None),
            len => self.get(len - 1),
        }
    }

    /// Number of entries at the start for which `before` holds; it must hold for none after the first for which it does not.
    pub(crate) fn partition_point(&self, before: impl Fn(&[u8; N]) -> bool) -> io::Result<usize> {
        let written = {
            let state = self.state.lock();
            if state.tail.first().is_some_and(&before) {
                return Ok(state.written + state.tail.partition_point(&before));
            }
            state.written
        };
        let (mut low, mut high) = (0, written);
        while high - low > Self::PER_PAGE {
            let middle = low + (high - low) / 2;
            match self.read(middle, 1)?.first() {
                Some(entry) if before(entry) => low = middle + 1,
                _ => high = middle,
            }
        }
        Ok(low + self.read(low, high - low)?.partition_point(before))
    }

    /// Appends an entry.
    pub(crate) fn push(&self, entry: [u8; N]) -> io::Result<()> {
        let full = {
            let mut state = self.state.lock();
            state.tail.push(entry);
            state.tail.len() >= Self::PER_PAGE && !state.anew
        };
        match if full { self.write_tail() } else { Ok(()) } {
            // They stay in memory until there is room: the log itself was written.
            Err(error) if is_full(&error) => Ok(()),
            written => written,
        }
    }

    /// Begins anew with no entry. The file is left as it is until the entries are written with [`Entries::write_tail`].
    pub(crate) fn begin_anew(&self) {
        *self.state.lock() = State { anew: true, ..State::default() };
    }

    /// Hands all entries to the operating system.
    pub(crate) fn write_tail(&self) -> io::Result<()> {
        // Only the owner changes the state, so what is copied here is still all there is below.
        let (position, bytes, anew) = {
            let state = self.state.lock();
            (state.written * N, state.tail.as_flattened().to_vec(), state.anew)
        };
        if anew {
            self.file.created()?.truncate(0)?;
        }
        if !bytes.is_empty() {
            self.file.created()?.write_at(&[IoSlice::new(&bytes)], position as u64)?;
        }
        let mut state = self.state.lock();
        state.written += state.tail.len();
        state.tail = Vec::new();
        state.anew = false;
        Ok(())
    }

    /// Drops all entries from number `len` on, and whatever else the file holds after them.
    pub(crate) fn truncate(&self, len: usize) -> io::Result<()> {
        let mut state = self.state.lock();
        let kept_in_tail = len.saturating_sub(state.written);
        state.tail.truncate(kept_in_tail);
        if len < state.written {
            state.written = len;
        }
        if state.anew { Ok(()) } else { self.file.created()?.truncate((state.written * N) as u64) }
    }

    /// The last entries: those in memory and a page of the file.
    pub(crate) fn last_page(&self) -> io::Result<Vec<[u8; N]>> {
        let (written, tail) = {
            let state = self.state.lock();
            (state.written, state.tail.clone())
        };
        let first = written.saturating_sub(Self::PER_PAGE);
        let mut entries = self.read(first, written - first)?;
        entries.extend(tail);
        Ok(entries)
    }

    /// All entries.
    pub(crate) fn all(&self) -> io::Result<Vec<[u8; N]>> {
        let (written, tail) = {
            let state = self.state.lock();
            (state.written, state.tail.clone())
        };
        let mut all = self.read(0, written)?;
        all.extend(tail);
        Ok(all)
    }

    fn read(&self, first: usize, count: usize) -> io::Result<Vec<[u8; N]>> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let mut entries = vec![[0; N]; count];
        let read = self.file.existing()?.read_at(entries.as_flattened_mut(), (first * N) as u64)?;
        entries.truncate(read / N);
        Ok(entries)
    }
}
