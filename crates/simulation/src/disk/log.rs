//! The log of `storage`, with its log dir and journal as a broker uses them, on a disk in memory. A crash may come between any two
//! writes, also of recovery, and leaves any sectors and any names of what was not synced.

use super::{Contents, Record, Trouble, index, offset};
use crate::client;
use crate::random::Random;
use ottla_protocol::Uuid;
use ottla_protocol::batch::{Builder, CheckedBatches, NewRecord};
use ottla_protocol::compression;
use ottla_replication::follower::LogView;
use ottla_storage::fs::sim::{Call, Fault};
use ottla_storage::fs::{Fs, SimFs};
use ottla_storage::journal::{self, Change, Entry, Journal, Limits, PartitionKey, Restored, Sink};
use ottla_storage::log_dir::{self, Checkpoint, PartitionOffsets};
use ottla_storage::{AppendError, Isolation, Log, LogConfig, LogDir, OpenError, Origin, SegmentError};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

const DIR: &str = "/logs";
const TOPIC: &str = "t";
const PARTITION: i32 = 0;
const NOW_MS: i64 = 1_700_000_000_000;
/// Small, so that segments are rolled and the journal goes round.
const JOURNAL: Limits = Limits { file_bytes: 64 << 10, files: 3 };
/// Syncs of a thousand after which the disk is synced as a whole, and the journal written over.
const SETTLED: u64 = 20;
/// Calls of the disk after which a process that dies as it writes does so at the latest.
const LAST_CALLS: u64 = 12;
/// Bytes that are left on a disk that is full.
const LEFT: u64 = 16 << 10;

/// What was changed in the log, and not yet committed to the journal.
#[derive(Clone, Debug, Default)]
struct Queue(Arc<Mutex<Vec<Change>>>);

impl Queue {
    fn put_back(&self, changes: Vec<Change>) {
        let mut queue = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        queue.splice(0..0, changes);
    }

    fn drain(&self) -> Vec<Change> {
        core::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Sink for Queue {
    fn take(&self, change: Change) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(change);
    }
}

/// What a process has open.
struct Process {
    dir: LogDir,
    log: Log,
    journal: Journal,
    queue: Queue,
}

pub(super) struct LogOnDisk {
    fs: SimFs,
    random: Random,
    config: LogConfig,
    /// None while the process is being replaced by another.
    process: Option<Process>,
    /// All below is synced, as far as the process knows.
    synced: i64,
    /// All below was synced, whatever processes after that know of it.
    durable: i64,
    /// What the log is to have.
    records: Vec<Record>,
    /// What it had before it was cut, and may have again after a crash, as the journal does not know of the cut yet.
    before_cuts: Vec<Vec<Record>>,
    full: bool,
}

fn topic_id() -> Uuid {
    client::topic_id()
}

fn key() -> PartitionKey {
    PartitionKey { topic_id: topic_id(), partition: PARTITION }
}

impl From<OpenError> for Trouble {
    fn from(error: OpenError) -> Self {
        if error.is_full() { Self::NoRoom } else { Self::Broken(format!("opening: {error}")) }
    }
}

impl From<AppendError> for Trouble {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::DiskFull(_) => Self::NoRoom,
            error => Self::Broken(format!("appending: {error}")),
        }
    }
}

impl From<log_dir::Error> for Trouble {
    fn from(error: log_dir::Error) -> Self {
        if error.is_full() { Self::NoRoom } else { Self::Broken(format!("log dir: {error}")) }
    }
}

impl From<journal::Error> for Trouble {
    fn from(error: journal::Error) -> Self {
        match error {
            journal::Error::NoRoom { .. } | journal::Error::Full => Self::NoRoom,
            error => Self::Broken(format!("journal: {error}")),
        }
    }
}

impl From<SegmentError> for Trouble {
    fn from(error: SegmentError) -> Self {
        if error.is_full() { Self::NoRoom } else { Self::Broken(format!("segment: {error}")) }
    }
}

fn broken(what: impl core::fmt::Display) -> Trouble {
    Trouble::Broken(what.to_string())
}

