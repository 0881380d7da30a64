//! One partition that this broker has: its log behind its owner's lock, what the broker is to it, its readers, and who waits.

mod append_error;
mod durable;
mod flushing;
mod mirror;
mod place;
mod role;
mod transactions;

pub(crate) use self::{
    append_error::AppendError,
    durable::{Durable, NotDurable, Until},
    mirror::{LeaderOffsets, MirrorError},
    place::{NotReplaced, Place},
    transactions::{Marker, Verified},
};

use crate::{
    clock::wall_ms, dir::Dir, entropy, error_code, fetch::session::Wanted, fetch::waiters::Waiters, future::Moving,
    site::Site,
};
use arc_swap::ArcSwap;
use durable::Durability;
use ottla_config::{CompressionType, TopicConfig};
use ottla_metadata::topic_name;
use ottla_protocol::{
    ErrorCode, Str, Uuid,
    batch::{CheckedBatch, CheckedBatches, Origin as BatchOrigin, Record, Rejected, Rules},
    compression::{Compression, Level, Limits},
};
use ottla_storage::{
    AppendInfo, Isolation, Log, Offsets, Origin, Removal, Slice, journal::PartitionKey, log_dir::names,
};
use parking_lot::Mutex;
use role::Role;
use std::{
    fmt,
    sync::{
        Arc, Weak,
        atomic::{AtomicI32, AtomicI64, Ordering},
    },
    time::Duration,
};
use tracing::error;

/// What a read found.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub(crate) high_watermark: i64,
    pub(crate) last_stable_offset: i64,
    pub(crate) log_start_offset: i64,
    pub(crate) slices: Vec<Slice>,
    /// Producer id and first offset; none where the consumer reads uncommitted.
    pub(crate) aborted: Option<Vec<(i64, i64)>>,
    /// Whether the bytes count towards the leader's limit.
    pub(crate) is_throttled: bool,
    /// The replica to read from in place of this one (KIP-392).
    pub(crate) preferred: Option<i32>,
    /// The epoch and end offset where the client's log and ours part (KIP-320).
    pub(crate) diverging: Option<(i32, i64)>,
}

impl Read {
    fn at(offsets: &Offsets) -> Self {
        Self {
            high_watermark: offsets.high_watermark,
            last_stable_offset: offsets.last_stable_offset,
            log_start_offset: offsets.log_start_offset,
            ..Self::default()
        }
    }

    /// Whether there is something to tell besides records and offsets.
    pub(crate) fn must_tell(&self) -> bool {
        self.diverging.is_some() || self.preferred.is_some()
    }
}

/// The log is closed, because the topic was deleted or the broker stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the log is closed")]
pub(crate) struct Gone;

/// Hears of what becomes durable in a partition.
pub(crate) trait CommitListener: Send + Sync {
    /// Everything below the high watermark is durable.
    fn committed(&self, high_watermark: i64);
    /// Nothing more will be.
    fn failed(&self);
}

/// A partition that this broker has.
pub(crate) struct Partition {
    pub(crate) topic: Str,
    pub(crate) topic_id: Uuid,
    pub(crate) index: i32,
    /// Consumers, who wait for the high watermark.
    pub(crate) waiters: Waiters,
    /// Followers, who wait for the end of the log.
    pub(crate) appends: Waiters,
    /// Whether its log is being copied to another log dir.
    pub(crate) moving: Moving,
    durability: Durability,
    /// Who else hears of commits: the coordinator that has its records here.
    listener: Mutex<Option<Weak<dyn CommitListener>>>,
    site: Arc<Site>,
    /// Taken while the log is held or not, and never the other way round.
    role: Mutex<Role>,
    leader_epoch: AtomicI32,
    /// Everything below is durable here.
    synced: AtomicI64,
    /// Offsets that it lacks, as a follower, of what its leader says is committed.
    lag: AtomicI64,
    /// When the log was last synced, or opened.
    flushed_ms: AtomicI64,
    internal: bool,
    config: ArcSwap<TopicConfig>,
    /// Replaced while `log` is locked.
    place: ArcSwap<Place>,
    /// None once it is closed or deleted.
    log: Mutex<Option<Log>>,
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.index)
    }
}

impl fmt::Debug for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Partition({self})")
    }
}

