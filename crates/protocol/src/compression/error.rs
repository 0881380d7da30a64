//! Why bytes do not compress or decompress.

use std::io;

use super::Compression;

/// Why bytes do not compress or decompress.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes are not of this codec, or end too early.
    #[error("invalid {codec} data: {source}")]
    Corrupt {
        /// The codec's name.
        codec: &'static str,
        /// What its decoder says.
        source: io::Error,
    },
    /// More comes out than the limits allow.
    #[error("more than {limit} bytes come out of {input} compressed ones")]
    TooLarge {
        /// Bytes allowed.
        limit: u64,
        /// Compressed bytes there were.
        input: usize,
    },
    /// The codec failed to compress.
    #[error("{codec} failed to compress: {source}")]
    Compress {
        /// The codec's name.
        codec: &'static str,
        /// What its encoder says.
        source: io::Error,
    },
}

impl Error {
    /// What a [`super::Decompressor`] of `codec` said through [`io::Read`].
    pub fn from_io(codec: Compression, error: io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(error) => error,
            Err(source) => Self::Corrupt { codec: codec.name(), source },
        }
    }
}
