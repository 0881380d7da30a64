//! The `.snapshot` file: the state of all producers at an offset, in Kafka's version 1.

use super::entry::{BatchMetadata, ProducerEntry};

const VERSION: i16 = 1;
/// Version and CRC, which the CRC does not cover.
const COVERED_FROM: usize = 6;
const ENTRY_LEN: usize = 46;
/// Larger files are not snapshots: ten million producers.
pub(crate) const MAX_BYTES: u64 = 1 << 29;

/// Why a snapshot cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum Error {
    #[error("the producer snapshot has version {0}")]
    Version(i16),
    #[error("the producer snapshot has a wrong CRC")]
    Crc,
    #[error("the producer snapshot is cut short or has bytes left")]
    Length,
}

/// The bytes of the file.
pub(crate) fn encode<'a>(entries: impl ExactSizeIterator<Item = (&'a i64, &'a ProducerEntry)>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(COVERED_FROM + 4 + ENTRY_LEN * entries.len());
    bytes.extend(VERSION.to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend((entries.len() as u32).to_be_bytes());
    for (producer_id, entry) in entries {
        let last = entry.batches.back();
        bytes.extend(producer_id.to_be_bytes());
        bytes.extend(entry.epoch.to_be_bytes());
        bytes.extend(entry.last_sequence().to_be_bytes());
        bytes.extend(last.map_or(-1, |batch| batch.last_offset).to_be_bytes());
        bytes.extend(last.map_or(0, |batch| batch.offset_delta).to_be_bytes());
        bytes.extend(entry.last_timestamp.to_be_bytes());
        bytes.extend(entry.coordinator_epoch.to_be_bytes());
        bytes.extend(entry.current_txn_first_offset.unwrap_or(-1).to_be_bytes());
    }
    let crc = crc32c::crc32c(&bytes[COVERED_FROM..]);
    bytes[2..COVERED_FROM].copy_from_slice(&crc.to_be_bytes());
    bytes
}

/// Reads the bytes of the file.
pub(crate) fn decode(bytes: &[u8]) -> Result<Vec<(i64, ProducerEntry)>, Error> {
    let mut input = Input(bytes);
    let version = i16::from_be_bytes(input.take()?);
    if version != VERSION {
        return Err(Error::Version(version));
    }
    let crc = u32::from_be_bytes(input.take()?);
    if crc != crc32c::crc32c(input.0) {
        return Err(Error::Crc);
    }
    let count = u32::from_be_bytes(input.take()?) as usize;
    if count.checked_mul(ENTRY_LEN) != Some(input.0.len()) {
        return Err(Error::Length);
    }
    (0..count).map(|_| input.entry()).collect()
}

struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Error::Length)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn entry(&mut self) -> Result<(i64, ProducerEntry), Error> {
        let producer_id = i64::from_be_bytes(self.take()?);
        let epoch = i16::from_be_bytes(self.take()?);
        let last_sequence = i32::from_be_bytes(self.take()?);
        let last_offset = i64::from_be_bytes(self.take()?);
        let offset_delta = i32::from_be_bytes(self.take()?);
        let timestamp = i64::from_be_bytes(self.take()?);
        let coordinator_epoch = i32::from_be_bytes(self.take()?);
        let current_txn_first_offset = i64::from_be_bytes(self.take()?);
        let batch = BatchMetadata { last_sequence, last_offset, offset_delta, timestamp };
        let entry = ProducerEntry {
            epoch,
            coordinator_epoch,
            last_timestamp: timestamp,
            current_txn_first_offset: (current_txn_first_offset >= 0).then_some(current_txn_first_offset),
            batches: (last_offset >= 0).then_some(batch).into_iter().collect(),
        };
        Ok((producer_id, entry))
    }
}