impl Partition {
    /// A partition of which all below `durable` is durable; [`Partition::follow`] says what this broker is to it.
    pub(crate) fn new(
        (topic, topic_id, index): (Str, Uuid, i32),
        site: Arc<Site>,
        dir: Arc<Dir>,
        config: TopicConfig,
        mut log: Log,
        durable: i64,
    ) -> Arc<Self> {
        Arc::new_cyclic(|this: &Weak<Self>| {
            if let Some(commits) = dir.commits() {
                log.set_journal(commits.sink(this, PartitionKey { topic_id, partition: index }));
            }
            let synced = if dir.commits().is_some() { durable } else { log.log_end_offset() };
            Self {
                internal: topic_name::is_internal(&topic),
                topic,
                topic_id,
                index,
                waiters: Waiters::default(),
                appends: Waiters::default(),
                moving: Moving::default(),
                durability: Durability::default(),
                listener: Mutex::default(),
                site,
                role: Mutex::new(Role::Waits),
                leader_epoch: AtomicI32::new(-1),
                synced: AtomicI64::new(synced),
                lag: AtomicI64::new(0),
                flushed_ms: AtomicI64::new(wall_ms()),
                config: ArcSwap::from_pointee(config),
                place: ArcSwap::from_pointee(Place::new(dir, &log)),
                log: Mutex::new(Some(log)),
            }
        })
    }

    pub(crate) fn is_internal(&self) -> bool {
        self.internal
    }

    pub(crate) fn leader_epoch(&self) -> i32 {
        self.leader_epoch.load(Ordering::Acquire)
    }

    pub(crate) fn config(&self) -> Arc<TopicConfig> {
        self.config.load_full()
    }

    pub(crate) fn set_config(&self, config: TopicConfig, log_config: ottla_storage::config::LogConfig) {
        self.config.store(Arc::new(config));
        // A log that is gone needs no settings.
        let _ = self.with_log(|log| log.set_config(log_config));
    }

    /// Appends what a client produced.
    pub(crate) fn append(
        self: &Arc<Self>,
        mut batch: CheckedBatch,
        now_ms: i64,
        acks: i16,
        verified: Verified,
    ) -> Result<AppendInfo, AppendError> {
        let config = self.config.load();
        self.admit(acks)?;
        let produced = batch.clone();
        let rules = rules((&self.topic, self.index), &config, now_ms);
        let validated = batch.validate_records(&rules)?;
        // A batch that is too large as it came is refused by the log, whatever it would be under another codec.
        let fits = i64::from(config.max_message_bytes) >= batch.size_in_bytes() as i64;
        if let Some((codec, level)) = stored_codec(&config).filter(|(codec, _)| *codec != batch.compression() && fits) {
            batch = produced.recompressed(codec, level, &rules.limits).map_err(Rejected::from)?;
            batch.set_max_timestamp(rules.timestamp_type, validated.max_timestamp);
        }
        let dir = self.dir();
        if !dir.room.admits(&dir.log_dir, batch.size_in_bytes()) {
            return Err(AppendError::NoRoom);
        }
        self.append_as(batch.into(), now_ms, Origin::Client, acks, verified)
    }

    /// Appends what this broker itself writes, for a coordinator: however few are in sync, as it cannot take back what it
    /// decided, and tells nobody before the record is committed.
    pub(crate) fn append_internal(
        self: &Arc<Self>,
        batches: CheckedBatches,
        now_ms: i64,
    ) -> Result<AppendInfo, AppendError> {
        self.append_as(batches, now_ms, Origin::Coordinator, 1, Verified::NotRequired)
    }

    fn append_as(
        self: &Arc<Self>,
        batches: CheckedBatches,
        now_ms: i64,
        origin: Origin,
        acks: i16,
        verified: Verified,
    ) -> Result<AppendInfo, AppendError> {
        if self.dir().is_offline() {
            return Err(AppendError::Offline);
        }
        let mut appended_to = None;
        let append = |log: &mut Log| {
            let dir = appended_to.insert(self.dir());
            // Nobody else leads while the log is held.
            let epoch = self.admit(acks)?;
            verified.check(log, &batches)?;
            let appended = log.append_as_leader(batches, epoch, now_ms, origin);
            let info = appended.map_err(|error| append_failed(dir, error))?;
            self.appended(log, dir.commits().is_none());
            Ok::<_, AppendError>(info)
        };
        let info = self.dir().stalls.run(|| self.with_log(append))??;
        let dir = appended_to.unwrap_or_else(|| self.dir());
        if !info.duplicate {
            self.appends.wake();
            if dir.commits().is_none() {
                self.tell(self.high_watermark());
            }
        }
        if info.flush_due {
            // `flush.messages`: synced before the producer is answered, at the cost of this thread.
            tokio::task::block_in_place(|| self.flush());
            if self.dir().is_offline() {
                return Err(AppendError::Offline);
            }
        } else if info.rolled && dir.commits().is_none() {
            let partition = self.clone();
            tokio::task::spawn_blocking(move || partition.flush());
        }
        Ok(info)
    }

