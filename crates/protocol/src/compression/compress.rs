//! Compressing the records of a batch as Kafka's own clients and brokers do.

use std::io::{self, Write};

use super::{Compression, Error, lz4, snappy};

/// How hard a codec tries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// The codec's own.
    #[default]
    Default,
    /// `compression.gzip.level` -1 or 1 to 9, `compression.lz4.level` 1 to 17, `compression.zstd.level` -131072 to 22; snappy
    /// has none.
    Of(i32),
}

impl Compression {
    /// Compresses `input` into one stream of the codec.
    pub fn compress(self, input: &[u8], level: Level) -> Result<Vec<u8>, Error> {
        let result = match self {
            Self::None => Ok(input.to_vec()),
            Self::Gzip => gzip(input, level),
            Self::Snappy => snappy::compress(input),
            Self::Lz4 => lz4::compress(input, level),
            Self::Zstd => zstd(input, level),
        };
        result.map_err(|source| Error::Compress { codec: self.name(), source })
    }
}

fn gzip(input: &[u8], level: Level) -> io::Result<Vec<u8>> {
    let level = match level {
        Level::Of(level @ 0..=9) => flate2::Compression::new(level.unsigned_abs()),
        _ => flate2::Compression::default(),
    };
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
    encoder.write_all(input)?;
    encoder.finish()
}

fn zstd(input: &[u8], level: Level) -> io::Result<Vec<u8>> {
    let level = match level {
        Level::Of(level) => level,
        Level::Default => zstd::DEFAULT_COMPRESSION_LEVEL,
    };
    zstd::bulk::compress(input, level)
}
