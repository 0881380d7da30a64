//! When a batch gets an entry in the indexes: the same while appending and while rebuilding them.

use ottla_protocol::batch::Header;

use super::{Error, Segment, TimestampOffset};

/// Counts the bytes since the last entry.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Indexer {
    bytes_since_entry: u64,
}

impl Indexer {
    /// Goes on after a batch that has an entry.
    pub(crate) fn after_entry(header: &Header) -> Self {
        Self { bytes_since_entry: header.size_in_bytes() as u64 }
    }

    /// Takes in a batch of the segment at `position`.
    pub(crate) fn batch(
        &mut self,
        segment: &Segment,
        header: &Header,
        position: u64,
        index_interval_bytes: u32,
    ) -> Result<(), Error> {
        let max = Self::max_with(segment, header)?;
        if self.bytes_since_entry > u64::from(index_interval_bytes) {
            let append = || {
                segment.offset_index.append(header.last_offset(), position)?;
                segment.time_index.maybe_append(max)
            };
            append().map_err(|source| segment.io(source))?;
            self.bytes_since_entry = 0;
        }
        self.bytes_since_entry += header.size_in_bytes() as u64;
        Ok(())
    }

    /// Takes in a batch that gets no entry.
    pub(crate) fn pass(&mut self, segment: &Segment, header: &Header) -> Result<(), Error> {
        Self::max_with(segment, header)?;
        self.bytes_since_entry += header.size_in_bytes() as u64;
        Ok(())
    }

    fn max_with(segment: &Segment, header: &Header) -> Result<TimestampOffset, Error> {
        let mut max = segment.max_timestamp()?;
        if header.max_timestamp > max.timestamp {
            max = TimestampOffset { timestamp: header.max_timestamp, offset: header.last_offset() };
            segment.set_max_timestamp(max);
        }
        Ok(max)
    }
}
