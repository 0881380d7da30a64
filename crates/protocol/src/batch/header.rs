//! The 61 bytes before the records of a batch, read without looking at the records.

use bytes::{Buf, BufMut};

use super::{CRC_START, Error, HEADER_LEN, LOG_OVERHEAD, MAGIC};
use crate::compression::Compression;

/// Smallest body the record formats of old could have. Kafka tells this much before it looks at the magic.
const MIN_BODY_OF_ANY_MAGIC: i32 = 14;
/// Bytes up to and with the magic.
const LEN_UP_TO_MAGIC: usize = 17;

/// Who set the timestamps of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer, record by record.
    CreateTime,
    /// The broker: every record has the batch's max timestamp.
    LogAppendTime,
}

/// The attributes of a batch. Unknown bits are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes(pub i16);

impl Attributes {
    const COMPRESSION: i16 = 0x07;
    const LOG_APPEND_TIME: i16 = 0x08;
    const TRANSACTIONAL: i16 = 0x10;
    const CONTROL: i16 = 0x20;
    const DELETE_HORIZON: i16 = 0x40;
    const KNOWN: i16 = 0x7f;

    /// The codec of the records, or its unknown id.
    pub fn compression(self) -> Result<Compression, Error> {
        let id = (self.0 & Self::COMPRESSION) as u8;
        Compression::from_id(id).ok_or(Error::UnknownCompression(id))
    }

    /// Who set the timestamps.
    pub fn timestamp_type(self) -> TimestampType {
        if self.has(Self::LOG_APPEND_TIME) { TimestampType::LogAppendTime } else { TimestampType::CreateTime }
    }

    /// Whether the batch is part of a transaction.
    pub fn is_transactional(self) -> bool {
        self.has(Self::TRANSACTIONAL)
    }

    /// Whether the records are for the log itself rather than for consumers.
    pub fn is_control(self) -> bool {
        self.has(Self::CONTROL)
    }

    /// Whether the base timestamp is the time at which compaction may drop tombstones and markers (KIP-534).
    pub fn has_delete_horizon(self) -> bool {
        self.has(Self::DELETE_HORIZON)
    }

    /// The same with another codec.
    #[must_use]
    pub fn with_compression(self, compression: Compression) -> Self {
        Self(self.0 & !Self::COMPRESSION | i16::from(compression.id()))
    }

    /// The same with another timestamp type. Bits without a meaning are cleared, as Kafka does when it rewrites them.
    #[must_use]
    pub fn with_timestamp_type(self, timestamp_type: TimestampType) -> Self {
        Self(self.0 & Self::KNOWN).with(Self::LOG_APPEND_TIME, timestamp_type == TimestampType::LogAppendTime)
    }

    /// The same, in a transaction or not.
    #[must_use]
    pub fn with_transactional(self, on: bool) -> Self {
        self.with(Self::TRANSACTIONAL, on)
    }

    /// The same, as control batch or not.
    #[must_use]
    pub fn with_control(self, on: bool) -> Self {
        self.with(Self::CONTROL, on)
    }

    /// The same, with the base timestamp marked as delete horizon or not.
    #[must_use]
    pub fn with_delete_horizon(self, on: bool) -> Self {
        self.with(Self::DELETE_HORIZON, on)
    }

    fn has(self, bit: i16) -> bool {
        self.0 & bit != 0
    }

    fn with(self, bit: i16, on: bool) -> Self {
        Self(if on { self.0 | bit } else { self.0 & !bit })
    }
}

/// All fields before the records. Magic is not among them: it is 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Offset of the first record; 0 in what a client sends.
    pub base_offset: i64,
    /// Bytes that follow this field; see [`Header::size_in_bytes`].
    pub batch_length: i32,
    /// Epoch of the leader that appended the batch, not covered by the CRC.
    pub partition_leader_epoch: i32,
    /// CRC-32C of the attributes and all that follows.
    pub crc: u32,
    /// Codec and flags.
    pub attributes: Attributes,
    /// Offset of the last record less the base offset. Compaction keeps it when it drops the last record.
    pub last_offset_delta: i32,
    /// What the timestamp deltas of the records add to, or the delete horizon.
    pub base_timestamp: i64,
    /// The largest timestamp of the records.
    pub max_timestamp: i64,
    /// The producer, or [`super::NO_PRODUCER_ID`].
    pub producer_id: i64,
    /// The producer's epoch.
    pub producer_epoch: i16,
    /// Sequence of the first record.
    pub base_sequence: i32,
    /// Number of records.
    pub records_count: i32,
}

