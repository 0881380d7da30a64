//! OffsetFetch without a broker: what each version asks for, and how it is answered.

use super::*;
use ottla_protocol::{
    codec::{Codec, Encoder},
    messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics},
    stored::TopicRecord,
};

const ID: Uuid = Uuid::from_bytes([7; 16]);
const OTHER_ID: Uuid = Uuid::from_bytes([8; 16]);

/// One topic, `t`.
fn image() -> Image {
    let mut image = Image::default();
    let topic = TopicRecord { name: "t".into(), topic_id: ID, ..Default::default() };
    image.apply(&topic.into()).expect("a sound record");
    image
}

fn fetch_topic(name: &str, topic_id: Uuid) -> FetchTopic {
    FetchTopic { name: name.into(), topic_id, partition_indexes: vec![0] }
}

fn fetched_topic(name: &str, topic_id: Uuid) -> FetchedTopic {
    let partition = FetchedPartition {
        partition_index: 0,
        committed_offset: 5,
        committed_leader_epoch: 1,
        metadata: "m".into(),
        error: None,
    };
    FetchedTopic { name: name.into(), topic_id, partitions: vec![partition] }
}

fn wanted_by_nobody(group_id: &str, topics: Option<Vec<FetchTopic>>) -> Wanted {
    Wanted { group_id: group_id.into(), member_id: None, member_epoch: -1, topics }
}

#[test]
fn one_group_is_asked_for_before_version_8() {
    let topic = OffsetFetchRequestTopic { name: "t".into(), partition_indexes: vec![0], ..Default::default() };
    let request = OffsetFetchRequest { group_id: "g".into(), topics: Some(vec![topic]), ..Default::default() };
    let expected = wanted_by_nobody("g", Some(vec![fetch_topic("t", Uuid::ZERO)]));
    assert_eq!(wanted(7, request), [expected]);
    let all = OffsetFetchRequest { group_id: "g".into(), topics: None, ..Default::default() };
    assert_eq!(wanted(2, all), [wanted_by_nobody("g", None)]);
}

#[test]
fn several_groups_are_asked_for_since_version_8() {
    let topic = OffsetFetchRequestTopics { topic_id: ID, partition_indexes: vec![0], ..Default::default() };
    let member = OffsetFetchRequestGroup {
        group_id: "h".into(),
        member_id: Some("m".into()),
        member_epoch: 3,
        topics: None,
        ..Default::default()
    };
    let groups = vec![
        OffsetFetchRequestGroup { group_id: "g".into(), topics: Some(vec![topic]), ..Default::default() },
        member,
    ];
    let request = OffsetFetchRequest { groups, ..Default::default() };
    let expected = [
        wanted_by_nobody("g", Some(vec![fetch_topic("", ID)])),
        Wanted { member_id: Some("m".into()), member_epoch: 3, ..wanted_by_nobody("h", None) },
    ];
    assert_eq!(wanted(10, request), expected);
}

#[test]
fn ids_get_their_name_and_unknown_ones_are_not_asked_for() {
    let topics = Some(vec![fetch_topic("", OTHER_ID), fetch_topic("", ID), fetch_topic("", Uuid::ZERO)]);
    let plan = plan(&image(), 10, topics);
    assert_eq!(plan.asked, Some(vec![fetch_topic("t", ID)]));
    assert_eq!(plan.unknown, [fetch_topic("", OTHER_ID), fetch_topic("", Uuid::ZERO)]);
}

#[test]
fn names_are_asked_for_as_they_are() {
    let topics = Some(vec![fetch_topic("gone", Uuid::ZERO)]);
    let plan = plan(&image(), 9, topics.clone());
    assert_eq!((plan.asked, plan.unknown), (topics, vec![]));
}

#[test]
fn all_topics_come_with_their_id_or_not_at_all_since_version_10() {
    let found = |version, name: &str| found(&image(), version, fetched_topic(name, Uuid::ZERO));
    assert_eq!(found(10, "t").map(|topic| topic.topic_id), Some(ID));
    assert_eq!(found(10, "gone"), None);
    assert_eq!(found(9, "gone").map(|topic| topic.topic_id), Some(Uuid::ZERO));
}

#[test]
fn a_group_s_error_is_at_each_partition_in_version_1() {
    let error = ErrorCode::NotCoordinator;
    let asked = vec![fetch_topic("t", Uuid::ZERO)];
    let response = respond(1, vec![group_error(1, "g".into(), asked.clone(), error)]);
    assert_eq!(response.error_code, 0);
    let partition = &response.topics[0].partitions[0];
    assert_eq!((partition.error_code, partition.committed_offset), (error.code(), -1));
    let response = respond(2, vec![group_error(2, "g".into(), asked.clone(), error)]);
    assert_eq!((response.error_code, response.topics.len()), (error.code(), 0));
    let response = respond(8, vec![group_error(8, "g".into(), asked, error)]);
    assert_eq!((response.groups[0].error_code, response.groups[0].topics.len()), (error.code(), 0));
}

#[test]
fn every_version_can_be_written() {
    for version in 1..=10 {
        let topics = vec![found(&image(), version, fetched_topic("t", Uuid::ZERO)).expect("it has an id")];
        let fetched = Fetched { group_id: "g".into(), error: ErrorCode::None, topics };
        let response = respond(version, vec![fetched]);
        assert_eq!(response.encode(&mut Encoder::new(), version), Ok(()), "version {version}");
    }
}
