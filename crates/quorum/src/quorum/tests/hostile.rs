//! Messages that no node of a healthy quorum sends: each is refused or taken, none stops the node.

use super::cluster::{Cluster, directory, seeds, settings};
use super::network::Random;
use crate::{
    Founding, MAX_MESSAGE_BYTES, Members, MemoryStore, Quorum, SnapshotId, Voter,
    members::raft_id,
    message::{self, DecodeError, Envelope},
};
use bytes::Bytes;
use ottla_protocol::{Str, Uuid};
use proptest::prelude::*;
use raft::eraftpb::{Entry, Message, MessageType};

use super::super::Refused;
use crate::guard::GuardError;

fn envelope(from: i32, to: i32) -> Envelope {
    Envelope {
        cluster_id: Str::from_static("cluster"),
        from,
        from_directory: directory(from, 1),
        to,
        to_directory: Uuid::ZERO,
    }
}

fn message(kind: MessageType, from: i32, to: i32, term: u64) -> Message {
    let (from, to) = (raft_id(from).unwrap(), raft_id(to).unwrap());
    let mut message = Message { from, to, term, ..Message::default() };
    message.set_msg_type(kind);
    message
}

pub(super) fn heartbeat_response(from: i32, from_directory: Uuid, to: i32, to_directory: Uuid, term: u64) -> Bytes {
    let envelope = Envelope { from_directory, to_directory, ..envelope(from, to) };
    message::encode(&envelope, &message(MessageType::MsgHeartbeatResponse, from, to, term)).unwrap()
}

const KINDS: [MessageType; 10] = [
    MessageType::MsgAppend,
    MessageType::MsgAppendResponse,
    MessageType::MsgRequestVote,
    MessageType::MsgRequestVoteResponse,
    MessageType::MsgRequestPreVote,
    MessageType::MsgRequestPreVoteResponse,
    MessageType::MsgHeartbeat,
    MessageType::MsgHeartbeatResponse,
    MessageType::MsgSnapshot,
    MessageType::MsgTimeoutNow,
];

/// A message that might be meant for a node in this state: mostly near what it expects.
fn plausible(random: &mut Random, to: i32, status: &crate::Status, term: u64) -> Bytes {
    let near = |random: &mut Random, value: u64| match random.below(10) {
        0 => random.next() >> random.below(64),
        _ => (value + random.next() % 5).saturating_sub(2),
    };
    let from = i32::try_from(random.below(4)).unwrap();
    let kind = KINDS[random.below(KINDS.len())];
    let mut m = message(kind, from, to, near(random, term).clamp(1, 1 << 30));
    let places = [status.commit_index, status.last_index, status.compacted_index];
    let place = |random: &mut Random| {
        let place = places[random.below(3)];
        near(random, place)
    };
    m.index = place(random);
    m.log_term = near(random, term) % (1 << 30);
    m.commit = place(random);
    m.commit_term = near(random, term) % (1 << 30);
    m.reject = random.chance(30);
    m.reject_hint = place(random);
    if kind == MessageType::MsgAppend {
        let mut entries = Vec::new();
        let mut term = m.log_term;
        for n in 0..random.below(4) {
            term += u64::from(random.chance(20));
            let index = m.index.wrapping_add(u64::try_from(n + 1).unwrap());
            entries.push(Entry { term, index, data: Bytes::from_static(b"hostile"), ..Entry::default() });
        }
        m.set_entries(entries.into());
    }
    if kind == MessageType::MsgSnapshot {
        let voters: Vec<Voter> = (0..3).map(|id| Voter { id, directory_id: Uuid::ZERO }).collect();
        let members = Members::of_voters(&voters).unwrap();
        let id = SnapshotId { end_offset: 5, epoch: 1 };
        m.set_snapshot(message::snapshot(m.index, m.log_term, &members, id));
    }
    message::encode(&envelope(from, to), &m).unwrap()
}

