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
use ottla_protocol::batch::{CheckedBatches, Header};

pub use append::{AppendInfo, Error as AppendError};
pub use compact::Swap;
pub use copy::{Copied, Error as CopyError};
pub use delete::Error as DeleteError;
pub use flush::{FlushTask, Flushed};
pub(crate) use open::Files;
pub use open::{Error as OpenError, OpenOptions};
pub use removal::Removal;

use crate::checkpoint;
use crate::config::LogConfig;
use crate::epochs::{EpochEndOffset, LeaderEpochs};
use crate::journal::{Change, Sink};
use crate::partition_metadata;
use crate::producers::{self, ProducerEntry, Producers, Verification, Verifications, Verify};
use crate::read::{Error as ReadError, Isolation, LogReader};
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
    /// Of producers that this broker, while it leads, has looked up.
    verifications: Verifications,
    snapshots: Snapshots,
    /// Below it everything is durable.
    recovery_point: i64,
    /// It ended below the recovery point that it was opened with.
    was_short: bool,
    /// Counts the times that names came or went in the folder, and how many of these are durable.
    names_changed: u64,
    names_synced: u64,
    /// Counts truncations, so that a flush begun before one does not vouch for what was appended after it.
    truncations: u64,
    /// What the file of leader epochs has, if that is more than there is: to be taken out before anything is appended.
    stale_epochs: Option<LeaderEpochs>,
    /// An epoch was begun that the file does not have.
    epochs_unwritten: bool,
    /// A compacted segment that waits under its `.swap` names to take the place of others.
    swap: Option<Arc<Segment>>,
    /// A write failed and what the disk holds is not known: no more appends.
    failed: bool,
    journal: Option<Box<dyn Sink>>,
}

/// More than this is flushed rather than written into the journal a second time.
const MAX_JOURNALED_BYTES: usize = 1 << 20;

/// What the owner keeps of the active segment.
#[derive(Debug)]
struct Active {
    segment: Arc<Segment>,
    indexer: Indexer,
    created_ms: i64,
    /// Max timestamp of its first batch.
    first_timestamp: Option<i64>,
    /// How long it was when the producers were written down.
    snapshot_at: u64,
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
        self.active.segment.next_offset()
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

    /// What is above an offset does not count as durable any more, as before it is cut off. A flush that was begun before does not
    /// vouch for it either.
    pub fn lower_recovery_point(&mut self, offset: i64) {
        self.recovery_point = self.recovery_point.min(offset);
        self.truncations += 1;
    }

    /// Whether it ended below its recovery point when it was opened, and so lacks what was flushed.
    pub(crate) fn was_short(&self) -> bool {
        self.was_short
    }

    /// Tells a journal of every change from now on.
    pub fn set_journal(&mut self, journal: Box<dyn Sink>) {
        self.journal = Some(journal);
    }

    /// Tells the journal of what is in the log from an offset on, where a batch starts, that it does not have. If that is much,
    /// it is flushed instead.
    pub fn journal_from(&mut self, offset: i64) -> Result<(), ReadError> {
        let reader = self.reader();
        let mut next = offset.max(self.log_start_offset());
        let mut told = 0;
        while next < self.log_end_offset() {
            let bytes = reader.read(next, MAX_JOURNALED_BYTES, true, Isolation::LogEnd)?.bytes();
            let bytes = bytes.map_err(|source| self.active.segment.io(source))?;
            told += bytes.len();
            let batches = CheckedBatches::parse_whole(bytes).map(|(batches, _)| batches).ok();
            let Some(batches) = batches.filter(|batches| told <= MAX_JOURNALED_BYTES && batches.iter().len() > 0)
            else {
                return Ok(self.flush()?);
            };
            for batch in batches {
                let before = std::mem::replace(&mut next, batch.header().next_offset());
                self.tell_journal(|| Change::Append { batch, before });
            }
        }
        Ok(())
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
                partition_metadata::put(self.dir.fs(), &dir, topic_id)
                    .map_err(|source| OpenError::Io { path: dir, source })?;
                self.names_changed += 1;
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

    /// The leader epochs in the log, each with the offset where it starts.
    pub fn leader_epochs(&self) -> Vec<(i32, i64)> {
        self.shared.epochs.lock().starts().collect()
    }

    /// Notes that this broker leads from the end of the log on. The file has it with the first record of the epoch, or when the log
    /// is closed.
    pub fn start_leader_epoch(&mut self, epoch: i32) {
        let start_offset = self.log_end_offset();
        self.epochs_unwritten |= self.shared.epochs.lock().assign(epoch, start_offset);
    }

    /// Replaces the leader epochs. What is taken out must not come back beside other records after a power cut, unless these have
    /// a later epoch and so put it right; what is added is durable when the log is flushed.
    fn set_epochs(&mut self, epochs: LeaderEpochs, taken_out: bool) -> Result<(), checkpoint::Error> {
        let (fs, dir) = (self.dir.fs(), self.dir.path());
        let epoch_of = |epochs: &LeaderEpochs| epochs.latest().map(|(epoch, _)| epoch);
        match &self.stale_epochs {
            Some(stale) if *stale == epochs => {}
            Some(stale) if taken_out || epoch_of(stale) >= epoch_of(&epochs) => epochs.store(fs, &dir)?,
            None if taken_out => epochs.store(fs, &dir)?,
            _ => epochs.put(fs, &dir)?,
        }
        self.stale_epochs = None;
        self.epochs_unwritten = false;
        self.names_changed += 1;
        *self.shared.epochs.lock() = epochs;
        Ok(())
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
        self.verifications.remove_expired(now_ms, self.config.producer_id_expiration_ms);
    }

    /// Begins to look a producer's transaction up at its coordinator, unless it has batches here already (KIP-890).
    pub fn begin_verification(
        &mut self,
        verify: Verify,
        now_ms: i64,
    ) -> Result<Option<Verification>, producers::Error> {
        self.verifications.begin(&self.producers, verify, now_ms)
    }

    /// Whether a producer of this epoch may write into its transaction, which it may for a look-up that is still good.
    pub fn check_transaction(
        &self,
        producer: (i64, i16),
        verification: Option<Verification>,
    ) -> Result<(), producers::Error> {
        self.verifications.check(&self.producers, producer, verification)
    }

    /// The same for a batch that was produced; one that came before is to be answered as it was.
    pub fn check_transactional(
        &self,
        header: &Header,
        verification: Option<Verification>,
    ) -> Result<(), producers::Error> {
        if self.producers.duplicate_of(header).is_some() {
            return Ok(());
        }
        self.check_transaction((header.producer_id, header.producer_epoch), verification)?;
        self.verifications.check_sequence(&self.producers, header)
    }

    /// Where the first undecided transaction starts, within the log.
    fn first_unstable_offset(&self) -> Option<i64> {
        self.producers.first_unstable_offset().map(|offset| offset.max(self.log_start_offset()))
    }
}
