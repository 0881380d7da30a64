//! Logs that a store should not hold: each is told from the others, and none is opened.

use super::{Base, Beginning, Identity, Log, LogError, encode_base, encode_hard, encode_identity};
use crate::{
    Change, Members, MemoryStore, SnapshotId, Voter, entry,
    store::{Batch, MetaKey, Store},
};
use bytes::{Bytes, BytesMut};
use ottla_protocol::{Str, Uuid};
use proptest::prelude::*;
use raft::{
    GetEntriesContext, Storage,
    eraftpb::{Entry, EntryType, HardState},
};

fn identity() -> Identity {
    Identity { node_id: 0, directory_id: Uuid::ONE, cluster_id: Str::from_static("cluster") }
}

fn beginning(index: u64, term: u64) -> Beginning {
    Beginning { base: base(index, term), term, entries: Vec::new() }
}

fn base(index: u64, term: u64) -> Base {
    let voters = [0, 1, 2].map(|id| Voter { id, directory_id: Uuid::ZERO });
    Base { index, term, members: Members::of_voters(&voters).unwrap(), id: SnapshotId { end_offset: 9, epoch: 1 } }
}

fn hard(term: u64, vote: u64, commit: u64) -> HardState {
    HardState { term, vote, commit, ..HardState::default() }
}

fn normal(index: u64, term: u64) -> Entry {
    Entry { index, term, data: Bytes::from(format!("{index}")), ..Entry::default() }
}

fn change(index: u64, term: u64, change: Change) -> Entry {
    let mut context = BytesMut::new();
    change.encode(&mut context);
    let mut entry = Entry { index, term, context: context.freeze(), ..Entry::default() };
    entry.set_entry_type(EntryType::EntryConfChangeV2);
    entry
}

fn store(base: Option<Base>, hard: Option<HardState>, entries: &[Entry]) -> MemoryStore {
    let mut batch = Batch { sync: true, ..Batch::default() };
    batch.meta.push((MetaKey::Identity, encode_identity(&identity())));
    batch.meta.extend(base.map(|base| (MetaKey::Snapshot, encode_base(&base))));
    batch.meta.extend(hard.map(|hard| (MetaKey::Hard, encode_hard(&hard))));
    for entry in entries {
        let mut bytes = BytesMut::new();
        entry::encode(entry, &mut bytes);
        batch.entries.push((entry.index, bytes.freeze()));
    }
    let mut store = MemoryStore::new();
    store.write(batch).unwrap();
    store
}

fn refused(store: MemoryStore) -> String {
    Log::open(store, &identity(), None).err().unwrap().to_string()
}

#[test]
fn what_was_written_is_read_again() {
    let mut log = Log::open(MemoryStore::new(), &identity(), Some(beginning(1, 1))).unwrap();
    log.set_hard(hard(3, 2, 4));
    log.persist(None, &[normal(2, 1), normal(3, 2), normal(4, 2), normal(5, 3)], true).unwrap();
    let store = log.store.clone();
    let mut log = Log::open(store.clone(), &identity(), None).unwrap();
    assert_eq!((log.first_index().unwrap(), log.last_index().unwrap(), log.commit()), (2, 5, 4));
    let terms: Vec<u64> = (1..6).map(|index| log.term(index).unwrap()).collect();
    assert_eq!(terms, [1, 1, 2, 2, 3]);
    assert_eq!(log.initial_state().unwrap().hard_state, hard(3, 2, 4));

    log.set_hard(hard(4, 0, 4));
    log.persist(None, &[normal(5, 4), normal(6, 4)], true).unwrap();
    log.compact(4, SnapshotId { end_offset: 12, epoch: 2 }).unwrap();
    let log = Log::open(store, &identity(), None).unwrap();
    assert_eq!((log.first_index().unwrap(), log.last_index().unwrap(), log.term(4).unwrap()), (5, 6, 2));
    assert!(log.term(3).is_err() && log.term(7).is_err());
    assert_eq!(log.base().id, SnapshotId { end_offset: 12, epoch: 2 });
    let entries = log.entries(5, 7, None, GetEntriesContext::empty(false)).unwrap();
    assert_eq!(entries, [normal(5, 4), normal(6, 4)]);
}

#[test]
fn the_members_are_those_of_the_commit_index() {
    let learner = Change::AddLearner(Voter { id: 3, directory_id: Uuid::ONE });
    let entries = [change(2, 1, learner), change(3, 1, Change::Promote(3)), change(4, 1, Change::Remove(0))];
    let voters = |commit| {
        let log = Log::open(store(Some(base(1, 1)), Some(hard(1, 0, commit)), &entries), &identity(), None).unwrap();
        log.members().voters().map(|voter| voter.id).collect::<Vec<_>>()
    };
    assert_eq!(voters(1), [0, 1, 2]);
    assert_eq!(voters(2), [0, 1, 2]);
    assert_eq!(voters(3), [0, 1, 2, 3]);
    assert_eq!(voters(4), [1, 2, 3]);
    let twice = store(Some(base(1, 1)), Some(hard(1, 0, 2)), &[change(2, 1, Change::Promote(1))]);
    assert!(refused(twice).contains("contradicts itself: node 1 is no member"));
}

