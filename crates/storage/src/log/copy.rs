//! Copying a log into another one, which takes its place when it has all of it (KIP-113).

use std::io;

use ottla_protocol::batch::{self, CheckedBatches};

use super::{AppendError, Log, OpenError, Removal};
use crate::read::{self, Isolation, LogReader};

/// The epoch of a leader that knows all others: what is copied was appended by leaders.
const ANY_EPOCH: i32 = i32::MAX;

/// What a step of a copy did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Bytes that were appended.
    pub bytes: u64,
    /// Offsets that are still missing.
    pub lag: i64,
}

/// Why a log cannot be copied.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log that is copied cannot be read.
    #[error("cannot read: {0}")]
    Read(#[from] read::Error),
    /// A file of it cannot be read.
    #[error("cannot read: {0}")]
    Io(#[from] io::Error),
    /// It holds bytes that are no batches.
    #[error("cannot read: {0}")]
    Batch(#[from] batch::Error),
    /// It has nothing at an offset below its end.
    #[error("cannot read: nothing at offset {0}, below the end")]
    Missing(i64),
    /// The copy does not take a batch.
    #[error("cannot write: {0}")]
    Append(#[from] AppendError),
    /// The copy cannot be cut.
    #[error("cannot write: {0}")]
    Cut(#[from] OpenError),
}

impl Error {
    /// Whether it is the log that is copied which failed, and not the copy.
    pub fn is_of_source(&self) -> bool {
        !matches!(self, Self::Append(_) | Self::Cut(_))
    }
}

impl Log {
    /// Cuts off what is not in the log that is copied: it may have lost its end in a crash since.
    pub fn truncate_to_agree(&mut self, source: &LogReader, now_ms: i64) -> Result<(), OpenError> {
        loop {
            let end = self.log_end_offset();
            let agreed = self.agreed_end(source);
            if agreed >= end || !self.truncate_to(agreed, now_ms)? {
                return Ok(());
            }
        }
    }

    /// Whether another log has all that this one has, by their leader epochs and ends.
    pub fn is_prefix_of(&self, other: &LogReader) -> bool {
        self.agreed_end(other) >= self.log_end_offset()
    }

    /// Up to where both logs have the same leader epochs, as far as one comparison tells.
    fn agreed_end(&self, source: &LogReader) -> i64 {
        let end = self.log_end_offset().min(source.offsets().log_end_offset);
        let Some(theirs) = self.latest_epoch().and_then(|epoch| source.end_offset_for_epoch(epoch)) else {
            return end;
        };
        let ours = self.end_offset_for_epoch(theirs.epoch).map_or(end, |ours| ours.end_offset);
        end.min(theirs.end_offset).min(ours)
    }

    /// Copies what follows in another log, at most `max_bytes` but for a batch that is larger. Nothing is durable yet.
    ///
    /// It begins at the batch that holds the other's log start offset, if that is above all there is here.
    pub fn copy_from(&mut self, source: &LogReader, max_bytes: usize, now_ms: i64) -> Result<Copied, Error> {
        let start = source.offsets().log_start_offset;
        let from = self.log_end_offset().max(start);
        let max_bytes = max_bytes.min(self.config.segment_bytes as usize);
        let read = match source.read(from, max_bytes, true, Isolation::LogEnd) {
            // Deleted meanwhile: the next step begins at what is left.
            Err(read::Error::OffsetOutOfRange { log_start_offset, .. }) if from < log_start_offset => {
                return Ok(Copied { bytes: 0, lag: self.lag(source) });
            }
            read => read?,
        };
        if read.is_empty() {
            self.skip_to(from, now_ms)?;
            // At the end of a segment compaction may have left a hole, with nothing behind it yet.
            return if self.lag(source) > 0 { Err(Error::Missing(from)) } else { Ok(Copied::default()) };
        }
        let (batches, _cut) = CheckedBatches::parse_whole(read.bytes()?)?;
        if from > self.log_end_offset() {
            let first = batches.iter().next().map_or(from, |batch| batch.header().base_offset);
            self.skip_to(first, now_ms)?;
        }
        let bytes = self.append_copied(batches, now_ms)?;
        Ok(Copied { bytes, lag: self.lag(source) })
    }

    fn append_copied(&mut self, batches: CheckedBatches, now_ms: i64) -> Result<u64, Error> {
        let size = batches.iter().map(|batch| batch.size_in_bytes() as u64).sum();
        self.append_as_follower(batches, ANY_EPOCH, now_ms)?;
        self.set_high_watermark(self.log_end_offset());
        Ok(size)
    }

    /// Begins anew at an offset above the end.
    fn skip_to(&mut self, offset: i64, now_ms: i64) -> Result<(), OpenError> {
        match offset > self.log_end_offset() {
            true => self.truncate_fully_and_start_at(offset, None, now_ms),
            false => Ok(()),
        }
    }

    fn lag(&self, source: &LogReader) -> i64 {
        source.offsets().log_end_offset - self.log_end_offset()
    }

    /// The files of a log whose folder was renamed to be deleted.
    pub fn into_removal(self) -> Removal {
        Removal::of_dir(self.dir.fs_arc(), &self.dir.path())
    }
}
