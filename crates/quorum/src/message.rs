//! Messages between the nodes of a quorum as bytes: own encoding, of the kinds alone that may come from another node.

#[cfg(test)]
mod tests;

use crate::{
    MAX_MESSAGE_BYTES,
    codec::{self, ReadError, Reader},
    entry,
    members::{self, Members, SnapshotId},
};
use bytes::{BufMut as _, Bytes, BytesMut};
use ottla_protocol::{Str, Uuid};
use raft::{
    CAMPAIGN_TRANSFER,
    eraftpb::{Message, MessageType, Snapshot},
};

const VERSION: u8 = 1;
const MAX_CLUSTER_ID_BYTES: usize = 255;

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("a message of {0} bytes is too long")]
    Long(usize),
    #[error("messages of version {0} are not known")]
    Version(u8),
    #[error("messages of kind {0} are not known")]
    Kind(u8),
    #[error("a message of the quorum is damaged: {0}")]
    Read(#[from] ReadError),
}

/// What precedes every message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Envelope {
    pub(crate) cluster_id: Str,
    pub(crate) from: i32,
    pub(crate) from_directory: Uuid,
    pub(crate) to: i32,
    /// The directory in which the sender believes the receiver's log to be, if it knows.
    pub(crate) to_directory: Uuid,
}

/// The kinds and their bytes. Raft has more, which are what a node tells itself or what is not used here.
const KINDS: &[(u8, MessageType)] = &[
    (1, MessageType::MsgAppend),
    (2, MessageType::MsgAppendResponse),
    (3, MessageType::MsgRequestVote),
    (4, MessageType::MsgRequestVoteResponse),
    (5, MessageType::MsgRequestPreVote),
    (6, MessageType::MsgRequestPreVoteResponse),
    (7, MessageType::MsgHeartbeat),
    (8, MessageType::MsgHeartbeatResponse),
    (9, MessageType::MsgSnapshot),
    (10, MessageType::MsgTimeoutNow),
];

/// Whether this kind answers another, and so counts for a majority.
pub(crate) fn is_response(kind: MessageType) -> bool {
    matches!(
        kind,
        MessageType::MsgAppendResponse
            | MessageType::MsgRequestVoteResponse
            | MessageType::MsgRequestPreVoteResponse
            | MessageType::MsgHeartbeatResponse
    )
}

/// The bytes of a message, or nothing if its kind does not leave a node.
pub(crate) fn encode(envelope: &Envelope, message: &Message) -> Option<Bytes> {
    let kind = message.get_msg_type();
    let (byte, _) = KINDS.iter().find(|(_, known)| *known == kind)?;
    let entries: usize = message.entries.iter().map(|e| entry::MIN_BYTES + e.context.len() + e.data.len()).sum();
    let mut out = BytesMut::with_capacity(192 + entries);
    out.put_u8(VERSION);
    out.put_u8(*byte);
    codec::put_bytes(&mut out, envelope.cluster_id.as_bytes());
    out.put_i32(envelope.from);
    codec::put_uuid(&mut out, envelope.from_directory);
    out.put_i32(envelope.to);
    codec::put_uuid(&mut out, envelope.to_directory);
    codec::put_term(&mut out, message.term);
    encode_body(&mut out, message);
    Some(out.freeze())
}

fn encode_body(out: &mut BytesMut, message: &Message) {
    match message.get_msg_type() {
        MessageType::MsgAppend => {
            out.put_u64(message.index);
            codec::put_term(out, message.log_term);
            out.put_u64(message.commit);
            codec::put_count(out, message.entries.len());
            message.entries.iter().for_each(|e| entry::encode(e, out));
        }
        MessageType::MsgAppendResponse => {
            out.put_u64(message.index);
            out.put_u64(message.commit);
            codec::put_flag(out, message.reject);
            out.put_u64(message.reject_hint);
            codec::put_term(out, message.log_term);
        }
        MessageType::MsgRequestVote | MessageType::MsgRequestPreVote => {
            out.put_u64(message.index);
            codec::put_term(out, message.log_term);
            out.put_u64(message.commit);
            codec::put_term(out, message.commit_term);
            codec::put_flag(out, message.context == CAMPAIGN_TRANSFER);
        }
        MessageType::MsgRequestVoteResponse | MessageType::MsgRequestPreVoteResponse => {
            codec::put_flag(out, message.reject);
            out.put_u64(message.commit);
            codec::put_term(out, message.commit_term);
        }
        MessageType::MsgHeartbeat | MessageType::MsgHeartbeatResponse => out.put_u64(message.commit),
        MessageType::MsgSnapshot => {
            let snapshot = message.get_snapshot();
            out.put_u64(snapshot.get_metadata().index);
            codec::put_term(out, snapshot.get_metadata().term);
            out.put_slice(&snapshot.data);
        }
        _ => {}
    }
}