#[test]
fn what_does_not_fit_together_is_told() {
    let open = |base, hard, entries: &[Entry]| refused(store(base, hard, entries));
    let gap = open(Some(base(1, 1)), Some(hard(2, 0, 1)), &[normal(2, 1), normal(4, 1)]);
    assert!(gap.contains("entry 4 is there where 3 should follow"), "{gap}");
    let before = open(Some(base(5, 1)), Some(hard(2, 0, 5)), &[normal(5, 1), normal(6, 1)]);
    assert!(before.contains("entry 5 is there where 6 should follow"), "{before}");
    let after = open(Some(base(5, 1)), Some(hard(2, 0, 5)), &[normal(7, 1)]);
    assert!(after.contains("entry 7 is there where 6 should follow"), "{after}");
    let beyond = open(Some(base(1, 1)), Some(hard(2, 0, 4)), &[normal(2, 1)]);
    assert!(beyond.contains("index 4 is committed, and the log is from 1 to 2"), "{beyond}");
    let below = open(Some(base(5, 1)), Some(hard(2, 0, 4)), &[]);
    assert!(below.contains("index 4 is committed, and the log is from 5 to 5"), "{below}");
    let old = open(Some(base(1, 3)), Some(hard(3, 0, 1)), &[normal(2, 2)]);
    assert!(old.contains("entry 2 is of epoch 2, not between 3 and 3"), "{old}");
    let new = open(Some(base(1, 3)), Some(hard(3, 0, 1)), &[normal(2, 4)]);
    assert!(new.contains("entry 2 is of epoch 4"), "{new}");
    let forgotten = open(Some(base(1, 3)), None, &[]);
    assert!(forgotten.contains("index 0 is committed"), "{forgotten}");
    let lower = open(Some(base(1, 3)), Some(hard(2, 0, 1)), &[]);
    assert!(lower.contains("the epoch is 2, and the snapshot's is 3"), "{lower}");
    let unfounded = open(None, Some(hard(2, 0, 0)), &[normal(1, 1)]);
    assert!(unfounded.contains("entry 1 is there"), "{unfounded}");
}

#[test]
fn what_is_no_log_is_told() {
    let damage = |key: MetaKey, bytes: &'static [u8]| {
        let mut store = store(Some(base(1, 1)), Some(hard(1, 0, 1)), &[]);
        store.write(Batch { meta: vec![(key, Bytes::from_static(bytes))], ..Batch::default() }).unwrap();
        refused(store)
    };
    assert!(damage(MetaKey::Hard, b"").contains("hard state is damaged: the bytes end"));
    assert!(damage(MetaKey::Hard, b"\x02").contains("version is out of range"));
    assert!(damage(MetaKey::Snapshot, b"\x01abcdefghijklmn").contains("snapshot is damaged"));
    assert!(damage(MetaKey::Identity, b"\x01\0\0").contains("identity is damaged"));
    let mut longer = store(Some(base(1, 1)), Some(hard(1, 0, 1)), &[]);
    let entries = vec![(2, Bytes::from_static(b"no entry"))];
    longer.write(Batch { entries, ..Batch::default() }).unwrap();
    assert!(refused(longer).contains("log is damaged"));
    let mut stranger = MemoryStore::new();
    let meta = vec![(MetaKey::Hard, encode_hard(&hard(1, 1, 0)))];
    stranger.write(Batch { meta, ..Batch::default() }).unwrap();
    assert!(refused(stranger).contains("not whose they are"));
}

#[test]
fn who_voted_already_does_not_found() {
    let voted = store(None, Some(hard(4, 1, 0)), &[]);
    let error = Log::open(voted, &identity(), Some(beginning(1, 1))).err().unwrap();
    assert!(matches!(&error, LogError::Contradiction(reason) if reason.contains("voted in epoch 4")), "{error}");
}

#[test]
fn an_entry_that_is_missing_later_is_a_failure_and_no_panic() {
    let kept = store(Some(base(1, 1)), Some(hard(1, 0, 1)), &[normal(2, 1), normal(3, 1)]);
    let log = Log::open(kept.clone(), &identity(), None).unwrap();
    kept.clone().write(Batch { drop_from: Some(3), ..Batch::default() }).unwrap();
    let read = log.entries(3, 4, None, GetEntriesContext::empty(false)).unwrap();
    assert!(read.is_empty());
    assert!(log.take_failure().unwrap().to_string().contains("entry 3 is missing"));
}

proptest! {
    /// Whatever the store holds, opening answers.
    #[test]
    fn any_bytes_are_answered(
        meta in proptest::collection::vec((0usize..3, proptest::collection::vec(any::<u8>(), 0..60)), 0..4),
        entries in proptest::collection::vec((0u64..6, proptest::collection::vec(any::<u8>(), 0..40)), 0..4),
    ) {
        let mut store = store(Some(base(1, 1)), Some(hard(1, 0, 1)), &[]);
        let meta = meta.into_iter().map(|(key, bytes)| (MetaKey::ALL[key], Bytes::from(bytes))).collect();
        let entries = entries.into_iter().map(|(index, bytes)| (index, Bytes::from(bytes))).collect();
        store.write(Batch { meta, entries, ..Batch::default() }).unwrap();
        let _ = Log::open(store, &identity(), None);
    }
}
