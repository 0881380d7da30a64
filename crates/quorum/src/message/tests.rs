//! Messages become bytes and the same messages again; what no node would send is not read.

use super::{DecodeError, Envelope, decode, encode, snapshot};
use crate::{
    Change, MAX_DATA_BYTES, MAX_EPOCH, Member, Members, SnapshotId, Voter,
    codec::{MAX_INDEX, ReadError},
    members::raft_id,
};
use bytes::{Bytes, BytesMut};
use ottla_protocol::{Str, Uuid};
use proptest::prelude::*;
use raft::{
    CAMPAIGN_TRANSFER,
    eraftpb::{Entry, EntryType, Message, MessageType},
};

fn uuids() -> impl Strategy<Value = Uuid> {
    any::<[u8; 16]>().prop_map(Uuid::from_bytes)
}

fn terms() -> impl Strategy<Value = u64> {
    1..=u64::try_from(MAX_EPOCH).unwrap()
}

fn indexes() -> impl Strategy<Value = u64> {
    prop_oneof![1..50u64, 1..MAX_INDEX - 100]
}

fn bytes() -> impl Strategy<Value = Bytes> {
    proptest::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from)
}

fn members() -> impl Strategy<Value = Members> {
    let member = (0..1000i32, uuids(), any::<bool>());
    proptest::collection::vec(member, 1..8).prop_map(|found| {
        let mut members = Members::of_voters(&[Voter { id: 5000, directory_id: Uuid::ZERO }]).unwrap();
        for (id, directory_id, learner) in found {
            let added = members.changed(Change::AddLearner(Voter { id, directory_id }));
            let voting = |members: Members| if learner { Ok(members) } else { members.changed(Change::Promote(id)) };
            members = added.and_then(voting).unwrap_or(members);
        }
        members
    })
}

fn changes() -> impl Strategy<Value = Change> {
    let id = 0..i32::MAX - 1;
    prop_oneof![
        (id.clone(), uuids()).prop_map(|(id, directory_id)| Change::AddLearner(Voter { id, directory_id })),
        id.clone().prop_map(Change::Promote),
        id.prop_map(Change::Remove),
    ]
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let entry = (bytes(), proptest::option::of((changes(), bytes())));
    proptest::collection::vec(entry, 0..6).prop_map(|found| {
        let make = |(data, change): (Bytes, Option<(Change, Bytes)>)| {
            let mut entry = Entry { data, ..Entry::default() };
            if let Some((change, beside)) = change {
                entry.set_entry_type(EntryType::EntryConfChangeV2);
                let mut context = BytesMut::new();
                change.encode(&mut context);
                context.extend_from_slice(&beside);
                entry.context = context.freeze();
            }
            entry
        };
        found.into_iter().map(make).collect()
    })
}

/// Fields that any kind takes what it needs from, all in range and in order.
fn messages() -> impl Strategy<Value = Message> {
    let places = (terms(), indexes(), 0..40u64, indexes(), any::<bool>(), any::<bool>());
    (0..super::KINDS.len(), places, entries(), members(), (0i64.., 0i32..)).prop_map(
        |(kind, (term, index, earlier, commit, flag, other), mut entries, members, (end_offset, epoch))| {
            let (_, kind) = super::KINDS[kind];
            let log_term = term.saturating_sub(earlier).max(1);
            let mut m = Message { term, index, log_term, ..Message::default() };
            m.set_msg_type(kind);
            (m.from, m.to) = (raft_id(7).unwrap(), raft_id(0).unwrap());
            m.commit = commit;
            match kind {
                MessageType::MsgAppend => {
                    for (n, entry) in entries.iter_mut().enumerate() {
                        entry.index = index + 1 + u64::try_from(n).unwrap();
                        entry.term = if n > 2 { term } else { log_term };
                    }
                    m.set_entries(entries.into());
                }
                MessageType::MsgAppendResponse => (m.reject, m.reject_hint) = (flag, index / 2),
                MessageType::MsgRequestVote | MessageType::MsgRequestPreVote => {
                    (m.commit, m.commit_term) = (index.min(commit), log_term);
                    m.context = if flag { Bytes::from_static(CAMPAIGN_TRANSFER) } else { Bytes::new() };
                }
                MessageType::MsgRequestVoteResponse | MessageType::MsgRequestPreVoteResponse => {
                    (m.index, m.log_term, m.reject) = (0, 0, flag);
                    (m.commit, m.commit_term) = if other { (commit, log_term) } else { (0, 0) };
                }
                MessageType::MsgSnapshot => {
                    m.set_snapshot(snapshot(index, log_term, &members, SnapshotId { end_offset, epoch }));
                    (m.index, m.log_term, m.commit) = (0, 0, 0);
                }
                MessageType::MsgTimeoutNow => (m.index, m.log_term, m.commit) = (0, 0, 0),
                _ => (m.index, m.log_term) = (0, 0),
            }
            m
        },
    )
}

