//! A log dir's journal: what was appended to any of its logs, durable in one write, until the segments are.
//!
//! Segments are written in the page cache; the journal takes the same batches in frames, one a commit, and is synced. So an
//! append is durable after one sync whatever the number of logs. When the segments have been synced too ([`Journal::settle`])
//! the files of the journal are written over. After a crash [`Journal::open`] finds what the segments may lack, and
//! [`Entries::restore`] puts it back.

mod files;
mod filled;
mod frame;
mod recovered;
mod scan;
#[cfg(test)]
mod tests;

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use ottla_protocol::batch::{CheckedBatch, HEADER_LEN};

use crate::fs::Fs;
use files::{Files, Place};
pub use filled::Growth;
pub use frame::PartitionKey;
use frame::{ALIGNMENT, Header, Kind, Row};
pub use recovered::{Entries, Recovered, RestoreError, Restored};

/// Why the journal cannot be used.
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
    /// Bytes that were durable are not what was written.
    #[error("{path}: corrupt at position {position}: {reason}")]
    Corrupt {
        /// Which file.
        path: PathBuf,
        /// Where the frame starts.
        position: u64,
        /// What is wrong.
        reason: &'static str,
    },
    /// An earlier write or sync failed: nobody knows what the disk holds.
    #[error("{path}: an earlier write or sync failed")]
    Failed {
        /// The folder.
        path: PathBuf,
    },
    /// All files are in use: the segments must be synced first.
    #[error("the journal is full")]
    Full,
    /// The disk has no room for a file to grow.
    #[error("{path}: {source}")]
    NoRoom {
        /// Which file.
        path: PathBuf,
        /// As the system says.
        source: io::Error,
    },
}

impl Error {
    /// Whether nothing has changed, so that the same may be tried again.
    fn is_passing(&self) -> bool {
        matches!(self, Self::Full | Self::NoRoom { .. })
    }
}

/// How much the journal may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one file. A frame is never larger.
    pub file_bytes: u64,
    /// How many files there may be.
    pub files: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { file_bytes: 64 << 20, files: 8 }
    }
}

/// What happened to a log, to be made durable.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Which log.
    pub key: PartitionKey,
    /// What happened.
    pub change: Change,
}

/// One change of a log.
#[derive(Clone, Debug)]
pub enum Change {
    /// A batch was appended, as it stands in the segment.
    Append {
        /// The batch.
        batch: CheckedBatch,
        /// Where the log ended before.
        before: i64,
    },
    /// The log was cut so that it ends at the offset.
    Truncate(i64),
    /// The log was emptied and starts at the offset.
    StartAt(i64),
}

/// Takes the changes of one log, in order, to have them committed.
pub trait Sink: Send + Sync + core::fmt::Debug {
    /// Takes a change that the segments have already, though not durably.
    fn take(&self, change: Change);
}

impl Entry {
    /// Bytes that the entry takes in a frame.
    pub fn size_in_bytes(&self) -> usize {
        frame::ROW_LEN + self.batch().map_or(0, CheckedBatch::size_in_bytes)
    }

    fn batch(&self) -> Option<&CheckedBatch> {
        match &self.change {
            Change::Append { batch, .. } => Some(batch),
            Change::Truncate(_) | Change::StartAt(_) => None,
        }
    }

    fn row(&self) -> Row {
        let (kind, offset, before, end) = match &self.change {
            Change::Append { batch, before } => {
                (Kind::Append, batch.header().base_offset, *before, batch.header().next_offset())
            }
            Change::Truncate(offset) => (Kind::Truncate, *offset, *offset, *offset),
            Change::StartAt(offset) => (Kind::StartAt, *offset, *offset, *offset),
        };
        // A batch's length is a positive i32.
        let len = self.batch().map_or(0, |batch| u32::try_from(batch.size_in_bytes()).unwrap_or(u32::MAX));
        Row { key: self.key, kind, offset, before, end, len }
    }
}

/// The journal of one log dir. It has one owner; calls block on the disk.
#[derive(Debug)]
pub struct Journal {
    files: Files,
    id: u64,
    next_seq: u64,
    floor: u64,
    failed: bool,
}

impl Journal {
    /// Opens the journal in a log dir and reads what it holds.
    ///
    /// Nothing is created before the first commit. `new_id` marks the frames of a journal that is new; it is random.
    pub fn open(fs: Arc<dyn Fs>, dir: &Path, limits: Limits, new_id: u64) -> Result<(Self, Recovered), Error> {
        assert!(limits.files >= 2 && limits.file_bytes >= 2 * ALIGNMENT, "a journal goes round");
        let mut files = Files::list(fs, dir, limits)?;
        let found = scan::scan(&files)?;
        files.take_up(&found);
        let id = found.id().unwrap_or(new_id);
        let journal = Self { files, id, next_seq: found.last_seq() + 1, floor: found.floor(), failed: false };
        Ok((journal, Recovered::new(found)))
    }

