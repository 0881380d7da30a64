//! What of a batch stays: Kafka's rules of retention, one batch and one record at a time.

use std::collections::BTreeMap;

use ottla_protocol::batch::{CheckedBatch, Error, Header, Record};

use super::offset_map::OffsetMap;
use super::stats::Stats;
use super::transactions::{Ended, Transactions};
use super::{LIMITS, rewrite};
use crate::segment::AbortedTxn;

/// What a producer wrote last, which compaction may not lose: the sequence or at least the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LastRecord {
    /// Last offset of its last batch of data, if that is known.
    pub(crate) data_offset: Option<i64>,
    pub(crate) producer_epoch: i16,
}

/// What does not change while a log is cleaned.
#[derive(Debug)]
pub(super) struct Filter {
    pub(super) map: OffsetMap,
    /// By producer id, of the producers that the log knows.
    pub(super) last_records: BTreeMap<i64, LastRecord>,
    pub(super) now_ms: i64,
    pub(super) delete_retention_ms: i64,
    /// Where the part of the log ends that is cleaned.
    pub(super) end_offset: i64,
}

/// What becomes of a batch.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// None if the batch is dropped.
    pub(super) batch: Option<CheckedBatch>,
    /// An aborted transaction that still has something in the log.
    pub(super) aborted: Option<AbortedTxn>,
}

impl Filter {
    /// Takes in the next batch of the log.
    pub(super) fn batch(
        &self,
        batch: CheckedBatch,
        transactions: &mut Transactions,
        stats: &mut Stats,
    ) -> Result<Kept, Error> {
        let header = *batch.header();
        let is_control = header.attributes.is_control();
        let ended = match is_control {
            true => transactions.control(&batch)?,
            false => Ended::Something(None),
        };
        let nothing_marked = is_control && ended == Ended::Nothing;
        let discarded = match is_control {
            true => nothing_marked && header.delete_horizon_ms().is_some_and(|horizon| horizon <= self.now_ms),
            false => transactions.data(&header),
        };
        let aborted = match ended {
            Ended::Something(aborted) => aborted,
            Ended::Nothing => None,
        };
        if discarded && !self.keeps_header(&header) {
            return Ok(Kept { batch: None, aborted });
        }
        let records = self.records(&batch, discarded, stats)?;
        let batch = self.remaining(batch, records, nothing_marked)?;
        Ok(Kept { batch, aborted })
    }

    /// Whether something of the batch must stay: it tells a producer's last sequence, or where the cleaned part ends.
    fn keeps_header(&self, header: &Header) -> bool {
        let is_last = |last: &LastRecord| match last.data_offset {
            Some(offset) => header.last_offset() == offset,
            None => header.attributes.is_control() && header.producer_epoch == last.producer_epoch,
        };
        let of_producer = header.has_producer_id() && self.last_records.get(&header.producer_id).is_some_and(is_last);
        of_producer || header.next_offset() == self.end_offset
    }

    fn records(&self, batch: &CheckedBatch, discarded: bool, stats: &mut Stats) -> Result<Vec<Record>, Error> {
        let is_control = batch.header().attributes.is_control();
        let mut kept = Vec::new();
        for record in batch.records(&LIMITS) {
            let record = record?;
            stats.records_read += 1;
            if !discarded && (is_control || self.keeps(batch.header(), &record, stats)) {
                kept.push(record);
            }
        }
        Ok(kept)
    }

    fn keeps(&self, header: &Header, record: &Record, stats: &mut Stats) -> bool {
        if record.offset > self.map.latest_offset() {
            return true;
        }
        let Some(key) = &record.key else {
            // A topic that is compacted takes no record without a key; those from before it was are of no use in it.
            stats.invalid_records += 1;
            return false;
        };
        let is_latest = self.map.get(key).is_none_or(|latest| record.offset >= latest);
        let late_readers_may_need_it = header.delete_horizon_ms().is_none_or(|horizon| self.now_ms < horizon);
        is_latest && (record.value.is_some() || late_readers_may_need_it)
    }

    /// The batch with what is kept of it. Tombstones and markers without their data get a delete horizon (KIP-534).
    fn remaining(
        &self,
        batch: CheckedBatch,
        records: Vec<Record>,
        nothing_marked: bool,
    ) -> Result<Option<CheckedBatch>, Error> {
        let header = batch.header();
        if records.is_empty() {
            return if self.keeps_header(header) { rewrite::emptied(&batch).map(Some) } else { Ok(None) };
        }
        let horizon = header.delete_horizon_ms();
        let has_tombstone = records.iter().any(|record| record.value.is_none());
        let sets_horizon = horizon.is_none() && (has_tombstone || nothing_marked);
        let complete = i32::try_from(records.len()) == Ok(header.records_count);
        if complete && !sets_horizon {
            return Ok(Some(batch));
        }
        let horizon = match sets_horizon {
            true => Some(self.now_ms.saturating_add(self.delete_retention_ms)),
            false => horizon,
        };
        rewrite::with_records(&batch, &records, horizon).map(Some)
    }
}
