//! Reading a log beside its owner.

mod times;

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::epochs::EpochEndOffset;
use crate::fs::File;
use crate::segment::file::LazyFile;
use crate::segment::{self, AbortedTxn, Segment, WriteBack};
use crate::shared::{Offsets, Shared};

pub use times::{EARLIEST, EARLIEST_LOCAL, Found, LATEST, LATEST_TIERED, MAX_TIMESTAMP};

/// How far a reader may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Everything: followers.
    LogEnd,
    /// What is replicated: consumers.
    HighWatermark,
    /// What is decided: consumers of committed transactions.
    LastStableOffset,
}

/// Why nothing was read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The offset is outside of the log.
    #[error("offset {offset} is outside of the log's [{log_start_offset}, {log_end_offset}]")]
    OffsetOutOfRange {
        /// As asked for.
        offset: i64,
        /// Where the log starts.
        log_start_offset: i64,
        /// Where it ends.
        log_end_offset: i64,
    },
    /// The disk failed, or what it holds is no batch.
    #[error(transparent)]
    Segment(#[from] segment::Error),
}

/// Bytes of a log, where they are.
#[derive(Clone, Debug)]
pub enum Slice {
    /// A range of a file.
    File {
        /// It stays readable when the segment is deleted.
        file: Arc<dyn File>,
        /// Where the bytes start.
        position: u64,
        /// How many.
        len: usize,
    },
    /// In memory.
    Memory(Bytes),
}

impl Slice {
    /// How many bytes there are.
    pub fn len(&self) -> usize {
        match self {
            Self::File { len, .. } => *len,
            Self::Memory(bytes) => bytes.len(),
        }
    }

    /// Whether there is no byte.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads the bytes into memory.
    pub fn read(&self) -> io::Result<Bytes> {
        match self {
            Self::Memory(bytes) => Ok(bytes.clone()),
            Self::File { file, position, len } => {
                let mut bytes = vec![0; *len];
                let read = file.read_at(&mut bytes, *position)?;
                bytes.truncate(read);
                Ok(bytes.into())
            }
        }
    }
}

/// What was read.
#[derive(Clone, Debug)]
pub struct Read {
    /// Whole batches from the one that holds the offset on; the last may be cut by the limit. Empty at the end.
    pub slices: Vec<Slice>,
    /// Transactions that were aborted in what was read, with [`Isolation::LastStableOffset`].
    pub aborted: Vec<AbortedTxn>,
    /// The offsets of the log before the read.
    pub offsets: Offsets,
}

impl Read {
    /// How many bytes were read.
    pub fn len(&self) -> usize {
        self.slices.iter().map(Slice::len).sum()
    }

    /// Whether nothing was read.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads all slices into memory.
    pub fn bytes(&self) -> io::Result<Bytes> {
        match self.slices.as_slice() {
            [] => Ok(Bytes::new()),
            [slice] => slice.read(),
            slices => {
                let mut all = Vec::with_capacity(self.len());
                for slice in slices {
                    all.extend_from_slice(&slice.read()?);
                }
                Ok(all.into())
            }
        }
    }
}

/// Reads a log while its owner appends to it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LogReader(Arc<Shared>);

impl LogReader {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    /// All offsets at once.
    pub fn offsets(&self) -> Offsets {
        self.0.offsets()
    }

    /// Bytes of all segments.
    pub fn size(&self) -> u64 {
        self.0.segments().iter().map(|segment| segment.size()).sum()
    }

    /// Begins to have what was appended since the last call written to the disk: of the active segment if that is `min_bytes`
    /// at least, of those before it all. One thread at a time calls this.
    pub fn write_back(&self, min_bytes: u64) -> Result<Vec<WriteBack>, segment::Error> {
        let segments = self.0.segments();
        let Some((active, sealed)) = segments.split_last() else { return Ok(Vec::new()) };
        let sealed = sealed.iter().rev().take_while(|segment| segment.to_write_back() > 0);
        let active = Some(active).filter(|active| active.to_write_back() >= min_bytes.max(1));
        sealed.chain(active).map(|segment| segment.write_back()).collect()
    }

    /// Lets go of the files of a log that was deleted: the disk is free of them once nobody has them open.
    pub fn close_files(&self) {
        for segment in self.0.segments().iter() {
            segment.files().into_iter().for_each(LazyFile::close);
        }
    }

    /// Where a leader epoch ends, as OffsetForLeaderEpoch answers it.
    pub fn end_offset_for_epoch(&self, epoch: i32) -> Option<EpochEndOffset> {
        self.0.epochs.lock().end_offset_for(epoch, self.0.log_end_offset())
    }

    /// The leader epoch of the record at `offset`.
    pub fn epoch_for(&self, offset: i64) -> Option<i32> {
        self.0.epochs.lock().epoch_for(offset)
    }

    /// The latest leader epoch in the log.
    pub fn latest_epoch(&self) -> Option<i32> {
        self.0.epochs.lock().latest().map(|(epoch, _)| epoch)
    }