    /// The number of the last frame that was committed.
    pub fn committed_seq(&self) -> u64 {
        self.next_seq - 1
    }

    /// Bytes of the files that are needed.
    pub fn bytes_in_use(&self) -> u64 {
        u64::try_from(self.files.in_use()).unwrap_or(u64::MAX).saturating_mul(self.files.limits().file_bytes)
    }

    /// How many files there may be.
    pub fn files(&self) -> usize {
        self.files.limits().files
    }

    /// How many more files may be filled before [`Error::Full`].
    pub fn free_files(&self) -> usize {
        self.files.limits().files.saturating_sub(self.files.in_use())
    }

    /// The most bytes of entries that one commit takes.
    pub fn max_commit_bytes(&self) -> usize {
        usize::try_from(self.files.limits().file_bytes).unwrap_or(usize::MAX) - 2 * ALIGNMENT as usize
    }

    /// Writes entries as one frame; they are durable when this answers with the frame's number. Bytes over
    /// [`Journal::max_commit_bytes`] are a programmer's error. [`Error::Full`] and [`Error::NoRoom`] change nothing; after
    /// any other error the journal takes nothing more.
    pub fn commit(&mut self, entries: &[Entry]) -> Result<u64, Error> {
        let (head, padded_len) = self.frame(entries);
        self.write_frame(&head, entries, padded_len, |files| files.place(padded_len))
    }

    fn write_frame(
        &mut self,
        head: &[u8],
        entries: &[Entry],
        padded_len: u64,
        place: impl FnOnce(&mut Files) -> Result<Place, Error>,
    ) -> Result<u64, Error> {
        if self.failed {
            return Err(Error::Failed { path: self.files.dir().to_path_buf() });
        }
        let mut result = place(&mut self.files).and_then(|place| self.write(place, head, entries));
        if let (Err(Error::NoRoom { .. }), Some(place)) = (&result, self.files.place_grown(padded_len)) {
            result = self.write(place, head, entries);
        }
        match result {
            Ok(()) => {
                self.next_seq += 1;
                Ok(self.next_seq - 1)
            }
            Err(error) => {
                self.failed |= !error.is_passing();
                Err(error)
            }
        }
    }

    fn frame(&self, entries: &[Entry]) -> (Vec<u8>, u64) {
        let rows: Vec<Row> = entries.iter().map(Entry::row).collect();
        let body_len: u64 = rows.iter().map(|row| u64::from(row.len)).sum();
        let header = Header {
            id: self.id,
            seq: self.next_seq,
            floor: self.floor,
            rows: u32::try_from(rows.len()).expect("a frame is smaller than 4 GiB"),
            body_len: u32::try_from(body_len).expect("a frame is smaller than 4 GiB"),
        };
        (frame::encode(&header, &rows), header.padded_len())
    }

    fn write(&mut self, place: Place, head: &[u8], entries: &[Entry]) -> Result<(), Error> {
        static ZEROS: [u8; ALIGNMENT as usize] = [0; ALIGNMENT as usize];
        let batches: Vec<([u8; HEADER_LEN], Bytes)> =
            entries.iter().filter_map(Entry::batch).map(|batch| (batch.head(), batch.tail())).collect();
        let mut buffers = vec![IoSlice::new(head)];
        buffers.extend(batches.iter().flat_map(|(head, tail)| [IoSlice::new(head), IoSlice::new(tail)]));
        let len: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        let padding = len.next_multiple_of(ZEROS.len()) - len;
        buffers.push(IoSlice::new(ZEROS.get(..padding).unwrap_or_default()));
        self.files.write(place, self.next_seq, &buffers)
    }

    /// Says that the segments are synced with everything up to a frame, so that its place may be written over.
    ///
    /// That is written down first: recovery must not look for frames that are being written over. After [`Error::NoRoom`]
    /// nothing is free yet.
    pub fn settle(&mut self, seq: u64) -> Result<(), Error> {
        assert!(seq < self.next_seq, "frame {seq} was not written");
        self.floor = self.floor.max(seq + 1);
        let (head, padded_len) = self.frame(&[]);
        self.write_frame(&head, &[], padded_len, Files::place_last)?;
        self.files.free_below(self.floor);
        Ok(())
    }

    /// What is to be written for commits to come, so that these need not wait for it; by another thread.
    pub fn growth(&mut self) -> Result<Option<Growth>, Error> {
        let growth = self.files.growth();
        self.failed |= growth.as_ref().is_err_and(|error| !error.is_passing());
        growth
    }

    /// Takes the journal away after a clean stop: everything is in synced segments.
    pub fn remove(self) -> Result<(), Error> {
        self.files.remove_all()
    }

    /// Takes away a journal that nobody needs, without reading it.
    pub fn remove_all(fs: &dyn Fs, dir: &Path) -> Result<(), Error> {
        files::remove_all(fs, dir)
    }
}
