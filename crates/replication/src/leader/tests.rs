//! What a leader does with fetches, answers and time.

use super::*;
use ottla_metadata::{Image, MetadataRecord};
use ottla_protocol::stored::RegisterBrokerRecord;

const LIMITS: Limits = Limits { min_insync_replicas: 2, max_lag: Duration::from_secs(30) };
const START: Duration = Duration::from_secs(100);

/// Brokers 1 to 4 with epochs 11 to 14; those that are named are fenced.
fn cluster(fenced: &[i32]) -> Image {
    let mut image = Image::default();
    for id in 1..=4 {
        let record = RegisterBrokerRecord {
            broker_id: id,
            broker_epoch: i64::from(id) + 10,
            fenced: fenced.contains(&id),
            ..Default::default()
        };
        image.apply(&MetadataRecord::from(record)).unwrap();
    }
    image
}

fn partition(leader_epoch: i32, partition_epoch: i32, isr: &[i32]) -> Partition {
    Partition {
        replicas: vec![1, 2, 3],
        isr: isr.to_vec(),
        leader: 1,
        leader_epoch,
        partition_epoch,
        ..Partition::default()
    }
}

struct World {
    leader: Leader,
    image: Image,
    now: Duration,
}

impl World {
    /// Broker 1 leads with ten records, of which eight are committed as far as it knows.
    fn new(isr: &[i32]) -> Self {
        let ends = Ends { log_end_offset: 10, synced: 10, high_watermark: 8 };
        let leader = Leader::new((1, 11), &partition(5, 7, isr), ends, START);
        Self { leader, image: cluster(&[]), now: START }
    }

    fn fetch_with(&mut self, replica: i32, broker_epoch: i64, offset: i64) -> Result<Option<i64>, ErrorCode> {
        let fetch = Fetched { replica, broker_epoch, offset, log_start_offset: 0 };
        self.leader.fetched(&fetch, self.image.cluster(), self.now)?;
        Ok(self.advance())
    }

    /// The new high watermark that a fetch brings.
    fn fetch(&mut self, replica: i32, offset: i64) -> Option<i64> {
        self.fetch_with(replica, i64::from(replica) + 10, offset).unwrap()
    }

    fn advance(&mut self) -> Option<i64> {
        self.leader.advance(&LIMITS, self.image.cluster(), self.now)
    }

    fn append(&mut self, end: i64) {
        self.leader.appended(end);
        self.leader.synced(end);
    }

    fn asks_for(&mut self) -> Option<Vec<(i32, i64)>> {
        let proposal = self.leader.proposal()?;
        Some(proposal.isr.iter().map(|member| (member.broker_id, member.broker_epoch)).collect())
    }

    fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.leader.shrink(&LIMITS, self.now);
    }
}

#[test]
fn the_high_watermark_waits_for_everybody_in_sync() {
    let mut world = World::new(&[1, 2, 3]);
    assert_eq!(world.advance(), None);
    assert_eq!(world.fetch(2, 10), None);
    assert_eq!(world.fetch(3, 9), Some(9));
    assert_eq!(world.fetch(3, 10), Some(10));
    world.append(12);
    assert_eq!(world.fetch(2, 12), None);
    assert_eq!(world.fetch(3, 11), Some(11));
    // It does not go back when a follower does.
    assert_eq!(world.fetch(3, 9), None);
    assert_eq!(world.leader.high_watermark(), 11);
}

#[test]
fn what_is_not_durable_here_is_not_committed() {
    let mut world = World::new(&[1, 2]);
    assert_eq!(world.fetch(2, 10), Some(10));
    world.leader.appended(12);
    assert_eq!(world.fetch(2, 12), None);
    world.leader.synced(11);
    assert_eq!(world.advance(), Some(11));
}

#[test]
fn with_too_few_in_sync_nothing_is_admitted_or_committed() {
    let mut world = World::new(&[1]);
    assert!(!world.leader.admits(&LIMITS));
    assert_eq!(world.advance(), None);
    assert_eq!(world.leader.admission(8, &LIMITS), Admission::TooFewInSync);
    assert_eq!(world.leader.admission(9, &LIMITS), Admission::Waiting);
    // A topic needs no more than it has.
    let one = Partition { replicas: vec![1], ..partition(5, 7, &[1]) };
    let ends = Ends { log_end_offset: 10, synced: 10, high_watermark: 8 };
    let mut leader = Leader::new((1, 11), &one, ends, START);
    assert!(leader.admits(&LIMITS));
    assert_eq!(leader.advance(&LIMITS, world.image.cluster(), START), Some(10));
    assert_eq!(leader.admission(10, &LIMITS), Admission::Committed);
}