    /// Reads from the batch that holds `offset` on, at most `max_bytes` of one segment.
    ///
    /// With `min_one_batch` the first batch comes whole even if it is larger; without, a limit below it reads nothing.
    pub fn read(
        &self,
        offset: i64,
        max_bytes: usize,
        min_one_batch: bool,
        isolation: Isolation,
    ) -> Result<Read, Error> {
        match self.read_once(offset, max_bytes, min_one_batch, isolation) {
            // The segment was deleted after the list was read: the new list does not have it.
            Err(Error::Segment(segment::Error::Io { source, .. })) if source.kind() == io::ErrorKind::NotFound => {
                self.read_once(offset, max_bytes, min_one_batch, isolation)
            }
            read => read,
        }
    }

    fn read_once(
        &self,
        offset: i64,
        max_bytes: usize,
        min_one_batch: bool,
        isolation: Isolation,
    ) -> Result<Read, Error> {
        let offsets = self.offsets();
        let Offsets { log_start_offset, log_end_offset, .. } = offsets;
        if offset < log_start_offset || offset > log_end_offset {
            return Err(Error::OffsetOutOfRange { offset, log_start_offset, log_end_offset });
        }
        let bound = offsets.end(isolation);
        let mut read = Read { slices: Vec::new(), aborted: Vec::new(), offsets };
        if offset >= bound {
            return Ok(read);
        }
        let segments = self.0.segments();
        // Records may have been deleted since: what is left then begins above the offset.
        let log_start_offset = self.0.log_start_offset();
        if offset < log_start_offset {
            return Err(Error::OffsetOutOfRange { offset, log_start_offset, log_end_offset });
        }
        let first = segments.partition_point(|segment| segment.base_offset <= offset).saturating_sub(1);
        // Compaction may have left nothing at the end of a segment: go on to the next.
        for (n, segment) in segments.iter().enumerate().skip(first) {
            let Some(slice) = read_segment(segment, offset, bound, max_bytes, min_one_batch)? else { continue };
            if isolation == Isolation::LastStableOffset {
                read.aborted = aborted(&segments, n, offset, &slice, log_end_offset)?;
            }
            read.slices.extend(Some(slice).filter(|slice| !slice.is_empty()));
            break;
        }
        Ok(read)
    }

    /// Transactions aborted among the offsets in `[from, to)`.
    pub fn aborted_transactions(&self, from: i64, to: i64) -> Result<Vec<AbortedTxn>, Error> {
        let segments = self.0.segments();
        let first = segments.partition_point(|segment| segment.base_offset <= from).saturating_sub(1);
        collect_aborted(&segments, first, from, to)
    }
}

/// Reads a segment; none if it has nothing at `offset` or above.
fn read_segment(
    segment: &Segment,
    offset: i64,
    bound: i64,
    max_bytes: usize,
    min_one_batch: bool,
) -> Result<Option<Slice>, Error> {
    // In this order: what the size covers is below the offset read after it.
    let size = segment.size();
    let next_offset = segment.next_offset();
    let Some(start) = segment.find(offset, size)? else { return Ok(None) };
    let end = match bound >= next_offset {
        true => size,
        false => segment.find(bound, size)?.map_or(size, |place| place.position),
    };
    let available = usize::try_from(end.saturating_sub(start.position)).unwrap_or(usize::MAX);
    let first = start.header.size_in_bytes();
    let limit = match min_one_batch {
        true => max_bytes.max(first),
        false if max_bytes < first => 0,
        false => max_bytes,
    };
    let len = available.min(limit);
    // What was damaged on the disk since it was written is not served.
    segment.prove(start.position, start.position + len as u64)?;
    Ok(Some(Slice::File { file: segment.file()?, position: start.position, len }))
}

/// The transactions that were aborted in a slice of segment number `n`.
fn aborted(
    segments: &[Arc<Segment>],
    n: usize,
    offset: i64,
    slice: &Slice,
    log_end_offset: i64,
) -> Result<Vec<AbortedTxn>, Error> {
    let (Some(segment), Slice::File { position, len, .. }) = (segments.get(n), slice) else { return Ok(Vec::new()) };
    // An offset that the slice does not reach, from the index: more than is needed does no harm.
    let end = position.saturating_add(*len as u64);
    let index = segment.offset_index.at_or_after_position(end).map_err(|source| segment.io(source))?;
    let next_segment = segments.get(n + 1).map(|next| next.base_offset);
    let to = index.map(|entry| entry.offset).or(next_segment).unwrap_or(log_end_offset);
    collect_aborted(segments, n, offset, to)
}

fn collect_aborted(segments: &[Arc<Segment>], first: usize, from: i64, to: i64) -> Result<Vec<AbortedTxn>, Error> {
    let mut found = Vec::new();
    for segment in segments.iter().skip(first) {
        if segment.txn_index.collect(from, to, &mut found).map_err(|source| segment.io(source))? {
            break;
        }
    }
    Ok(found)
}
