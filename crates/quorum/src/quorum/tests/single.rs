//! A node alone: it leads at once, hands out again what the log has, and refuses what it cannot do.

use super::cluster::{directory, settings};
use crate::{
    Change, ChangeError, ChangeRefused, Committed, Error, Founding, MAX_DATA_BYTES, MemoryStore, ProposeRefused,
    Quorum, RocksStore, Role, SnapshotId, Voter,
};
use bytes::Bytes;
use ottla_protocol::{Str, Uuid};

fn founding(voters: &[(i32, Uuid)], epoch: i32) -> Founding {
    let voters = voters.iter().map(|(id, directory_id)| Voter { id: *id, directory_id: *directory_id }).collect();
    Founding { voters, epoch, snapshot: SnapshotId::default(), inherited: Vec::new() }
}

fn open(store: &MemoryStore) -> Quorum<MemoryStore> {
    let founding = founding(&[(0, directory(0, 1))], 7);
    Quorum::open(settings(0, directory(0, 1), 1), store.clone(), Some(&founding)).unwrap()
}

fn committed(quorum: &mut Quorum<MemoryStore>) -> Vec<Committed> {
    let mut committed = Vec::new();
    loop {
        let progress = quorum.advance(&mut |_, _| panic!("a lone node sends nothing")).unwrap();
        committed.extend(progress.committed);
        if !progress.more {
            return committed;
        }
    }
}

#[test]
fn the_only_voter_leads_at_once() {
    let mut quorum = open(&MemoryStore::new());
    let progress = quorum.advance(&mut |_, _| panic!("a lone node sends nothing")).unwrap();
    assert_eq!(progress.role, Some(Role::Leader { epoch: 8 }));
    assert_eq!(progress.committed.len(), 1);
    assert_eq!((progress.committed[0].epoch, progress.committed[0].data.len()), (8, 0));
}

#[test]
fn a_static_voter_without_a_known_directory_leads_too() {
    let founding = founding(&[(3, Uuid::ZERO)], 0);
    let mut quorum = Quorum::open(settings(3, directory(3, 1), 1), MemoryStore::new(), Some(&founding)).unwrap();
    assert_eq!(committed(&mut quorum).len(), 1);
    assert_eq!(quorum.role(), Role::Leader { epoch: 2 });
}

#[test]
fn what_is_committed_is_handed_out_again_after_a_restart() {
    let store = MemoryStore::new();
    let mut quorum = open(&store);
    // More than is handed out at a time.
    let data = |n: u8| Bytes::from(vec![n; 300 << 10]);
    let proposals: Vec<_> = (1..10).map(|n| quorum.propose(data(n)).unwrap()).collect();
    let first = committed(&mut quorum);
    assert_eq!(first.len(), 10);
    assert_eq!(first.last().map(|entry| (entry.index, entry.epoch)), Some((proposals[8].index, 8)));
    drop(quorum);
    store.crash(0);
    let mut quorum = open(&store);
    assert_eq!(quorum.role(), Role::Leader { epoch: 9 });
    let again = committed(&mut quorum);
    assert_eq!(again[..10], first[..]);
    assert_eq!(again.len(), 11);

    quorum.compact(again[4].index, SnapshotId { end_offset: 4, epoch: 8 }).unwrap();
    drop(quorum);
    let mut quorum = open(&store);
    assert_eq!(committed(&mut quorum)[..6], again[5..]);
    assert_eq!(quorum.status().compacted_index, again[4].index);
    assert!(matches!(quorum.compact(1000, SnapshotId::default()), Err(Error::CompactBeyond { index: 1000, .. })));
}

#[test]
fn a_node_over_rocksdb_comes_back_with_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let founding = founding(&[(0, directory(0, 1))], 0);
    let mut known: Vec<Committed> = Vec::new();
    for turn in 0..3u8 {
        let store = RocksStore::open(folder.path()).unwrap();
        let mut quorum = Quorum::open(settings(0, directory(0, 1), 1), store, Some(&founding)).unwrap();
        assert_eq!(quorum.role(), Role::Leader { epoch: i32::from(turn) + 2 });
        quorum.propose(Bytes::from(vec![turn; 100])).unwrap();
        let mut committed = Vec::new();
        while committed.len() < known.len() + 2 {
            committed.extend(quorum.advance(&mut |_, _| {}).unwrap().committed);
        }
        assert_eq!(committed[..known.len()], known[..]);
        known = committed;
    }
}

