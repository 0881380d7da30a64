//! What can be wrong with the bytes of a batch, and which of Kafka's errors says so.

use crate::compression;

/// Kafka's error for what is wrong with produced records, to be turned into a code at the edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrorKind {
    /// CORRUPT_MESSAGE (2): the bytes changed on their way; clients send them again.
    CorruptMessage,
    /// INVALID_TIMESTAMP (32): a timestamp is outside the topic's bounds, or set for the broker.
    InvalidTimestamp,
    /// UNSUPPORTED_COMPRESSION_TYPE (76): the codec is none of Kafka's. (Kafka itself answers UNKNOWN_SERVER_ERROR.)
    UnsupportedCompressionType,
    /// INVALID_RECORD (87): the bytes came as they were sent and break a rule.
    InvalidRecord,
}

/// What is wrong with the bytes of a batch.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes end before the batch does.
    #[error("the record batch takes {needed} bytes and {available} are there")]
    Truncated {
        /// Bytes that must be there.
        needed: usize,
        /// Bytes that are there.
        available: usize,
    },
    /// The length field cannot be one of a batch.
    #[error("record batch length {0} is impossible")]
    Length(i32),
    /// A batch of magic 0 or 1, which Kafka 4 no longer takes.
    #[error("record batch has magic {0}, only magic 2 is supported")]
    OldMagic(i8),
    /// A magic that no release of Kafka wrote.
    #[error("Invalid magic found in record: {0}")]
    UnknownMagic(i8),
    /// The CRC-32C does not match.
    #[error("record batch is corrupt (stored crc = {stored}, computed crc = {computed})")]
    Crc {
        /// As the header says.
        stored: u32,
        /// Of the bytes.
        computed: u32,
    },
    /// A codec id that no release of Kafka knows.
    #[error("unknown compression type id {0}")]
    UnknownCompression(u8),
    /// Base offset and last offset delta are negative or overflow.
    #[error(
        "record batch has an invalid offset range: base offset {base_offset}, last offset delta {last_offset_delta}"
    )]
    OffsetRange {
        /// As the header says.
        base_offset: i64,
        /// As the header says.
        last_offset_delta: i32,
    },
    /// The number of records is negative or larger than the offset range.
    #[error("record batch declares {count} records for {range} offsets")]
    Count {
        /// As the header says.
        count: i32,
        /// Last offset delta + 1.
        range: i64,
    },
    /// No batch at all.
    #[error("there is no record batch")]
    Empty,
    /// A produced partition holds more than one batch.
    #[error("exactly one record batch is allowed a partition")]
    MoreThanOneBatch,
    /// A client wrote a control batch.
    #[error("clients are not allowed to write control records")]
    ControlFromClient,
    /// An idempotent producer without a sequence.
    #[error("invalid sequence number {base_sequence} in a record batch with producer id {producer_id}")]
    Sequence {
        /// As the header says.
        base_sequence: i32,
        /// As the header says.
        producer_id: i64,
    },
    /// A transactional batch without a producer id.
    #[error("a transactional record batch has no producer id")]
    TransactionalWithoutProducer,
    /// A record whose bytes do not form a record.
    #[error("invalid record {index}: {reason}")]
    Record {
        /// Which record of the batch.
        index: u32,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Bytes after the last record.
    #[error("bytes are left after the {0} records of the batch")]
    BytesLeft(i32),
    /// The records do not decompress within the limits.
    #[error("the records do not decompress: {0}")]
    Compression(#[from] compression::Error),
    /// A batch to be built would be larger than its length field can say.
    #[error("a record batch of {0} bytes cannot be built")]
    TooLarge(usize),
    /// The record of a control batch is not one.
    #[error("invalid control record: {0}")]
    Control(&'static str),
}

impl Error {
    /// Kafka's error for it when a client produced the bytes.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Length(_) | Self::UnknownMagic(_) | Self::Crc { .. } => ErrorKind::CorruptMessage,
            Self::UnknownCompression(_) => ErrorKind::UnsupportedCompressionType,
            _ => ErrorKind::InvalidRecord,
        }
    }
}
