//! FindCoordinator without a broker: who is named, and how each version says so.

use super::*;
use ottla_metadata::MetadataRecord;
use ottla_protocol::{
    codec::{Codec, Encoder},
    stored::{PartitionRecord, RegisterBrokerRecord, TopicRecord, register_broker_record::BrokerEndpoint},
};

const LISTENER: &str = "PLAINTEXT";

fn image(records: Vec<MetadataRecord>) -> Image {
    let mut image = Image::default();
    records.iter().for_each(|record| image.apply(record).expect("a sound record"));
    image
}

fn broker(fenced: bool) -> MetadataRecord {
    let endpoint = BrokerEndpoint { name: LISTENER.into(), host: "h".into(), port: 9092, ..Default::default() };
    RegisterBrokerRecord { broker_id: 1, end_points: vec![endpoint], fenced, ..Default::default() }.into()
}

/// `__consumer_offsets` with two partitions, the second without a leader.
fn offsets_topic() -> Vec<MetadataRecord> {
    let topic = TopicRecord { name: GROUP_METADATA_TOPIC_NAME.into(), topic_id: Uuid::ONE, ..Default::default() };
    let partition = |partition_id, leader| PartitionRecord {
        partition_id,
        topic_id: Uuid::ONE,
        replicas: vec![1],
        isr: vec![1],
        leader,
        ..Default::default()
    };
    vec![topic.into(), partition(0, 1).into(), partition(1, -1).into()]
}

fn cluster(fenced: bool) -> Image {
    image(std::iter::once(broker(fenced)).chain(offsets_topic()).collect())
}

const LED: i32 = 0;
const LEADERLESS: i32 = 1;

fn leader(image: &Image, listener: &str, partition: i32) -> Option<Node> {
    super::leader(image, listener, GROUP_METADATA_TOPIC_NAME, partition)
}

#[test]
fn the_leader_of_the_group_s_partition_is_named_with_its_listener() {
    let node = Node { id: 1, host: "h".into(), port: 9092 };
    assert_eq!(leader(&cluster(false), LISTENER, LED), Some(node));
}

#[test]
fn nobody_is_named_who_cannot_be_reached() {
    assert_eq!(leader(&cluster(false), LISTENER, LEADERLESS), None);
    assert_eq!(leader(&cluster(false), "OTHER", LED), None);
    assert_eq!(leader(&cluster(true), LISTENER, LED), None);
    assert_eq!(leader(&image(vec![broker(false)]), LISTENER, LED), None);
}

#[test]
fn single_answers_have_a_message_even_without_an_error() {
    let found = one(Ok(Node { id: 1, host: "h".into(), port: 9092 }));
    assert_eq!((found.error_code, found.error_message, found.node_id), (0, Some("NONE".into()), 1));
    let missing = one(Err(ErrorCode::CoordinatorNotAvailable.into()));
    assert_eq!(missing.error_message, Some("The coordinator is not available.".into()));
    assert_eq!((missing.node_id, &*missing.host, missing.port), (-1, "", -1));
}

#[test]
fn batched_answers_say_the_code_alone_where_kafka_does() {
    let missing = coordinator("k".into(), Err(ErrorCode::CoordinatorNotAvailable.into()));
    assert_eq!(missing.error_message, Some(Str::default()));
    assert_eq!((missing.key, missing.node_id, missing.port), ("k".into(), -1, -1));
    let unknown = coordinator("k".into(), Err(UNKNOWN_TYPE));
    assert_eq!(unknown.error_message, Some(INVALID_REQUEST_TEXT.into()));
}

#[test]
fn every_version_can_be_written() {
    for version in 0..=6 {
        let response = match version < BATCHED_SINCE {
            true => one(Err(NO_SHARE_GROUPS)),
            false => FindCoordinatorResponse {
                coordinators: vec![coordinator("k".into(), Err(NO_SHARE_GROUPS))],
                ..Default::default()
            },
        };
        assert_eq!(response.encode(&mut Encoder::new(), version), Ok(()), "version {version}");
    }
}

#[test]
fn share_keys_are_group_topic_and_partition() {
    for (key, is_key) in [
        ("g:AAAAAAAAAAAAAAAAAAAAAQ:0", true),
        ("", false),
        (":AAAAAAAAAAAAAAAAAAAAAQ:0", false),
        ("g:not an id:0", false),
        ("g:AAAAAAAAAAAAAAAAAAAAAQ:x", false),
        ("g:AAAAAAAAAAAAAAAAAAAAAQ", false),
        ("g:AAAAAAAAAAAAAAAAAAAAAQ:0:1", false),
    ] {
        assert_eq!(is_share_key(key), is_key, "{key:?}");
    }
}
