//! A sequence of proven batches, as a request, a response or a part of a log holds them.

use bytes::Bytes;

use super::{CheckedBatch, Error};

/// Batches one after the other, at least one.
#[derive(Clone, Debug)]
pub struct CheckedBatches(Vec<CheckedBatch>);

impl CheckedBatches {
    /// Proves `bytes`: whole batches and nothing else, at least one.
    pub fn parse(bytes: Bytes) -> Result<Self, Error> {
        let (batches, rest) = Self::parse_whole(bytes)?;
        match rest {
            None => Ok(batches),
            Some(cut) => Err(cut),
        }
    }

    /// Proves the whole batches at the start of `bytes` and says what it missed if they end in a part of one: a fetch may end
    /// so, and Kafka ignores the part in a Produce request too.
    pub fn parse_whole(mut bytes: Bytes) -> Result<(Self, Option<Error>), Error> {
        let mut batches = Vec::new();
        let mut rest = None;
        while !bytes.is_empty() {
            match CheckedBatch::split_from(&mut bytes) {
                Ok(batch) => batches.push(batch),
                Err(cut @ Error::Truncated { .. }) => {
                    rest = Some(cut);
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        if batches.is_empty() { Err(Error::Empty) } else { Ok((Self(batches), rest)) }
    }

    /// The batches in order.
    pub fn iter(&self) -> std::slice::Iter<'_, CheckedBatch> {
        self.0.iter()
    }

    /// The batches in order, to be patched.
    pub fn iter_mut(&mut self) -> std::slice::IterMut<'_, CheckedBatch> {
        self.0.iter_mut()
    }

    /// How many batches there are: never 0.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Bytes of all batches.
    pub fn total_size(&self) -> usize {
        self.iter().map(CheckedBatch::size_in_bytes).sum()
    }
}

impl From<CheckedBatch> for CheckedBatches {
    fn from(batch: CheckedBatch) -> Self {
        Self(vec![batch])
    }
}

impl IntoIterator for CheckedBatches {
    type Item = CheckedBatch;
    type IntoIter = std::vec::IntoIter<CheckedBatch>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a CheckedBatches {
    type Item = &'a CheckedBatch;
    type IntoIter = std::slice::Iter<'a, CheckedBatch>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
