//! A segment: the log file that starts at a base offset, and its indexes.

mod entries;
pub(crate) mod file;
mod indexer;
pub(crate) mod names;
pub(crate) mod offset_index;
mod proven;
mod recover;
mod sanity;
pub(crate) mod scan;
#[cfg(test)]
mod tests;
mod time_index;
mod txn_index;
mod write_back;

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use ottla_protocol::batch::{self, Header};
use parking_lot::Mutex;

use crate::fs::{File, Open, is_full};
use file::{Dir, LazyFile};
pub(crate) use indexer::Indexer;
use offset_index::OffsetIndex;
use proven::Proven;
pub(crate) use recover::{State, rebuild_indexes, rebuild_txn_index, recover, replay, replay_producers};
pub(crate) use sanity::{indexes_are_sound, txn_index_is_sound};
use scan::{Batches, Headers};
pub(crate) use time_index::{TimeIndex, TimestampOffset};
pub use txn_index::AbortedTxn;
pub(crate) use txn_index::TxnIndex;
pub use write_back::WriteBack;

/// Batches whose places are kept in memory, so that readers at the end need no index.
const RECENT_BATCHES: usize = 32;

/// Why a segment cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk failed.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// How.
        source: io::Error,
    },
    /// Bytes that were durable are not a batch: the disk or another process changed them.
    #[error("{path}: corrupt at position {position}: {source}")]
    Corrupt {
        /// Which file.
        path: PathBuf,
        /// Where the batch starts.
        position: u64,
        /// What is wrong with it.
        source: batch::Error,
    },
    /// An earlier write or flush failed: what the disk holds is not known.
    #[error("{path}: an earlier write or flush failed")]
    Failed {
        /// The active segment.
        path: PathBuf,
    },
    /// A batch that is sound but has an offset that cannot be there.
    #[error("{path}: offset {offset} at position {position} cannot follow {previous}")]
    OffsetOrder {
        /// Which file.
        path: PathBuf,
        /// Where the batch starts.
        position: u64,
        /// Its base offset.
        offset: i64,
        /// The least that it must be.
        previous: i64,
    },
}

impl Error {
    /// Whether there was no room, and nothing is lost by that.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Io { source, .. } if is_full(source))
    }
}

/// Bytes that the files of a segment hold, as a listing of the folder says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lens {
    pub(crate) log: u64,
    pub(crate) offset_index: Option<u64>,
    pub(crate) time_index: Option<u64>,
    pub(crate) txn_index: u64,
}

/// A batch in a segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) position: u64,
    pub(crate) header: Header,
}

/// One owner appends; any thread reads what is published.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) base_offset: i64,
    pub(crate) log: LazyFile,
    pub(crate) offset_index: OffsetIndex,
    pub(crate) time_index: TimeIndex,
    pub(crate) txn_index: TxnIndex,
    /// Bytes that hold whole batches. Read it before `next_offset`: what it covers is below the `next_offset` read after it.
    size: AtomicU64,
    next_offset: AtomicI64,
    /// Up to here the file was handed to the disk.
    written_back: AtomicU64,
    /// Bytes that were there when the file was opened: below it `proven` says what this process knows to be batches.
    found: u64,
    proven: Mutex<Proven>,
    recent: Mutex<VecDeque<(i64, u64)>>,
    /// The largest timestamp and the last offset of the batch that has it; none until it is read from the index.
    max_timestamp: Mutex<Option<TimestampOffset>>,
}

impl Segment {
    /// A segment over files that are there. `next_offset` is a bound until it is published.
    pub(crate) fn open(dir: &Arc<Dir>, base_offset: i64, lens: Lens, next_offset: i64) -> Self {
        Self {
            base_offset,
            log: LazyFile::new(Arc::clone(dir), names::at(base_offset, names::LOG)),
            offset_index: OffsetIndex::new(Arc::clone(dir), base_offset, lens.offset_index.unwrap_or(0)),
            time_index: TimeIndex::new(Arc::clone(dir), base_offset, lens.time_index.unwrap_or(0)),
            txn_index: TxnIndex::new(Arc::clone(dir), base_offset, lens.txn_index),
            size: AtomicU64::new(lens.log),
            next_offset: AtomicI64::new(next_offset),
            written_back: AtomicU64::new(lens.log),
            found: lens.log,
            proven: Mutex::default(),
            recent: Mutex::default(),
            max_timestamp: Mutex::new(None),
        }
    }

