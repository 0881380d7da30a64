//! The codecs of record batches, read and written in the very framings Kafka uses, and read under limits.
//!
//! Declared sizes are never believed: output is streamed, counted, and stopped at a limit (CVE-2023-34455, and bombs of a
//! few KiB that unfold to GiB).

mod compress;
mod decompress;
mod error;
mod framing;
mod limits;
mod lz4;
mod snappy;
mod xxhash;

pub use compress::Level;
pub use decompress::Decompressor;
pub use error::Error;
pub use limits::{DEFAULT_MAX_OUTPUT, DEFAULT_MAX_RATIO, DEFAULT_ZSTD_WINDOW_LOG_MAX, FREE_OUTPUT, Limits};

/// The codec of a batch's records. The discriminants are the ids on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Compression {
    /// Not compressed.
    #[default]
    None = 0,
    /// RFC 1952.
    Gzip = 1,
    /// Raw snappy blocks in the framing of xerial's snappy-java.
    Snappy = 2,
    /// One LZ4 frame.
    Lz4 = 3,
    /// Zstandard (KIP-110), Produce 7 and Fetch 10 or later.
    Zstd = 4,
}

impl Compression {
    /// All codecs, by id.
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    /// The id in a batch's attributes.
    pub fn id(self) -> u8 {
        self as u8
    }

    /// The codec with this id.
    pub fn from_id(id: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.id() == id)
    }

    /// Its name in `compression.type`.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// The codec of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.name() == name)
    }
}