    /// Has what a crash left behind made durable, of which the journal knows only up to an offset, before anything is appended.
    pub(crate) fn sync_from(&self, durable: i64) -> anyhow::Result<()> {
        let recovery_point = self.with_log(|log| log.journal_from(durable).map(|()| log.recovery_point()))??;
        self.synced.fetch_max(recovery_point, Ordering::AcqRel);
        Ok(())
    }

    /// Lets somebody hear of commits, in place of who did before.
    pub(crate) fn set_listener(&self, listener: Weak<dyn CommitListener>) {
        *self.listener.lock() = Some(listener);
        // What was not told before is not told it.
        drop(self.log.lock());
        self.advance();
    }

    /// Removes what retention no longer keeps, and forgets producers that were silent for too long. Blocks.
    pub(crate) fn clean_up(&self, now_ms: i64) {
        let outcome = self.with_log(|log| {
            log.remove_expired_producers(now_ms);
            log.delete_old_segments(now_ms)
        });
        match outcome {
            Ok(Ok(removals)) => removals.into_iter().for_each(|removal| self.remove_later(removal)),
            Ok(Err(error)) => error!(partition = %self, %error, "cannot delete old segments"),
            Err(Gone) => {}
        }
    }

    /// Removes files once readers that hold them had `file.delete.delay.ms`.
    pub(crate) fn remove_later(&self, removal: Removal) {
        if removal.is_empty() {
            return;
        }
        let name = self.to_string();
        self.later(move || {
            if let Err(error) = removal.run() {
                error!(partition = name, %error, "cannot remove files that are no longer needed");
            }
        });
    }

    fn later(&self, work: impl FnOnce() + Send + 'static) {
        let delay = u64::try_from(self.config.load().file_delete_delay_ms).unwrap_or(0);
        self.dir().removals.later(Duration::from_millis(delay), work);
    }

    /// Closes the log as a clean stop must, but for syncing its disk, and answers its end. Blocks.
    pub(crate) fn close(&self) -> Result<i64, String> {
        let log = self.log.lock().take().ok_or_else(|| Gone.to_string())?;
        self.durability.close();
        log.close_unsynced().map_err(|error| error.to_string())
    }

    /// Takes the log out of service and lets its files be removed. Blocks.
    pub(crate) fn delete(&self) -> Result<(), ottla_storage::DeleteError> {
        let Some(log) = self.log.lock().take() else { return Ok(()) };
        self.dir().remove_log();
        self.durability.close();
        self.waiters.wake();
        let name = names::to_delete(&self.topic, self.index, *entropy::uuid().as_bytes());
        self.remove_later(log.delete(&name)?);
        // Whoever still has this partition, as who waits for its sync, must not keep the disk from being free of it.
        let reader = self.reader();
        self.later(move || reader.close_files());
        Ok(())
    }

    /// Whether the client's idea of the leader's epoch is ours (KIP-320); -1 says nothing.
    pub(crate) fn check_epoch(&self, current_leader_epoch: i32) -> Result<(), ErrorCode> {
        match (current_leader_epoch, self.leader_epoch()) {
            (-1, _) => Ok(()),
            (theirs, ours) if theirs < ours => Err(ErrorCode::FencedLeaderEpoch),
            (theirs, ours) if theirs > ours => Err(ErrorCode::UnknownLeaderEpoch),
            _ => Ok(()),
        }
    }

    /// Reads for a consumer or a follower; `of_follower` says whether what is read may be that of one (KIP-392).
    pub(crate) fn read(
        &self,
        wanted: &Wanted,
        max_bytes: usize,
        at_least_one: bool,
        isolation: Isolation,
        of_follower: bool,
    ) -> Result<Read, ErrorCode> {
        self.check_epoch(wanted.current_leader_epoch)?;
        let may_read = self.is_leader() || (of_follower && self.followed().is_some());
        if !may_read {
            return Err(ErrorCode::NotLeaderOrFollower);
        }
        let offsets = self.reader().offsets();
        let aborted = (isolation == Isolation::LastStableOffset).then(Vec::new);
        let mut read = Read { aborted, ..Read::at(&offsets) };
        if let Some(diverging) = self.diverging(wanted)? {
            read.diverging = Some(diverging);
            return Ok(read);
        }
        let max_bytes = usize::try_from(wanted.max_bytes).unwrap_or(0).min(max_bytes);
        let found = self.reader().read(wanted.fetch_offset, max_bytes, at_least_one, isolation);
        let found = found.map_err(|error| self.read_error(&error))?;
        if wanted.max_bytes < 0 && wanted.fetch_offset < offsets.end(isolation) {
            return Err(ErrorCode::UnknownServerError);
        }
        if let Some(aborted) = &mut read.aborted {
            aborted.extend(found.aborted.iter().map(|txn| (txn.producer_id, txn.first_offset)));
        }
        read.slices = found.slices;
        Ok(read)
    }

