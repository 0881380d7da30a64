//! Appending batches: as the leader, who gives them offsets, or as they are.

use std::io::{self, IoSlice};

use ottla_protocol::batch::{self, CheckedBatch, CheckedBatches, HEADER_LEN, NO_TIMESTAMP, TimestampType};

use super::Log;
use crate::checkpoint;
use crate::fs::{File, is_full};
use crate::journal::Change;
use crate::producers::{self, BatchMetadata, Origin, Updates};
use crate::segment::{self, AbortedTxn};

/// What an append did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendInfo {
    /// Offset of the first record; of a duplicate, the offset it got the first time.
    pub first_offset: i64,
    /// Offset of the last record.
    pub last_offset: i64,
    /// The largest timestamp.
    pub max_timestamp: i64,
    /// The time that the broker stamped, or -1.
    pub log_append_time_ms: i64,
    /// The first offset of the log that may be read.
    pub log_start_offset: i64,
    /// The producer sent the batch before: nothing was written.
    pub duplicate: bool,
    /// A segment was completed: [`Log::flush_task`] makes it durable and should run soon, off the owner's lock.
    pub rolled: bool,
    /// `flush.messages` says that a flush is due.
    pub flush_due: bool,
}

/// Why nothing was appended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A batch is over `max.message.bytes`.
    #[error("the record batch has {size} bytes, more than max.message.bytes = {max}")]
    MessageTooLarge {
        /// Bytes of the batch.
        size: usize,
        /// As configured.
        max: u32,
    },
    /// The batches are over `segment.bytes`.
    #[error("the record batches have {size} bytes, more than segment.bytes = {max}")]
    RecordListTooLarge {
        /// Bytes of all batches.
        size: usize,
        /// As configured.
        max: u32,
    },
    /// A client chose offsets.
    #[error("the base offset of a produced record batch should be 0, but it is {0}")]
    BaseOffset(i64),
    /// There are no offsets left in this log.
    #[error("no offsets are left after {0}")]
    OffsetsExhausted(i64),
    /// Batches that have their offsets are not in order.
    #[error("offset {offset} does not follow {previous}")]
    OffsetsOutOfOrder {
        /// Last offset of a batch.
        offset: i64,
        /// Last offset of the batch before.
        previous: i64,
    },
    /// Batches that have their offsets start below the end of the log.
    #[error("the batches start at offset {first_offset}, below the log end offset {log_end_offset}")]
    UnexpectedOffset {
        /// First offset of the batches.
        first_offset: i64,
        /// Their last offset.
        last_offset: i64,
        /// Where the log ends.
        log_end_offset: i64,
    },
    /// A batch that the leader of the metadata quorum appends does not have its epoch.
    #[error("the batch has leader epoch {epoch}, not {expected}")]
    LeaderEpoch {
        /// As the batch says.
        epoch: i32,
        /// As the caller says.
        expected: i32,
    },
    /// A control batch that cannot be read.
    #[error(transparent)]
    ControlBatch(#[from] batch::Error),
    /// The producer may not append this.
    #[error(transparent)]
    Producer(#[from] producers::Error),
    /// The leader epoch could not be noted.
    #[error(transparent)]
    Epochs(checkpoint::Error),
    /// The disk is full: nothing was appended, and appending works again when there is room.
    #[error("the disk is full: {0}")]
    DiskFull(#[source] io::Error),
    /// The disk failed; the log takes no more appends.
    #[error(transparent)]
    Segment(segment::Error),
    /// The disk failed in an earlier append.
    #[error("the log failed in an earlier append")]
    Failed,
}

impl From<segment::Error> for Error {
    fn from(error: segment::Error) -> Self {
        match error {
            segment::Error::Io { source, .. } if is_full(&source) => Self::DiskFull(source),
            error => Self::Segment(error),
        }
    }
}

impl From<checkpoint::Error> for Error {
    fn from(error: checkpoint::Error) -> Self {
        match error {
            checkpoint::Error::Io { source, .. } if is_full(&source) => Self::DiskFull(source),
            error => Self::Epochs(error),
        }
    }
}

impl Log {
    /// Appends batches as the leader of the partition: gives them offsets, the leader epoch and, if the topic says so, the
    /// time. With [`Origin::RaftLeader`] they have offsets and epoch already.
    ///
    /// Nothing is durable yet: see [`Log::flush_task`]. Nothing is visible to consumers before the high watermark passes it.
    pub fn append_as_leader(
        &mut self,
        mut batches: CheckedBatches,
        leader_epoch: i32,
        now_ms: i64,
        origin: Origin,
    ) -> Result<AppendInfo, Error> {
        if origin == Origin::RaftLeader {
            check_leader_epoch(&batches, leader_epoch)?;
        }
        if origin == Origin::Client {
            check_base_offset(&batches)?;
        }
        self.check_sizes(&batches)?;
        if origin == Origin::Client
            && let Some(original) = batches.iter().find_map(|batch| self.producers.duplicate_of(batch.header()))
        {
            return Ok(self.duplicate(&original));
        }
        match origin {
            Origin::RaftLeader => self.check_given_offsets(batches.iter().as_slice())?,
            _ => self.assign_offsets(&mut batches, leader_epoch, now_ms)?,
        }
        self.append(batches.iter().as_slice(), now_ms, origin)
    }

    /// Appends batches that a leader elsewhere gave their offsets, epochs and times.
    ///
    /// As in Kafka, a batch of a leader epoch above the leader's own `leader_epoch` and all after it are left out; none is
    /// answered when no batch is left. So is a batch that one segment cannot hold together with the first, after a hole that
    /// compaction left on the leader: what is left out is to be fetched again.
    pub fn append_as_follower(
        &mut self,
        batches: CheckedBatches,
        leader_epoch: i32,
        now_ms: i64,
    ) -> Result<Option<AppendInfo>, Error> {
        let batches = batches.iter().as_slice();
        let reach = batches.first().map_or(0, |batch| batch.header().base_offset).saturating_add(i64::from(i32::MAX));
        let left_out = |batch: &CheckedBatch| {
            batch.header().partition_leader_epoch > leader_epoch || batch.header().last_offset() > reach
        };
        let known = batches.iter().position(left_out).and_then(|n| batches.get(..n)).unwrap_or(batches);
        if known.is_empty() {
            return Ok(None);
        }
        self.check_given_offsets(known)?;
        self.append(known, now_ms, Origin::Replication).map(Some)
    }

    /// Notes where epochs start. It is durable when the log is flushed.
    fn assign_epochs(&mut self, starts: impl Iterator<Item = (i32, i64)> + Clone) -> Result<(), Error> {
        let mut epochs = {
            let known = self.shared.epochs.lock();
            let is_news = |(epoch, start_offset)| epoch >= 0 && known.is_news(epoch, start_offset);
            if !starts.clone().any(is_news) && !self.epochs_unwritten {
                return Ok(());
            }
            known.clone()
        };
        for (epoch, start_offset) in starts {
            epochs.assign(epoch, start_offset);
        }
        let set = self.set_epochs(epochs, false).map_err(Error::from);
        self.failed |= matches!(set, Err(Error::Epochs(_)));
        set
    }

    /// Epochs that the file has and the log has not must not stand beside records of earlier ones, or of the same.
    fn take_out_stale_epochs(&mut self, batches: &[CheckedBatch]) -> Result<(), Error> {
        let stale = self.stale_epochs.as_ref().and_then(|stale| stale.latest());
        let first = batches.first().map_or(i32::MAX, |batch| batch.header().partition_leader_epoch);
        let end = self.log_end_offset();
        if stale.is_none_or(|(epoch, start)| epoch < first || (epoch == first && start == end)) {
            return Ok(());
        }
        let epochs = self.shared.epochs.lock().clone();
        let set = self.set_epochs(epochs, true).map_err(Error::from);
        self.failed |= matches!(set, Err(Error::Epochs(_)));
        set
    }

    fn check_sizes(&self, batches: &CheckedBatches) -> Result<(), Error> {
        let max = self.config.max_message_bytes;
        match batches.iter().map(CheckedBatch::size_in_bytes).find(|size| *size > max as usize) {
            Some(size) => Err(Error::MessageTooLarge { size, max }),
            None => Ok(()),
        }
    }

    fn duplicate(&self, original: &BatchMetadata) -> AppendInfo {
        AppendInfo {
            first_offset: original.first_offset(),
            last_offset: original.last_offset,
            max_timestamp: original.timestamp,
            log_append_time_ms: original.timestamp,
            log_start_offset: self.log_start_offset(),
            duplicate: true,
            rolled: false,
            flush_due: false,
        }
    }

    fn assign_offsets(&self, batches: &mut CheckedBatches, leader_epoch: i32, now_ms: i64) -> Result<(), Error> {
        let mut next_offset = self.log_end_offset();
        for batch in batches.iter_mut() {
            batch.set_base_offset(next_offset);
            batch.set_leader_epoch(leader_epoch);
            if self.config.message_timestamp_type == TimestampType::LogAppendTime {
                batch.set_max_timestamp(TimestampType::LogAppendTime, now_ms);
            }
            next_offset = batch.header().next_offset();
            if next_offset == i64::MAX {
                return Err(Error::OffsetsExhausted(self.log_end_offset()));
            }
        }
        Ok(())
    }

    fn check_given_offsets(&self, batches: &[CheckedBatch]) -> Result<(), Error> {
        let mut ends = None;
        for header in batches.iter().map(CheckedBatch::header) {
            let (_, previous) = ends.unwrap_or((header.base_offset, i64::MIN));
            if header.last_offset() <= previous || header.base_offset <= previous {
                return Err(Error::OffsetsOutOfOrder { offset: header.last_offset(), previous });
            }
            ends = Some((ends.map_or(header.base_offset, |(first, _)| first), header.last_offset()));
        }
        let log_end_offset = self.log_end_offset();
        match ends {
            Some((first_offset, last_offset)) if first_offset < log_end_offset => {
                Err(Error::UnexpectedOffset { first_offset, last_offset, log_end_offset })
            }
            _ => Ok(()),
        }
    }

    fn append(&mut self, batches: &[CheckedBatch], now_ms: i64, origin: Origin) -> Result<AppendInfo, Error> {
        let appended = self.try_append(batches, now_ms, origin);
        // What the disk holds is not known then: only opening the log again tells.
        self.failed |= matches!(appended, Err(Error::Segment(_) | Error::Epochs(_)));
        appended
    }

    fn try_append(&mut self, batches: &[CheckedBatch], now_ms: i64, origin: Origin) -> Result<AppendInfo, Error> {
        if self.failed {
            return Err(Error::Failed);
        }
        let size: usize = batches.iter().map(CheckedBatch::size_in_bytes).sum();
        if size > self.config.segment_bytes as usize {
            return Err(Error::RecordListTooLarge { size, max: self.config.segment_bytes });
        }
        self.take_out_stale_epochs(batches)?;
        let updates = self.check_producers(batches, origin)?;
        let info = self.describe(batches, origin);
        let rolled = self.maybe_roll(size as u64, &info, now_ms)?;
        self.write(batches)?;
        self.note_epochs(batches)?;
        let mut before = self.log_end_offset();
        self.take_in(batches, updates, info.last_offset + 1)?;
        for batch in batches {
            self.tell_journal(|| Change::Append { batch: batch.clone(), before });
            before = batch.header().next_offset();
        }
        let flush_due = self.log_end_offset().saturating_sub(self.recovery_point) >= self.config.flush_messages;
        Ok(AppendInfo { rolled, flush_due, ..info })
    }

    fn check_producers(&self, batches: &[CheckedBatch], origin: Origin) -> Result<Updates, Error> {
        let mut updates = Updates::default();
        for batch in batches.iter().filter(|batch| batch.header().has_producer_id()) {
            updates.add(&self.producers, batch.header(), producers::marker_of(batch)?, origin)?;
        }
        Ok(updates)
    }

    fn describe(&self, batches: &[CheckedBatch], origin: Origin) -> AppendInfo {
        let headers = || batches.iter().map(CheckedBatch::header);
        let max_timestamp = headers().map(|header| header.max_timestamp).max().unwrap_or(NO_TIMESTAMP);
        let stamped = self.config.message_timestamp_type == TimestampType::LogAppendTime
            && !matches!(origin, Origin::Replication | Origin::RaftLeader);
        AppendInfo {
            first_offset: headers().next().map_or(-1, |header| header.base_offset),
            last_offset: headers().last().map_or(-1, |header| header.last_offset()),
            max_timestamp,
            log_append_time_ms: if stamped { max_timestamp } else { NO_TIMESTAMP },
            log_start_offset: self.log_start_offset(),
            duplicate: false,
            rolled: false,
            flush_due: false,
        }
    }

    /// Writes the batches after the last ones. What a failed write left is not published and cut off or written over.
    fn write(&self, batches: &[CheckedBatch]) -> Result<(), Error> {
        let segment = &self.active.segment;
        let file = segment.file()?;
        if segment.size() == 0 && self.config.preallocate {
            // A hole, as Kafka makes it; a crash leaves zeros, which recovery cuts off.
            file.truncate(u64::from(self.config.segment_bytes)).map_err(|source| segment.io(source))?;
        }
        match write_batches(&*file, batches, segment.size()) {
            Err(error) if is_full(&error) => Err(self.cut_back(&*file, error)),
            Err(error) => Err(Error::Segment(segment.io(error))),
            Ok(()) => Ok(()),
        }
    }

    /// Takes back what was written after the last batch that was published, for want of room.
    ///
    /// Durably: a power cut must not bring back what is refused here, in place of what is appended next.
    fn cut_back(&self, file: &dyn File, error: io::Error) -> Error {
        let segment = &self.active.segment;
        match file.truncate(segment.size()).and_then(|()| file.sync_data()) {
            Ok(()) => Error::DiskFull(error),
            Err(_) => Error::Segment(segment.io(error)),
        }
    }

    /// Notes the leader epochs of what was written: all or none, so that an append that is taken back leaves none behind. After
    /// a crash in between they are learned from the batches.
    fn note_epochs(&mut self, batches: &[CheckedBatch]) -> Result<(), Error> {
        let starts = batches.iter().map(CheckedBatch::header).map(|h| (h.partition_leader_epoch, h.base_offset));
        match self.assign_epochs(starts) {
            Err(Error::DiskFull(error)) => Err(self.cut_back(&*self.active.segment.file()?, error)),
            noted => noted,
        }
    }

    /// Indexes what was written, takes it into the producers' state and lets readers see it.
    fn take_in(&mut self, batches: &[CheckedBatch], updates: Updates, next_offset: i64) -> Result<(), Error> {
        let taken = self.index(batches).and_then(|size| {
            for txn in self.producers.apply(updates) {
                let last_stable_offset = self.producers.last_stable_offset_after(&txn);
                if txn.abort {
                    let aborted = AbortedTxn {
                        producer_id: txn.producer_id,
                        first_offset: txn.first_offset,
                        last_offset: txn.last_offset,
                        last_stable_offset,
                    };
                    let index = &self.active.segment.txn_index;
                    // Its file is there from the first entry on, and a flush is to keep its name too.
                    self.names_changed += u64::from(index.entries.len() == 0);
                    index.append(aborted).map_err(|source| self.active.segment.io(source))?;
                }
                self.producers.complete(&txn);
            }
            for batch in batches.iter().filter(|batch| batch.header().attributes.is_transactional()) {
                self.verifications.appended(batch.header());
            }
            self.producers.set_end_offset(next_offset);
            self.shared.set_first_unstable_offset(self.first_unstable_offset());
            self.active.segment.publish(next_offset, size);
            Ok(())
        });
        // Even for want of room: the batches are in the file but the state is not whole.
        taken.map_err(Error::Segment)
    }

    /// Indexes the batches and answers where they end.
    fn index(&mut self, batches: &[CheckedBatch]) -> Result<u64, segment::Error> {
        let segment = &self.active.segment;
        let mut position = segment.size();
        for batch in batches {
            let header = batch.header();
            self.active.first_timestamp.get_or_insert(header.max_timestamp);
            self.active.indexer.batch(segment, header, position, self.config.index_interval_bytes)?;
            segment.remember(header.base_offset, position);
            position += batch.size_in_bytes() as u64;
        }
        Ok(position)
    }
}

fn write_batches(file: &dyn File, batches: &[CheckedBatch], position: u64) -> io::Result<()> {
    if let [batch] = batches {
        return file.write_at(&[IoSlice::new(&batch.head()), IoSlice::new(batch.tail_slice())], position);
    }
    let heads: Vec<[u8; HEADER_LEN]> = batches.iter().map(CheckedBatch::head).collect();
    let parts = heads.iter().zip(batches).flat_map(|(head, batch)| [head.as_slice(), batch.tail_slice()]);
    file.write_at(&parts.map(IoSlice::new).collect::<Vec<_>>(), position)
}

fn check_leader_epoch(batches: &CheckedBatches, expected: i32) -> Result<(), Error> {
    let mut epochs = batches.iter().map(|batch| batch.header().partition_leader_epoch);
    match epochs.find(|epoch| *epoch != expected) {
        Some(epoch) => Err(Error::LeaderEpoch { epoch, expected }),
        None => Ok(()),
    }
}

fn check_base_offset(batches: &CheckedBatches) -> Result<(), Error> {
    match batches.iter().map(|batch| batch.header().base_offset).find(|offset| *offset != 0) {
        Some(offset) => Err(Error::BaseOffset(offset)),
        None => Ok(()),
    }
}