#[test]
fn proposals_have_limits() {
    let mut quorum = open(&MemoryStore::new());
    assert_eq!(quorum.propose(Bytes::new()), Err(ProposeRefused::Size(0)));
    let long = Bytes::from(vec![0; MAX_DATA_BYTES + 1]);
    assert_eq!(quorum.propose(long.clone()), Err(ProposeRefused::Size(MAX_DATA_BYTES + 1)));
    let longest = long.slice(1..);
    quorum.propose(longest.clone()).unwrap();
    let mut taken = 1;
    while quorum.propose(longest.clone()).is_ok() {
        taken += 1;
        assert!(taken < 100, "what waits has a limit");
    }
    assert_eq!(quorum.propose(longest), Err(ProposeRefused::Full));
    assert_eq!(committed(&mut quorum).len(), taken + 1);
}

#[test]
fn after_a_failure_nothing_is_promised() {
    let store = MemoryStore::new();
    let mut quorum = open(&store);
    committed(&mut quorum);
    store.set_failing(true);
    quorum.propose(Bytes::from_static(b"a")).unwrap();
    assert!(matches!(quorum.advance(&mut |_, _| {}), Err(Error::Log(_))));
    assert!(matches!(quorum.advance(&mut |_, _| {}), Err(Error::Failed)));
    assert_eq!(quorum.propose(Bytes::from_static(b"b")), Err(ProposeRefused::Failed));
    store.crash(0);
    assert_eq!(committed(&mut open(&store)).len(), 2);
}

#[test]
fn a_store_of_another_node_is_refused() {
    let store = MemoryStore::new();
    open(&store);
    let mut other = settings(0, directory(0, 1), 1);
    other.cluster_id = Str::from_static("other");
    for settings in [settings(1, directory(0, 1), 1), settings(0, directory(0, 2), 1), other] {
        let error = Quorum::open(settings, store.clone(), None).err().unwrap();
        assert!(error.to_string().contains("belongs to node 0"), "{error}");
    }
}

#[test]
fn a_founder_is_a_voter_with_its_own_directory() {
    let open = |voters: &[(i32, Uuid)]| {
        let own = settings(0, directory(0, 1), 1);
        Quorum::open(own, MemoryStore::new(), Some(&founding(voters, 0))).err().unwrap()
    };
    assert!(matches!(open(&[(0, directory(0, 2))]), Error::OtherDirectory { .. }));
    assert!(matches!(open(&[(1, directory(1, 1))]), Error::Settings(_)));
    assert!(matches!(open(&[(0, Uuid::ZERO), (0, Uuid::ZERO)]), Error::Voters(ChangeError::Present(0))));
    assert!(matches!(open(&[]), Error::Voters(ChangeError::NoVoter)));
}

#[test]
fn a_node_that_is_no_member_waits() {
    let mut quorum = Quorum::open(settings(4, directory(4, 1), 1), MemoryStore::new(), None).unwrap();
    (0..100).for_each(|_| quorum.tick());
    let progress = quorum.advance(&mut |_, _| panic!("nobody is known")).unwrap();
    assert_eq!(progress.role, Some(Role::Unattached { epoch: 0 }));
    assert_eq!(quorum.propose(Bytes::from_static(b"a")), Err(ProposeRefused::NotLeader));
}

#[test]
fn a_change_that_does_not_fit_is_refused() {
    let mut quorum = open(&MemoryStore::new());
    let voter = Voter { id: 1, directory_id: directory(1, 1) };
    assert_eq!(quorum.change(Change::AddLearner(voter), &Bytes::new()), Err(ChangeRefused::TooEarly));
    committed(&mut quorum);
    assert_eq!(quorum.change(Change::Promote(1), &Bytes::new()), Err(ChangeError::Absent(1).into()));
    assert_eq!(quorum.change(Change::Remove(0), &Bytes::new()), Err(ChangeError::NoVoter.into()));
    let own = Voter { id: 0, directory_id: directory(0, 1) };
    assert_eq!(quorum.change(Change::AddLearner(own), &Bytes::new()), Err(ChangeError::Present(0).into()));
    quorum.change(Change::AddLearner(voter), &Bytes::from_static(b"voters")).unwrap();
    let another = Voter { id: 2, directory_id: directory(2, 1) };
    assert_eq!(quorum.change(Change::AddLearner(another), &Bytes::new()), Err(ChangeRefused::Pending));
    let mut taken = Vec::new();
    while taken.is_empty() {
        taken.extend(quorum.advance(&mut |_, _| {}).unwrap().committed);
    }
    assert_eq!(taken[0].data, Bytes::from_static(b"voters"));
    assert!(taken[0].members.as_ref().unwrap().get(1).unwrap().learner);
    assert_eq!(quorum.change(Change::Promote(1), &Bytes::new()), Err(ChangeRefused::Behind(1, 3)));
}

#[test]
fn a_node_can_be_given_to_its_thread() {
    fn given<T: Send>() {}
    given::<Quorum<RocksStore>>();
}
