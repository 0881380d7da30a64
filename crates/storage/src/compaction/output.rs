//! Writing the segment that takes the place of others, under names that recovery removes.

use std::io::{self, IoSlice};
use std::sync::Arc;

use ottla_protocol::batch::CheckedBatch;

use crate::segment::file::Dir;
use crate::segment::{AbortedTxn, Error, Indexer, Segment};

/// A segment in the making.
#[derive(Debug)]
pub(super) struct Output {
    dir: Arc<Dir>,
    segment: Segment,
    indexer: Indexer,
    index_interval_bytes: u32,
    /// What is not written yet.
    buffer: Vec<u8>,
    buffer_bytes: usize,
    written: u64,
}

impl Output {
    /// Begins a segment. What an earlier attempt may have left under its names goes.
    pub(super) fn create(
        dir: &Arc<Dir>,
        base_offset: i64,
        index_interval_bytes: u32,
        buffer_bytes: usize,
    ) -> Result<Self, Error> {
        Ok(Self {
            dir: Arc::clone(dir),
            segment: Segment::create_cleaned(dir, base_offset)?,
            indexer: Indexer::default(),
            index_interval_bytes,
            buffer: Vec::new(),
            buffer_bytes,
            written: 0,
        })
    }

    /// Adds a batch; answers how many bytes were handed to the operating system.
    pub(super) fn batch(&mut self, batch: &CheckedBatch) -> Result<usize, Error> {
        let position = self.size();
        self.indexer.batch(&self.segment, batch.header(), position, self.index_interval_bytes)?;
        self.buffer.extend_from_slice(&batch.head());
        self.buffer.extend_from_slice(&batch.tail());
        if self.buffer.len() >= self.buffer_bytes { self.write() } else { Ok(0) }
    }

    /// Notes a transaction that was aborted and is not gone yet.
    pub(super) fn aborted(&self, txn: AbortedTxn) -> Result<(), Error> {
        self.segment.txn_index.append(txn).map_err(|source| self.segment.io(source))
    }

    /// Bytes so far.
    pub(super) fn size(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    fn write(&mut self) -> Result<usize, Error> {
        let file = self.segment.file()?;
        file.write_at(&[IoSlice::new(&self.buffer)], self.written).map_err(|source| self.segment.io(source))?;
        let written = self.buffer.len();
        self.written += written as u64;
        self.buffer.clear();
        Ok(written)
    }

    /// Makes all of it durable, the names as well. `modified_ms` is when the last of the replaced segments changed:
    /// retention goes by it where records have no timestamps.
    pub(super) fn finish(mut self, next_offset: i64, modified_ms: i64) -> Result<Segment, Error> {
        self.write()?;
        self.segment.publish(next_offset, self.written);
        self.segment.seal()?;
        let file = self.segment.file()?;
        file.set_modified_ms(modified_ms).map_err(|source| self.segment.io(source))?;
        self.segment.sync()?;
        self.segment.log.close();
        self.dir.sync().map_err(|source| Error::Io { path: self.dir.path(), source })?;
        Ok(self.segment)
    }

    /// Removes what was written so far.
    pub(super) fn discard(self) -> io::Result<()> {
        self.segment.remove_files()
    }
}
