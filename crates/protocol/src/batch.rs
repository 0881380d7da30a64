//! Record batches of magic 2 (KIP-98): their header, proof that their bytes are sound, their records, and a builder.
//!
//! A batch stays the bytes it came as. [`CheckedBatch`] proves what can be told without its records: length, magic,
//! CRC-32C, codec, counts. [`CheckedBatch::validate_records`] then walks the records as a leader must before it accepts them
//! from a client. What the owner of a log patches (base offset, leader epoch, timestamps) lives in the header beside the
//! shared bytes, so that nothing is copied.
//!
//! Magic 0 and 1 are refused with [`Error::OldMagic`]. Kafka 4.3.1 answers them with INVALID_RECORD in a Produce request of
//! version 3 and later; Produce 0 to 2, which carried them, are advertised but refused as a version.

mod batches;
mod builder;
mod checked;
pub mod control;
mod error;
mod header;
mod produced;
mod recompress;
mod record;
mod records;
#[cfg(test)]
mod tests;
mod validate;
mod varint;
mod walk;

pub use batches::CheckedBatches;
pub use builder::{Builder, NewRecord};
pub use checked::CheckedBatch;
pub use error::{Error, ErrorKind};
pub use header::{Attributes, Header, TimestampType, increment_sequence};
pub use record::Record;
pub use records::Records;
pub use validate::{MAX_RECORD_ERRORS, Origin, RecordError, Rejected, Rules, Validated};

/// Bytes of a batch header, all fields before the first record.
pub const HEADER_LEN: usize = 61;
/// Bytes before those that `batch_length` counts: base offset and length.
pub const LOG_OVERHEAD: usize = 12;
/// The only magic that is accepted and written.
pub const MAGIC: i8 = 2;
/// A batch or record without a timestamp.
pub const NO_TIMESTAMP: i64 = -1;
/// A batch whose producer is not idempotent.
pub const NO_PRODUCER_ID: i64 = -1;
/// The epoch that goes with [`NO_PRODUCER_ID`].
pub const NO_PRODUCER_EPOCH: i16 = -1;
/// The sequence of a batch that has none: no idempotent producer, or a control batch.
pub const NO_SEQUENCE: i32 = -1;
/// A batch that no leader has stamped yet.
pub const NO_PARTITION_LEADER_EPOCH: i32 = -1;

/// The CRC of a batch covers it from here: attributes and all that follows.
const CRC_START: usize = 21;
