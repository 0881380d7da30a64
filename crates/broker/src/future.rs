//! Moves of logs between the log dirs of this broker: a copy catches up beside the log and takes its place (KIP-113).
//!
//! The copy's folder ends in `-future`. While it catches up the log is served and appended to as ever. In the end the log is
//! held for a moment: the copy gets the rest, is synced, and the folders are renamed. Only then is the controller told of the
//! new log dir. (Apache Kafka tells it before, and after a crash in between takes a copy for the log that may lack the last
//! records.) A copy that a stop or crash interrupts goes on at the next start.

mod alter;
mod pace;
mod resume;
mod swap;
#[cfg(test)]
mod tests;
mod worker;

pub(crate) use self::alter::Error as AlterError;

use self::pace::Pace;
use crate::{dir::Dir, entropy, partition::Partition};
use ottla_protocol::{Str, Uuid};
use ottla_storage::{
    Log, LogReader,
    log_dir::{Checkpoint, PartitionOffsets, names},
};
use parking_lot::{Condvar, Mutex};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering},
    },
    thread::JoinHandle,
};
use tracing::{info, warn};

/// How often a copy may come too late to take the place of a log that grows.
const PATIENCE: u32 = 8;

/// A topic's name and a partition's number.
pub(crate) type Key = (Str, i32);

/// Says of a partition that its log is being copied, so that compaction leaves it alone.
#[derive(Debug, Default)]
pub(crate) struct Moving(AtomicBool);

impl Moving {
    pub(crate) fn is_under_way(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    fn set(&self, under_way: bool) {
        self.0.store(under_way, Ordering::Release);
    }
}

/// One log on its way to another log dir.
pub(crate) struct Move {
    pub(crate) partition: Arc<Partition>,
    /// Where it goes.
    pub(crate) dir: Arc<Dir>,
    /// The copy; none once it took the log's place, or was taken away. Locked before the partition's own log.
    copy: Mutex<Option<Log>>,
    reader: LogReader,
    /// Of the copy.
    recovery_point: AtomicI64,
    unsynced_bytes: AtomicI64,
    /// How often the log was held and had changed too much.
    attempts: AtomicU32,
    /// The copy cannot go on: it stays as it is until it is taken away, or the broker is restarted.
    is_stuck: AtomicBool,
}

impl Move {
    fn new(partition: Arc<Partition>, dir: Arc<Dir>, copy: Log) -> Arc<Self> {
        let (reader, recovery_point) = (copy.reader(), AtomicI64::new(copy.recovery_point()));
        dir.add_log();
        partition.moving.set(true);
        Arc::new(Self {
            partition,
            dir,
            copy: Mutex::new(Some(copy)),
            reader,
            recovery_point,
            unsynced_bytes: AtomicI64::default(),
            attempts: AtomicU32::default(),
            is_stuck: AtomicBool::default(),
        })
    }

    fn key(&self) -> Key {
        (self.partition.topic.clone(), self.partition.index)
    }

    /// Bytes of the copy.
    pub(crate) fn size(&self) -> u64 {
        self.reader.size()
    }

    /// Offsets that the copy lacks.
    pub(crate) fn lag(&self) -> i64 {
        self.partition.log_end_offset() - self.reader.offsets().log_end_offset
    }

    /// Whether the log must be held for as long as the rest takes, for it will not stand still otherwise.
    fn is_impatient(&self) -> bool {
        self.attempts.load(Ordering::Acquire) >= PATIENCE
    }

    fn try_again(&self) {
        self.attempts.fetch_add(1, Ordering::AcqRel);
    }

    fn stuck(&self) {
        self.is_stuck.store(true, Ordering::Release);
    }

    /// Ends the move without a copy. Blocks while a step of it is under way.
    fn take_away(&self) {
        let Some(mut copy) = self.copy.lock().take() else { return };
        self.partition.moving.set(false);
        self.dir.remove_log();
        let name = names::to_delete(&self.partition.topic, self.partition.index, *entropy::uuid().as_bytes());
        match copy.rename_dir(&name) {
            Ok(()) => self.partition.remove_later(copy.into_removal()),
            Err(error) => self.dir.fail(&error),
        }
        info!(partition = %self.partition, dir = ?self.dir, "the move of a log was given up");
    }
}

#[derive(Default)]
struct State {
    moves: BTreeMap<Key, Arc<Move>>,
    /// Log dirs to which a thread is copying.
    working: BTreeSet<Uuid>,
    /// Where partitions are to be made that are not there yet.
    preferred: BTreeMap<Key, Uuid>,
    stopped: bool,
}

/// All moves of this broker.
#[derive(Default)]
pub(crate) struct Futures {
    state: Mutex<State>,
    /// Told when the broker stops.
    stopping: Condvar,
    pace: Pace,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Held while requests and changes of the metadata begin and end moves.
    altering: Mutex<()>,
}

impl Futures {
    /// The moves to a log dir.
    pub(crate) fn to_dir(&self, id: Uuid) -> Vec<Arc<Move>> {
        self.state.lock().moves.values().filter(|found| found.dir.id == id).cloned().collect()
    }

    fn of(&self, key: &Key) -> Option<Arc<Move>> {
        self.state.lock().moves.get(key).cloned()
    }

    /// Ends the move of a partition, if there is one. Blocks while a step of it is under way.
    pub(crate) fn cancel(&self, topic: &Str, index: i32) {
        let key = (topic.clone(), index);
        let found = self.state.lock().moves.remove(&key);
        found.inspect(|found| found.take_away());
    }

    /// Where a partition is to be made, if somebody asked for it before it was there.
    pub(crate) fn take_preferred(&self, topic: &Str, index: i32) -> Option<Uuid> {
        self.state.lock().preferred.remove(&(topic.clone(), index))
    }

    fn forget(&self, done: &Arc<Move>) {
        let mut state = self.state.lock();
        if state.moves.get(&done.key()).is_some_and(|found| Arc::ptr_eq(found, done)) {
            state.moves.remove(&done.key());
        }
    }

    /// Adds what a checkpoint of a log dir says of the copies there.
    pub(crate) fn checkpoint(&self, dir: &Dir, which: Checkpoint, offsets: &mut PartitionOffsets) {
        for found in self.to_dir(dir.id) {
            let of_copy = found.reader.offsets();
            let offset = match which {
                Checkpoint::RecoveryPoint => found.recovery_point.load(Ordering::Acquire),
                Checkpoint::LogStartOffset if of_copy.log_start_offset == 0 => continue,
                Checkpoint::LogStartOffset => of_copy.log_start_offset,
                Checkpoint::HighWatermark => of_copy.high_watermark,
                Checkpoint::Cleaner => continue,
            };
            offsets.entry((found.partition.topic.to_string(), found.partition.index)).or_insert(offset);
        }
    }

    /// Ends the threads and closes the copies, which go on at the next start. Blocks.
    pub(crate) fn close(&self) {
        self.state.lock().stopped = true;
        self.stopping.notify_all();
        let threads = std::mem::take(&mut *self.threads.lock());
        threads.into_iter().for_each(|thread| _ = thread.join());
        let moves: Vec<_> = self.state.lock().moves.values().cloned().collect();
        for found in moves {
            let Some(copy) = found.copy.lock().take() else { continue };
            match copy.close() {
                Ok(end) => found.recovery_point.store(end, Ordering::Release),
                Err(error) => warn!(partition = %found.partition, %error, "cannot close the copy of a log"),
            }
        }
    }
}
