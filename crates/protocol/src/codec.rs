//! Reading and writing Kafka's wire types: what the generated messages are made of.

mod decoder;
mod encoder;
mod str;
mod tagged;
mod uuid;

pub use self::decoder::{DecodeError, Decoder};
pub use self::encoder::{EncodeError, Encoded, Encoder, Records, Splice, SpliceSource};
pub use self::str::Str;
pub use self::tagged::{TaggedWriter, UnknownTaggedFields};
pub use self::uuid::Uuid;
pub use bytes::Bytes;

use core::{fmt::Debug, ops::RangeInclusive};

/// A structure of the protocol: it can be read and written at a version.
pub trait Codec: Sized {
    /// Reads the structure as `version` lays it out.
    fn decode(d: &mut Decoder, version: i16) -> Result<Self, DecodeError>;
    /// Writes the structure as `version` lays it out; a field that it cannot carry is an error.
    fn encode(&self, e: &mut Encoder, version: i16) -> Result<(), EncodeError>;
}

/// A whole message or record, with what its schema says of it.
pub trait Message: Codec + Clone + Debug + Default + PartialEq {
    /// Kafka's name of the message.
    const NAME: &'static str;
    /// The API key of a request or response, the id of a record.
    const ID: Option<i16>;
    /// The versions that exist.
    const VERSIONS: RangeInclusive<i16>;
    /// The first version with compact lengths and tagged fields (KIP-482).
    const FLEXIBLE_SINCE: Option<i16>;

    /// Reads a message, refusing versions that do not exist.
    fn read(d: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        if !Self::VERSIONS.contains(&version) {
            return Err(DecodeError::Version { message: Self::NAME, version });
        }
        Self::decode(d, version)
    }

    /// Reads a message that fills `bytes` to the end.
    fn from_bytes(bytes: Bytes, version: i16) -> Result<Self, DecodeError> {
        let mut d = Decoder::new(bytes);
        let message = Self::read(&mut d, version)?;
        d.finish()?;
        Ok(message)
    }

    /// The message alone as bytes.
    fn to_bytes(&self, version: i16) -> Result<Bytes, EncodeError> {
        if !Self::VERSIONS.contains(&version) {
            return Err(EncodeError::Version { message: Self::NAME, version });
        }
        let mut e = Encoder::new();
        self.encode(&mut e, version)?;
        Ok(e.finish().into_bytes())
    }

    /// A stored record's form: the version as an int16, then the message (coordinator keys and values).
    fn to_versioned_bytes(&self, version: i16) -> Result<Bytes, EncodeError> {
        let mut e = Encoder::new();
        e.int16(version);
        self.encode(&mut e, version)?;
        Ok(e.finish().into_bytes())
    }
}

#[cfg(test)]
mod tests;
