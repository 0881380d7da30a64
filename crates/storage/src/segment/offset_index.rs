//! The offset index: for a batch every `index.interval.bytes`, its last offset and where it starts in the log file.

use std::io;
use std::sync::Arc;

use super::entries::Entries;
use super::file::Dir;
use super::names;

/// Bytes of an entry: offset less base offset, position.
pub(crate) const ENTRY_LEN: usize = 8;

#[derive(Debug)]
pub(crate) struct OffsetIndex {
    pub(crate) entries: Entries<ENTRY_LEN>,
    base_offset: i64,
}

/// Where a batch starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OffsetPosition {
    pub(crate) offset: i64,
    pub(crate) position: u64,
}

impl OffsetIndex {
    pub(crate) fn new(dir: Arc<Dir>, base_offset: i64, file_len: u64) -> Self {
        Self { entries: Entries::new(dir, names::at(base_offset, names::OFFSET_INDEX), file_len), base_offset }
    }

    /// The last entry whose offset is not above `offset`.
    pub(crate) fn lookup(&self, offset: i64) -> io::Result<Option<OffsetPosition>> {
        let count = self.entries.partition_point(|entry| self.decode(entry).offset <= offset)?;
        self.entry_before(count)
    }

    /// The last entry of a batch that ends below `offset`.
    pub(crate) fn last_below(&self, offset: i64) -> io::Result<Option<OffsetPosition>> {
        let count = self.entries.partition_point(|entry| self.decode(entry).offset < offset)?;
        self.entry_before(count)
    }

    /// The first entry whose position is not below `position`.
    pub(crate) fn at_or_after_position(&self, position: u64) -> io::Result<Option<OffsetPosition>> {
        let count = self.entries.partition_point(|entry| self.decode(entry).position < position)?;
        Ok(self.entries.get(count)?.map(|entry| self.decode(&entry)))
    }

    pub(crate) fn all(&self) -> io::Result<Vec<OffsetPosition>> {
        Ok(self.entries.all()?.iter().map(|entry| self.decode(entry)).collect())
    }

    pub(crate) fn last_page(&self) -> io::Result<Vec<OffsetPosition>> {
        Ok(self.entries.last_page()?.iter().map(|entry| self.decode(entry)).collect())
    }

    pub(crate) fn last(&self) -> io::Result<Option<OffsetPosition>> {
        Ok(self.entries.last()?.map(|entry| self.decode(&entry)))
    }

    /// Appends an entry; the caller keeps offsets within `i32` of the base and positions within `u32`.
    pub(crate) fn append(&self, offset: i64, position: u64) -> io::Result<()> {
        let mut entry = [0; ENTRY_LEN];
        entry[..4].copy_from_slice(&((offset - self.base_offset) as u32).to_be_bytes());
        entry[4..].copy_from_slice(&(position as u32).to_be_bytes());
        self.entries.push(entry)
    }

    /// Drops the entries of offsets from `offset` on.
    pub(crate) fn truncate_to(&self, offset: i64) -> io::Result<()> {
        let count = self.entries.partition_point(|entry| self.decode(entry).offset < offset)?;
        self.entries.truncate(count)
    }

    fn entry_before(&self, count: usize) -> io::Result<Option<OffsetPosition>> {
        match count {
            0 => Ok(None),
            count => Ok(self.entries.get(count - 1)?.map(|entry| self.decode(&entry))),
        }
    }

    fn decode(&self, entry: &[u8; ENTRY_LEN]) -> OffsetPosition {
        let [a, b, c, d, e, f, g, h] = *entry;
        OffsetPosition {
            offset: self.base_offset + i64::from(u32::from_be_bytes([a, b, c, d])),
            position: u64::from(u32::from_be_bytes([e, f, g, h])),
        }
    }
}
