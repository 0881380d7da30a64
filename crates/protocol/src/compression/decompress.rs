//! Decompressing a batch's records as a stream that ends in an error where the limits are passed.

use std::io::{self, Read};

use bytes::buf::Reader;
use bytes::{Buf, Bytes};
use flate2::bufread::MultiGzDecoder;

use super::{Compression, Error, Limits, lz4, snappy};

/// What comes out of compressed bytes, counted.
///
/// Errors of [`Read`] carry a [`super::Error`], which [`Error::from_io`] takes out again.
pub struct Decompressor {
    codec: &'static str,
    stream: Stream,
    input: usize,
    limit: u64,
    produced: u64,
}

enum Stream {
    Plain(Reader<Bytes>),
    Gzip(Box<MultiGzDecoder<Reader<Bytes>>>),
    Snappy(snappy::Reader),
    Lz4(lz4::Reader),
    Zstd(zstd::Decoder<'static, Reader<Bytes>>),
}

impl Compression {
    /// Reads what `input` holds. Memory follows what was read, apart from the few 100 KiB a codec works with.
    pub fn decompress(self, input: Bytes, limits: &Limits) -> Result<Decompressor, Error> {
        let codec = self.name();
        let size = input.len();
        let limit = limits.output_of(size);
        let corrupt = |source| Error::Corrupt { codec, source };
        let stream = match self {
            Self::None => Stream::Plain(input.reader()),
            // Java reads all members of a gzip file, one after the other.
            Self::Gzip => Stream::Gzip(Box::new(MultiGzDecoder::new(input.reader()))),
            Self::Snappy => Stream::Snappy(snappy::Reader::new(input, limit)),
            Self::Lz4 => Stream::Lz4(lz4::Reader::new(input).map_err(corrupt)?),
            Self::Zstd => Stream::Zstd(zstd(input, limits).map_err(corrupt)?),
        };
        Ok(Decompressor { codec, stream, input: size, limit, produced: 0 })
    }

    /// Reads all that `input` holds into memory, which grows with what comes out.
    pub fn decompress_all(self, input: Bytes, limits: &Limits) -> Result<Vec<u8>, Error> {
        let mut output = Vec::new();
        self.decompress(input, limits)?.read_to_end(&mut output).map_err(|error| Error::from_io(self, error))?;
        Ok(output)
    }
}

fn zstd(input: Bytes, limits: &Limits) -> io::Result<zstd::Decoder<'static, Reader<Bytes>>> {
    let mut decoder = zstd::Decoder::with_buffer(input.reader())?;
    decoder.window_log_max(limits.zstd_window_log_max)?;
    Ok(decoder)
}

impl Read for Decompressor {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.stream {
            Stream::Plain(stream) => stream.read(buffer),
            Stream::Gzip(stream) => stream.read(buffer),
            Stream::Snappy(stream) => stream.read(buffer),
            Stream::Lz4(stream) => stream.read(buffer),
            Stream::Zstd(stream) => stream.read(buffer),
        };
        let read = read.map_err(|source| self.corrupt(source))?;
        self.produced = self.produced.saturating_add(read as u64);
        if self.produced > self.limit {
            return Err(io::Error::other(Error::TooLarge { limit: self.limit, input: self.input }));
        }
        Ok(read)
    }
}

impl Decompressor {
    fn corrupt(&self, source: io::Error) -> io::Error {
        match source.downcast::<Error>() {
            Ok(error) => io::Error::other(error),
            Err(source) => io::Error::other(Error::Corrupt { codec: self.codec, source }),
        }
    }
}
