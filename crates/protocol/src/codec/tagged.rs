//! The tagged section at the end of flexible structures (KIP-482).

use super::{EncodeError, Encoder};
use bytes::Bytes;

/// Tagged fields that the schema does not name, in tag order; mostly none, so they cost one pointer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(clippy::box_collection)] // a bare Vec is three times as wide, in every element of every array
pub struct UnknownTaggedFields(Option<Box<Vec<(u32, Bytes)>>>);

impl UnknownTaggedFields {
    /// Heap that a field may take: a first one gets a box and room for four, and as the vector grows there are for a
    /// moment two of them.
    pub(super) const COST: usize = 5 * size_of::<(u32, Bytes)>();

    /// Adds a field; tags must come in rising order.
    pub fn push(&mut self, tag: u32, value: Bytes) {
        self.0.get_or_insert_default().push((tag, value));
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The fields, in tag order.
    pub fn iter(&self) -> impl Iterator<Item = &(u32, Bytes)> {
        self.0.iter().flat_map(|fields| fields.iter())
    }
}

/// Gathers the known tagged fields of one structure, then writes them with the unknown ones.
#[derive(Debug, Default)]
pub struct TaggedWriter(Vec<(u32, Bytes)>);

impl TaggedWriter {
    /// No fields yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the field that `write` writes.
    pub fn add(
        &mut self,
        tag: u32,
        write: impl FnOnce(&mut Encoder) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        let mut e = Encoder::new();
        write(&mut e)?;
        self.0.push((tag, e.finish().into_bytes()));
        Ok(())
    }

    /// Writes count, tags, sizes and values in tag order.
    pub fn finish(self, unknown: &UnknownTaggedFields, e: &mut Encoder) -> Result<(), EncodeError> {
        let mut all: Vec<_> = self.0.iter().chain(unknown.iter()).collect();
        all.sort_by_key(|(tag, _)| *tag);
        let size = |n: usize| u32::try_from(n).map_err(|_| EncodeError::TooLong(n));
        e.unsigned_varint(size(all.len())?);
        for (tag, value) in all {
            e.unsigned_varint(*tag);
            e.unsigned_varint(size(value.len())?);
            e.raw(value);
        }
        Ok(())
    }
}
