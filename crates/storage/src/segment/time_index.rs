//! The time index: the largest timestamp up to a point of the log file and the last offset of the batch that has it.

use std::io;
use std::sync::Arc;

use ottla_protocol::batch::NO_TIMESTAMP;

use super::entries::Entries;
use super::file::Dir;
use super::names;

/// Bytes of an entry: timestamp, offset less base offset.
pub(crate) const ENTRY_LEN: usize = 12;

#[derive(Debug)]
pub(crate) struct TimeIndex {
    pub(crate) entries: Entries<ENTRY_LEN>,
    base_offset: i64,
}

/// A timestamp and an offset that goes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimestampOffset {
    pub(crate) timestamp: i64,
    pub(crate) offset: i64,
}

impl TimeIndex {
    pub(crate) fn new(dir: Arc<Dir>, base_offset: i64, file_len: u64) -> Self {
        Self { entries: Entries::new(dir, names::at(base_offset, names::TIME_INDEX), file_len), base_offset }
    }

    /// The last entry whose timestamp is not above `timestamp`, or none before the first record.
    pub(crate) fn lookup(&self, timestamp: i64) -> io::Result<TimestampOffset> {
        let count = self.entries.partition_point(|entry| self.decode(entry).timestamp <= timestamp)?;
        let entry = if count == 0 { None } else { self.entries.get(count - 1)? };
        Ok(entry.map_or(self.none(), |entry| self.decode(&entry)))
    }

    pub(crate) fn all(&self) -> io::Result<Vec<TimestampOffset>> {
        Ok(self.entries.all()?.iter().map(|entry| self.decode(entry)).collect())
    }

    pub(crate) fn last_page(&self) -> io::Result<Vec<TimestampOffset>> {
        Ok(self.entries.last_page()?.iter().map(|entry| self.decode(entry)).collect())
    }

    /// The last entry, or none.
    pub(crate) fn last(&self) -> io::Result<TimestampOffset> {
        Ok(self.entries.last()?.map_or(self.none(), |entry| self.decode(&entry)))
    }

    /// Appends the largest timestamp so far, unless the last entry has it already.
    pub(crate) fn maybe_append(&self, max: TimestampOffset) -> io::Result<()> {
        if max.timestamp <= self.last()?.timestamp {
            return Ok(());
        }
        let mut entry = [0; ENTRY_LEN];
        entry[..8].copy_from_slice(&max.timestamp.to_be_bytes());
        entry[8..].copy_from_slice(&((max.offset - self.base_offset) as u32).to_be_bytes());
        self.entries.push(entry)
    }

    /// Drops the entries of offsets from `offset` on.
    pub(crate) fn truncate_to(&self, offset: i64) -> io::Result<()> {
        let count = self.entries.partition_point(|entry| self.decode(entry).offset < offset)?;
        self.entries.truncate(count)
    }

    fn none(&self) -> TimestampOffset {
        TimestampOffset { timestamp: NO_TIMESTAMP, offset: self.base_offset }
    }

    fn decode(&self, entry: &[u8; ENTRY_LEN]) -> TimestampOffset {
        let [t0, t1, t2, t3, t4, t5, t6, t7, a, b, c, d] = *entry;
        TimestampOffset {
            timestamp: i64::from_be_bytes([t0, t1, t2, t3, t4, t5, t6, t7]),
            offset: self.base_offset + i64::from(u32::from_be_bytes([a, b, c, d])),
        }
    }
}
