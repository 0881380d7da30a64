//! The end of a move: the copy takes the place of the log.

use super::{
    Move,
    worker::{Next, abandon, failed},
};
use crate::{clock::wall_ms, entropy, partition::NotReplaced, replicas::Replicas};
use ottla_storage::{AppendError, CopyError, DeleteError, Log, OpenError, SegmentError, log_dir::names};
use parking_lot::MutexGuard;
use std::{sync::Arc, time::Instant};
use tracing::{error, info};

/// Bytes that are copied at a time while the log is held.
const CHUNK_BYTES: usize = 1 << 20;
/// The log may be this much further on when it is held: more would hold up its producers.
const MOST_LAG: i64 = 1000;

/// Why the copy did not take the log's place.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// The log has grown or was trimmed meanwhile.
    #[error("the log changed")]
    Behind,
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// The log dir of the copy failed.
    #[error(transparent)]
    Destination(DeleteError),
    /// The log dir of the log failed.
    #[error(transparent)]
    Source(DeleteError),
}

impl Error {
    fn of_copy(error: SegmentError) -> Self {
        Self::Copy(CopyError::Cut(OpenError::Segment(error)))
    }
}

impl Replicas {
    /// Puts a copy that has everything in the log's place.
    pub(super) fn take_place(&self, found: &Arc<Move>, mut slot: MutexGuard<'_, Option<Log>>) -> Next {
        let Some(copy) = slot.as_mut() else { return Next::Done };
        if let Err(error) = prepare(found, copy) {
            return not_replaced(found, slot, &error);
        }
        found.synced(copy);
        // Where the copy begins must be known of the log dir before it is the log: deleted records must not come back.
        if let Err(error) = self.write_checkpoints() {
            error!(%error, "cannot write checkpoints");
            found.stuck();
            return Next::Go(Instant::now());
        }
        let future_name = copy.dir();
        let replaced = found.partition.replace_log(&mut slot, &found.dir, |log, copy| {
            catch_up(found, log, copy)?;
            swap(found, log, copy, &future_name)
        });
        match replaced {
            Ok(old) => self.replaced(found, old),
            Err(NotReplaced::Failed(error)) => not_replaced(found, slot, &error),
            Err(NotReplaced::Gone) => {
                drop(slot);
                // The topic was deleted, or the broker stops: then the copy goes on at the next start.
                if !self.futures().state.lock().stopped {
                    found.take_away();
                }
                Next::Done
            }
        }
    }

    fn replaced(&self, found: &Arc<Move>, old: Log) -> Next {
        let partition = &found.partition;
        info!(%partition, from = %old.dir().display(), to = ?found.dir, "moved a log");
        partition.moving.set(false);
        partition.committed(partition.log_end_offset());
        partition.remove_later(old.into_removal());
        self.futures().forget(found);
        self.assignments().add(self.replica(&partition.topic, partition.index));
        if let Err(error) = self.write_checkpoints() {
            error!(%error, "cannot write checkpoints");
        }
        Next::Done
    }
}

/// Syncs what there is while the log is not held, so that little is left to sync.
fn prepare(found: &Move, copy: &mut Log) -> Result<(), Error> {
    let start = found.partition.reader().offsets().log_start_offset;
    copy.set_high_watermark(copy.log_end_offset());
    copy.advance_log_start_offset(start.min(copy.log_end_offset())).map_err(Error::Destination)?;
    copy.flush().map_err(Error::of_copy)
}

/// Copies the rest, and all that makes the copy this broker's log, durably. The log is held.
fn catch_up(found: &Move, log: &mut Log, copy: &mut Log) -> Result<(), Error> {
    let too_far = log.log_end_offset() - copy.log_end_offset() > MOST_LAG && !found.is_impatient();
    if too_far || log.log_start_offset() != copy.log_start_offset() {
        return Err(Error::Behind);
    }
    while copy.copy_from(&log.reader(), CHUNK_BYTES, wall_ms())?.lag > 0 {}
    copy.set_config(log.config().clone());
    // A follower's log has only epochs that its leader told.
    if found.partition.is_leader() {
        copy.start_leader_epoch(found.partition.leader_epoch());
    }
    copy.set_high_watermark(log.high_watermark());
    copy.flush().map_err(Error::of_copy)
}

/// Renames the folders. The log's own is renamed last: while it has its name it is the log.
fn swap(found: &Move, log: &mut Log, copy: &mut Log, future_name: &std::path::Path) -> Result<(), Error> {
    let partition = &found.partition;
    let name = names::partition(&partition.topic, partition.index);
    copy.rename_dir(&name).map_err(Error::Destination)?;
    let gone = names::to_delete(&partition.topic, partition.index, *entropy::uuid().as_bytes());
    let Err(error) = log.rename_dir(&gone) else { return Ok(()) };
    let future_name = future_name.file_name().unwrap_or_default().to_string_lossy();
    match copy.rename_dir(&future_name) {
        Ok(()) => Err(Error::Source(error)),
        Err(second) => {
            found.dir.fail(&second);
            Err(Error::Source(error))
        }
    }
}

fn not_replaced(found: &Move, slot: MutexGuard<'_, Option<Log>>, failure: &Error) -> Next {
    match failure {
        Error::Behind => {
            found.try_again();
            Next::Go(Instant::now())
        }
        Error::Copy(CopyError::Append(AppendError::DiskFull(_)) | CopyError::Missing(_)) => {
            let Error::Copy(failure) = failure else { return Next::Done };
            failed(found, slot, failure)
        }
        Error::Copy(failure) => failed(found, slot, failure),
        Error::Destination(failure) => {
            found.dir.fail(failure);
            abandon(found, slot)
        }
        Error::Source(failure) => {
            found.partition.dir().fail(failure);
            abandon(found, slot)
        }
    }
}
