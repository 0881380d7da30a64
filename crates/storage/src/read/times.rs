//! Offsets by time, as ListOffsets asks for them.

use ottla_protocol::batch::{self, CheckedBatch, NO_TIMESTAMP, Record};
use ottla_protocol::compression::Limits;

use super::{Error, LogReader};
use crate::segment::scan::{Batches, Headers};
use crate::segment::{self, Segment};

/// The end of the log.
pub const LATEST: i64 = -1;
/// The start of the log.
pub const EARLIEST: i64 = -2;
/// The record with the largest timestamp (KIP-734).
pub const MAX_TIMESTAMP: i64 = -3;
/// The start of what is on this disk (KIP-405).
pub const EARLIEST_LOCAL: i64 = -4;
/// The end of what is in remote storage (KIP-1005).
pub const LATEST_TIERED: i64 = -5;

/// A record found by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its timestamp, or -1 for the ends of the log.
    pub timestamp: i64,
    /// Its offset.
    pub offset: i64,
    /// Its leader epoch, where known.
    pub leader_epoch: Option<i32>,
}

impl LogReader {
    /// The first record whose timestamp is not below `timestamp`, or what one of the special timestamps stands for.
    ///
    /// The caller bounds [`LATEST`] and what is found by what its client may see.
    pub fn offset_for_timestamp(&self, timestamp: i64) -> Result<Option<Found>, Error> {
        let end = |offset, leader_epoch| Ok(Some(Found { timestamp: NO_TIMESTAMP, offset, leader_epoch }));
        match timestamp {
            LATEST => end(self.0.log_end_offset(), self.latest_epoch()),
            EARLIEST | EARLIEST_LOCAL => {
                let start = self.0.log_start_offset();
                let earliest = self.0.epochs.lock().earliest();
                end(start, earliest.filter(|(_, epoch_start)| *epoch_start <= start).map(|(epoch, _)| epoch))
            }
            LATEST_TIERED => end(-1, Some(-1)),
            MAX_TIMESTAMP => self.max_timestamp(),
            timestamp => self.first_since(timestamp),
        }
    }

    fn first_since(&self, timestamp: i64) -> Result<Option<Found>, Error> {
        let log_start_offset = self.0.log_start_offset();
        for segment in self.0.segments().iter() {
            if segment.max_timestamp()?.timestamp >= timestamp {
                return first_in(segment, timestamp, log_start_offset);
            }
        }
        Ok(None)
    }

    fn max_timestamp(&self) -> Result<Option<Found>, Error> {
        let segments = self.0.segments();
        let mut latest: Option<(&Segment, segment::TimestampOffset)> = None;
        for segment in segments.iter() {
            let max = segment.max_timestamp()?;
            if latest.is_none_or(|(_, known)| max.timestamp > known.timestamp) {
                latest = Some((segment, max));
            }
        }
        let Some((segment, max)) = latest.filter(|(_, max)| max.timestamp >= 0) else { return Ok(None) };
        // The offset is the last one of the batch that has the timestamp.
        let Some(place) = segment.find(max.offset, segment.size())? else { return Ok(None) };
        let batch = batch_at(segment, place.position, place.header.size_in_bytes())?;
        first_record(segment, place.position, &batch, |record| record.timestamp == max.timestamp)
    }
}

/// The first record since `timestamp` in a segment that has one.
fn first_in(segment: &Segment, timestamp: i64, log_start_offset: i64) -> Result<Option<Found>, Error> {
    let io = |source| segment.io(source);
    let indexed = segment.time_index.lookup(timestamp.saturating_sub(1)).map_err(io)?;
    let start = segment.offset_index.lookup(indexed.offset.max(log_start_offset)).map_err(io)?;
    let start = start.filter(|start| start.position < segment.size()).map_or(0, |start| start.position);
    let mut headers = Headers::new(segment.file()?, start, segment.size());
    while let Some((position, header)) = headers.next().map_err(|error| segment.scan(error))? {
        if header.max_timestamp < timestamp || header.last_offset() < log_start_offset {
            continue;
        }
        let batch = batch_at(segment, position, header.size_in_bytes())?;
        let wanted = |record: &Record| record.timestamp >= timestamp && record.offset >= log_start_offset;
        if let Some(found) = first_record(segment, position, &batch, wanted)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn batch_at(segment: &Segment, position: u64, size: usize) -> Result<CheckedBatch, Error> {
    let mut batches = Batches::new(segment.file()?, position, position + size as u64);
    let batch = batches.next().map_err(|error| segment.scan(error))?;
    let (_, batch) = batch.ok_or_else(|| corrupt(segment, position, batch::Error::Empty))?;
    Ok(batch)
}

fn first_record(
    segment: &Segment,
    position: u64,
    batch: &CheckedBatch,
    wanted: impl Fn(&Record) -> bool,
) -> Result<Option<Found>, Error> {
    for record in batch.records(&Limits::default()) {
        let record = record.map_err(|source| corrupt(segment, position, source))?;
        if wanted(&record) {
            let leader_epoch = Some(batch.header().partition_leader_epoch).filter(|epoch| *epoch >= 0);
            return Ok(Some(Found { timestamp: record.timestamp, offset: record.offset, leader_epoch }));
        }
    }
    Ok(None)
}

fn corrupt(segment: &Segment, position: u64, source: batch::Error) -> Error {
    Error::Segment(segment::Error::Corrupt { path: segment.log.path(), position, source })
}
