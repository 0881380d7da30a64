//! Writes wire types, leaving gaps where record bytes are to be sent from elsewhere.

use super::{Codec, Str, Uuid};
use bytes::{BufMut, Bytes, BytesMut};

/// Record bytes shorter than this are copied into the message rather than sent beside it.
const SPLICE_FROM: usize = 4096;

/// Why a message cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A field holds something, and the version has no place for it.
    #[error("{field} cannot be carried by version {version}")]
    Field {
        /// Message and field.
        field: &'static str,
        /// The version.
        version: i16,
    },
    /// A field is null, and the version has no null for it.
    #[error("{field} cannot be null in version {version}")]
    Null {
        /// Message and field.
        field: &'static str,
        /// The version.
        version: i16,
    },
    /// A string, array or byte field is longer than its length field can say.
    #[error("a field of {0} bytes or elements is too long")]
    TooLong(usize),
    /// A version of the message that does not exist.
    #[error("{message} has no version {version}")]
    Version {
        /// The message's name.
        message: &'static str,
        /// The version asked for.
        version: i16,
    },
}

impl EncodeError {
    /// A field set at a version that lacks it.
    pub fn field_not_in_version(field: &'static str, version: i16) -> Self {
        Self::Field { field, version }
    }

    /// A null at a version that has none.
    pub fn null_not_in_version(field: &'static str, version: i16) -> Self {
        Self::Null { field, version }
    }
}

/// The value of a `records` field: bytes, or a promise of bytes that whoever sends the message will fetch.
#[derive(Clone, PartialEq, Eq)]
pub enum Records {
    /// The bytes.
    Bytes(Bytes),
    /// `size` bytes that the sender knows by `id` (a file range, say).
    External {
        /// The sender's own number for them.
        id: u64,
        /// How many they are.
        size: usize,
    },
}

impl Records {
    /// The number of record bytes.
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::External { size, .. } => *size,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes, if they are here.
    pub fn bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::External { .. } => None,
        }
    }
}

impl Default for Records {
    fn default() -> Self {
        Self::Bytes(Bytes::new())
    }
}

impl From<Bytes> for Records {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl core::fmt::Debug for Records {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Records({} bytes)", self.len())
    }
}

/// Where bytes belong that are not in the encoder's own buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Splice {
    /// The offset in the buffer before which they go.
    pub at: usize,
    /// What goes there.
    pub source: SpliceSource,
}

/// What a splice sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpliceSource {
    /// Bytes that are shared, not copied.
    Bytes(Bytes),
    /// See [`Records::External`].
    External {
        /// The sender's own number for them.
        id: u64,
        /// How many they are.
        size: usize,
    },
}

impl SpliceSource {
    /// The number of bytes it stands for.
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::External { size, .. } => *size,
        }
    }

    /// Whether it stands for none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A written message: its bytes and what is to be spliced in.
#[derive(Debug, Default)]
pub struct Encoded {
    /// All but the spliced bytes.
    pub buf: BytesMut,
    /// In rising order of `at`.
    pub splices: Vec<Splice>,
}

impl Encoded {
    /// Bytes of the whole message.
    pub fn len(&self) -> usize {
        self.buf.len() + self.splices.iter().map(|s| s.source.len()).sum::<usize>()
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One run of bytes; what is external is left out, so this is for messages without.
    pub fn into_bytes(self) -> Bytes {
        if self.splices.is_empty() {
            return self.buf.freeze();
        }
        let mut out = BytesMut::with_capacity(self.len());
        let mut from = 0;
        for splice in &self.splices {
            out.put_slice(&self.buf[from..splice.at]);
            if let SpliceSource::Bytes(bytes) = &splice.source {
                out.put_slice(bytes);
            }
            from = splice.at;
        }
        out.put_slice(&self.buf[from..]);
        out.freeze()
    }
}

/// Writes a message.
#[derive(Debug, Default)]
pub struct Encoder {
    out: Encoded,
}

type Result<T> = core::result::Result<T, EncodeError>;

macro_rules! fixed {
    ($($name:ident: $kind:ty;)*) => {$(
        #[doc = concat!("Writes a big-endian `", stringify!($kind), "`.")]
        pub fn $name(&mut self, value: $kind) {
            self.out.buf.put_slice(&value.to_be_bytes());
        }
    )*};
}

impl Encoder {
    /// An empty encoder.
    pub fn new() -> Self {
        Self::default()
    }

    /// An encoder that goes on after `buf`.
    pub fn after(buf: BytesMut) -> Self {
        Self { out: Encoded { buf, splices: Vec::new() } }
    }

