//! Reads wire types from bytes that nobody vouches for: every length is checked, and what is allocated is paid from a budget.

use super::{Codec, Str, Uuid, tagged::UnknownTaggedFields};
use bytes::Bytes;

/// Heap a message may take for each byte it came in.
const HEAP_PER_BYTE: usize = 16;
/// Heap any message may take besides; the promise is 64 KiB, and sharing the input takes a little.
const HEAP_BASE: usize = 64 * 1024 - 256;

/// Why bytes are not the message they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end inside a field.
    #[error("{wanted} more bytes wanted, {left} left")]
    Underflow {
        /// Bytes the field needs.
        wanted: usize,
        /// Bytes there are.
        left: usize,
    },
    /// Bytes are left after the last field.
    #[error("{0} bytes are left after the message")]
    Trailing(usize),
    /// A length below zero where only null may be so.
    #[error("field {field} has length {length}")]
    Length {
        /// The schema's name of the field.
        field: &'static str,
        /// The length as read.
        length: i64,
    },
    /// Null where the schema allows none.
    #[error("field {0} is null")]
    Null(&'static str),
    /// A string that is not UTF-8.
    #[error("field {0} is not valid UTF-8")]
    Utf8(&'static str),
    /// A variable-length integer of too many bytes.
    #[error("a varint is longer than {0} bytes")]
    Varint(usize),
    /// The message would take far more memory than it has bytes.
    #[error("the message would take more than {0} bytes of memory")]
    Budget(usize),
    /// A tag that is not above the one before it.
    #[error("tagged field {0} is out of order")]
    TagOrder(u32),
    /// A version of the message that does not exist.
    #[error("{message} has no version {version}")]
    Version {
        /// The message's name.
        message: &'static str,
        /// The version asked for.
        version: i16,
    },
}

type Result<T> = core::result::Result<T, DecodeError>;

/// A position in bytes, and how much memory their message may still take.
///
/// Strings and byte fields are slices of the input. Vectors are allocated at the length the message claims, but only
/// while the budget of `HEAP_PER_BYTE` times the input plus `HEAP_BASE` lasts.
#[derive(Debug)]
pub struct Decoder {
    buf: Bytes,
    position: usize,
    end: usize,
    budget: usize,
    total: usize,
}

macro_rules! fixed {
    ($($name:ident: $kind:ty;)*) => {$(
        #[doc = concat!("Reads a big-endian `", stringify!($kind), "`.")]
        pub fn $name(&mut self) -> Result<$kind> {
            Ok(<$kind>::from_be_bytes(self.fixed()?))
        }
    )*};
}

impl Decoder {
    /// A decoder over all of `buf`.
    pub fn new(buf: Bytes) -> Self {
        let end = buf.len();
        let total = end.saturating_mul(HEAP_PER_BYTE).saturating_add(HEAP_BASE);
        Self { buf, position: 0, end, budget: total, total }
    }

    /// Bytes not read yet.
    pub fn remaining(&self) -> usize {
        self.end.saturating_sub(self.position)
    }

    /// Bytes read so far.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Errs if bytes are left.
    pub fn finish(&self) -> Result<()> {
        match self.remaining() {
            0 => Ok(()),
            left => Err(DecodeError::Trailing(left)),
        }
    }

    /// What is left, as a slice.
    pub fn rest(&mut self) -> Bytes {
        let rest = self.buf.slice(self.position..self.end);
        self.position = self.end;
        rest
    }

    fn advance(&mut self, wanted: usize) -> Result<core::ops::Range<usize>> {
        let left = self.remaining();
        if wanted > left {
            return Err(DecodeError::Underflow { wanted, left });
        }
        let start = self.position;
        self.position += wanted;
        Ok(start..self.position)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N]> {
        let range = self.advance(N)?;
        let mut out = [0; N];
        out.copy_from_slice(&self.buf[range]);
        Ok(out)
    }

    fixed! {
        int8: i8;
        int16: i16;
        uint16: u16;
        int32: i32;
        int64: i64;
        float64: f64;
    }

    /// Reads a bool: any byte but zero is true, as in Kafka.
    pub fn bool(&mut self) -> Result<bool> {
        Ok(self.int8()? != 0)
    }

    /// Reads 16 bytes.
    pub fn uuid(&mut self) -> Result<Uuid> {
        Ok(Uuid::from_bytes(self.fixed()?))
    }

    /// Reads an unsigned varint of at most 5 bytes.
    pub fn unsigned_varint(&mut self) -> Result<u32> {
        let mut value = 0u32;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.fixed()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(DecodeError::Varint(5))
    }

    /// Reads a length: `None` is null.
    fn length(&mut self, flexible: bool, short: bool, field: &'static str) -> Result<Option<usize>> {
        let length = match (flexible, short) {
            (true, _) => i64::from(self.unsigned_varint()?) - 1,
            (false, true) => i64::from(self.int16()?),
            (false, false) => i64::from(self.int32()?),
        };
        match length {
            -1 => Ok(None),
            _ => usize::try_from(length).map(Some).map_err(|_| DecodeError::Length { field, length }),
        }
    }

    fn slice(&mut self, length: usize) -> Result<Bytes> {
        let range = self.advance(length)?;
        Ok(self.buf.slice(range))
    }

    /// Reads a string that may be null where `null` says so.
    pub fn nullable_string(&mut self, flexible: bool, null: bool, field: &'static str) -> Result<Option<Str>> {
        match self.length(flexible, true, field)? {
            Some(length) => {
                let bytes = self.slice(length)?;
                Str::from_utf8(bytes).map(Some).ok_or(DecodeError::Utf8(field))
            }
            None if null => Ok(None),
            None => Err(DecodeError::Null(field)),
        }
    }

    /// Reads a string.
    pub fn string(&mut self, flexible: bool, field: &'static str) -> Result<Str> {
        self.nullable_string(flexible, false, field)?.ok_or(DecodeError::Null(field))
    }

    /// Reads bytes that may be null where `null` says so.
    pub fn nullable_bytes(&mut self, flexible: bool, null: bool, field: &'static str) -> Result<Option<Bytes>> {
        match self.length(flexible, false, field)? {
            Some(length) => self.slice(length).map(Some),
            None if null => Ok(None),
            None => Err(DecodeError::Null(field)),
        }
    }

    /// Reads bytes.
    pub fn bytes(&mut self, flexible: bool, field: &'static str) -> Result<Bytes> {
        self.nullable_bytes(flexible, false, field)?.ok_or(DecodeError::Null(field))
    }

    /// Reads an array that may be null where `null` says so.
    pub fn nullable_array<T>(
        &mut self,
        flexible: bool,
        null: bool,
        field: &'static str,
        mut element: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Option<Vec<T>>> {
        let Some(length) = self.length(flexible, false, field)? else {
            return if null { Ok(None) } else { Err(DecodeError::Null(field)) };
        };
        // No element is shorter than a byte, so a longer array cannot be there.
        if length > self.remaining() {
            return Err(DecodeError::Underflow { wanted: length, left: self.remaining() });
        }
        self.charge(length.saturating_mul(size_of::<T>()))?;
        let mut out = Vec::with_capacity(length);
        for _ in 0..length {
            out.push(element(self)?);
        }
        Ok(Some(out))
    }

    /// Reads an array.
    pub fn array<T>(
        &mut self,
        flexible: bool,
        field: &'static str,
        element: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Vec<T>> {
        self.nullable_array(flexible, false, field, element)?.ok_or(DecodeError::Null(field))
    }

    /// Reads a structure behind a presence byte: below zero is null (KIP-893).
    pub fn nullable_struct<T: Codec>(&mut self, version: i16) -> Result<Option<Box<T>>> {
        if self.int8()? < 0 {
            return Ok(None);
        }
        self.charge(size_of::<T>())?;
        T::decode(self, version).map(|value| Some(Box::new(value)))
    }

    /// Reads a structure of a tagged field behind a presence byte: 0 is null, which Kafka writes where it is the default.
    pub fn tagged_nullable_struct<T: Codec>(&mut self, version: i16) -> Result<Option<Box<T>>> {
        if self.int8()? <= 0 {
            return Ok(None);
        }
        self.charge(size_of::<T>())?;
        T::decode(self, version).map(|value| Some(Box::new(value)))
    }

    fn charge(&mut self, heap: usize) -> Result<()> {
        self.budget = self.budget.checked_sub(heap).ok_or(DecodeError::Budget(self.total))?;
        Ok(())
    }

    /// Reads the tagged section: `known` reads a tag it knows from a decoder that ends with the tag, and answers false for others.
    pub fn tagged_fields(
        &mut self,
        mut known: impl FnMut(&mut Self, u32) -> Result<bool>,
    ) -> Result<UnknownTaggedFields> {
        let count = self.unsigned_varint()?;
        let mut unknown = UnknownTaggedFields::default();
        let mut previous = None;
        for _ in 0..count {
            let tag = self.unsigned_varint()?;
            if previous.is_some_and(|p| tag <= p) {
                return Err(DecodeError::TagOrder(tag));
            }
            previous = Some(tag);
            let size = self.unsigned_varint()? as usize;
            let range = self.advance(size)?;
            let outer = core::mem::replace(&mut self.end, range.end);
            self.position = range.start;
            if known(self, tag)? {
                self.finish()?;
            } else {
                self.charge(UnknownTaggedFields::COST)?;
                unknown.push(tag, self.rest());
            }
            self.end = outer;
        }
        Ok(unknown)
    }
}