    /// A new segment with empty files. What an interrupted roll may have left under their names goes.
    ///
    /// The log file comes last: when this fails the segment before goes on, and what it holds must not meet another of that name.
    pub(crate) fn create(dir: &Arc<Dir>, base_offset: i64) -> Result<Self, Error> {
        let segment = Self::open(dir, base_offset, Lens::default(), base_offset);
        let file = segment.txn_index.entries.file();
        file.remove().map_err(|source| Error::Io { path: file.path(), source })?;
        for kind in [names::OFFSET_INDEX, names::TIME_INDEX, names::LOG] {
            let path = dir.file(&names::at(base_offset, kind));
            dir.fs().open(&path, Open::Truncate).map_err(|source| Error::Io { path, source })?;
        }
        Ok(segment)
    }

    /// A new segment under names that opening the log would remove. What an interrupted compaction left there goes.
    pub(crate) fn create_cleaned(dir: &Arc<Dir>, base_offset: i64) -> Result<Self, Error> {
        let segment = Self::open(dir, base_offset, Lens::default(), base_offset);
        for file in segment.files() {
            file.set_suffix(names::CLEANED);
        }
        segment.remove_files().map_err(|source| segment.io(source))?;
        let files = [&segment.log, segment.offset_index.entries.file(), segment.time_index.entries.file()];
        for file in files {
            file.created().map_err(|source| Error::Io { path: file.path(), source })?;
        }
        Ok(segment)
    }

    pub(crate) fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    pub(crate) fn next_offset(&self) -> i64 {
        self.next_offset.load(Ordering::Acquire)
    }

    /// Lets readers see what was written: first the offset, then the bytes.
    pub(crate) fn publish(&self, next_offset: i64, size: u64) {
        self.next_offset.store(next_offset, Ordering::Release);
        self.size.store(size, Ordering::Release);
    }

    /// Notes where a batch starts, for readers close behind.
    pub(crate) fn remember(&self, base_offset: i64, position: u64) {
        let mut recent = self.recent.lock();
        if recent.len() == RECENT_BATCHES {
            recent.pop_front();
        }
        recent.push_back((base_offset, position));
    }

    /// The log file.
    pub(crate) fn file(&self) -> Result<Arc<dyn File>, Error> {
        self.log.existing().map_err(|source| self.io(source))
    }

    /// The largest timestamp so far, by what is in memory or else in the index.
    pub(crate) fn max_timestamp(&self) -> Result<TimestampOffset, Error> {
        let mut max = self.max_timestamp.lock();
        match *max {
            Some(max) => Ok(max),
            None => Ok(*max.insert(self.time_index.last().map_err(|source| self.io(source))?)),
        }
    }

    /// The largest timestamp of the records, or else when the file changed.
    pub(crate) fn largest_timestamp(&self) -> Result<i64, Error> {
        match self.max_timestamp()?.timestamp {
            timestamp if timestamp >= 0 => Ok(timestamp),
            _ => self.file()?.modified_ms().map_err(|source| self.io(source)),
        }
    }

    pub(crate) fn set_max_timestamp(&self, max: TimestampOffset) {
        *self.max_timestamp.lock() = Some(max);
    }

    /// The first batch that ends at `offset` or above, among the bytes before `end`.
    pub(crate) fn find(&self, offset: i64, end: u64) -> Result<Option<Place>, Error> {
        match self.find_from(self.start_for(offset, end)?, offset, end) {
            // An index that points into nowhere costs a walk from the start, not an answer.
            Err(Error::Corrupt { .. } | Error::OffsetOrder { .. }) => self.find_from(0, offset, end),
            found => found,
        }
    }