#[test]
fn who_lags_for_too_long_leaves_the_in_sync_set() {
    let mut world = World::new(&[1, 2, 3]);
    world.fetch(2, 10);
    world.fetch(3, 10);
    world.wait(31);
    // Nothing was appended: nobody lags.
    assert_eq!(world.asks_for(), None);
    world.append(11);
    world.fetch(2, 11);
    world.wait(1);
    assert_eq!(world.asks_for(), Some(vec![(1, 11), (2, 12)]));
    // It still counts until the controller agrees.
    assert_eq!(world.advance(), None);
    assert_eq!(world.asks_for(), None);
    let proposal = Proposal {
        leader_epoch: 5,
        partition_epoch: 7,
        isr: [1, 2].map(|id| IsrMember { broker_id: id, broker_epoch: i64::from(id) + 10 }).to_vec(),
        grows: false,
    };
    world.leader.answered(&proposal, Ok(&partition(5, 8, &[1, 2])));
    assert_eq!(world.leader.isr(), [1, 2]);
    assert_eq!(world.advance(), Some(11));
}

#[test]
fn who_always_fetches_what_was_there_before_is_in_sync() {
    let mut world = World::new(&[1, 2]);
    world.fetch(2, 10);
    for end in 11..100 {
        world.append(end);
        // It has what there was at its fetch before.
        world.fetch(2, end - 1);
        world.wait(10);
    }
    assert_eq!(world.asks_for(), None);
}

#[test]
fn a_follower_joins_with_all_that_the_epoch_began_with() {
    let mut world = World::new(&[1, 2]);
    world.fetch(2, 10);
    world.append(20);
    world.fetch(3, 9);
    assert_eq!(world.asks_for(), None);
    world.fetch(3, 10);
    assert_eq!(world.asks_for(), Some(vec![(1, 11), (2, 12), (3, 13)]));
    // It counts from now on, though it is not in the set yet.
    assert_eq!(world.fetch(2, 20), None);
    assert_eq!(world.fetch(3, 15), Some(15));
}

#[test]
fn a_follower_that_caught_up_is_waited_for() {
    let mut world = World::new(&[1, 2]);
    world.image = cluster(&[3]);
    world.fetch(2, 10);
    world.append(12);
    world.fetch(2, 12);
    assert_eq!(world.leader.high_watermark(), 12);
    // Fenced it is not.
    world.append(14);
    world.fetch(3, 13);
    assert_eq!(world.fetch(2, 14), Some(14));
    world.image = cluster(&[]);
    world.append(15);
    world.fetch(3, 15);
    // Not because it is asked for: the controller refused.
    let proposal = world.leader.proposal().unwrap();
    world.leader.answered(&proposal, Err(ErrorCode::IneligibleReplica));
    world.append(16);
    assert_eq!(world.fetch(2, 16), Some(15));
}

#[test]
fn a_follower_that_registered_anew_is_not_the_same() {
    let mut world = World::new(&[1, 2]);
    assert_eq!(world.fetch_with(3, 9, 10), Err(ErrorCode::NotLeaderOrFollower));
    // The leader's metadata is behind.
    assert_eq!(world.fetch_with(3, 99, 10), Ok(None));
    assert_eq!(world.asks_for(), None);
    assert_eq!(world.fetch_with(4, 14, 10), Err(ErrorCode::UnknownLeaderEpoch));
    assert_eq!(world.fetch_with(3, -1, 10), Ok(None));
    assert_eq!(world.asks_for(), Some(vec![(1, 11), (2, -1), (3, -1)]));
}

