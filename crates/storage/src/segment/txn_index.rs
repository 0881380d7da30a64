//! The index of aborted transactions, ordered by where their abort markers are.

use std::io;
use std::sync::Arc;

use super::entries::Entries;
use super::file::Dir;
use super::names;

/// Bytes of an entry: version, producer id, first offset, last offset, last stable offset.
pub(crate) const ENTRY_LEN: usize = 34;
const VERSION: i16 = 0;

/// A transaction that was aborted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTxn {
    /// Whose it was.
    pub producer_id: i64,
    /// Offset of its first record in this partition.
    pub first_offset: i64,
    /// Offset of its abort marker.
    pub last_offset: i64,
    /// The last stable offset once the marker was written.
    pub last_stable_offset: i64,
}

#[derive(Debug)]
pub(crate) struct TxnIndex {
    pub(crate) entries: Entries<ENTRY_LEN>,
    /// Bytes of the file when it was opened.
    file_len: u64,
}

impl TxnIndex {
    pub(crate) fn new(dir: Arc<Dir>, base_offset: i64, file_len: u64) -> Self {
        Self { entries: Entries::new(dir, names::at(base_offset, names::TXN_INDEX), file_len), file_len }
    }

    pub(crate) fn file_len(&self) -> u64 {
        self.file_len
    }

    /// All entries; none if the file is cut or of another version.
    pub(crate) fn all(&self) -> io::Result<Option<Vec<AbortedTxn>>> {
        let entries = self.entries.all()?;
        let whole = self.file_len.is_multiple_of(ENTRY_LEN as u64);
        let known = entries.iter().all(|entry| entry.starts_with(&VERSION.to_be_bytes()));
        Ok((whole && known).then(|| entries.iter().map(decode).collect()))
    }

    pub(crate) fn append(&self, txn: AbortedTxn) -> io::Result<()> {
        self.entries.push(encode(&txn))
    }

    /// Adds to `found` the transactions that overlap `[from, to)`; true when no later segment can hold one.
    pub(crate) fn collect(&self, from: i64, to: i64, found: &mut Vec<AbortedTxn>) -> io::Result<bool> {
        if self.entries.len() == 0 {
            return Ok(false);
        }
        let mut n = self.entries.partition_point(|entry| decode(entry).last_offset < from)?;
        while let Some(entry) = self.entries.get(n)? {
            let txn = decode(&entry);
            if txn.first_offset < to {
                found.push(txn);
            }
            if txn.last_stable_offset >= to {
                return Ok(true);
            }
            n += 1;
        }
        Ok(false)
    }

    /// Drops the transactions whose marker is at `offset` or above.
    pub(crate) fn truncate_to(&self, offset: i64) -> io::Result<()> {
        if self.entries.len() == 0 {
            return Ok(());
        }
        let count = self.entries.partition_point(|entry| decode(entry).last_offset < offset)?;
        self.entries.truncate(count)
    }
}

fn encode(txn: &AbortedTxn) -> [u8; ENTRY_LEN] {
    let mut entry = [0; ENTRY_LEN];
    entry[..2].copy_from_slice(&VERSION.to_be_bytes());
    let fields = [txn.producer_id, txn.first_offset, txn.last_offset, txn.last_stable_offset];
    for (slot, field) in entry[2..].chunks_exact_mut(8).zip(fields) {
        slot.copy_from_slice(&field.to_be_bytes());
    }
    entry
}

fn decode(entry: &[u8; ENTRY_LEN]) -> AbortedTxn {
    let field = |n: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&entry[2 + 8 * n..10 + 8 * n]);
        i64::from_be_bytes(bytes)
    };
    AbortedTxn { producer_id: field(0), first_offset: field(1), last_offset: field(2), last_stable_offset: field(3) }
}