/// A batch of one record, as its producer sends it, or with the offset that its leader gave it. How long it is depends on the value.
fn batch(record: Record, at: Option<i64>) -> Result<CheckedBatches, Trouble> {
    let mut value = record.value.to_be_bytes().to_vec();
    value.resize(value.len() + usize::try_from(record.value.wrapping_mul(37) % 700).unwrap_or(0), 0x5a);
    let mut builder = Builder::new();
    if let Some(offset) = at {
        builder = builder.base_offset(offset).leader_epoch(record.epoch);
    }
    builder.push(NewRecord { timestamp: NOW_MS, value: Some(&value), ..NewRecord::default() });
    builder.build().map(CheckedBatches::from).map_err(broken)
}

/// The records from an offset on, as they are read from the log.
fn read(log: &Log, from: i64, most: usize, isolation: Isolation) -> Result<Vec<Record>, Trouble> {
    let mut records = Vec::new();
    let mut next = from;
    while next < log.offsets().end(isolation) && records.len() < most {
        let found = log.reader().read(next, 1 << 16, true, isolation).map_err(broken)?;
        let (batches, _) = CheckedBatches::parse_whole(found.bytes().map_err(broken)?).map_err(broken)?;
        let before = next;
        for batch in batches.iter() {
            for record in batch.records(&compression::Limits::default()) {
                let value = record.map_err(broken)?.value.ok_or_else(|| broken("a record without a value"))?;
                let value = value.first_chunk().ok_or_else(|| broken("a value is cut"))?;
                let epoch = batch.header().partition_leader_epoch;
                records.push(Record { epoch, value: u64::from_be_bytes(*value) });
            }
            next = batch.header().next_offset();
        }
        if next == before {
            return Err(broken(format!("nothing is read at {next}")));
        }
    }
    records.truncate(most);
    Ok(records)
}

/// Opens the log as a broker does that starts. Answers up to where it is durable, too.
fn open(fs: &SimFs, config: &LogConfig, random: &mut Random) -> Result<(Process, i64), Trouble> {
    let fs: Arc<dyn Fs> = Arc::new(fs.clone());
    let path = Path::new(DIR);
    let dir = LogDir::open(path, Arc::clone(&fs))?;
    let (journal, recovered) = Journal::open(fs, path, JOURNAL, random.number())?;
    let mut log = match dir.contents()?.partitions.first() {
        Some(found) => dir.open_log(found, Some(topic_id()), config.clone(), NOW_MS)?,
        None => {
            let log = dir.create_log(TOPIC, PARTITION, topic_id(), config.clone(), NOW_MS)?;
            dir.sync_all()?;
            log
        }
    };
    let restored = match recovered.get(&key()) {
        Some(entries) => entries.restore(&mut log, NOW_MS).map_err(broken)?,
        None => Restored::default(),
    };
    let durable = restored.end.max(log.recovery_point());
    let queue = Queue::default();
    log.set_journal(Box::new(queue.clone()));
    log.journal_from(durable).map_err(broken)?;
    dir.sync_all()?;
    let durable = durable.max(log.recovery_point()).min(log.log_end_offset());
    Ok((Process { dir, log, journal, queue }, durable))
}

impl Process {
    /// Commits what is in the queue. Answers up to where the log is durable then.
    fn commit(&mut self, synced: &mut i64) -> Result<(), Trouble> {
        let mut changes = self.queue.drain();
        while !changes.is_empty() {
            let most = self.journal.max_commit_bytes();
            let mut bytes = 0;
            let entries: Vec<Entry> =
                changes.iter().map(|change| Entry { key: key(), change: change.clone() }).collect();
            let fitting = entries.iter().take_while(|entry| {
                bytes += entry.size_in_bytes();
                bytes <= most
            });
            let count = fitting.count();
            let entries = entries.get(..count).unwrap_or_default();
            let mut committed = self.journal.commit(entries);
            if matches!(committed, Err(journal::Error::Full)) {
                let settled = self.settle();
                if let Err(trouble) = settled {
                    self.queue.put_back(changes);
                    return Err(trouble);
                }
                committed = self.journal.commit(entries);
            }
            if let Err(error) = committed {
                self.queue.put_back(changes);
                return Err(error.into());
            }
            for entry in entries {
                if let Change::Append { batch, .. } = &entry.change {
                    *synced = batch.header().next_offset();
                }
            }
            changes.drain(..count);
        }
        Ok(())
    }

