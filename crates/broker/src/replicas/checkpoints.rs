//! What is kept of the logs of a dir beside them, and closing all of them.

use super::{Replicas, THREADS, in_parallel};
use crate::{dir::Dir, future::Futures, partition::Partition, replica::Replica};
use ottla_storage::log_dir::{Checkpoint, Error, PartitionOffsets};
use std::sync::Arc;
use tracing::error;

/// What the checkpoints of a log dir say.
#[derive(Default)]
struct Offsets {
    recovery_points: PartitionOffsets,
    log_start_offsets: PartitionOffsets,
    high_watermarks: PartitionOffsets,
}

impl Offsets {
    /// Those of all logs as they are. A log that is not open is as the checkpoints said before.
    fn of(dir: &Dir, replicas: &[Arc<Replica>], futures: &Futures) -> Self {
        let mut offsets = Self { high_watermarks: high_watermarks(dir, replicas, futures), ..Self::default() };
        for replica in replicas.iter().filter(|replica| replica.dir().id == dir.id) {
            offsets.add(dir, replica);
        }
        futures.checkpoint(dir, Checkpoint::RecoveryPoint, &mut offsets.recovery_points);
        futures.checkpoint(dir, Checkpoint::LogStartOffset, &mut offsets.log_start_offsets);
        offsets
    }

    fn add(&mut self, dir: &Dir, replica: &Replica) {
        let before = |which| dir.log_dir.checkpointed(which, &replica.topic, replica.index);
        let (recovery_point, start) = match replica.opened() {
            Some(partition) => {
                let recovery_point = partition.with_log_in(dir, |log| log.recovery_point()).ok();
                (recovery_point, Some(partition.reader().offsets().log_start_offset))
            }
            None => (before(Checkpoint::RecoveryPoint), before(Checkpoint::LogStartOffset)),
        };
        self.recovery_points.extend(recovery_point.map(|offset| (key(replica), offset)));
        self.log_start_offsets.extend(start.filter(|start| *start > 0).map(|offset| (key(replica), offset)));
    }

    fn write(&self, dir: &Dir) -> Result<(), Error> {
        dir.log_dir.write_checkpoint(Checkpoint::RecoveryPoint, &self.recovery_points)?;
        dir.log_dir.write_checkpoint(Checkpoint::LogStartOffset, &self.log_start_offsets)?;
        dir.log_dir.write_checkpoint(Checkpoint::HighWatermark, &self.high_watermarks)
    }
}

fn key(replica: &Replica) -> (String, i32) {
    (replica.topic.to_string(), replica.index)
}

fn high_watermarks(dir: &Dir, replicas: &[Arc<Replica>], futures: &Futures) -> PartitionOffsets {
    let known = |replica: &Arc<Replica>| {
        let before = || dir.log_dir.checkpointed(Checkpoint::HighWatermark, &replica.topic, replica.index);
        let offset = replica.opened().map(|partition| partition.high_watermark()).or_else(before)?;
        Some((key(replica), offset))
    };
    let mut offsets = replicas.iter().filter(|replica| replica.dir().id == dir.id).filter_map(known).collect();
    futures.checkpoint(dir, Checkpoint::HighWatermark, &mut offsets);
    offsets
}

impl Replicas {
    /// Writes high watermarks down where they have risen. Blocks.
    pub(crate) fn write_high_watermarks(&self) -> Result<(), Error> {
        self.write_in_each(|dir, all| dir.log_dir.put_high_watermarks(&high_watermarks(dir, all, self.futures())))
    }

    /// Writes recovery points, log start offsets and high watermarks of every dir down. Blocks.
    pub(crate) fn write_checkpoints(&self) -> Result<(), Error> {
        self.write_in_each(|dir, all| Offsets::of(dir, all, self.futures()).write(dir))
    }

    /// The same of one dir, which so waits for no other.
    pub(crate) fn write_checkpoints_in(&self, dir: &Dir) -> Result<(), Error> {
        write_in(dir, || Offsets::of(dir, &self.all(), self.futures()).write(dir))
    }

