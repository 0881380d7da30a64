//! Where a partition's log is, which changes when it moves to another log dir.

use super::{Gone, Partition};
use crate::{commit::Settling, dir::Dir};
use ottla_storage::{Log, LogReader, journal::PartitionKey};
use std::sync::Arc;

/// Where a partition's log is; another place when it has moved to another log dir.
pub(crate) struct Place {
    pub(crate) dir: Arc<Dir>,
    pub(crate) settling: Settling,
    reader: LogReader,
}

impl Place {
    pub(super) fn new(dir: Arc<Dir>, log: &Log) -> Self {
        Self { dir, settling: Settling::default(), reader: log.reader() }
    }
}

/// Why a log was not replaced.
#[derive(Debug)]
pub(crate) enum NotReplaced<E> {
    Gone,
    Failed(E),
}

impl Partition {
    pub(crate) fn high_watermark(&self) -> i64 {
        self.place.load().reader.offsets().high_watermark
    }

    pub(crate) fn log_end_offset(&self) -> i64 {
        self.place.load().reader.offsets().log_end_offset
    }

    /// Reads the log where it is now; one that moves away meanwhile stays readable.
    pub(crate) fn reader(&self) -> LogReader {
        self.place.load().reader.clone()
    }

    /// Where the log is now.
    pub(crate) fn place(&self) -> Arc<Place> {
        self.place.load_full()
    }

    /// The log dir where the log is now.
    pub(crate) fn dir(&self) -> Arc<Dir> {
        self.place.load().dir.clone()
    }

    /// Runs `work` on the log as its owner, unless the log is no longer in this log dir.
    pub(crate) fn with_log_in<R>(&self, dir: &Dir, work: impl FnOnce(&mut Log) -> R) -> Result<R, Gone> {
        self.with_log(|log| if self.dir().id == dir.id { Ok(work(log)) } else { Err(Gone) })?
    }

    /// Puts a copy of the log that is in another log dir in its place, and answers the old one; nothing changes if `decide`
    /// fails. Until it answers nothing is appended. Blocks.
    pub(crate) fn replace_log<E>(
        self: &Arc<Self>,
        copy: &mut Option<Log>,
        dir: &Arc<Dir>,
        decide: impl FnOnce(&mut Log, &mut Log) -> Result<(), E>,
    ) -> Result<Log, NotReplaced<E>> {
        let replaced = self.replace_locked(copy, dir, decide);
        self.advance();
        // The copy is durable.
        self.tell(self.high_watermark());
        replaced
    }

    fn replace_locked<E>(
        self: &Arc<Self>,
        copy: &mut Option<Log>,
        dir: &Arc<Dir>,
        decide: impl FnOnce(&mut Log, &mut Log) -> Result<(), E>,
    ) -> Result<Log, NotReplaced<E>> {
        let mut log = self.log.lock();
        let Some(log) = log.as_mut() else { return Err(NotReplaced::Gone) };
        let Some(mut new) = copy.take() else { return Err(NotReplaced::Gone) };
        if let Err(error) = decide(log, &mut new) {
            *copy = Some(new);
            return Err(NotReplaced::Failed(error));
        }
        if let Some(commits) = dir.commits() {
            let key = PartitionKey { topic_id: self.topic_id, partition: self.index };
            new.set_journal(commits.sink(&Arc::downgrade(self), key));
        }
        let place = Place::new(dir.clone(), &new);
        self.dir().remove_log();
        self.place.store(Arc::new(place));
        Ok(std::mem::replace(log, new))
    }
}
