//! Fixed-width fields, read with every length checked against the bytes that are left.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use ottla_protocol::Uuid;

/// The highest index of an entry: far from where adding to it would overflow.
pub(crate) const MAX_INDEX: u64 = 1 << 62;

/// Why bytes could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Fewer bytes than the field needs.
    #[error("the bytes end within {0}")]
    Short(&'static str),
    /// A value that the field cannot have.
    #[error("{0} is out of range")]
    Range(&'static str),
    /// Bytes after the last field.
    #[error("bytes follow the last field")]
    Trailing,
}

/// Reads fields one after the other.
pub(crate) struct Reader(Bytes);

impl Reader {
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }

    fn need(&self, bytes: usize, field: &'static str) -> Result<(), ReadError> {
        if self.0.len() < bytes { Err(ReadError::Short(field)) } else { Ok(()) }
    }

    pub(crate) fn left(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn u8(&mut self, field: &'static str) -> Result<u8, ReadError> {
        self.need(1, field)?;
        Ok(self.0.get_u8())
    }

    pub(crate) fn flag(&mut self, field: &'static str) -> Result<bool, ReadError> {
        match self.u8(field)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(ReadError::Range(field)),
        }
    }

    pub(crate) fn i32(&mut self, field: &'static str) -> Result<i32, ReadError> {
        self.need(4, field)?;
        Ok(self.0.get_i32())
    }

    pub(crate) fn i64(&mut self, field: &'static str) -> Result<i64, ReadError> {
        self.need(8, field)?;
        Ok(self.0.get_i64())
    }

    /// A term, which is Kafka's epoch and as wide.
    pub(crate) fn term(&mut self, field: &'static str) -> Result<u64, ReadError> {
        let term = self.i32(field)?;
        let term = u64::try_from(term).map_err(|_| ReadError::Range(field))?;
        if term > max_term() { Err(ReadError::Range(field)) } else { Ok(term) }
    }

    /// The index of an entry, or zero.
    pub(crate) fn index(&mut self, field: &'static str) -> Result<u64, ReadError> {
        self.need(8, field)?;
        let index = self.0.get_u64();
        if index > MAX_INDEX { Err(ReadError::Range(field)) } else { Ok(index) }
    }

    pub(crate) fn uuid(&mut self, field: &'static str) -> Result<Uuid, ReadError> {
        self.need(16, field)?;
        let mut bytes = [0; 16];
        self.0.copy_to_slice(&mut bytes);
        Ok(Uuid::from_bytes(bytes))
    }

    /// As many things as the count before them says, of which each takes at least `least` bytes.
    pub(crate) fn count(&mut self, least: usize, field: &'static str) -> Result<usize, ReadError> {
        self.need(4, field)?;
        let count = usize::try_from(self.0.get_u32()).map_err(|_| ReadError::Range(field))?;
        if count > self.left() / least { Err(ReadError::Short(field)) } else { Ok(count) }
    }

    /// Bytes with their length before them.
    pub(crate) fn bytes(&mut self, most: usize, field: &'static str) -> Result<Bytes, ReadError> {
        let length = self.count(1, field)?;
        if length > most {
            return Err(ReadError::Range(field));
        }
        Ok(self.0.split_to(length))
    }

    pub(crate) fn end(&self) -> Result<(), ReadError> {
        if self.0.is_empty() { Ok(()) } else { Err(ReadError::Trailing) }
    }

    /// All that is left.
    pub(crate) fn rest(self) -> Bytes {
        self.0
    }
}

/// The highest term that may be met: an election may still follow it.
pub(crate) fn max_term() -> u64 {
    u64::try_from(crate::MAX_EPOCH).expect("the highest epoch is not negative")
}

/// A term as Kafka's epoch; terms that came from outside were checked when they were read.
pub(crate) fn epoch(term: u64) -> i32 {
    i32::try_from(term).expect("a term is an epoch")
}

pub(crate) fn put_term(out: &mut BytesMut, term: u64) {
    out.put_i32(epoch(term));
}

pub(crate) fn put_uuid(out: &mut BytesMut, id: Uuid) {
    out.put_slice(id.as_bytes());
}

pub(crate) fn put_flag(out: &mut BytesMut, flag: bool) {
    out.put_u8(u8::from(flag));
}

pub(crate) fn put_count(out: &mut BytesMut, count: usize) {
    out.put_u32(u32::try_from(count).expect("a count below the limits"));
}

pub(crate) fn put_bytes(out: &mut BytesMut, bytes: &[u8]) {
    put_count(out, bytes.len());
    out.put_slice(bytes);
}
