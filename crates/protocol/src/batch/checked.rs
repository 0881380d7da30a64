//! One batch whose bytes are proven sound, with what the owner of the log changes in its header.

use bytes::{Bytes, BytesMut};

use super::{Error, HEADER_LEN, Header, TimestampType};
use crate::compression::Compression;

/// A whole batch of magic 2: its length, CRC-32C, codec, offset range and record count agree.
///
/// The records themselves are not looked at; see [`CheckedBatch::validate_records`]. What is patched is kept in the header,
/// the bytes are shared with whoever else holds them.
#[derive(Clone, Debug)]
pub struct CheckedBatch {
    header: Header,
    compression: Compression,
    bytes: Bytes,
    patched: bool,
}

impl CheckedBatch {
    /// Proves `bytes`, which must be one batch and nothing else.
    pub fn parse(bytes: Bytes) -> Result<Self, Error> {
        let mut rest = bytes;
        let batch = Self::split_from(&mut rest)?;
        if rest.is_empty() { Ok(batch) } else { Err(Error::MoreThanOneBatch) }
    }

    /// Takes the first batch off `bytes`, which stay as they are on an error.
    pub fn split_from(bytes: &mut Bytes) -> Result<Self, Error> {
        let header = Header::parse(bytes)?;
        let size = header.size_in_bytes();
        if bytes.len() < size {
            return Err(Error::Truncated { needed: size, available: bytes.len() });
        }
        let records = bytes.get(HEADER_LEN..size).unwrap_or_default();
        let compression = Self::check(&header, records)?;
        Ok(Self { header, compression, bytes: bytes.split_to(size), patched: false })
    }

    fn check(header: &Header, records: &[u8]) -> Result<Compression, Error> {
        let computed = header.compute_crc(records);
        if computed != header.crc {
            return Err(Error::Crc { stored: header.crc, computed });
        }
        let compression = header.attributes.compression()?;
        check_offsets(header)?;
        Ok(compression)
    }

    /// For the builder, whose header and records agree by construction. `bytes` start with `header`.
    pub(super) fn of_parts(header: Header, compression: Compression, bytes: Bytes) -> Self {
        Self { header, compression, bytes, patched: false }
    }

    /// The header, as patched.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The codec of the records.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// Bytes of the whole batch.
    pub fn size_in_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Places the batch in a log. The CRC does not cover it.
    pub fn set_base_offset(&mut self, base_offset: i64) {
        self.patched |= self.header.base_offset != base_offset;
        self.header.base_offset = base_offset;
    }

    /// Stamps the epoch of the leader that appends the batch. The CRC does not cover it.
    pub fn set_leader_epoch(&mut self, leader_epoch: i32) {
        self.patched |= self.header.partition_leader_epoch != leader_epoch;
        self.header.partition_leader_epoch = leader_epoch;
    }

    /// Sets the timestamp type and the max timestamp, and with them the CRC where they differ.
    ///
    /// With [`TimestampType::LogAppendTime`] every record has this timestamp from now on.
    pub fn set_max_timestamp(&mut self, timestamp_type: TimestampType, max_timestamp: i64) {
        let same_type = self.header.attributes.timestamp_type() == timestamp_type;
        if same_type && self.header.max_timestamp == max_timestamp {
            return;
        }
        self.header.attributes = self.header.attributes.with_timestamp_type(timestamp_type);
        self.header.max_timestamp = max_timestamp;
        self.header.crc = self.header.compute_crc(self.tail_slice());
        self.patched = true;
    }

    /// The patched header, to be written before [`CheckedBatch::tail`].
    pub fn head(&self) -> [u8; HEADER_LEN] {
        self.header.encode()
    }

    /// The records as they came, compressed if they were, without a copy.
    pub fn tail(&self) -> Bytes {
        self.bytes.slice(HEADER_LEN.min(self.bytes.len())..)
    }

    /// The same where nobody needs to keep them.
    pub fn tail_slice(&self) -> &[u8] {
        self.bytes.get(HEADER_LEN..).unwrap_or_default()
    }

    /// The whole batch as patched. Copies if it was.
    pub fn to_bytes(&self) -> Bytes {
        if !self.patched {
            return self.bytes.clone();
        }
        let mut bytes = BytesMut::with_capacity(self.bytes.len());
        bytes.extend_from_slice(&self.head());
        bytes.extend_from_slice(self.tail_slice());
        bytes.freeze()
    }
}

fn check_offsets(header: &Header) -> Result<(), Error> {
    let Header { base_offset, last_offset_delta, records_count: count, .. } = *header;
    let range = i64::from(last_offset_delta).saturating_add(1);
    let next_offset = base_offset.checked_add(range);
    if base_offset < 0 || last_offset_delta < 0 || next_offset.is_none() {
        return Err(Error::OffsetRange { base_offset, last_offset_delta });
    }
    // Compaction drops records and keeps the range, down to no record at all.
    if count < 0 || i64::from(count) > range {
        return Err(Error::Count { count, range });
    }
    Ok(())
}
