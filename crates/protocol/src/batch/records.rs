//! The records of a batch one after the other, decompressed as they are asked for.

use std::io::Read;

use bytes::{Buf, Bytes, BytesMut};

use super::record::{CUT_OFF, ENDLESS};
use super::{CheckedBatch, Error, Header, Record, varint};
use crate::compression::{self, Compression, Decompressor, Limits};

/// Bytes asked of a decompressor at a time; records share them.
const CHUNK: usize = 16 * 1024;

impl CheckedBatch {
    /// The records in order, ending with the first error. Uncompressed ones share the batch's bytes.
    pub fn records(&self, limits: &Limits) -> Records {
        let bytes = match self.compression() {
            Compression::None => Source::Plain(self.tail()),
            codec => match codec.decompress(self.tail(), limits) {
                Ok(stream) => Source::Stream { codec, stream, buffer: BytesMut::new() },
                Err(error) => Source::Failed(Some(error)),
            },
        };
        Records { header: *self.header(), bytes, read: 0, ended: false }
    }
}

/// See [`CheckedBatch::records`].
pub struct Records {
    header: Header,
    bytes: Source,
    read: i32,
    ended: bool,
}

impl Iterator for Records {
    type Item = Result<Record, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = if self.read < self.header.records_count { Some(self.next_record()) } else { self.end() };
        self.ended = !matches!(next, Some(Ok(_)));
        self.read += 1;
        next
    }
}

impl Records {
    fn next_record(&mut self) -> Result<Record, Error> {
        let index = self.read.unsigned_abs();
        let broken = |reason| Error::Record { index, reason };
        let length = varint::read_32(|| self.bytes.byte()).map_err(|error| error.at(index))?.ok_or(broken(ENDLESS))?;
        let length = usize::try_from(length).map_err(|_| broken("its length is negative"))?;
        let body = self.bytes.take(length).map_err(|error| error.at(index))?;
        Record::parse(&self.header, body).map_err(broken)
    }

    /// Nothing may follow the last record. As in Kafka, a batch that compaction emptied is not looked into.
    fn end(&mut self) -> Option<Result<Record, Error>> {
        if self.header.records_count == 0 {
            return None;
        }
        match self.bytes.is_empty() {
            Ok(true) => None,
            Ok(false) => Some(Err(Error::BytesLeft(self.header.records_count))),
            Err(error) => Some(Err(error.into())),
        }
    }
}

enum Source {
    Plain(Bytes),
    Stream { codec: Compression, stream: Decompressor, buffer: BytesMut },
    Failed(Option<compression::Error>),
}

/// Why bytes of a record are not there.
pub(super) enum Missing {
    End,
    Compression(compression::Error),
}

impl Missing {
    pub(super) fn at(self, index: u32) -> Error {
        match self {
            Self::End => Error::Record { index, reason: CUT_OFF },
            Self::Compression(error) => error.into(),
        }
    }
}

impl Source {
    fn byte(&mut self) -> Result<u8, Missing> {
        self.need(1)?;
        match self {
            Self::Plain(bytes) => bytes.try_get_u8(),
            Self::Stream { buffer, .. } => buffer.try_get_u8(),
            Self::Failed(_) => return Err(Missing::End),
        }
        .map_err(|_| Missing::End)
    }

    fn take(&mut self, count: usize) -> Result<Bytes, Missing> {
        self.need(count)?;
        match self {
            Self::Plain(bytes) => Ok(bytes.split_to(count)),
            Self::Stream { buffer, .. } => Ok(buffer.split_to(count).freeze()),
            Self::Failed(_) => Err(Missing::End),
        }
    }

    /// Sees to it that so many bytes are there.
    fn need(&mut self, count: usize) -> Result<(), Missing> {
        match self {
            Self::Plain(bytes) if bytes.len() < count => Err(Missing::End),
            Self::Plain(_) => Ok(()),
            Self::Stream { codec, stream, buffer } => {
                while buffer.len() < count {
                    if read_chunk(stream, buffer, *codec).map_err(Missing::Compression)? == 0 {
                        return Err(Missing::End);
                    }
                }
                Ok(())
            }
            Self::Failed(error) => Err(error.take().map_or(Missing::End, Missing::Compression)),
        }
    }

    fn is_empty(&mut self) -> Result<bool, compression::Error> {
        match self {
            Self::Plain(bytes) => Ok(bytes.is_empty()),
            Self::Stream { codec, stream, buffer } => Ok(buffer.is_empty() && read_chunk(stream, buffer, *codec)? == 0),
            Self::Failed(error) => error.take().map_or(Ok(true), Err),
        }
    }
}

/// The buffer grows with what came out, not with what a length says will.
fn read_chunk(
    stream: &mut Decompressor,
    buffer: &mut BytesMut,
    codec: Compression,
) -> Result<usize, compression::Error> {
    let before = buffer.len();
    buffer.resize(before + CHUNK, 0);
    let (_, place) = buffer.split_at_mut(before);
    let read = stream.read(place).map_err(|error| compression::Error::from_io(codec, error));
    buffer.truncate(before + *read.as_ref().unwrap_or(&0));
    read
}
