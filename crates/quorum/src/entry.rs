//! An entry of the log as bytes, on disk and in messages: everything but its index, which its place says.

use crate::{
    MAX_DATA_BYTES,
    codec::{self, ReadError, Reader},
    members::Change,
};
use bytes::{BufMut as _, BytesMut};
use raft::eraftpb::{Entry, EntryType};

/// The fewest bytes that an entry takes.
pub(crate) const MIN_BYTES: usize = 13;
/// What raft itself writes into a change of members, which only its proposer reads.
const MAX_RAFT_BYTES: usize = 64;

pub(crate) fn encode(entry: &Entry, out: &mut BytesMut) {
    codec::put_term(out, entry.term);
    out.put_u8(match entry.get_entry_type() {
        EntryType::EntryNormal => 0,
        EntryType::EntryConfChange | EntryType::EntryConfChangeV2 => 1,
    });
    codec::put_bytes(out, &entry.context);
    codec::put_bytes(out, &entry.data);
}

pub(crate) fn decode(from: &mut Reader, index: u64) -> Result<Entry, ReadError> {
    let mut entry = Entry { term: from.term("an entry's term")?, index, ..Entry::default() };
    let kind = from.u8("an entry's kind")?;
    entry.context = from.bytes(MAX_DATA_BYTES, "an entry's context")?;
    entry.data = from.bytes(MAX_DATA_BYTES, "an entry's data")?;
    match kind {
        0 if entry.context.is_empty() => entry.set_entry_type(EntryType::EntryNormal),
        // It is taken in later, when nothing can be refused any more.
        1 if entry.data.len() <= MAX_RAFT_BYTES => {
            Change::decode(&entry.context)?;
            entry.set_entry_type(EntryType::EntryConfChangeV2);
        }
        _ => return Err(ReadError::Range("an entry's kind")),
    }
    if entry.term == 0 || index == 0 { Err(ReadError::Range("an entry's term")) } else { Ok(entry) }
}
