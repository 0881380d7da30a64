//! The log of one partition, as its owner sees it.

mod append;
mod close;
mod compact;
mod copy;
mod delete;
mod flush;
mod open;
mod removal;
mod roll;
mod snapshots;
#[cfg(test)]
pub(crate) mod tests;
mod truncate;

use std::path::PathBuf;
use std::sync::Arc;

use ottla_protocol::Uuid;

pub use append::{AppendInfo, Error as AppendError};
pub use compact::Swap;
pub use copy::{Copied, Error as CopyError};
pub use delete::Error as DeleteError;
pub use flush::{FlushTask, Flushed};
pub(crate) use open::Files;
pub use open::{Error as OpenError, OpenOptions};
pub use removal::Removal;

use crate::config::LogConfig;
use crate::epochs::EpochEndOffset;
use crate::journal::{Change, Sink};
use crate::partition_metadata;
use crate::producers::{ProducerEntry, Producers};
use crate::read::LogReader;
use crate::segment::file::Dir;
use crate::segment::{Indexer, Segment};
use crate::shared::{Offsets, Shared};
use snapshots::Snapshots;

/// The log of one partition on one disk.
///
/// It has one owner, who appends; [`Log::reader`] serves any number of threads meanwhile. Calls block on the disk.
#[derive(Debug)]
pub struct Log {
    dir: Arc<Dir>,
    config: LogConfig,
    topic_id: Option<Uuid>,
    shared: Arc<Shared>,
    active: Active,
    producers: Producers,
    snapshots: Snapshots,
    /// Below it everything is durable.
    recovery_point: i64,
    /// Counts the times that names came or went in the folder, and how many of these are durable.
    names_changed: u64,
    names_synced: u64,
    /// Counts truncations, so that a flush begun before one does not vouch for what was appended after it.
    truncations: u64,
    /// A compacted segment that waits under its `.swap` names to take the place of others.
    swap: Option<Arc<Segment>>,
    /// A write failed and what the disk holds is not known: no more appends.
    failed: bool,
    journal: Option<Box<dyn Sink>>,
}

/// What the owner keeps of the active segment.
#[derive(Debug)]
struct Active {
    segment: Arc<Segment>,
    indexer: Indexer,
    created_ms: i64,
    /// Max timestamp of its first batch.
    first_timestamp: Option<i64>,
}

impl Log {
    /// A handle to read with, cheap to clone.
    pub fn reader(&self) -> LogReader {
        LogReader::new(Arc::clone(&self.shared))
    }

    /// All offsets at once.
    pub fn offsets(&self) -> Offsets {
        self.shared.offsets()
    }

    /// The first offset that may be read.
    pub fn log_start_offset(&self) -> i64 {
        self.shared.log_start_offset()
    }

    /// The offset that the next record gets.
    pub fn log_end_offset(&self) -> i64 {
        self.shared.log_end_offset()
    }

    /// The offset below which all is replicated; exclusive.
    pub fn high_watermark(&self) -> i64 {
        self.shared.high_watermark()
    }

    /// The offset below which all transactions are decided; exclusive.
    pub fn last_stable_offset(&self) -> i64 {
        self.shared.offsets().last_stable_offset
    }

    /// The offset below which everything is durable; exclusive. It goes into `recovery-point-offset-checkpoint`.
    pub fn recovery_point(&self) -> i64 {
        self.recovery_point
    }

    /// Tells a journal of every change from now on.
    pub fn set_journal(&mut self, journal: Box<dyn Sink>) {
        self.journal = Some(journal);
    }

    fn tell_journal(&self, change: impl FnOnce() -> Change) {
        if let Some(journal) = &self.journal {
            journal.take(change());
        }
    }

    /// Sets the high watermark, within the log, and answers it.
    pub fn set_high_watermark(&mut self, high_watermark: i64) -> i64 {
        let high_watermark = high_watermark.min(self.log_end_offset()).max(self.log_start_offset());
        self.producers.on_high_watermark(high_watermark);
        self.shared.set_high_watermark(high_watermark, self.first_unstable_offset());
        high_watermark
    }

    /// The settings.
    pub fn config(&self) -> &LogConfig {
        &self.config
    }

    /// Replaces the settings; they hold from the next call on.
    pub fn set_config(&mut self, config: LogConfig) {
        self.config = config;
    }

    /// The folder.
    pub fn dir(&self) -> PathBuf {
        self.dir.path()
    }

    /// The topic's id, once it is known.
    pub fn topic_id(&self) -> Option<Uuid> {
        self.topic_id
    }

    /// Writes the topic's id into `partition.metadata`. It must be the one that is there, if there is one.
    pub fn assign_topic_id(&mut self, topic_id: Uuid) -> Result<(), OpenError> {
        match self.topic_id {
            Some(known) if known == topic_id => Ok(()),
            Some(known) => Err(OpenError::InconsistentTopicId { dir: self.dir(), known, given: topic_id }),
            None => {
                let dir = self.dir();
                partition_metadata::write(self.dir.fs(), &dir, topic_id)
                    .map_err(|source| OpenError::Io { path: dir, source })?;
                self.topic_id = Some(topic_id);
                Ok(())
            }
        }
    }

    /// Bytes of all segments, as DescribeLogDirs counts them.
    pub fn size(&self) -> u64 {
        self.reader().size()
    }

    /// How many segments there are.
    pub fn segment_count(&self) -> usize {
        self.shared.segments().len()
    }

    /// The latest leader epoch in the log.
    pub fn latest_epoch(&self) -> Option<i32> {
        self.shared.epochs.lock().latest().map(|(epoch, _)| epoch)
    }

    /// Notes that this broker leads from the end of the log on. The entry is durable when this answers.
    pub fn start_leader_epoch(&mut self, epoch: i32) -> Result<(), AppendError> {
        self.assign_epoch(epoch, self.log_end_offset())
    }

    /// Where a leader epoch ends, as OffsetForLeaderEpoch answers it.
    pub fn end_offset_for_epoch(&self, epoch: i32) -> Option<EpochEndOffset> {
        self.reader().end_offset_for_epoch(epoch)
    }

    /// What is known of the producers, by producer id.
    pub fn producers(&self) -> impl ExactSizeIterator<Item = (i64, &ProducerEntry)> {
        self.producers.iter().map(|(producer_id, entry)| (*producer_id, entry))
    }

    /// What is known of one producer.
    pub fn producer(&self, producer_id: i64) -> Option<&ProducerEntry> {
        self.producers.get(producer_id)
    }

    /// Forgets producers that wrote nothing for `producer.id.expiration.ms`.
    pub fn remove_expired_producers(&mut self, now_ms: i64) {
        self.producers.remove_expired(now_ms, self.config.producer_id_expiration_ms);
    }

    /// Where the first undecided transaction starts, within the log.
    fn first_unstable_offset(&self) -> Option<i64> {
        self.producers.first_unstable_offset().map(|offset| offset.max(self.log_start_offset()))
    }
}
