//! Builds batches: for the metadata log, the coordinators' topics, compaction and tests.

use bytes::{BufMut, Bytes, BytesMut};

use super::control::{ControlType, EndTxnMarker};
use super::{
    Attributes, CheckedBatch, Error, HEADER_LEN, Header, LOG_OVERHEAD, NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH,
    NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP, TimestampType, varint,
};
use crate::compression::{Compression, Level};

/// What a record to be written holds. Its offset comes from its place in the batch.
#[derive(Clone, Copy, Debug)]
pub struct NewRecord<'a> {
    /// Milliseconds since 1970, or [`NO_TIMESTAMP`].
    pub timestamp: i64,
    /// The key, if it has one.
    pub key: Option<&'a [u8]>,
    /// The value; none is a tombstone in a compacted topic.
    pub value: Option<&'a [u8]>,
    /// Names may repeat; the order is kept.
    pub headers: &'a [(&'a [u8], Option<&'a [u8]>)],
}

impl Default for NewRecord<'_> {
    fn default() -> Self {
        Self { timestamp: NO_TIMESTAMP, key: None, value: None, headers: &[] }
    }
}

/// Collects records and makes a batch of them.
#[derive(Clone, Debug)]
pub struct Builder {
    header: Header,
    compression: Compression,
    level: Level,
    base_timestamp: Option<i64>,
    delete_horizon_ms: Option<i64>,
    last_offset_delta: Option<i32>,
    records: Vec<u8>,
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl Builder {
    /// An uncompressed batch at offset 0, of no producer, with the producer's timestamps.
    pub fn new() -> Self {
        let header = Header {
            base_offset: 0,
            batch_length: (HEADER_LEN - LOG_OVERHEAD) as i32,
            partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
            crc: 0,
            attributes: Attributes::default(),
            last_offset_delta: -1,
            base_timestamp: NO_TIMESTAMP,
            max_timestamp: NO_TIMESTAMP,
            producer_id: NO_PRODUCER_ID,
            producer_epoch: NO_PRODUCER_EPOCH,
            base_sequence: NO_SEQUENCE,
            records_count: 0,
        };
        Self {
            header,
            compression: Compression::None,
            level: Level::Default,
            base_timestamp: None,
            delete_horizon_ms: None,
            last_offset_delta: None,
            records: Vec::new(),
        }
    }

    /// A control batch of one record.
    pub fn control(timestamp: i64, control_type: ControlType, value: &[u8]) -> Self {
        let key = control_type.encode_key();
        let mut builder = Self::new().control_batch(true);
        builder.push(NewRecord { timestamp, key: Some(&key), value: Some(value), headers: &[] });
        builder
    }

    /// The batch that ends a producer's transaction in a partition.
    pub fn end_transaction(
        timestamp: i64,
        producer_id: i64,
        producer_epoch: i16,
        commit: bool,
        marker: EndTxnMarker,
    ) -> Self {
        let control_type = if commit { ControlType::Commit } else { ControlType::Abort };
        Self::control(timestamp, control_type, &marker.encode())
            .producer(producer_id, producer_epoch, NO_SEQUENCE)
            .transactional(true)
    }

    /// Offset of the first record.
    #[must_use]
    pub fn base_offset(mut self, base_offset: i64) -> Self {
        self.header.base_offset = base_offset;
        self
    }

    /// Epoch of the leader that writes the batch.
    #[must_use]
    pub fn leader_epoch(mut self, leader_epoch: i32) -> Self {
        self.header.partition_leader_epoch = leader_epoch;
        self
    }

    /// Codec of the records and how hard it tries.
    #[must_use]
    pub fn compression(mut self, compression: Compression, level: Level) -> Self {
        self.compression = compression;
        self.level = level;
        self
    }

    /// The idempotent producer and the sequence of the first record.
    #[must_use]
    pub fn producer(mut self, producer_id: i64, producer_epoch: i16, base_sequence: i32) -> Self {
        self.header.producer_id = producer_id;
        self.header.producer_epoch = producer_epoch;
        self.header.base_sequence = base_sequence;
        self
    }

    /// Whether the batch is part of a transaction.
    #[must_use]
    pub fn transactional(mut self, on: bool) -> Self {
        self.header.attributes = self.header.attributes.with_transactional(on);
        self
    }

    /// Whether the records are control records; [`ControlType::encode_key`] makes their keys.
    #[must_use]
    pub fn control_batch(mut self, on: bool) -> Self {
        self.header.attributes = self.header.attributes.with_control(on);
        self
    }

    /// Gives every record the time of the append.
    #[must_use]
    pub fn log_append_time(mut self, now_ms: i64) -> Self {
        self.header.attributes = self.header.attributes.with_timestamp_type(TimestampType::LogAppendTime);
        self.header.max_timestamp = now_ms;
        self
    }

    /// When compaction may drop what the batch keeps only for late readers (KIP-534). Records must be added after it.
    #[must_use]
    pub fn delete_horizon_ms(mut self, delete_horizon_ms: i64) -> Self {
        self.header.attributes = self.header.attributes.with_delete_horizon(true);
        self.delete_horizon_ms = Some(delete_horizon_ms);
        self
    }

    /// Keeps the offset range of a batch whose last records compaction dropped.
    #[must_use]
    pub fn last_offset_delta(mut self, last_offset_delta: i32) -> Self {
        self.last_offset_delta = Some(last_offset_delta);
        self
    }

    /// Adds a record at the next offset.
    pub fn push(&mut self, record: NewRecord<'_>) {
        self.push_at(self.header.last_offset_delta.saturating_add(1), record);
    }

    /// Adds a record at an offset less the base offset; compaction leaves gaps, but offsets only grow.
    pub fn push_at(&mut self, offset_delta: i32, record: NewRecord<'_>) {
        assert!(self.takes(offset_delta), "the offsets of a batch grow");
        self.header.last_offset_delta = offset_delta;
        self.header.records_count += 1;
        if self.header.attributes.timestamp_type() == TimestampType::CreateTime {
            self.header.max_timestamp = self.header.max_timestamp.max(record.timestamp);
        }
        let base_timestamp = self.delete_horizon_ms.unwrap_or(record.timestamp);
        let base_timestamp = *self.base_timestamp.get_or_insert(base_timestamp);
        let timestamp_delta = record.timestamp.wrapping_sub(base_timestamp);
        put_record(&mut self.records, timestamp_delta, offset_delta, record);
    }

    /// Whether a record may be added at this offset less the base offset: offsets only grow.
    pub fn takes(&self, offset_delta: i32) -> bool {
        offset_delta > self.header.last_offset_delta
    }

    /// Number of records added.
    pub fn count(&self) -> i32 {
        self.header.records_count
    }

    /// Bytes that the batch takes if it is not compressed.
    pub fn uncompressed_size(&self) -> usize {
        HEADER_LEN + self.records.len()
    }

    /// Bytes that `record` takes at most, uncompressed.
    pub fn upper_bound(record: NewRecord<'_>) -> usize {
        let overhead = varint::MAX_LEN_32 + 1 + varint::MAX_LEN_64 + varint::MAX_LEN_32;
        overhead + payload_len(record)
    }

    /// Makes the batch. Without any record it is the header that compaction leaves of a batch.
    pub fn build(self) -> Result<CheckedBatch, Error> {
        let mut header = self.header;
        header.last_offset_delta = self.last_offset_delta.unwrap_or(header.last_offset_delta).max(0);
        header.base_timestamp = self.delete_horizon_ms.or(self.base_timestamp).unwrap_or(NO_TIMESTAMP);
        let compression = if header.records_count == 0 { Compression::None } else { self.compression };
        header.attributes = header.attributes.with_compression(compression);

        let mut bytes = BytesMut::zeroed(HEADER_LEN);
        if compression == Compression::None {
            bytes.extend_from_slice(&self.records);
        } else {
            bytes.extend_from_slice(&compression.compress(&self.records, self.level)?);
        }
        header.batch_length = i32::try_from(bytes.len() - LOG_OVERHEAD).map_err(|_| Error::TooLarge(bytes.len()))?;
        let (head, records) = bytes.split_at_mut(HEADER_LEN);
        header.crc = header.compute_crc(records);
        head.copy_from_slice(&header.encode());
        Ok(CheckedBatch::of_parts(header, compression, bytes.freeze()))
    }

    /// Makes the batch's bytes.
    pub fn build_bytes(self) -> Result<Bytes, Error> {
        Ok(self.build()?.to_bytes())
    }
}

fn put_record(out: &mut Vec<u8>, timestamp_delta: i64, offset_delta: i32, record: NewRecord<'_>) {
    let offset_delta = i64::from(offset_delta);
    let body = 1 + varint::len(timestamp_delta) + varint::len(offset_delta) + payload_len(record);
    out.reserve(varint::MAX_LEN_32 + body);
    varint::put(out, body as i64);
    out.put_i8(0); // attributes: none are in use
    varint::put(out, timestamp_delta);
    varint::put(out, offset_delta);
    put_bytes(out, record.key);
    put_bytes(out, record.value);
    varint::put(out, record.headers.len() as i64);
    for (name, value) in record.headers {
        put_bytes(out, Some(name));
        put_bytes(out, *value);
    }
}

fn payload_len(record: NewRecord<'_>) -> usize {
    let headers = record.headers.iter().map(|(name, value)| bytes_len(Some(name)) + bytes_len(*value));
    bytes_len(record.key) + bytes_len(record.value) + varint::len(record.headers.len() as i64) + headers.sum::<usize>()
}

fn put_bytes(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    varint::put(out, bytes.map_or(-1, |bytes| bytes.len() as i64));
    out.extend_from_slice(bytes.unwrap_or_default());
}

fn bytes_len(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(varint::len(-1), |bytes| varint::len(bytes.len() as i64) + bytes.len())
}
