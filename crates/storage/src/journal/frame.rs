//! A frame: what one commit wrote, with everything that recovery needs to know whether it is whole.
//!
//! A frame starts at a multiple of [`ALIGNMENT`] with a header of 48 bytes, then a row of 56 bytes for each entry, then the
//! batches. The header's CRC-32C covers header and rows; the batches have their own.

use bytes::{Buf, BufMut};
use ottla_protocol::Uuid;

/// Frames start at multiples of a page, so that writing one never reads or tears another.
pub(crate) const ALIGNMENT: u64 = 4096;
pub(crate) const HEADER_LEN: usize = 48;
pub(crate) const ROW_LEN: usize = 56;
const MAGIC: u64 = 0x4f54_544c_414a_0001;

/// Whose entry it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartitionKey {
    /// The topic.
    pub topic_id: Uuid,
    /// The partition's number.
    pub partition: i32,
}

/// What happened to a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Batches were appended, from the offset on.
    Append,
    /// The log was cut so that it ends at the offset.
    Truncate,
    /// The log was emptied and starts at the offset.
    StartAt,
}

/// One entry of a frame, without its batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) key: PartitionKey,
    pub(crate) kind: Kind,
    pub(crate) offset: i64,
    /// Where the log ended before.
    pub(crate) before: i64,
    /// Where it ends now.
    pub(crate) end: i64,
    pub(crate) len: u32,
}

/// The start of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Drawn when the journal was made, so that no client can write a batch that looks like a frame.
    pub(crate) id: u64,
    /// Counts frames, from 1.
    pub(crate) seq: u64,
    /// Frames before this one are in synced segments: nothing in them is needed any more.
    pub(crate) floor: u64,
    pub(crate) rows: u32,
    pub(crate) body_len: u32,
}

impl Header {
    /// Bytes up to the batches.
    pub(crate) fn head_len(&self) -> u64 {
        (HEADER_LEN + ROW_LEN * self.rows as usize) as u64
    }

    /// Bytes of the whole frame, with what fills the last page.
    pub(crate) fn padded_len(&self) -> u64 {
        (self.head_len() + u64::from(self.body_len)).next_multiple_of(ALIGNMENT)
    }
}

/// Writes header and rows.
pub(crate) fn encode(header: &Header, rows: &[Row]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_LEN + ROW_LEN * rows.len());
    out.put_u64(MAGIC);
    out.put_u64(header.id);
    out.put_u64(header.seq);
    out.put_u64(header.floor);
    out.put_u32(header.rows);
    out.put_u32(header.body_len);
    out.put_u64(0);
    for row in rows {
        out.put_slice(row.key.topic_id.as_bytes());
        out.put_i32(row.key.partition);
        out.put_u32(kind_code(row.kind));
        out.put_i64(row.offset);
        out.put_i64(row.before);
        out.put_i64(row.end);
        out.put_u32(row.len);
        out.put_u32(0);
    }
    let crc = crc32c::crc32c(&out);
    out[HEADER_LEN - 8..HEADER_LEN - 4].copy_from_slice(&crc.to_be_bytes());
    out
}

/// Reads a header; none if these bytes do not start a frame. It is not proven before [`decode_rows`].
pub(crate) fn decode_header(mut bytes: &[u8]) -> Option<Header> {
    if bytes.len() < HEADER_LEN || bytes.get_u64() != MAGIC {
        return None;
    }
    let id = bytes.get_u64();
    Some(Header { id, seq: bytes.get_u64(), floor: bytes.get_u64(), rows: bytes.get_u32(), body_len: bytes.get_u32() })
}

/// Reads the rows of a frame whose header and rows are `bytes`; none if they are not what was written.
pub(crate) fn decode_rows(bytes: &[u8]) -> Option<Vec<Row>> {
    let (header, mut rows) = bytes.split_at_checked(HEADER_LEN)?;
    let (before, stored) = header.split_at_checked(HEADER_LEN - 8)?;
    let crc = [before, &[0; 8], rows].iter().fold(0, |crc, part| crc32c::crc32c_append(crc, part));
    if stored != [crc.to_be_bytes(), [0; 4]].concat() || rows.len() % ROW_LEN != 0 {
        return None;
    }
    let mut out = Vec::with_capacity(rows.len() / ROW_LEN);
    while rows.has_remaining() {
        let mut topic_id = [0; 16];
        rows.copy_to_slice(&mut topic_id);
        let key = PartitionKey { topic_id: Uuid::from_bytes(topic_id), partition: rows.get_i32() };
        let kind = kind_of(rows.get_u32())?;
        out.push(Row {
            key,
            kind,
            offset: rows.get_i64(),
            before: rows.get_i64(),
            end: rows.get_i64(),
            len: rows.get_u32(),
        });
        rows.advance(4);
    }
    Some(out)
}

fn kind_code(kind: Kind) -> u32 {
    match kind {
        Kind::Append => 1,
        Kind::Truncate => 2,
        Kind::StartAt => 3,
    }
}

fn kind_of(code: u32) -> Option<Kind> {
    match code {
        1 => Some(Kind::Append),
        2 => Some(Kind::Truncate),
        3 => Some(Kind::StartAt),
        _ => None,
    }
}
