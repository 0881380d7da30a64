//! Deleting from the start of a log, by request or retention, and deleting the whole.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Log, Removal};
use crate::checkpoint;
use crate::fs::is_full;
use crate::segment::{self, Segment};

/// Why nothing was deleted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Records above the high watermark are not for deletion.
    #[error("cannot delete up to offset {offset}, above the high watermark {high_watermark}")]
    OffsetOutOfRange {
        /// As asked for.
        offset: i64,
        /// Where it ends.
        high_watermark: i64,
    },
    /// The disk failed.
    #[error(transparent)]
    Segment(#[from] segment::Error),
    /// `leader-epoch-checkpoint` failed.
    #[error(transparent)]
    Epochs(#[from] checkpoint::Error),
    /// The disk failed.
    #[error("{path}: {source}")]
    Io {
        /// Which folder.
        path: PathBuf,
        /// How.
        source: io::Error,
    },
}

impl Log {
    /// Moves the log start offset up to `offset` and takes out the segments below it. The new offset is to be checkpointed in
    /// `log-start-offset-checkpoint` by the caller.
    pub fn delete_records(&mut self, offset: i64) -> Result<Removal, Error> {
        self.advance_log_start_offset(offset)?;
        self.delete_below_start()
    }

    /// Moves the log start offset up to `offset`; true if it was below. Segments stay.
    pub fn advance_log_start_offset(&mut self, offset: i64) -> Result<bool, Error> {
        let high_watermark = self.high_watermark();
        if offset > high_watermark {
            return Err(Error::OffsetOutOfRange { offset, high_watermark });
        }
        if offset <= self.log_start_offset() {
            return Ok(false);
        }
        let mut epochs = self.shared.epochs.lock().clone();
        if epochs.truncate_from_start(offset) {
            match self.set_epochs(epochs.clone(), false) {
                // Deletion is what makes room. When the log is opened, what the file has too much is taken out again.
                Err(checkpoint::Error::Io { source, path }) if is_full(&source) => {
                    tracing::warn!(file = %path.display(), %source, "not brought up to date");
                    *self.shared.epochs.lock() = epochs;
                }
                set => set?,
            }
        }
        self.shared.set_log_start_offset(offset);
        self.producers.on_log_start_offset(offset);
        self.shared.set_first_unstable_offset(self.first_unstable_offset());
        Ok(true)
    }

    /// Takes out what `retention.ms`, `retention.bytes` and the log start offset no longer keep. Active segments with data are
    /// completed first if all of it is to go.
    pub fn delete_old_segments(&mut self, now_ms: i64) -> Result<Vec<Removal>, Error> {
        let mut removals = vec![self.delete_below_start()?];
        if self.config.delete {
            let by_size = self.over_size()?;
            removals.push(self.delete_first(by_size, now_ms)?);
            let by_time = self.over_time(now_ms)?;
            removals.push(self.delete_first(by_time, now_ms)?);
        }
        removals.retain(|removal| !removal.is_empty());
        Ok(removals)
    }

    fn delete_below_start(&mut self) -> Result<Removal, Error> {
        let segments = self.shared.segments();
        let log_start_offset = self.log_start_offset();
        let below = |pair: &&[Arc<Segment>]| pair.last().is_some_and(|next| next.base_offset <= log_start_offset);
        let count = segments.windows(2).take_while(below).count();
        self.take_out_first(count)
    }

    /// How many segments from the start on are too many for `retention.bytes`.
    fn over_size(&self) -> Result<usize, Error> {
        let Ok(retention_bytes) = u64::try_from(self.config.retention_bytes) else { return Ok(0) };
        let mut excess = self.size().saturating_sub(retention_bytes);
        self.deletable(|segment| {
            let delete = segment.size() <= excess && excess > 0;
            excess = excess.saturating_sub(segment.size());
            Ok(delete)
        })
    }

    /// How many segments from the start on are too old for `retention.ms`.
    fn over_time(&self, now_ms: i64) -> Result<usize, Error> {
        let retention_ms = self.config.retention_ms;
        if retention_ms < 0 {
            return Ok(0);
        }
        self.deletable(|segment| Ok(now_ms.saturating_sub(segment.largest_timestamp()?) > retention_ms))
    }

    /// Counts the segments from the start on that are wholly below the high watermark and of which `delete` holds.
    fn deletable(&self, mut delete: impl FnMut(&Segment) -> Result<bool, Error>) -> Result<usize, Error> {
        let segments = self.shared.segments();
        let high_watermark = self.high_watermark();
        let mut count = 0;
        for (n, segment) in segments.iter().enumerate() {
            let end = segments.get(n + 1).map_or(segment.next_offset(), |next| next.base_offset);
            let empty_active = n + 1 == segments.len() && segment.size() == 0;
            if end > high_watermark || empty_active || !delete(segment)? {
                break;
            }
            count += 1;
        }
        Ok(count)
    }

    fn delete_first(&mut self, count: usize, now_ms: i64) -> Result<Removal, Error> {
        if count == self.segment_count() {
            match self.roll(now_ms) {
                // The active segment goes another time, those before it now.
                Err(segment::Error::Io { source, .. }) if is_full(&source) => {}
                rolled => _ = rolled?,
            }
        }
        let count = count.min(self.segment_count() - 1);
        let start = self.shared.segments().get(count).map(|segment| segment.base_offset);
        if let (Some(start), 1..) = (start, count) {
            self.advance_log_start_offset(start)?;
        }
        self.take_out_first(count)
    }

    /// Takes the first segments out of the log, never the last one.
    fn take_out_first(&mut self, count: usize) -> Result<Removal, Error> {
        let mut segments = self.shared.segments().to_vec();
        let kept = segments.split_off(count.min(segments.len() - 1));
        if segments.is_empty() {
            return Ok(Removal::of_segments(&self.dir, &[])?);
        }
        self.abandon_swap()?;
        self.names_changed += 1;
        self.shared.set_segments(kept);
        let base_offsets: Vec<i64> = segments.iter().map(|segment| segment.base_offset).collect();
        self.snapshots.remove(|offset| base_offsets.contains(&offset))?;
        let removal = Removal::one_by_one(&self.dir, &segments);
        // Not all of them may be marked: only opening the log again tells.
        self.failed |= removal.is_err();
        Ok(removal?)
    }

    /// Renames the folder, so that the log is found as one to be deleted, and gives what is to be removed.
    ///
    /// `name` is what [`crate::log_dir::names::to_delete`] makes.
    pub fn delete(mut self, name: &str) -> Result<Removal, Error> {
        self.rename_dir(name)?;
        Ok(Removal::of_dir(self.dir.fs_arc(), &self.dir.path()))
    }

    /// Renames the folder within its log dir, durably.
    pub fn rename_dir(&mut self, name: &str) -> Result<(), Error> {
        let path = self.dir.path();
        let io = |source| Error::Io { path: path.clone(), source };
        let Some(parent) = path.parent() else { return Err(io(io::ErrorKind::InvalidInput.into())) };
        self.dir.rename(&parent.join(name)).map_err(io)?;
        self.dir.fs().sync_dir(parent).map_err(io)
    }
}