    /// Where to start walking for `offset`.
    fn start_for(&self, offset: i64, end: u64) -> Result<u64, Error> {
        let recent = {
            let recent = self.recent.lock();
            match recent.partition_point(|(base_offset, _)| *base_offset <= offset) {
                0 => None,
                n => recent.get(n - 1).map(|(_, position)| *position),
            }
        };
        let position = match recent {
            Some(position) => position,
            None => {
                self.offset_index.lookup(offset).map_err(|source| self.io(source))?.map_or(0, |entry| entry.position)
            }
        };
        Ok(if position < end { position } else { 0 })
    }

    fn find_from(&self, start: u64, offset: i64, end: u64) -> Result<Option<Place>, Error> {
        let mut headers = Headers::new(self.file()?, start, end);
        let mut at_least = self.base_offset;
        while let Some((position, header)) = headers.next().map_err(|error| self.scan(error))? {
            // An index says where to start for offsets from the batch's first on: above it, the index is wrong.
            let too_far = position == start && start > 0 && header.base_offset > offset;
            if header.base_offset < at_least || too_far {
                let path = self.log.path();
                return Err(Error::OffsetOrder { path, position, offset: header.base_offset, previous: at_least });
            }
            if header.last_offset() >= offset {
                return Ok(Some(Place { position, header }));
            }
            at_least = header.next_offset();
        }
        Ok(None)
    }

    /// Cuts off the file what is behind the last batch: what it was preallocated, or what a failed write left.
    pub(crate) fn trim(&self) -> Result<(), Error> {
        let file = self.file()?;
        let trim = || if file.len()? > self.size() { file.truncate(self.size()) } else { Ok(()) };
        trim().map_err(|source| self.io(source))
    }

    /// Proves the batches in `[from, to)`, where one begins at `from`, unless this process wrote them or did so before.
    pub(crate) fn prove(&self, from: u64, to: u64) -> Result<(), Error> {
        let to = to.min(self.found);
        let Some(first) = self.proven.lock().first_unproven(from, to) else { return Ok(()) };
        let mut batches = Batches::new(self.file()?, first, self.size());
        let mut end = first;
        while end < to
            && let Some((position, batch)) = batches.next().map_err(|error| self.scan(error))?
        {
            end = position + batch.size_in_bytes() as u64;
        }
        self.proven.lock().add(first, end);
        Ok(())
    }

    /// Notes that the batches in `[from, to)` were proven.
    pub(crate) fn set_proven(&self, from: u64, to: u64) {
        self.proven.lock().add(from, to);
    }

    /// Ends the segment's life as the active one: its indexes are complete and handed to the operating system.
    pub(crate) fn seal(&self) -> Result<(), Error> {
        self.complete_time_index()?;
        self.write_indexes()?;
        *self.recent.lock() = VecDeque::new();
        Ok(())
    }

    /// Has the time index end with the largest timestamp, as that of a sealed segment does.
    pub(crate) fn complete_time_index(&self) -> Result<(), Error> {
        let max = self.max_timestamp()?;
        self.time_index.maybe_append(max).map_err(|source| self.io(source))
    }

    /// Makes an offset and a time index that were begun anew durable. Until both are, there is no offset index: the next opening
    /// would rebuild them.
    pub(crate) fn write_rebuilt(&self) -> Result<(), Error> {
        let (offsets, times) = (&self.offset_index.entries, &self.time_index.entries);
        let write = || {
            offsets.file().remove()?;
            offsets.file().close();
            self.log.sync_dir()?;
            times.write_tail()?;
            times.file().created()?.sync_data()?;
            offsets.write_tail()?;
            offsets.file().created()?.sync_data()
        };
        write().map_err(|source| self.io(source))?;
        self.close_indexes();
        Ok(())
    }

    /// Hands the indexes to the operating system and tells how long the files are.
    pub(crate) fn write_indexes(&self) -> Result<Lens, Error> {
        let write = || {
            self.offset_index.entries.write_tail()?;
            self.time_index.entries.write_tail()?;
            self.txn_index.entries.write_tail()
        };
        write().map_err(|source| self.io(source))?;
        Ok(Lens {
            log: self.size(),
            offset_index: Some((self.offset_index.entries.len() * offset_index::ENTRY_LEN) as u64),
            time_index: Some((self.time_index.entries.len() * time_index::ENTRY_LEN) as u64),
            txn_index: (self.txn_index.entries.len() * txn_index::ENTRY_LEN) as u64,
        })
    }

