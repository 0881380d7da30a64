//! A partition's log on a disk that forgets what was not synced.

use crate::random::Random;
use ottla_replication::follower::{LogView, Mend};

/// A record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) epoch: i32,
    pub(crate) value: u64,
}

/// The log of one replica.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    records: Vec<Record>,
    synced: usize,
    /// In memory; a checkpoint of it may be older.
    pub(crate) high_watermark: i64,
    /// An epoch that was begun at the end, with no record yet.
    begun: Option<i32>,
    /// Told to syncs, so that one that began before a cut does not count after it.
    pub(crate) generation: u64,
}

fn offset(index: usize) -> i64 {
    i64::try_from(index).unwrap_or(i64::MAX)
}

fn index(offset: i64) -> usize {
    usize::try_from(offset).unwrap_or(0)
}

impl Disk {
    pub(crate) fn append(&mut self, records: &[Record]) {
        self.records.extend_from_slice(records);
        self.begun = None;
    }

    pub(crate) fn begin_epoch(&mut self, epoch: i32) {
        self.begun = (self.last_epoch() < Some(epoch)).then_some(epoch).or(self.begun);
    }

    pub(crate) fn get(&self, offset: i64) -> Option<Record> {
        self.records.get(usize::try_from(offset).ok()?).copied()
    }

    pub(crate) fn read(&self, from: i64, most: usize) -> Vec<Record> {
        self.records.iter().skip(index(from)).take(most).copied().collect()
    }

    /// All up to an offset is synced, unless something was cut off since.
    pub(crate) fn sync(&mut self, end: i64, generation: u64) -> bool {
        let counts = generation == self.generation;
        if counts {
            self.synced = self.synced.max(index(end)).min(self.records.len());
        }
        counts
    }

    pub(crate) fn is_synced(&self) -> bool {
        self.synced == self.records.len()
    }

    pub(crate) fn synced(&self) -> i64 {
        offset(self.synced)
    }

    /// The process is killed or the power cut: any part of the end that was not synced is gone.
    pub(crate) fn crash(&mut self, random: &mut Random) {
        let unsynced = self.records.len() - self.synced;
        let kept = self.synced + index(i64::try_from(random.below(offset(unsynced).unsigned_abs() + 1)).unwrap_or(0));
        self.records.truncate(kept);
        self.synced = kept;
        self.begun = None;
        self.generation += 1;
        let end = self.high_watermark.min(offset(kept));
        self.high_watermark = i64::try_from(random.below(end.unsigned_abs() + 1)).unwrap_or(0);
    }

    pub(crate) fn mend(&mut self, mend: Mend) {
        let end = match mend {
            Mend::TruncateTo(end) => end,
            // Nothing is deleted from the start of these logs.
            Mend::StartAt(_) | Mend::Nothing => return,
        };
        self.begun = None;
        self.generation += 1;
        self.records.truncate(index(end));
        self.synced = self.synced.min(self.records.len());
        self.high_watermark = self.high_watermark.min(self.log_end_offset());
    }
}

impl LogView for Disk {
    fn log_start_offset(&self) -> i64 {
        0
    }

    fn log_end_offset(&self) -> i64 {
        offset(self.records.len())
    }

    fn last_epoch(&self) -> Option<i32> {
        self.begun.or_else(|| self.records.last().map(|record| record.epoch))
    }

    fn end_offset_for_epoch(&self, epoch: i32) -> Option<(i32, i64)> {
        let last = self.last_epoch()?;
        if last <= epoch {
            return (last == epoch).then(|| (epoch, self.log_end_offset()));
        }
        let end = self.records.partition_point(|record| record.epoch <= epoch);
        let floor = end.checked_sub(1).and_then(|before| self.records.get(before));
        Some((floor.map_or(epoch, |record| record.epoch), offset(end)))
    }
}