    /// Syncs the disk, so that the journal may be written over.
    fn settle(&mut self) -> Result<(), Trouble> {
        let seq = self.journal.committed_seq();
        let proof = match self.log.synced_with_disk() {
            Ok(proof) => Some(proof),
            Err(error) if error.is_full() => None,
            Err(error) => return Err(error.into()),
        };
        self.dir.sync_all()?;
        if let Some(proof) = proof {
            self.log.mark_flushed(proof);
        }
        match self.checkpoint(self.log.recovery_point()) {
            Ok(()) | Err(Trouble::NoRoom) => {}
            Err(trouble) => return Err(trouble),
        }
        match self.journal.settle(seq) {
            Ok(()) | Err(journal::Error::NoRoom { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn checkpoint(&self, recovery_point: i64) -> Result<(), Trouble> {
        let offsets = PartitionOffsets::from([((TOPIC.to_owned(), PARTITION), recovery_point)]);
        Ok(self.dir.write_checkpoint(Checkpoint::RecoveryPoint, &offsets)?)
    }

    fn close(self) -> Result<(), Trouble> {
        let Self { dir, log, journal, .. } = self;
        let end = log.close()?;
        let offsets = PartitionOffsets::from([((TOPIC.to_owned(), PARTITION), end)]);
        dir.write_checkpoint(Checkpoint::RecoveryPoint, &offsets)?;
        dir.sync_all()?;
        journal.remove()?;
        Ok(dir.mark_clean_shutdown(0)?)
    }
}

impl LogOnDisk {
    pub(super) fn new(seed: u64) -> Result<Self, Trouble> {
        let mut random = Random::new(seed);
        let segment_bytes = u32::try_from(random.between(2 << 10, 32 << 10)).unwrap_or(u32::MAX);
        let config = LogConfig { segment_bytes, index_interval_bytes: 256, ..LogConfig::default() };
        let fs = SimFs::new();
        let (process, synced) = open(&fs, &config, &mut random)?;
        let (records, before_cuts) = (Vec::new(), Vec::new());
        let process = Some(process);
        Ok(Self { fs, random, config, process, synced, durable: synced, records, before_cuts, full: false })
    }

    fn process(&mut self) -> Result<&mut Process, Trouble> {
        self.process.as_mut().ok_or_else(|| broken("the log could not be opened"))
    }

    fn log(&self) -> Option<&Log> {
        self.process.as_ref().map(|process| &process.log)
    }

    /// From one of the next calls on that change something on the disk all fail: the process is about to die.
    fn die_soon(&mut self) {
        let mut left = self.random.below(LAST_CALLS);
        self.fs.inject(move |call, _| {
            let changes = !matches!(call, Call::Open | Call::Read);
            let dead = changes && left == 0;
            left = left.saturating_sub(u64::from(changes));
            dead.then_some(Fault::Error(io::ErrorKind::Other))
        });
    }

    /// What a killed process leaves, or what a power cut does.
    fn cut(&mut self) {
        let Self { fs, random, .. } = self;
        fs.heal();
        let mut below = |bound: usize| index(i64::try_from(random.below(offset(bound).unsigned_abs())).unwrap_or(0));
        match below(4) {
            0 => fs.kill(),
            1 => fs.power_cut(|_, unsynced| below(unsynced + 1)),
            _ => fs.tear(below),
        }
    }

    /// Opens what a process left, maybe at the second attempt: the first one may be killed too.
    fn open_anew(&mut self) -> Result<(), Trouble> {
        // There is room when the log is opened: until then it would be waited for.
        self.fs.set_capacity(usize::MAX);
        if self.random.permille(200) {
            self.die_soon();
            let mut random = self.random.clone();
            drop(open(&self.fs, &self.config, &mut random));
            self.cut();
        }
        let (process, synced) = open(&self.fs, &self.config, &mut self.random)?;
        let found = read(&process.log, 0, usize::MAX, Isolation::LogEnd)?;
        let is_known = |history: &Vec<Record>| history.starts_with(&found);
        if !is_known(&self.records) && !self.before_cuts.iter().any(is_known) {
            return Err(broken(format!("opened with {} records that were never there in this order", found.len())));
        }
        let kept = self.records.get(..index(self.durable)).unwrap_or_default();
        if !found.starts_with(kept) {
            return Err(broken(format!("{} records were synced, {} are left", kept.len(), found.len())));
        }
        (self.process, self.synced, self.records) = (Some(process), synced, found);
        self.durable = self.durable.max(synced);
        self.before_cuts.clear();
        self.set_full(self.full);
        Ok(())
    }
}

impl Contents for LogOnDisk {
    fn records(&self) -> &[Record] {
        &self.records
    }

    fn append(&mut self, records: &[Record], leads: bool) -> Result<(), Trouble> {
        for record in records {
            let log = &mut self.process()?.log;
            let end = log.log_end_offset();
            if leads {
                log.append_as_leader(batch(*record, None)?, record.epoch, NOW_MS, Origin::Client)?;
            } else {
                log.append_as_follower(batch(*record, Some(end))?, record.epoch, NOW_MS)?;
            }
            self.records.push(*record);
        }
        Ok(())
    }

    fn begin_epoch(&mut self, epoch: i32) {
        if let Some(process) = &mut self.process {
            process.log.start_leader_epoch(epoch);
        }
    }

    fn read(&self, from: i64, most: usize) -> Result<Vec<Record>, Trouble> {
        let log = self.log().ok_or_else(|| broken("the log could not be opened"))?;
        let found = read(log, from, most, Isolation::LogEnd)?;
        match self.records.get(index(from)..).is_some_and(|known| known.starts_with(&found)) {
            true => Ok(found),
            false => Err(broken(format!("at {from} there is something else than was appended"))),
        }
    }

    fn synced(&self) -> i64 {
        self.synced
    }

    fn durable(&self) -> i64 {
        self.durable
    }

    fn sync(&mut self, _end: i64) -> Result<(), Trouble> {
        let mut synced = self.synced;
        let committed = self.process()?.commit(&mut synced);
        self.synced = synced;
        self.durable = self.durable.max(synced);
        committed?;
        self.before_cuts.clear();
        match self.random.permille(SETTLED) {
            true => self.process()?.settle(),
            false => Ok(()),
        }
    }

    fn truncate_to(&mut self, end: i64) -> Result<(), Trouble> {
        let process = self.process()?;
        if process.log.recovery_point() > end {
            process.checkpoint(end)?;
            process.log.lower_recovery_point(end);
        }
        process.log.truncate_to(end, NOW_MS)?;
        let end = process.log.log_end_offset();
        self.before_cuts.push(self.records.clone());
        self.records.truncate(index(end));
        (self.synced, self.durable) = (end, end);
        Ok(())
    }

    fn set_high_watermark(&mut self, high_watermark: i64) -> Result<(), Trouble> {
        let log = &mut self.process()?.log;
        log.set_high_watermark(high_watermark);
        let from = high_watermark.saturating_sub(1).max(0);
        let consumed = offset(read(log, from, usize::MAX, Isolation::HighWatermark)?.len());
        match from + consumed == high_watermark {
            true => Ok(()),
            false => {
                Err(broken(format!("consumers read {consumed} records at {from}, {high_watermark} are committed")))
            }
        }
    }

    fn crash(&mut self, _random: &mut Random) -> Result<(), Trouble> {
        if self.random.permille(500) {
            self.die_soon();
            let process = self.process()?;
            // What is written by then may be there.
            if process.commit(&mut 0).is_ok() {
                let _dies = process.settle();
            }
        }
        self.cut();
        self.open_anew()
    }

    fn close(&mut self) -> Result<(), Trouble> {
        let process = self.process.take().ok_or_else(|| broken("the log could not be opened"))?;
        let end = process.log.log_end_offset();
        let closed = process.close();
        if closed.is_ok() {
            (self.synced, self.durable) = (end, end);
        }
        self.cut();
        self.open_anew()?;
        closed
    }

    fn set_full(&mut self, full: bool) {
        self.full = full;
        let used = self.fs.space(Path::new(DIR)).map_or(0, |space| space.total_bytes - space.usable_bytes);
        let left = self.random.below(LEFT);
        let capacity = if full { usize::try_from(used + left).unwrap_or(usize::MAX) } else { usize::MAX };
        self.fs.set_capacity(capacity);
    }
}

impl LogView for LogOnDisk {
    fn log_start_offset(&self) -> i64 {
        self.log().map_or(0, Log::log_start_offset)
    }

    fn log_end_offset(&self) -> i64 {
        self.log().map_or(0, Log::log_end_offset)
    }

    fn last_epoch(&self) -> Option<i32> {
        self.log()?.latest_epoch()
    }

    fn end_offset_for_epoch(&self, epoch: i32) -> Option<(i32, i64)> {
        self.log()?.end_offset_for_epoch(epoch).map(|end| (end.epoch, end.end_offset))
    }
}