/// A forged message may break any promise, but it may not stop the process.
#[test]
fn forged_messages_stop_no_node() {
    let (mut taken, mut refused) = (0, 0);
    for seed in seeds(200) {
        let mut random = Random(seed);
        let voters: Vec<Voter> = (0..3).map(|id| Voter { id, directory_id: directory(id, 1) }).collect();
        let founding = Founding { voters, epoch: 0, snapshot: SnapshotId::default(), inherited: Vec::new() };
        let member = random.chance(90);
        let store = MemoryStore::new();
        let open = || {
            let settings = settings(0, directory(0, 1), seed);
            Quorum::open(settings, store.clone(), member.then_some(&founding)).unwrap()
        };
        let mut quorum = open();
        for _ in 0..400 {
            let status = quorum.status();
            let term = quorum.node.raft.term;
            match random.below(12) {
                0 => (0..random.below(30)).for_each(|_| quorum.tick()),
                1..3 => {
                    if let Some(snapshot) = quorum.advance(&mut |_, _| {}).ok().and_then(|p| p.install) {
                        quorum.installed(snapshot.id);
                    }
                }
                3 => {
                    let _ = quorum.propose(Bytes::from_static(b"own"));
                }
                4 if random.chance(20) => {
                    let _ = quorum.compact(quorum.handed, SnapshotId::default());
                }
                // What a forger had it promise may contradict itself: then it is to say so, and begins anew.
                5 if random.chance(10) => drop(std::mem::replace(&mut quorum, open())),
                _ => match quorum.receive(plausible(&mut random, 0, &status, term)) {
                    Ok(()) => taken += 1,
                    Err(_) => refused += 1,
                },
            }
        }
    }
    assert!(taken > 10_000 && refused > 10_000, "{taken} taken, {refused} refused");
}

fn leader() -> (Cluster, usize, i32) {
    let mut cluster = Cluster::new(1, 3, 0);
    cluster.run_until("a leader", |cluster| cluster.leader().is_some());
    cluster.run(5);
    let leader = cluster.leader().unwrap();
    let follower = (leader + 1) % 3;
    (cluster, follower, i32::try_from(leader).unwrap())
}

#[test]
fn each_lie_has_its_answer() {
    let (mut cluster, follower, leader) = leader();
    let to = cluster.nodes[follower].id;
    let status = cluster.quorum(follower).status();
    let term = cluster.quorum(follower).node.raft.term;
    let (last, commit) = (status.last_index, status.commit_index);
    let mut tell = |kind: MessageType, from: i32, term: u64, change: &dyn Fn(&mut Message)| {
        let mut m = message(kind, from, to, term);
        change(&mut m);
        let bytes = message::encode(&envelope(from, to), &m).unwrap();
        cluster.quorum(follower).receive(bytes).map_err(|refused| match refused {
            Refused::Guard(error) => Some(error),
            _ => None,
        })
    };
    let other = (0..3).find(|id| *id != leader && *id != to).unwrap();
    let two = GuardError::TwoLeaders(raft_id(leader).unwrap(), raft_id(other).unwrap(), term);
    assert_eq!(tell(MessageType::MsgHeartbeat, other, term, &|_| {}), Err(Some(two)));
    let beyond = tell(MessageType::MsgHeartbeat, leader, term, &|m| m.commit = last + 1);
    assert_eq!(beyond, Err(Some(GuardError::CommitBeyondLog(last + 1, last))));
    let rewritten = tell(MessageType::MsgAppend, leader, term + 3, &|m| {
        (m.index, m.log_term) = (commit, term + 2);
    });
    assert_eq!(rewritten, Err(Some(GuardError::Contradiction(commit, term, term + 2))));
    assert_eq!(tell(MessageType::MsgTimeoutNow, other, term, &|_| {}), Err(Some(GuardError::NotTheLeader)));
    // An index without a term, with which raft would append behind a gap.
    assert_eq!(tell(MessageType::MsgAppend, leader, term, &|m| m.index = last + 9), Err(None));
    assert_eq!(tell(MessageType::MsgAppend, leader, 0, &|_| {}), Err(None));
    assert_eq!(tell(MessageType::MsgHeartbeatResponse, 7, term, &|_| {}), Err(Some(GuardError::NoMember(7))));
    assert_eq!(tell(MessageType::MsgHeartbeat, to, term, &|_| {}), Err(Some(GuardError::OwnId)));

    let to = usize::try_from(leader).unwrap();
    let mut m = message(MessageType::MsgAppendResponse, i32::try_from(follower).unwrap(), leader, term);
    m.index = last + 1;
    let bytes = message::encode(&envelope(cluster.nodes[follower].id, leader), &m).unwrap();
    let refused = cluster.quorum(to).receive(bytes);
    assert_eq!(refused, Err(Refused::Guard(GuardError::AnswerBeyondLog(last + 1, last))));
}

