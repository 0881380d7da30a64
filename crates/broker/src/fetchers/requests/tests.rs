//! What a follower asks for.

use super::{ReplicaFetch, fetch};
use crate::fetchers::fetcher::Session;
use ottla_protocol::{Uuid, messages::FetchRequest};
use ottla_replication::follower::FetchAt;
use ottla_storage::journal::PartitionKey;
use std::time::Duration;

const SETTINGS: ReplicaFetch = ReplicaFetch {
    timeout: Duration::from_secs(30),
    backoff: Duration::from_secs(1),
    max_wait_ms: 500,
    min_bytes: 1,
    max_bytes: 1 << 20,
    partition_max_bytes: 1 << 20,
};
const AT: FetchAt = FetchAt { current_leader_epoch: 5, offset: 7, last_fetched_epoch: 4, log_start_offset: 0 };

fn key(topic: u8, partition: i32) -> PartitionKey {
    PartitionKey { topic_id: Uuid::from_bytes([topic; 16]), partition }
}

fn request(session: Session, wanted: &[PartitionKey], forgotten: &[PartitionKey]) -> FetchRequest {
    fetch((2, 9), &SETTINGS, session, wanted.iter().map(|key| (*key, AT)), forgotten)
}

fn forgotten(request: &FetchRequest) -> Vec<(Uuid, Vec<i32>)> {
    request.forgotten_topics_data.iter().map(|topic| (topic.topic_id, topic.partitions.clone())).collect()
}

#[test]
fn a_partition_that_is_followed_in_a_new_epoch_is_not_forgotten() {
    let session = Session { id: 3, epoch: 8 };
    let asked = request(session, &[key(1, 0), key(2, 1)], &[key(1, 0), key(1, 1), key(2, 1)]);
    assert_eq!(forgotten(&asked), [(key(1, 1).topic_id, vec![1])]);
    assert_eq!(asked.topics.len(), 2);
}

#[test]
fn a_new_session_has_nothing_to_forget() {
    let asked = request(Session { id: 3, epoch: 0 }, &[], &[key(1, 0)]);
    assert_eq!(forgotten(&asked), []);
    assert_eq!((asked.session_id, asked.session_epoch), (3, 0));
}
