//! Learning the last offset of every key in the dirty part of a log.

use ottla_protocol::batch::{CheckedBatch, Error as BatchError};

use super::offset_map::OffsetMap;
use super::segments::{Source, corrupt};
use super::stats::Stats;
use super::transactions::Transactions;
use super::{Error, LIMITS, Pace, paced};
use crate::segment::scan::Batches;

/// What is read.
pub(super) struct Dirty<'a> {
    pub(super) source: &'a Source,
    /// Where the dirty part begins, maybe within a segment or even a batch.
    pub(super) first_offset: i64,
    /// Where the first segment starts that is not part of it.
    pub(super) end_offset: i64,
}

impl Dirty<'_> {
    /// Fills the map from the dirty part on, until it is full or the part ends.
    pub(super) fn fill(&self, map: &mut OffsetMap, stats: &mut Stats, pace: &mut Pace<'_>) -> Result<(), Error> {
        let segments = self.source.range(self.first_offset, self.end_offset);
        let mut transactions = Transactions::default();
        transactions.add_aborted(self.source.aborted(segments.start, self.first_offset, self.end_offset)?);
        for n in segments {
            if !self.segment(n, &mut transactions, map, stats, pace)? {
                stats.map_full = true;
                break;
            }
            // What compaction left out at the end of the segment is known not to be there.
            map.set_latest_offset(self.source.end_of(n).min(self.end_offset) - 1);
        }
        stats.map_utilization = map.utilization();
        Ok(())
    }

    /// Takes in a segment; false if the map is full.
    fn segment(
        &self,
        n: usize,
        transactions: &mut Transactions,
        map: &mut OffsetMap,
        stats: &mut Stats,
        pace: &mut Pace<'_>,
    ) -> Result<bool, Error> {
        let segment = self.source.segment(n);
        let size = segment.size();
        let Some(start) = segment.find(self.first_offset, size)? else { return Ok(true) };
        let mut batches = Batches::new(segment.file()?, start.position, size);
        while let Some((position, batch)) = batches.next().map_err(|error| segment.scan(error))? {
            paced(pace, batch.size_in_bytes())?;
            let taken = self.batch(&batch, transactions, map, stats);
            if !taken.map_err(|source| corrupt(segment, position, source))? {
                return Ok(false);
            }
            stats.map_bytes_read += batch.size_in_bytes() as u64;
            if batch.header().last_offset() >= self.first_offset {
                map.set_latest_offset(batch.header().last_offset());
            }
        }
        Ok(true)
    }

    /// Takes in a batch; false if the map is full. Control batches have no keys of the topic, aborted records do not count.
    fn batch(
        &self,
        batch: &CheckedBatch,
        transactions: &mut Transactions,
        map: &mut OffsetMap,
        stats: &mut Stats,
    ) -> Result<bool, BatchError> {
        if batch.header().attributes.is_control() {
            transactions.control(batch)?;
            stats.map_records_read += 1;
            return Ok(true);
        }
        if transactions.data(batch.header()) {
            stats.map_records_read += u64::try_from(batch.header().records_count).unwrap_or(0);
            return Ok(true);
        }
        for record in batch.records(&LIMITS) {
            let record = record?;
            if let Some(key) = record.key.filter(|_| record.offset >= self.first_offset)
                && !map.put(&key, record.offset)
            {
                return Ok(false);
            }
            stats.map_records_read += 1;
        }
        Ok(true)
    }
}