    /// Finds where the last batch ends, with an index entry that says where to look.
    pub(crate) fn find_end(&self) -> Result<(), Error> {
        let size = self.size();
        let start = self.offset_index.last().map_err(|source| self.io(source))?;
        let start = start.filter(|entry| entry.position < size).map_or(0, |entry| entry.position);
        let mut headers = Headers::new(self.file()?, start, size);
        let mut next_offset = self.base_offset;
        while let Some((_, header)) = headers.next().map_err(|error| self.scan(error))? {
            next_offset = header.next_offset();
        }
        self.publish(next_offset, size);
        Ok(())
    }

    /// Finds the largest timestamp, which the time index may not have yet.
    pub(crate) fn find_max_timestamp(&self) -> Result<(), Error> {
        let mut max = self.time_index.last().map_err(|source| self.io(source))?;
        let start = self.offset_index.lookup(max.offset).map_err(|source| self.io(source))?;
        let mut headers = Headers::new(self.file()?, start.map_or(0, |entry| entry.position), self.size());
        while let Some((_, header)) = headers.next().map_err(|error| self.scan(error))? {
            if header.max_timestamp > max.timestamp {
                max = TimestampOffset { timestamp: header.max_timestamp, offset: header.last_offset() };
            }
        }
        self.set_max_timestamp(max);
        Ok(())
    }

    /// Closes the handles of a sealed segment; readers open what they need again.
    pub(crate) fn close_indexes(&self) {
        self.indexes().into_iter().for_each(LazyFile::close);
    }

    /// Makes the log file and what is written of its indexes durable. The handles of the indexes are closed.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        self.file()?.sync_data().map_err(|source| self.io(source))?;
        for file in self.indexes() {
            match file.existing() {
                Ok(handle) => handle.sync_data().map_err(|source| Error::Io { path: file.path(), source })?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(Error::Io { path: file.path(), source }),
            }
            file.close();
        }
        Ok(())
    }

    /// Whether an index has no room for another entry; the last of the time index is kept for sealing.
    pub(crate) fn indexes_full(&self, max_index_bytes: u32) -> bool {
        let max_bytes = max_index_bytes as usize;
        self.offset_index.entries.len() >= max_bytes / offset_index::ENTRY_LEN
            || self.time_index.entries.len() + 1 >= max_bytes / time_index::ENTRY_LEN
    }

    /// Whether indexes can hold this offset.
    pub(crate) fn can_hold(&self, offset: i64) -> bool {
        offset.checked_sub(self.base_offset).is_some_and(|relative| (0..=i64::from(i32::MAX)).contains(&relative))
    }

    /// Its files that may be there, the log last.
    pub(crate) fn files(&self) -> [&LazyFile; 4] {
        let [offset_index, time_index, txn_index] = self.indexes();
        [offset_index, time_index, txn_index, &self.log]
    }

    /// Those of them that are indexes.
    pub(crate) fn indexes(&self) -> [&LazyFile; 3] {
        [self.offset_index.entries.file(), self.time_index.entries.file(), self.txn_index.entries.file()]
    }

    /// Removes its files, the log last.
    pub(crate) fn remove_files(&self) -> io::Result<()> {
        self.files().into_iter().try_for_each(LazyFile::remove)
    }

    /// Bytes of the offset index and of the time index.
    pub(crate) fn index_bytes(&self) -> (u64, u64) {
        let offset_index = self.offset_index.entries.len() * offset_index::ENTRY_LEN;
        let time_index = self.time_index.entries.len() * time_index::ENTRY_LEN;
        (offset_index as u64, time_index as u64)
    }

    pub(crate) fn io(&self, source: io::Error) -> Error {
        Error::Io { path: self.log.path(), source }
    }

    pub(crate) fn scan(&self, error: scan::Error) -> Error {
        match error {
            scan::Error::Io(source) => self.io(source),
            scan::Error::Batch { position, source } => Error::Corrupt { path: self.log.path(), position, source },
        }
    }
}
