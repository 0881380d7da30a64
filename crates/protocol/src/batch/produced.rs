//! What a Produce request may hold for a partition: exactly one batch, as Kafka's ProduceRequest and log ask.

use bytes::Bytes;

use super::{CheckedBatch, Error, Header};

impl CheckedBatch {
    /// Proves the records of one partition of a Produce request of version 3 or later.
    ///
    /// As in Kafka 4.3.1 none and more than one batch are refused (INVALID_RECORD), so is another magic, and what follows the
    /// batch is ignored if it is less than a batch. Size limits are the log's.
    pub fn parse_produced(mut bytes: Bytes) -> Result<Self, Error> {
        let header = match Header::parse(&bytes) {
            Err(Error::Truncated { .. }) => return Err(Error::Empty),
            header => header?,
        };
        let Some(rest) = bytes.get(header.size_in_bytes()..) else {
            return Err(Error::Empty);
        };
        check_rest(rest)?;
        if header.base_offset != 0 {
            return Err(Error::BaseOffset(header.base_offset));
        }
        Self::split_from(&mut bytes)
    }
}

/// What may follow is the start of a batch that is cut off.
fn check_rest(rest: &[u8]) -> Result<(), Error> {
    match Header::parse(rest) {
        Err(Error::Truncated { .. }) => Ok(()),
        Err(error @ (Error::Length(_) | Error::UnknownMagic(_))) => Err(error),
        Ok(header) if rest.len() < header.size_in_bytes() => Ok(()),
        Ok(_) | Err(_) => Err(Error::MoreThanOneBatch),
    }
}
