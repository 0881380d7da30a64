//! The threads that copy: one for each log dir that something moves to, while there is something.

use super::{Futures, Move};
use crate::{clock::wall_ms, dir::Dir, replicas::Replicas};
use ottla_config::keys;
use ottla_storage::{AppendError, Copied, CopyError, Log};
use parking_lot::MutexGuard;
use std::{
    ops::Bound,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};
use tracing::{error, warn};

/// Bytes that are copied at a time, as many as Kafka fetches.
const CHUNK_BYTES: usize = 1 << 20;
/// The copy is synced after so many, so that a restart has less to do again.
const SYNC_BYTES: i64 = 64 << 20;
/// How long a move waits for what may come: room on the disk, or a record.
const RETRY: Duration = Duration::from_secs(1);

/// What is to be done after a step of a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// There is more, or not yet enough room.
    Go(Instant),
    /// It is over, one way or the other.
    Done,
}

impl Replicas {
    /// Has a move go on, in a thread of its log dir.
    pub(super) fn work_on(self: &Arc<Self>, dir: &Arc<Dir>) {
        let mut state = self.futures().state.lock();
        if state.stopped || !state.working.insert(dir.id) {
            return;
        }
        let (replicas, dir) = (self.clone(), dir.clone());
        let id = dir.id;
        let thread = std::thread::Builder::new().name("mover".to_owned()).spawn(move || replicas.copy_to(&dir));
        match thread {
            Ok(thread) => {
                let mut threads = self.futures().threads.lock();
                threads.retain(|thread| !thread.is_finished());
                threads.push(thread);
            }
            Err(error) => {
                error!(%error, "cannot start a thread to move logs");
                state.working.remove(&id);
            }
        }
    }

    fn copy_to(&self, dir: &Arc<Dir>) {
        let mut last = None;
        while let Some(found) = self.futures().next_to(dir, last.take()) {
            match self.step(&found) {
                Next::Go(at) => self.futures().sleep_until(at),
                Next::Done => self.futures().forget(&found),
            }
            last = Some(found);
        }
    }

    /// Copies the next bytes; with none left, puts the copy in the log's place.
    pub(super) fn step(&self, found: &Arc<Move>) -> Next {
        let mut copy = found.copy.lock();
        let Some(log) = copy.as_mut() else { return Next::Done };
        if found.dir.is_offline() || found.partition.dir().is_offline() {
            warn!(partition = %found.partition, "a log is not moved on: a log dir is offline");
            return abandon(found, copy);
        }
        let rate = self.config().get(keys::REPLICA_ALTER_LOG_DIRS_IO_MAX_BYTES_PER_SECOND);
        let wait = self.futures().pace.wait(rate, Instant::now());
        if !wait.is_zero() {
            return Next::Go(Instant::now() + wait);
        }
        let copied = log.copy_from(&found.partition.reader(), CHUNK_BYTES, wall_ms());
        let copied = copied.and_then(|copied| {
            self.futures().pace.copied(copied.bytes);
            if log.log_end_offset() > log.recovery_point() && unsynced(found, copied) >= SYNC_BYTES {
                log.flush().map_err(AppendError::Segment)?;
                found.synced(log);
            }
            Ok(copied)
        });
        match copied {
            Ok(Copied { lag: ..=0, .. }) => self.take_place(found, copy),
            Ok(_) => Next::Go(Instant::now()),
            Err(error) => failed(found, copy, &error),
        }
    }
}

/// Bytes of the copy since it was last synced.
fn unsynced(found: &Move, copied: Copied) -> i64 {
    let bytes = i64::try_from(copied.bytes).unwrap_or(i64::MAX);
    found.unsynced_bytes.fetch_add(bytes, Ordering::AcqRel).saturating_add(bytes)
}

impl Move {
    /// Notes that the copy was synced.
    pub(super) fn synced(&self, log: &Log) {
        self.recovery_point.store(log.recovery_point(), Ordering::Release);
        self.unsynced_bytes.store(0, Ordering::Release);
    }
}

/// Leaves the copy as it is, for the next start.
pub(super) fn abandon(found: &Move, mut copy: MutexGuard<'_, Option<Log>>) -> Next {
    *copy = None;
    found.partition.moving.set(false);
    found.dir.remove_log();
    Next::Done
}

pub(super) fn failed(found: &Move, copy: MutexGuard<'_, Option<Log>>, failure: &CopyError) -> Next {
    match failure {
        CopyError::Missing(_) => {}
        CopyError::Append(AppendError::DiskFull(_)) => {
            warn!(partition = %found.partition, %failure, "waiting to move a log")
        }
        failure if failure.is_of_source() => {
            error!(partition = %found.partition, %failure, "a log is not moved on until the broker is restarted");
            found.stuck();
        }
        failure => {
            found.dir.fail(failure);
            return abandon(found, copy);
        }
    }
    Next::Go(Instant::now() + RETRY)
}

impl Futures {
    /// The move to a log dir that comes after the last one; with none left, the thread must end.
    fn next_to(&self, dir: &Dir, last: Option<Arc<Move>>) -> Option<Arc<Move>> {
        let mut state = self.state.lock();
        let ours = |found: &&Arc<Move>| found.dir.id == dir.id && !found.is_stuck.load(Ordering::Acquire);
        let after = last.map(|last| last.key());
        let after = after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let next = state.moves.range((after, Bound::Unbounded)).map(|(_, found)| found).find(ours);
        let next = next.or_else(|| state.moves.values().find(ours)).cloned().filter(|_| !state.stopped);
        if next.is_none() {
            state.working.remove(&dir.id);
        }
        next
    }

    fn sleep_until(&self, at: Instant) {
        let mut state = self.state.lock();
        while !state.stopped && !self.stopping.wait_until(&mut state, at).timed_out() {}
    }
}