/// Reads a message. What is out of order within it is refused here; what does not fit the reader's state by `guard`.
pub(crate) fn decode(bytes: Bytes) -> Result<(Envelope, Message), DecodeError> {
    if bytes.len() > MAX_MESSAGE_BYTES {
        return Err(DecodeError::Long(bytes.len()));
    }
    let mut from = Reader::new(bytes);
    let version = from.u8("the version")?;
    if version != VERSION {
        return Err(DecodeError::Version(version));
    }
    let byte = from.u8("the kind")?;
    let (_, kind) = KINDS.iter().find(|(known, _)| *known == byte).ok_or(DecodeError::Kind(byte))?;
    let cluster_id = from.bytes(MAX_CLUSTER_ID_BYTES, "the cluster's id")?;
    let envelope = Envelope {
        cluster_id: Str::from_utf8(cluster_id).ok_or(ReadError::Range("the cluster's id"))?,
        from: from.i32("the sender")?,
        from_directory: from.uuid("the sender's directory")?,
        to: from.i32("the receiver")?,
        to_directory: from.uuid("the receiver's directory")?,
    };
    let mut message = Message::default();
    message.set_msg_type(*kind);
    message.from = members::raft_id(envelope.from).ok_or(ReadError::Range("the sender"))?;
    message.to = members::raft_id(envelope.to).ok_or(ReadError::Range("the receiver"))?;
    message.term = from.term("the term")?;
    // Raft takes a message without a term for its own.
    if message.term == 0 {
        return Err(ReadError::Range("the term").into());
    }
    decode_body(&mut from, &mut message)?;
    from.end()?;
    Ok((envelope, message))
}

fn decode_body(from: &mut Reader, message: &mut Message) -> Result<(), ReadError> {
    match message.get_msg_type() {
        MessageType::MsgAppend => {
            (message.index, message.log_term) = read_place(from)?;
            message.commit = from.index("the commit index")?;
            decode_entries(from, message)?;
        }
        MessageType::MsgAppendResponse => {
            message.index = from.index("the index")?;
            message.commit = from.index("the commit index")?;
            message.reject = from.flag("the rejection")?;
            message.reject_hint = from.index("the hint")?;
            message.log_term = from.term("the hint's term")?;
        }
        MessageType::MsgRequestVote | MessageType::MsgRequestPreVote => {
            (message.index, message.log_term) = read_place(from)?;
            (message.commit, message.commit_term) = read_place(from)?;
            if message.log_term > message.term || message.commit > message.index {
                return Err(ReadError::Range("the candidate's log"));
            }
            if from.flag("the transfer")? {
                message.context = Bytes::from_static(CAMPAIGN_TRANSFER);
            }
        }
        MessageType::MsgRequestVoteResponse | MessageType::MsgRequestPreVoteResponse => {
            message.reject = from.flag("the rejection")?;
            (message.commit, message.commit_term) = read_place(from)?;
        }
        MessageType::MsgHeartbeat | MessageType::MsgHeartbeatResponse => {
            message.commit = from.index("the commit index")?;
        }
        MessageType::MsgSnapshot => decode_snapshot(from, message)?,
        _ => {}
    }
    Ok(())
}

/// An index and its term. A term of zero is the one before the first entry: raft takes it for that of any index which the
/// log does not have.
fn read_place(from: &mut Reader) -> Result<(u64, u64), ReadError> {
    let (index, term) = (from.index("an index")?, from.term("an index's term")?);
    if (index == 0) != (term == 0) { Err(ReadError::Range("an index's term")) } else { Ok((index, term)) }
}

fn decode_entries(from: &mut Reader, message: &mut Message) -> Result<(), ReadError> {
    let count = from.count(entry::MIN_BYTES, "the entries")?;
    let mut entries = Vec::with_capacity(count);
    let (mut index, mut term) = (message.index, message.log_term);
    for _ in 0..count {
        index += 1;
        let entry = entry::decode(from, index)?;
        if entry.term < term || entry.term > message.term {
            return Err(ReadError::Range("an entry's term"));
        }
        term = entry.term;
        entries.push(entry);
    }
    // A log starts from a snapshot, that of the founding if from no other, so that all begin with the same members.
    if message.index == 0 || message.log_term > message.term {
        return Err(ReadError::Range("the entry before"));
    }
    message.set_entries(entries.into());
    Ok(())
}

fn decode_snapshot(from: &mut Reader, message: &mut Message) -> Result<(), ReadError> {
    let (index, term) = read_place(from)?;
    if index == 0 || term > message.term {
        return Err(ReadError::Range("the snapshot"));
    }
    let (members, id) = (Members::decode(from)?, SnapshotId::decode(from)?);
    message.set_snapshot(snapshot(index, term, &members, id));
    Ok(())
}

/// Raft's snapshot: where it stands, and as its data what stands for the entries before.
pub(crate) fn snapshot(index: u64, term: u64, members: &Members, id: SnapshotId) -> Snapshot {
    let mut data = BytesMut::new();
    members.encode(&mut data);
    id.encode(&mut data);
    let mut snapshot = Snapshot { data: data.freeze(), ..Snapshot::default() };
    let metadata = snapshot.mut_metadata();
    metadata.index = index;
    metadata.term = term;
    metadata.set_conf_state(members.to_raft());
    snapshot
}

/// The data of a raft snapshot, which [`snapshot`] made.
pub(crate) fn snapshot_data(snapshot: &Snapshot) -> Result<(Members, SnapshotId), ReadError> {
    let mut from = Reader::new(snapshot.data.clone());
    let read = (Members::decode(&mut from)?, SnapshotId::decode(&mut from)?);
    from.end()?;
    Ok(read)
}