    /// Sends a consumer to another replica: there are no records for it here.
    pub(crate) fn refer(&self, wanted: &Wanted, preferred: i32) -> Result<Read, ErrorCode> {
        self.check_epoch(wanted.current_leader_epoch)?;
        Ok(Read { preferred: Some(preferred), ..Read::at(&self.reader().offsets()) })
    }

    fn diverging(&self, wanted: &Wanted) -> Result<Option<(i32, i64)>, ErrorCode> {
        if wanted.last_fetched_epoch < 0 {
            return Ok(None);
        }
        let Some(end) = self.reader().end_offset_for_epoch(wanted.last_fetched_epoch) else {
            return Err(ErrorCode::OffsetOutOfRange);
        };
        let parted = end.epoch < wanted.last_fetched_epoch || end.end_offset < wanted.fetch_offset;
        Ok(parted.then_some((end.epoch, end.end_offset)))
    }

    fn read_error(&self, error: &ottla_storage::ReadError) -> ErrorCode {
        let code = error_code::of_read(error);
        if code != ErrorCode::OffsetOutOfRange {
            error!(partition = %self, %error, "cannot read the log");
        }
        code
    }

    /// Hands every record of the log to `take` and answers the log's end. Blocks.
    pub(crate) fn replay(
        &self,
        mut take: impl FnMut(&ottla_protocol::batch::Header, Record) -> Result<(), String>,
    ) -> Result<i64, String> {
        let end = self.log_end_offset();
        let mut next = self.reader().offsets().log_start_offset;
        while next < end {
            let read = self.reader().read(next, REPLAY_BYTES, true, Isolation::LogEnd).map_err(|e| e.to_string())?;
            let bytes = read.bytes().map_err(|e| e.to_string())?;
            let (batches, _cut) = CheckedBatches::parse_whole(bytes).map_err(|e| e.to_string())?;
            let last = batches.iter().last().map(|batch| batch.header().next_offset());
            for batch in batches.iter() {
                for record in batch.records(&Limits::default()) {
                    let record = record.map_err(|e| e.to_string())?;
                    take(batch.header(), record)?;
                }
            }
            next = last.filter(|last| *last > next).ok_or_else(|| format!("no batch at offset {next} of {self}"))?;
        }
        Ok(end)
    }
}

fn append_failed(dir: &Dir, error: ottla_storage::AppendError) -> AppendError {
    if error_code::is_disk_failure(&error) {
        dir.fail(&error);
    }
    if matches!(error, ottla_storage::AppendError::DiskFull(_)) {
        dir.room.found_full(&dir.log_dir);
    }
    AppendError::Log(error)
}

/// Bytes of log that a replay holds at a time.
const REPLAY_BYTES: usize = 1 << 20;

/// The codec that batches are stored with, and its level; none if the producer's stands.
fn stored_codec(config: &TopicConfig) -> Option<(Compression, Level)> {
    match config.compression_type {
        CompressionType::Producer => None,
        CompressionType::Uncompressed => Some((Compression::None, Level::Default)),
        CompressionType::Gzip => Some((Compression::Gzip, Level::Of(config.compression_gzip_level))),
        CompressionType::Snappy => Some((Compression::Snappy, Level::Default)),
        CompressionType::Lz4 => Some((Compression::Lz4, Level::Of(config.compression_lz4_level))),
        CompressionType::Zstd => Some((Compression::Zstd, Level::Of(config.compression_zstd_level))),
    }
}

fn rules<'a>(partition: (&'a str, i32), config: &TopicConfig, now_ms: i64) -> Rules<'a> {
    Rules {
        partition,
        origin: BatchOrigin::Client,
        compacted: config.cleanup_compact,
        timestamp_type: match config.message_timestamp_type {
            ottla_config::TimestampType::CreateTime => ottla_protocol::batch::TimestampType::CreateTime,
            ottla_config::TimestampType::LogAppendTime => ottla_protocol::batch::TimestampType::LogAppendTime,
        },
        timestamp_before_max_ms: config.message_timestamp_before_max_ms,
        timestamp_after_max_ms: config.message_timestamp_after_max_ms,
        now_ms,
        limits: Limits::default(),
    }
}
