//! A quorum that goes on with a log that others voted on, of which each voter has another part.

use super::cluster::{directory, settings};
use crate::{Founding, Inherited, MemoryStore, Quorum, Role, SnapshotId, Voter};
use bytes::Bytes;
use std::collections::VecDeque;

const START: SnapshotId = SnapshotId { end_offset: 0, epoch: 0 };

fn batch(epoch: i32, offsets: u32, data: &'static str) -> Inherited {
    Inherited { epoch, offsets, data: Bytes::from_static(data.as_bytes()) }
}

fn open(id: i32, epoch: i32, snapshot: SnapshotId, inherited: Vec<Inherited>) -> Quorum<MemoryStore> {
    let voters = (0..3).map(|id| Voter { id, directory_id: directory(id, 1) }).collect();
    let founding = Founding { voters, epoch, snapshot, inherited };
    Quorum::open(settings(id, directory(id, 1), 1), MemoryStore::new(), Some(&founding)).unwrap()
}

/// What each hands out, as index, epoch and data, in a while.
fn run(nodes: &mut [Quorum<MemoryStore>]) -> Vec<Vec<(u64, i32, Bytes)>> {
    let mut committed = vec![Vec::new(); nodes.len()];
    let mut under_way: VecDeque<(i32, Bytes)> = VecDeque::new();
    for _ in 0..200 {
        for (node, committed) in nodes.iter_mut().zip(&mut committed) {
            node.tick();
            let progress = node.advance(&mut |to, message| under_way.push_back((to, message))).unwrap();
            let entries = progress.committed.into_iter().filter(|entry| !entry.data.is_empty());
            committed.extend(entries.map(|entry| (entry.index, entry.epoch, entry.data)));
        }
        while let Some((to, message)) = under_way.pop_front() {
            if let Some(node) = usize::try_from(to).ok().and_then(|at| nodes.get_mut(at)) {
                node.receive(message).unwrap();
            }
        }
    }
    committed
}

#[test]
fn what_a_majority_has_stays_and_what_one_had_alone_gives_way() {
    let (first, second, third) = (batch(1, 1, "first"), batch(1, 3, "second"), batch(3, 2, "third"));
    let later = SnapshotId { end_offset: 4, epoch: 1 };
    let mut nodes = [
        open(0, 4, START, vec![first.clone(), second.clone(), batch(2, 9, "never committed")]),
        open(1, 4, later, vec![third.clone()]),
        open(2, 3, START, vec![first.clone(), second.clone(), third.clone()]),
    ];
    let expected = [(2, 1, first.data), (3, 1, second.data), (6, 3, third.data)];
    let committed = run(&mut nodes);
    assert_eq!(committed, [&expected[..], &expected[2..], &expected[..]]);
    let leader = nodes.iter().filter(|node| matches!(node.role(), Role::Leader { epoch } if epoch > 4)).count();
    assert_eq!(leader, 1, "in an epoch after all that were");
}

#[test]
fn who_has_less_than_the_others_snapshots_stand_for_gets_one() {
    let later = SnapshotId { end_offset: 4, epoch: 1 };
    let mut nodes =
        [open(0, 1, START, vec![batch(1, 1, "first")]), open(1, 1, later, vec![]), open(2, 1, later, vec![])];
    let mut wanted = None;
    let mut under_way: VecDeque<(i32, Bytes)> = VecDeque::new();
    for _ in 0..200 {
        for (at, node) in nodes.iter_mut().enumerate() {
            node.tick();
            let progress = node.advance(&mut |to, message| under_way.push_back((to, message))).unwrap();
            wanted = progress.install.map(|snapshot| (at, snapshot.id)).or(wanted);
        }
        while let Some((to, message)) = under_way.pop_front() {
            nodes[usize::try_from(to).unwrap()].receive(message).unwrap();
        }
    }
    assert_eq!(wanted, Some((0, later)));
}