/// Raft panics when a node is elected whose log is not all on disk: a lone voter elects itself within a tick.
#[test]
fn what_was_received_is_on_disk_before_an_election() {
    let voters = vec![Voter { id: 0, directory_id: directory(0, 1) }];
    let founding = Founding { voters, epoch: 0, snapshot: SnapshotId::default(), inherited: Vec::new() };
    let store = MemoryStore::new();
    let mut quorum = Quorum::open(settings(0, directory(0, 1), 1), store.clone(), Some(&founding)).unwrap();
    while quorum.advance(&mut |_, _| {}).unwrap().committed.is_empty() {}
    let (last, term) = (quorum.status().last_index, quorum.node.raft.term);
    // As from the last leader before the other members were removed.
    let mut append = message(MessageType::MsgAppend, 1, 0, term + 1);
    (append.index, append.log_term) = (last, term);
    let data = Bytes::from_static(b"late");
    append.set_entries(vec![Entry { index: last + 1, term: term + 1, data, ..Entry::default() }].into());
    quorum.receive(message::encode(&envelope(1, 0), &append).unwrap()).unwrap();
    (0..40).for_each(|_| quorum.tick());
    assert!(matches!(quorum.role(), crate::Role::Leader { .. }));
    assert_eq!(quorum.advance(&mut |_, _| {}).unwrap().committed.len(), 2);
}

#[test]
fn a_message_of_another_cluster_or_for_another_node_is_refused() {
    let (mut cluster, follower, leader) = leader();
    let to = cluster.nodes[follower].id;
    let mut tell = |envelope: Envelope| {
        let bytes = message::encode(&envelope, &message(MessageType::MsgHeartbeat, leader, to, 9)).unwrap();
        cluster.quorum(follower).receive(bytes)
    };
    let other = Envelope { cluster_id: Str::from_static("elsewhere"), ..envelope(leader, to) };
    assert_eq!(tell(other), Err(Refused::Guard(GuardError::OtherCluster("elsewhere".into()))));
    assert_eq!(tell(envelope(leader, 9)), Err(Refused::Guard(GuardError::OtherNode(9))));
    let gone = Envelope { to_directory: directory(to, 5), ..envelope(leader, to) };
    assert_eq!(tell(gone), Err(Refused::Guard(GuardError::OtherDirectory(directory(to, 5)))));
}

#[test]
fn unknown_versions_kinds_and_lengths_are_refused() {
    let (mut cluster, follower, leader) = leader();
    let to = cluster.nodes[follower].id;
    let good = message::encode(&envelope(leader, to), &message(MessageType::MsgTimeoutNow, leader, to, 1)).unwrap();
    let mut tell = |bytes: Vec<u8>| match cluster.quorum(follower).receive(bytes.into()) {
        Err(Refused::Decode(error)) => error,
        other => panic!("{other:?}"),
    };
    let with = |at: usize, byte: u8| {
        let mut bytes = good.to_vec();
        bytes[at] = byte;
        bytes
    };
    assert_eq!(tell(with(0, 2)), DecodeError::Version(2));
    assert_eq!(tell(with(1, 11)), DecodeError::Kind(11));
    assert_eq!(tell(with(1, 0)), DecodeError::Kind(0));
    assert_eq!(tell(vec![0; MAX_MESSAGE_BYTES + 1]), DecodeError::Long(MAX_MESSAGE_BYTES + 1));
    assert!(matches!(tell(with(2, 200)), DecodeError::Read(_)));
    let longer = [&good[..], &[0]].concat();
    assert!(matches!(tell(longer), DecodeError::Read(_)));
    for end in 0..good.len() {
        tell(good[..end].to_vec());
    }
}

proptest! {
    #[test]
    fn random_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut quorum = Quorum::open(settings(0, directory(0, 1), 1), MemoryStore::new(), None).unwrap();
        let mut headed = vec![1, 1];
        headed.extend(&bytes);
        let taken = quorum.receive(bytes.into()).is_ok() || quorum.receive(headed.into()).is_ok();
        prop_assert!(!taken);
    }

    #[test]
    fn mutated_messages_stop_no_node(seed: u64, places in proptest::collection::vec(any::<(usize, u8)>(), 1..6)) {
        let voters: Vec<Voter> = (0..3).map(|id| Voter { id, directory_id: Uuid::ZERO }).collect();
        let founding = Founding { voters, epoch: 0, snapshot: SnapshotId::default(), inherited: Vec::new() };
        let mut quorum = Quorum::open(settings(0, directory(0, 1), 1), MemoryStore::new(), Some(&founding)).unwrap();
        let mut random = Random(seed);
        for (at, byte) in places {
            let (status, term) = (quorum.status(), quorum.node.raft.term);
            let mut bytes = plausible(&mut random, 0, &status, term).to_vec();
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = quorum.receive(bytes.into());
            let _ = quorum.advance(&mut |_, _| {});
            (0..12).for_each(|_| quorum.tick());
        }
    }
}
