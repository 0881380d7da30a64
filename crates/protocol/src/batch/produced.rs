//! What a Produce request may hold for a partition: exactly one batch, as Kafka's ProduceRequest and log ask.

use bytes::Bytes;

use super::header::peek;
use super::{CheckedBatch, Error, Header};

impl CheckedBatch {
    /// Proves the records of one partition of a Produce request of version 3 or later.
    ///
    /// As in Kafka 4.3.1 none and more than one batch are refused (INVALID_RECORD), so is another magic, and what follows the
    /// batch is ignored if it is less than a batch. Size limits and the base offset are the log's to check.
    pub fn parse_produced(mut bytes: Bytes) -> Result<Self, Error> {
        let size = whole_batch(&bytes)?.ok_or(Error::Empty)?;
        Header::parse(&bytes)?;
        if whole_batch(bytes.get(size..).unwrap_or_default())?.is_some() {
            return Err(Error::MoreThanOneBatch);
        }
        Self::split_from(&mut bytes)
    }
}

/// Size of the batch that `bytes` start with, none if it is cut off.
fn whole_batch(bytes: &[u8]) -> Result<Option<usize>, Error> {
    match peek(bytes) {
        Ok((size, _)) => Ok(Some(size).filter(|size| *size <= bytes.len())),
        Err(Error::Truncated { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
