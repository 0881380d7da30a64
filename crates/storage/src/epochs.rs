//! The leader epochs of a log: where each starts (KIP-101), kept in `leader-epoch-checkpoint`.

use std::collections::BTreeMap;
use std::path::Path;

use crate::checkpoint::{self, Error};
use crate::fs::Fs;

/// Name of the file in the folder of a log.
pub(crate) const FILE: &str = "leader-epoch-checkpoint";

/// The first offset of each leader epoch, both ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LeaderEpochs {
    starts: BTreeMap<i32, i64>,
}

/// Where an epoch ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEndOffset {
    /// The epoch asked for, or the largest known one below it.
    pub epoch: i32,
    /// The first offset of the next epoch, or the log's end for the latest.
    pub end_offset: i64,
}

impl LeaderEpochs {
    /// Reads the file in a log's folder.
    pub(crate) fn load(fs: &dyn Fs, dir: &Path) -> Result<Self, Error> {
        let mut epochs = Self::default();
        for (epoch, start_offset) in checkpoint::read(fs, &dir.join(FILE), parse_line)? {
            epochs.assign(epoch, start_offset);
        }
        Ok(epochs)
    }

    /// Writes the file in a log's folder, durably: an epoch that was taken out must not come back beside other records.
    pub(crate) fn store(&self, fs: &dyn Fs, dir: &Path) -> Result<(), Error> {
        checkpoint::write(fs, &dir.join(FILE), self.lines())
    }

    /// Writes the file in a log's folder. It is durable when the log is flushed; epochs that are lost with it until then are
    /// in the batches.
    pub(crate) fn put(&self, fs: &dyn Fs, dir: &Path) -> Result<(), Error> {
        checkpoint::put(fs, &dir.join(FILE), self.lines())
    }

    fn lines(&self) -> impl Iterator<Item = String> {
        self.starts().map(|(epoch, start)| format!("{epoch} {start}"))
    }

    /// Each epoch with the offset where it starts.
    pub(crate) fn starts(&self) -> impl Iterator<Item = (i32, i64)> {
        self.starts.iter().map(|(epoch, start)| (*epoch, *start))
    }

    /// Notes that `epoch` starts at `start_offset`; true if that was new. Entries in its way are wrong and go.
    pub(crate) fn assign(&mut self, epoch: i32, start_offset: i64) -> bool {
        if epoch < 0 || start_offset < 0 || !self.is_news(epoch, start_offset) {
            return false;
        }
        while let Some(last) = self.starts.last_entry() {
            if *last.key() < epoch && *last.get() < start_offset {
                break;
            }
            last.remove();
        }
        self.starts.insert(epoch, start_offset);
        true
    }

    /// Notes the epoch of a batch that is read again. Mostly it is known; but what is known was cut at the log start offset, and a
    /// crash may have taken that back.
    pub(crate) fn take_in(&mut self, epoch: i32, offset: i64) {
        let is_news = self.starts.get(&epoch).is_none_or(|start| offset < *start);
        let in_order =
            self.starts.iter().all(|(known, start)| *known == epoch || known.cmp(&epoch) == start.cmp(&offset));
        if epoch >= 0 && is_news && in_order {
            self.starts.insert(epoch, offset);
        } else if self.latest().is_none_or(|(latest, _)| epoch > latest) {
            self.assign(epoch, offset);
        }
    }

    /// Whether [`LeaderEpochs::assign`] would change anything.
    pub(crate) fn is_news(&self, epoch: i32, start_offset: i64) -> bool {
        self.latest().is_none_or(|(latest, start)| epoch != latest || start_offset < start)
    }

    /// The latest epoch and where it starts.
    pub(crate) fn latest(&self) -> Option<(i32, i64)> {
        self.starts.last_key_value().map(|(epoch, start)| (*epoch, *start))
    }

    /// The earliest epoch and where it starts.
    pub(crate) fn earliest(&self) -> Option<(i32, i64)> {
        self.starts.first_key_value().map(|(epoch, start)| (*epoch, *start))
    }

    /// The epoch of the record at `offset`.
    pub(crate) fn epoch_for(&self, offset: i64) -> Option<i32> {
        self.starts.iter().rev().find(|(_, start)| **start <= offset).map(|(epoch, _)| *epoch)
    }

    /// Where `epoch` ends, as OffsetForLeaderEpoch answers it.
    pub(crate) fn end_offset_for(&self, epoch: i32, log_end_offset: i64) -> Option<EpochEndOffset> {
        if epoch < 0 {
            return None;
        }
        if self.latest().is_some_and(|(latest, _)| latest == epoch) {
            return Some(EpochEndOffset { epoch, end_offset: log_end_offset });
        }
        let (_, next_start) = self.starts.range(epoch.checked_add(1)?..).next()?;
        // Below the first known epoch the data is gone: a follower starts where the log does.
        let floor = self.starts.range(..=epoch).next_back().map_or(epoch, |(floor, _)| *floor);
        Some(EpochEndOffset { epoch: floor, end_offset: *next_start })
    }

    /// Drops the epochs that start at `end_offset` or above; true if there were any.
    pub(crate) fn truncate_from_end(&mut self, end_offset: i64) -> bool {
        let before = self.starts.len();
        self.starts.retain(|_, start| *start < end_offset);
        self.starts.len() != before
    }

    /// Drops the epochs that end before `start_offset`; true if that changed anything.
    pub(crate) fn truncate_from_start(&mut self, start_offset: i64) -> bool {
        let Some(epoch) = self.epoch_for(start_offset) else { return false };
        let changed = self.starts.first_key_value() != Some((&epoch, &start_offset));
        self.starts = self.starts.split_off(&epoch);
        self.starts.insert(epoch, start_offset);
        changed
    }
}

fn parse_line(line: &str) -> Option<(i32, i64)> {
    let (epoch, start) = line.split_once(char::is_whitespace)?;
    let (epoch, start) = (epoch.parse().ok()?, start.trim().parse().ok()?);
    (epoch >= 0 && start >= 0).then_some((epoch, start))
}
