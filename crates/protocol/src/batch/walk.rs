//! Goes over records without taking them out: what validation needs to know, and nothing kept.

use std::io::{self, BufRead, BufReader};

use super::record::{ENDLESS, HEADER_NAME, HEADERS, MIN_HEADER_LEN, timestamp_of};
use super::records::Missing;
use super::{CheckedBatch, Error, varint};
use crate::compression::{self, Compression, Limits};

/// Bytes of decompressed records that are looked at at a time.
const WINDOW: usize = 16 * 1024;

/// What is to be known of a record without its contents.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outline {
    pub(super) index: u32,
    pub(super) timestamp: i64,
    pub(super) offset_delta: i32,
    pub(super) has_key: bool,
}

impl CheckedBatch {
    /// Shows every record to `visit` and returns how many bytes they take uncompressed.
    pub(super) fn walk(&self, limits: &Limits, visit: impl FnMut(Outline)) -> Result<u64, Error> {
        match self.compression() {
            Compression::None => self.walk_in(self.tail_slice(), visit),
            codec => {
                let stream = codec.decompress(self.tail(), limits)?;
                self.walk_in(BufReader::with_capacity(WINDOW, stream), visit)
            }
        }
    }

    fn walk_in(&self, bytes: impl BufRead, mut visit: impl FnMut(Outline)) -> Result<u64, Error> {
        let mut walk = Walk { bytes, consumed: 0, codec: self.compression() };
        let count = self.header().records_count;
        for index in 0..count.unsigned_abs() {
            let record = walk.record().map_err(|error| error.at(index))?;
            let timestamp = timestamp_of(self.header(), record.timestamp_delta);
            visit(Outline { index, timestamp, offset_delta: record.offset_delta, has_key: record.has_key });
        }
        if count > 0 && !walk.fill().map_err(|error| error.at(0))?.is_empty() {
            return Err(Error::BytesLeft(count));
        }
        Ok(walk.consumed)
    }
}

struct Deltas {
    timestamp_delta: i64,
    offset_delta: i32,
    has_key: bool,
}

enum Broken {
    Missing(Missing),
    Rule(&'static str),
}

impl Broken {
    fn at(self, index: u32) -> Error {
        match self {
            Self::Missing(missing) => missing.at(index),
            Self::Rule(reason) => Error::Record { index, reason },
        }
    }
}

struct Walk<R> {
    bytes: R,
    consumed: u64,
    codec: Compression,
}

impl<R: BufRead> Walk<R> {
    fn record(&mut self) -> Result<Deltas, Broken> {
        let length = self.varint()?;
        let length = u64::try_from(length).map_err(|_| Broken::Rule("its length is negative"))?;
        let end = self.consumed.saturating_add(length);
        self.byte()?; // attributes: none are in use
        let timestamp_delta = self.varlong()?;
        let offset_delta = self.varint()?;
        let has_key = self.skip_nullable()?;
        self.skip_nullable()?;
        self.skip_headers(end)?;
        if self.consumed != end {
            return Err(Broken::Rule("its length does not match its fields"));
        }
        Ok(Deltas { timestamp_delta, offset_delta, has_key })
    }

    fn skip_headers(&mut self, end: u64) -> Result<(), Broken> {
        let count = u64::try_from(self.varint()?).map_err(|_| Broken::Rule(HEADERS))?;
        if count > end.saturating_sub(self.consumed) / MIN_HEADER_LEN as u64 {
            return Err(Broken::Rule(HEADERS));
        }
        for _ in 0..count {
            if !self.skip_nullable()? {
                return Err(Broken::Rule(HEADER_NAME));
            }
            self.skip_nullable()?;
        }
        Ok(())
    }

    /// Whether there was something, if only an empty thing.
    fn skip_nullable(&mut self) -> Result<bool, Broken> {
        let Ok(mut left) = usize::try_from(self.varint()?) else {
            return Ok(false);
        };
        while left > 0 {
            let skipped = self.fill()?.len().min(left);
            if skipped == 0 {
                return Err(Broken::Missing(Missing::End));
            }
            self.consume(skipped);
            left -= skipped;
        }
        Ok(true)
    }

    fn varint(&mut self) -> Result<i32, Broken> {
        let at_hand = self.fill()?;
        let mut bytes = at_hand.iter();
        let Ok(Some(value)) = varint::read_32(|| bytes.next().ok_or(()).copied()) else {
            return varint::read_32(|| self.byte())?.ok_or(Broken::Rule(ENDLESS));
        };
        let length = at_hand.len() - bytes.len();
        self.consume(length);
        Ok(value)
    }

    fn varlong(&mut self) -> Result<i64, Broken> {
        varint::read_64(|| self.byte())?.ok_or(Broken::Rule(ENDLESS))
    }

    fn byte(&mut self) -> Result<u8, Broken> {
        let byte = *self.fill()?.first().ok_or(Broken::Missing(Missing::End))?;
        self.consume(1);
        Ok(byte)
    }

    fn fill(&mut self) -> Result<&[u8], Broken> {
        let codec = self.codec;
        let failed = |error: io::Error| Missing::Compression(compression::Error::from_io(codec, error));
        self.bytes.fill_buf().map_err(|error| Broken::Missing(failed(error)))
    }

    fn consume(&mut self, count: usize) {
        self.bytes.consume(count);
        self.consumed = self.consumed.saturating_add(count as u64);
    }
}