    /// Writes down that a log is not flushed as far as it is, for what is above is about to be cut off. Blocks.
    pub(crate) fn lower_recovery_point(&self, partition: &Partition, offset: i64) -> Result<(), Error> {
        let dir = partition.dir();
        write_in(&dir, || {
            let mut offsets = Offsets::of(&dir, &self.all(), self.futures());
            let key = (partition.topic.to_string(), partition.index);
            let point = offsets.recovery_points.entry(key).or_insert(offset);
            *point = offset.min(*point);
            offsets.write(&dir)?;
            // For whoever writes checkpoints next. A log that is gone is not cut.
            let _gone = partition.with_log(|log| log.lower_recovery_point(offset));
            Ok(())
        })
    }

    fn write_in_each(&self, write: impl Fn(&Dir, &[Arc<Replica>]) -> Result<(), Error>) -> Result<(), Error> {
        let all = self.all();
        let mut outcome = Ok(());
        for dir in self.dirs.iter().filter(|dir| !dir.is_offline()) {
            // A disk that fails keeps no other from being written to.
            outcome = outcome.and(write_in(dir, || write(dir, &all)));
        }
        outcome
    }

    /// Closes every log and marks the dirs as cleanly stopped. Blocks.
    pub(crate) fn close(&self, broker_epoch: i64) -> anyhow::Result<()> {
        self.stop_making();
        self.stop_restoring();
        self.futures().close();
        // What is appended later is durable when its log is closed.
        self.dirs.iter().filter_map(|dir| dir.commits()).for_each(|commits| commits.stop());
        let all = self.all();
        for dir in self.dirs.iter().filter(|dir| !dir.is_offline()) {
            let _one_at_a_time = dir.checkpoints.lock();
            close_dir(dir, &all, self.futures(), broker_epoch)?;
        }
        Ok(())
    }
}

fn write_in(dir: &Dir, write: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
    let _one_at_a_time = dir.checkpoints.lock();
    let written = write();
    match &written {
        // The old ones stand; a start after a crash has more to do.
        Err(error) if error.is_full() => dir.room.found_full(&dir.log_dir),
        Err(error) => dir.fail(error),
        Ok(()) => {}
    }
    written
}

fn close_dir(dir: &Dir, all: &[Arc<Replica>], futures: &Futures, broker_epoch: i64) -> anyhow::Result<()> {
    // Also of logs that do not close: deleted records must not come back, and nothing is flushed that was not.
    let mut offsets = Offsets::of(dir, all, futures);
    let opened = all.iter().filter(|replica| replica.dir().id == dir.id && replica.opened().is_some());
    let closed = in_parallel(opened.cloned().collect(), THREADS, |replica: &Arc<Replica>| {
        let partition = replica.opened();
        let high_watermark = partition.map_or(0, |partition| partition.high_watermark());
        let end = partition.map_or_else(|| Err("it is not open".to_owned()), |partition| partition.close());
        (replica.clone(), end.map(|end| (end, high_watermark)))
    });
    dir.log_dir.sync_all()?;
    let mut failed = false;
    for (replica, end) in closed {
        match end {
            Ok((end, high_watermark)) => {
                let key = (replica.topic.to_string(), replica.index);
                // The only replica's end is committed once it is durable.
                let committed = if replica.is_alone() { end } else { high_watermark };
                offsets.recovery_points.insert(key.clone(), end);
                offsets.high_watermarks.insert(key, committed);
            }
            Err(reason) => {
                failed = true;
                error!(partition = %replica, "cannot close the log: {reason}");
            }
        }
    }
    offsets.write(dir)?;
    if !failed && dir.is_recovered() {
        if let Some(commits) = dir.commits() {
            commits.remove_journal()?;
        }
        dir.log_dir.mark_clean_shutdown(broker_epoch)?;
    }
    Ok(())
}
