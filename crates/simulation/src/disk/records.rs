//! A log that is nothing but its records: as storage promises a log to be, at a small part of the cost.

use super::{Contents, Record, Trouble, index, offset};
use crate::random::Random;
use ottla_replication::follower::LogView;

#[derive(Debug, Default)]
pub(super) struct RecordsOnDisk {
    records: Vec<Record>,
    synced: usize,
    /// An epoch that was begun at the end, with no record yet.
    begun: Option<i32>,
}

impl Contents for RecordsOnDisk {
    fn records(&self) -> &[Record] {
        &self.records
    }

    fn append(&mut self, records: &[Record], _leads: bool) -> Result<(), Trouble> {
        self.records.extend_from_slice(records);
        self.begun = None;
        Ok(())
    }

    fn begin_epoch(&mut self, epoch: i32) {
        self.begun = (self.last_epoch() < Some(epoch)).then_some(epoch).or(self.begun);
    }

    fn read(&self, from: i64, most: usize) -> Result<Vec<Record>, Trouble> {
        Ok(self.records.iter().skip(index(from)).take(most).copied().collect())
    }

    fn synced(&self) -> i64 {
        offset(self.synced)
    }

    fn durable(&self) -> i64 {
        self.synced()
    }

    fn sync(&mut self, end: i64) -> Result<(), Trouble> {
        self.synced = self.synced.max(index(end)).min(self.records.len());
        Ok(())
    }

    fn truncate_to(&mut self, end: i64) -> Result<(), Trouble> {
        self.begun = None;
        self.records.truncate(index(end));
        self.synced = self.synced.min(self.records.len());
        Ok(())
    }

    fn set_high_watermark(&mut self, _high_watermark: i64) -> Result<(), Trouble> {
        Ok(())
    }

    /// Any part of the end that was not synced is gone: recovery cuts a log at the first thing that it lacks.
    fn crash(&mut self, random: &mut Random) -> Result<(), Trouble> {
        let unsynced = self.records.len() - self.synced;
        let kept = self.synced + index(i64::try_from(random.below(offset(unsynced).unsigned_abs() + 1)).unwrap_or(0));
        self.records.truncate(kept);
        self.synced = kept;
        self.begun = None;
        Ok(())
    }

    fn close(&mut self) -> Result<(), Trouble> {
        self.synced = self.records.len();
        Ok(())
    }

    /// Producers are refused, and all else has room.
    fn set_full(&mut self, _full: bool) {}
}

impl LogView for RecordsOnDisk {
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
