//! Where replicas go.

use super::*;
use crate::{Image, MetadataRecord};
use ottla_protocol::stored::RegisterBrokerRecord;
use std::collections::BTreeSet;

/// Brokers as `id[@rack][!]`, where `!` is fenced.
fn cluster(brokers: &str) -> Image {
    let mut image = Image::default();
    for broker in brokers.split_whitespace() {
        let fenced = broker.ends_with('!');
        let (id, rack) = match broker.trim_end_matches('!').split_once('@') {
            Some((id, rack)) => (id, Some(rack.into())),
            None => (broker.trim_end_matches('!'), None),
        };
        let record = RegisterBrokerRecord { broker_id: id.parse().unwrap(), rack, fenced, ..Default::default() };
        image.apply(&MetadataRecord::from(record)).unwrap();
    }
    image
}

fn placed(brokers: &str, partitions: usize, factor: i16, seed: u64) -> Vec<Vec<i32>> {
    place(cluster(brokers).cluster(), partitions, factor, seed).unwrap()
}

#[test]
fn one_broker_gets_everything() {
    for seed in 0..10 {
        assert_eq!(placed("7", 3, 1, seed), vec![vec![7]; 3]);
    }
}

#[test]
fn leaders_and_replicas_are_spread() {
    for seed in 0..100 {
        let partitions = placed("1 2 3", 3, 3, seed);
        let leaders: BTreeSet<i32> = partitions.iter().map(|p| p[0]).collect();
        assert_eq!(leaders.len(), 3, "seed {seed}: {partitions:?}");
        let seconds: BTreeSet<i32> = partitions.iter().map(|p| p[1]).collect();
        assert_eq!(seconds.len(), 3, "seed {seed}: {partitions:?}");
        for partition in placed("1 2 3 4", 50, 3, seed) {
            assert_eq!(partition.iter().collect::<BTreeSet<_>>().len(), 3, "{partition:?}");
        }
    }
}

#[test]
fn replicas_go_to_different_racks() {
    for seed in 0..100 {
        for partition in placed("1@a 2@a 3@b 4@b 5@c 6@c", 30, 3, seed) {
            let racks: BTreeSet<i32> = partition.iter().map(|id| (id - 1) / 2).collect();
            assert_eq!(racks.len(), 3, "seed {seed}: {partition:?}");
        }
    }
}

#[test]
fn fenced_brokers_follow_but_do_not_lead() {
    for seed in 0..100 {
        for partition in placed("1 2! 3!", 10, 3, seed) {
            assert_eq!(partition[0], 1);
            assert_eq!(partition.iter().collect::<BTreeSet<_>>().len(), 3);
        }
        for partition in placed("1@a 2@a! 3@b!", 10, 2, seed) {
            assert_eq!(partition[0], 1);
        }
    }
}

#[track_caller]
fn refused(brokers: &str, factor: i16) -> String {
    place(cluster(brokers).cluster(), 1, factor, 0).unwrap_err().message.unwrap()
}

#[test]
fn what_cannot_be_is_refused() {
    assert_eq!(refused("1", 0), "Invalid replication factor 0: the replication factor must be positive.");
    assert_eq!(refused("1!", 1), "All brokers are currently fenced, or have all their log directories cordoned.");
    assert_eq!(refused("", 1), "All brokers are currently fenced, or have all their log directories cordoned.");
    assert_eq!(
        refused("1 2", 3),
        "The target replication factor of 3 cannot be reached because only 2 broker(s) are registered or some brokers have all their log directories cordoned."
    );
}