#[test]
fn a_wish_is_sent_again_given_up_or_left_to_the_metadata() {
    let mut world = World::new(&[1, 2]);
    world.fetch(2, 10);
    world.fetch(3, 10);
    let proposal = world.leader.proposal().unwrap();
    assert_eq!(world.asks_for(), None);
    world.leader.answered(&proposal, Err(ErrorCode::RequestTimedOut));
    assert_eq!(world.leader.proposal(), Some(proposal.clone()));
    // It may have been done: nothing else is asked for until the metadata says what is.
    world.leader.answered(&proposal, Err(ErrorCode::InvalidUpdateVersion));
    world.fetch(3, 10);
    assert_eq!(world.asks_for(), None);
    world.leader.update(&partition(5, 8, &[1, 2]), START);
    world.fetch(3, 10);
    let again = world.leader.proposal().unwrap();
    assert_eq!(again.partition_epoch, 8);
    // An answer to what is not asked any more says nothing.
    world.leader.answered(&proposal, Ok(&partition(5, 9, &[1])));
    assert_eq!(world.leader.isr(), [1, 2]);
    world.leader.answered(&again, Err(ErrorCode::IneligibleReplica));
    world.fetch(3, 10);
    assert_eq!(world.leader.proposal(), Some(again));
}

#[test]
fn a_new_epoch_begins_with_nothing_fetched() {
    let mut world = World::new(&[1, 2]);
    world.fetch(2, 10);
    world.append(12);
    world.leader.update(&partition(6, 8, &[1, 2]), START);
    assert_eq!(world.leader.leader_epoch(), 6);
    assert_eq!(world.advance(), None);
    assert_eq!(world.fetch(2, 11), Some(11));
    // What the metadata says late is not news.
    world.leader.update(&partition(5, 7, &[1, 2, 3]), START);
    assert_eq!(world.leader.isr(), [1, 2]);
}

#[test]
fn it_may_know_less_than_an_earlier_leader_until_all_that_it_began_with_is_committed() {
    let mut world = World::new(&[1, 2]);
    world.append(12);
    assert_eq!((world.fetch(2, 9), world.leader.may_know_less()), (Some(9), true));
    assert_eq!((world.fetch(2, 10), world.leader.may_know_less()), (Some(10), false));
}

#[test]
fn the_low_watermark_is_of_those_who_live() {
    let mut world = World::new(&[1, 2]);
    assert_eq!(world.leader.low_watermark(7, world.image.cluster()), -1);
    for (replica, start) in [(2, 5), (3, 3)] {
        let fetch = Fetched { replica, broker_epoch: -1, offset: 10, log_start_offset: start };
        world.leader.fetched(&fetch, world.image.cluster(), START).unwrap();
    }
    assert_eq!(world.leader.low_watermark(7, world.image.cluster()), 3);
    assert_eq!(world.leader.low_watermark(7, cluster(&[3]).cluster()), 5);
    assert_eq!(world.leader.low_watermark(4, cluster(&[2, 3]).cluster()), 4);
}

#[test]
fn consumers_read_near_by_from_who_is_in_sync_and_has_the_offset() {
    let mut world = World::new(&[1, 2]);
    let near = |ids: &'static [i32]| move |id: i32| ids.contains(&id);
    assert_eq!(world.leader.preferred_reader(5, near(&[2])), None, "it has not fetched yet");
    world.fetch(2, 9);
    assert_eq!(world.leader.preferred_reader(9, near(&[2, 3])), Some(2));
    assert_eq!(world.leader.preferred_reader(10, near(&[2, 3])), None, "it does not have the offset yet");
    assert_eq!(world.leader.preferred_reader(5, near(&[1, 2])), None, "the leader is as near");
    let fetch = Fetched { replica: 2, broker_epoch: 12, offset: 10, log_start_offset: 6 };
    world.leader.fetched(&fetch, world.image.cluster(), START).unwrap();
    assert_eq!(world.leader.preferred_reader(5, near(&[2])), None, "it has the offset no more");
    world.fetch(3, 10);
    assert_eq!(world.leader.preferred_reader(10, near(&[3])), None, "it is not in sync yet");
    world.leader.update(&partition(5, 8, &[1, 2, 3]), START);
    assert_eq!(
        world.leader.preferred_reader(10, near(&[2, 3])),
        Some(3),
        "of two alike it is the one of the larger id"
    );
    world.append(12);
    world.fetch(2, 12);
    assert_eq!(world.leader.preferred_reader(10, near(&[2, 3])), Some(2), "it has more");
    world.fetch(3, 12);
    assert_eq!(world.leader.preferred_reader(10, near(&[2, 3])), Some(3), "as far again");
    world.now += Duration::from_secs(1);
    world.fetch(2, 12);
    assert_eq!(world.leader.preferred_reader(10, near(&[2, 3])), Some(2), "as far, and caught up later");
}