    /// What was written.
    pub fn finish(self) -> Encoded {
        self.out
    }

    /// Bytes written so far, spliced ones included.
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    fixed! {
        int8: i8;
        int16: i16;
        uint16: u16;
        int32: i32;
        int64: i64;
        float64: f64;
    }

    /// Writes a bool.
    pub fn bool(&mut self, value: bool) {
        self.int8(i8::from(value));
    }

    /// Writes 16 bytes.
    pub fn uuid(&mut self, value: Uuid) {
        self.out.buf.put_slice(value.as_bytes());
    }

    /// Writes bytes without a length.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.out.buf.put_slice(bytes);
    }

    /// Writes an unsigned varint.
    pub fn unsigned_varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.out.buf.put_u8((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.out.buf.put_u8(value as u8);
    }

    fn length(&mut self, flexible: bool, short: bool, length: Option<usize>) -> Result<()> {
        let too_long = |_| EncodeError::TooLong(length.unwrap_or_default());
        match (flexible, short, length) {
            (true, _, None) => self.unsigned_varint(0),
            (true, _, Some(n)) => {
                let n = i32::try_from(n).map_err(too_long)?;
                self.unsigned_varint(n.unsigned_abs() + 1);
            }
            (false, true, None) => self.int16(-1),
            (false, true, Some(n)) => self.int16(i16::try_from(n).map_err(too_long)?),
            (false, false, None) => self.int32(-1),
            (false, false, Some(n)) => self.int32(i32::try_from(n).map_err(too_long)?),
        }
        Ok(())
    }

    /// Writes a string or null.
    pub fn nullable_string(&mut self, flexible: bool, value: Option<&Str>) -> Result<()> {
        self.length(flexible, true, value.map(|v| v.len()))?;
        self.raw(value.map_or(&[], |v| v.as_bytes()));
        Ok(())
    }

    /// Writes a string.
    pub fn string(&mut self, flexible: bool, value: &Str) -> Result<()> {
        self.nullable_string(flexible, Some(value))
    }

    /// Writes bytes or null.
    pub fn nullable_bytes(&mut self, flexible: bool, value: Option<&Bytes>) -> Result<()> {
        self.length(flexible, false, value.map(Bytes::len))?;
        self.raw(value.map_or(&[], |v| v.as_ref()));
        Ok(())
    }

    /// Writes bytes.
    pub fn bytes(&mut self, flexible: bool, value: &Bytes) -> Result<()> {
        self.nullable_bytes(flexible, Some(value))
    }

    /// Writes records or null; long ones are spliced in, not copied.
    pub fn nullable_records(&mut self, flexible: bool, value: Option<&Records>) -> Result<()> {
        self.length(flexible, false, value.map(Records::len))?;
        match value {
            Some(Records::Bytes(bytes)) if bytes.len() < SPLICE_FROM => self.raw(bytes),
            Some(Records::Bytes(bytes)) => self.splice(SpliceSource::Bytes(bytes.clone())),
            Some(Records::External { id, size }) => self.splice(SpliceSource::External { id: *id, size: *size }),
            None => {}
        }
        Ok(())
    }

    /// Writes records.
    pub fn records(&mut self, flexible: bool, value: &Records) -> Result<()> {
        self.nullable_records(flexible, Some(value))
    }

    fn splice(&mut self, source: SpliceSource) {
        self.out.splices.push(Splice { at: self.out.buf.len(), source });
    }

    /// Writes an array or null.
    pub fn nullable_array<T>(
        &mut self,
        flexible: bool,
        value: Option<&[T]>,
        mut element: impl FnMut(&mut Self, &T) -> Result<()>,
    ) -> Result<()> {
        self.length(flexible, false, value.map(<[T]>::len))?;
        value.unwrap_or_default().iter().try_for_each(|x| element(self, x))
    }

    /// Writes an array.
    pub fn array<T>(
        &mut self,
        flexible: bool,
        value: &[T],
        element: impl FnMut(&mut Self, &T) -> Result<()>,
    ) -> Result<()> {
        self.nullable_array(flexible, Some(value), element)
    }

    /// Writes a structure behind a presence byte, or null (KIP-893).
    pub fn nullable_struct<T: Codec>(&mut self, value: Option<&T>, version: i16) -> Result<()> {
        match value {
            Some(value) => {
                self.int8(1);
                value.encode(self, version)
            }
            None => {
                self.int8(-1);
                Ok(())
            }
        }
    }
}