impl Header {
    /// Reads a header at the start of `bytes`; what follows it is not looked at and need not be there.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let (size, magic) = peek(bytes)?;
        if magic != MAGIC {
            return Err(Error::OldMagic(magic));
        }
        if size < HEADER_LEN {
            return Err(Error::Length((size - LOG_OVERHEAD) as i32));
        }
        let header = bytes.first_chunk().ok_or(truncated(HEADER_LEN, bytes))?;
        Ok(Self::decode(header))
    }

    fn decode(bytes: &[u8; HEADER_LEN]) -> Self {
        let mut bytes: &[u8] = bytes;
        let base_offset = bytes.get_i64();
        let batch_length = bytes.get_i32();
        let partition_leader_epoch = bytes.get_i32();
        bytes.get_i8();
        Self {
            base_offset,
            batch_length,
            partition_leader_epoch,
            crc: bytes.get_u32(),
            attributes: Attributes(bytes.get_i16()),
            last_offset_delta: bytes.get_i32(),
            base_timestamp: bytes.get_i64(),
            max_timestamp: bytes.get_i64(),
            producer_id: bytes.get_i64(),
            producer_epoch: bytes.get_i16(),
            base_sequence: bytes.get_i32(),
            records_count: bytes.get_i32(),
        }
    }

    /// The header's bytes.
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut header = [0; HEADER_LEN];
        let mut out: &mut [u8] = &mut header;
        out.put_i64(self.base_offset);
        out.put_i32(self.batch_length);
        out.put_i32(self.partition_leader_epoch);
        out.put_i8(MAGIC);
        out.put_u32(self.crc);
        out.put_i16(self.attributes.0);
        out.put_i32(self.last_offset_delta);
        out.put_i64(self.base_timestamp);
        out.put_i64(self.max_timestamp);
        out.put_i64(self.producer_id);
        out.put_i16(self.producer_epoch);
        out.put_i32(self.base_sequence);
        out.put_i32(self.records_count);
        header
    }

    /// The CRC that a batch of this header and these records must carry.
    pub fn compute_crc(&self, records: &[u8]) -> u32 {
        let header = self.encode();
        let (_, covered) = header.split_at(CRC_START);
        crc32c::crc32c_append(crc32c::crc32c(covered), records)
    }

    /// Offset of the last record, or where it was before compaction.
    pub fn last_offset(&self) -> i64 {
        self.base_offset.saturating_add(i64::from(self.last_offset_delta))
    }

    /// The offset that follows the batch.
    pub fn next_offset(&self) -> i64 {
        self.last_offset().saturating_add(1)
    }

    /// Bytes of the whole batch, this header included.
    pub fn size_in_bytes(&self) -> usize {
        usize::try_from(self.batch_length).unwrap_or(0).saturating_add(LOG_OVERHEAD)
    }

    /// Whether an idempotent producer wrote the batch.
    pub fn has_producer_id(&self) -> bool {
        self.producer_id > super::NO_PRODUCER_ID
    }

    /// Sequence of the last record; sequences wrap at `i32::MAX`.
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence < 0 {
            return super::NO_SEQUENCE;
        }
        increment_sequence(self.base_sequence, self.last_offset_delta)
    }

    /// When compaction may drop what this batch keeps only for late readers.
    pub fn delete_horizon_ms(&self) -> Option<i64> {
        self.attributes.has_delete_horizon().then_some(self.base_timestamp)
    }
}

/// The sequence `increment` after `sequence`: 0 follows `i32::MAX`. Neither may be negative.
pub fn increment_sequence(sequence: i32, increment: i32) -> i32 {
    sequence.wrapping_add(increment) & i32::MAX
}

/// The size and the magic of a batch that starts here; magic 0 and 1 are no error yet.
pub(super) fn peek(bytes: &[u8]) -> Result<(usize, i8), Error> {
    let start: &[u8; LOG_OVERHEAD] = bytes.first_chunk().ok_or(truncated(LOG_OVERHEAD, bytes))?;
    let length = (&start[8..]).get_i32();
    let size = match usize::try_from(length) {
        Ok(size) if length >= MIN_BODY_OF_ANY_MAGIC => size.saturating_add(LOG_OVERHEAD),
        _ => return Err(Error::Length(length)),
    };
    let start: &[u8; LEN_UP_TO_MAGIC] = bytes.first_chunk().ok_or(truncated(LEN_UP_TO_MAGIC, bytes))?;
    match start[16] as i8 {
        magic @ 0..=MAGIC => Ok((size, magic)),
        magic => Err(Error::UnknownMagic(magic)),
    }
}

fn truncated(needed: usize, bytes: &[u8]) -> Error {
    Error::Truncated { needed, available: bytes.len() }
}
