//! One record, taken out of the bytes of a batch without a copy.

use bytes::{Buf, Bytes};

use super::{Header, TimestampType, varint};

/// A record of a batch. Its bytes are shared with the batch, or with what was decompressed around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its place in the log.
    pub offset: i64,
    /// Milliseconds since 1970, the batch's if the broker set it.
    pub timestamp: i64,
    /// The key, if it has one.
    pub key: Option<Bytes>,
    /// The value; none is a tombstone in a compacted topic.
    pub value: Option<Bytes>,
    /// In their order; names may repeat.
    pub headers: Vec<(Bytes, Option<Bytes>)>,
}

impl Record {
    /// Reads a record whose `body` is what its length counted.
    pub(super) fn parse(batch: &Header, body: Bytes) -> Result<Self, &'static str> {
        let mut body = Body(body);
        body.byte()?; // attributes: none are in use
        let timestamp_delta = varint::read_64(|| body.byte())?.ok_or(ENDLESS)?;
        let offset_delta = body.varint()?;
        let key = body.nullable()?;
        let value = body.nullable()?;
        let headers = body.headers()?;
        if !body.0.is_empty() {
            return Err("bytes are left in it");
        }
        let offset = batch.base_offset.wrapping_add(i64::from(offset_delta));
        Ok(Self { offset, timestamp: timestamp_of(batch, timestamp_delta), key, value, headers })
    }
}

/// The timestamp of a record. As in Java it wraps, so that nothing a client sends is an error only here.
pub(super) fn timestamp_of(batch: &Header, timestamp_delta: i64) -> i64 {
    match batch.attributes.timestamp_type() {
        TimestampType::CreateTime => batch.base_timestamp.wrapping_add(timestamp_delta),
        TimestampType::LogAppendTime => batch.max_timestamp,
    }
}

pub(super) const ENDLESS: &str = "a number in it does not end";
pub(super) const CUT_OFF: &str = "it ends too early";
pub(super) const HEADERS: &str = "its number of headers is impossible";
pub(super) const HEADER_NAME: &str = "a header has no name";

/// Least bytes of a header: the lengths of its name and value.
pub(super) const MIN_HEADER_LEN: usize = 2;

struct Body(Bytes);

impl Body {
    fn byte(&mut self) -> Result<u8, &'static str> {
        self.0.try_get_u8().map_err(|_| CUT_OFF)
    }

    fn varint(&mut self) -> Result<i32, &'static str> {
        varint::read_32(|| self.byte())?.ok_or(ENDLESS)
    }

    /// As in Kafka, every negative length means none.
    fn nullable(&mut self) -> Result<Option<Bytes>, &'static str> {
        let Ok(length) = usize::try_from(self.varint()?) else {
            return Ok(None);
        };
        if self.0.len() < length {
            return Err(CUT_OFF);
        }
        Ok(Some(self.0.split_to(length)))
    }

    fn headers(&mut self) -> Result<Vec<(Bytes, Option<Bytes>)>, &'static str> {
        let count = usize::try_from(self.varint()?).map_err(|_| HEADERS)?;
        if count > self.0.len() / MIN_HEADER_LEN {
            return Err(HEADERS);
        }
        // The vector grows as headers are really there.
        let mut headers = Vec::new();
        for _ in 0..count {
            headers.push((self.nullable()?.ok_or(HEADER_NAME)?, self.nullable()?));
        }
        Ok(headers)
    }
}