fn envelope() -> Envelope {
    Envelope {
        cluster_id: Str::from_static("4L6g3nShT-eMCtK--X86sw"),
        from: 7,
        from_directory: Uuid::ONE,
        to: 0,
        to_directory: Uuid::ZERO,
    }
}

proptest! {
    #[test]
    fn a_message_comes_as_it_was_sent(message in messages(), from_directory in uuids(), to_directory in uuids()) {
        let envelope = Envelope { from_directory, to_directory, ..envelope() };
        let bytes = encode(&envelope, &message).unwrap();
        prop_assert_eq!(decode(bytes.clone()), Ok((envelope, message)));
        // Not a byte of it can be missing.
        for end in 0..bytes.len() {
            prop_assert!(decode(bytes.slice(..end)).is_err());
        }
    }

    #[test]
    fn what_is_read_is_written_the_same(message in messages(), at: usize, byte: u8) {
        let mut bytes = encode(&envelope(), &message).unwrap().to_vec();
        let at = at % bytes.len();
        bytes[at] = byte;
        let bytes = Bytes::from(bytes);
        if let Ok((envelope, message)) = decode(bytes.clone()) {
            prop_assert_eq!(encode(&envelope, &message), Some(bytes));
        }
    }
}

#[test]
fn what_a_node_tells_itself_is_not_sent() {
    for kind in [MessageType::MsgHup, MessageType::MsgBeat, MessageType::MsgPropose, MessageType::MsgCheckQuorum] {
        let mut message = Message::default();
        message.set_msg_type(kind);
        assert_eq!(encode(&envelope(), &message), None);
    }
}

fn refused(message: Message) -> ReadError {
    match decode(encode(&envelope(), &message).unwrap()) {
        Err(DecodeError::Read(error)) => error,
        other => panic!("{other:?}"),
    }
}

fn append(index: u64, log_term: u64, entries: &[(u64, usize)]) -> Message {
    let entry = |(n, (term, bytes)): (usize, &(u64, usize))| Entry {
        term: *term,
        index: index + 1 + u64::try_from(n).unwrap(),
        data: Bytes::from(vec![0; *bytes]),
        ..Entry::default()
    };
    let mut message = Message { term: 5, index, log_term, from: 1, to: 1, ..Message::default() };
    message.set_msg_type(MessageType::MsgAppend);
    message.set_entries(entries.iter().enumerate().map(entry).collect::<Vec<_>>().into());
    message
}

#[test]
fn entries_out_of_order_are_not_read() {
    assert!(decode(encode(&envelope(), &append(4, 3, &[(3, 1), (5, 1)])).unwrap()).is_ok());
    let range = |field| ReadError::Range(field);
    assert_eq!(refused(append(4, 3, &[(2, 1)])), range("an entry's term"), "older than the one before");
    assert_eq!(refused(append(4, 3, &[(5, 1), (4, 1)])), range("an entry's term"));
    assert_eq!(refused(append(4, 3, &[(6, 1)])), range("an entry's term"), "newer than its leader");
    assert_eq!(refused(append(4, 6, &[])), range("the entry before"));
    assert_eq!(refused(append(0, 0, &[(1, 1)])), range("the entry before"), "no log begins without a snapshot");
    assert_eq!(refused(append(4, 0, &[(1, 1)])), range("an index's term"));
    assert_eq!(refused(append(0, 4, &[(4, 1)])), range("an index's term"));
    assert_eq!(refused(append(4, 3, &[(3, MAX_DATA_BYTES + 1)])), range("an entry's data"));
    assert_eq!(refused(append(MAX_INDEX + 1, 3, &[])), range("an index"));
}

#[test]
fn members_out_of_order_are_not_read() {
    let member = |id, learner| Member { voter: Voter { id, directory_id: Uuid::ZERO }, learner };
    let encode_all = |found: &[Member]| {
        let mut data = BytesMut::new();
        crate::codec::put_count(&mut data, found.len());
        for member in found {
            data.extend_from_slice(&member.voter.id.to_be_bytes());
            data.extend_from_slice(member.voter.directory_id.as_bytes());
            data.extend_from_slice(&[u8::from(member.learner)]);
        }
        Members::decode(&mut crate::codec::Reader::new(data.freeze()))
    };
    assert!(encode_all(&[member(1, false), member(2, true)]).is_ok());
    assert!(encode_all(&[]).is_err());
    assert!(encode_all(&[member(1, true)]).is_err(), "nobody votes");
    assert!(encode_all(&[member(1, false), member(1, false)]).is_err(), "raft counts members twice or panics");
    assert!(encode_all(&[member(-1, false)]).is_err());
    assert!(encode_all(&(0..17).map(|id| member(id, false)).collect::<Vec<_>>()).is_err());
}
