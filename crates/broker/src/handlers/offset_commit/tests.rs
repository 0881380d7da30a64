//! OffsetCommit without a broker: which partitions reach the coordinator, and how answers are put together.

use super::*;
use ottla_coordinator::PartitionResult;
use ottla_protocol::{
    codec::{Codec, Encoder},
    stored::{PartitionRecord, TopicRecord},
};

const ID: Uuid = Uuid::from_bytes([7; 16]);
const OTHER_ID: Uuid = Uuid::from_bytes([8; 16]);
const UNKNOWN: ErrorCode = ErrorCode::UnknownTopicOrPartition;

/// Topic `t` with partitions 0 and 1.
fn image() -> Image {
    let mut image = Image::default();
    let topic = TopicRecord { name: "t".into(), topic_id: ID, ..Default::default() };
    image.apply(&topic.into()).expect("a sound record");
    for partition_id in 0..2 {
        let partition = PartitionRecord { partition_id, topic_id: ID, ..Default::default() };
        image.apply(&partition.into()).expect("a sound record");
    }
    image
}

fn topic(name: &str, topic_id: Uuid, partitions: &[i32]) -> OffsetCommitRequestTopic {
    let partitions = partitions.iter().map(|partition_index| OffsetCommitRequestPartition {
        partition_index: *partition_index,
        ..Default::default()
    });
    OffsetCommitRequestTopic { name: name.into(), topic_id, partitions: partitions.collect(), ..Default::default() }
}

/// What the coordinator is asked to commit, and what fails before.
fn check(version: i16, topics: Vec<OffsetCommitRequestTopic>, valid: &[(Uuid, &str, &[i32])], failed: &[Answer]) {
    let plan = plan(&image(), version, topics);
    let planned: Vec<_> = plan.valid.iter().map(|t| (t.topic_id, &*t.name, partitions_of(version, t).1)).collect();
    let expected: Vec<_> = valid.iter().map(|(id, name, partitions)| (*id, *name, partitions.to_vec())).collect();
    assert_eq!(planned, expected, "version {version}");
    assert_eq!(plan.failed.merge(Vec::new()), failed, "version {version}");
}

fn by_name(name: &str) -> Key {
    (Uuid::ZERO, name.into())
}

fn by_id(id: Uuid) -> Key {
    (id, Str::default())
}

#[test]
fn topics_are_named_before_version_10_and_get_their_id() {
    for version in 2..10 {
        let topics = vec![topic("t", Uuid::ZERO, &[1, 2]), topic("u", Uuid::ZERO, &[0])];
        let failed = [(by_name("t"), vec![(2, UNKNOWN)]), (by_name("u"), vec![(0, UNKNOWN)])];
        check(version, topics, &[(ID, "t", &[1])], &failed);
    }
}

#[test]
fn topics_have_ids_since_version_10() {
    let topics = vec![topic("", OTHER_ID, &[0]), topic("", ID, &[0, -1]), topic("", Uuid::ZERO, &[0])];
    let unknown_id = |id| (by_id(id), vec![(0, ErrorCode::UnknownTopicId)]);
    let failed = [unknown_id(OTHER_ID), (by_id(ID), vec![(-1, UNKNOWN)]), unknown_id(Uuid::ZERO)];
    check(10, topics, &[(ID, "t", &[0])], &failed);
}

#[test]
fn topics_without_partitions_are_in_the_answer_only_if_they_are_unknown() {
    let topics = vec![topic("t", Uuid::ZERO, &[]), topic("u", Uuid::ZERO, &[])];
    check(9, topics, &[], &[(by_name("u"), vec![])]);
}

#[test]
fn a_group_that_does_not_exist_is_an_illegal_generation_before_version_9() {
    for (version, expected) in [(2, ErrorCode::IllegalGeneration), (8, ErrorCode::IllegalGeneration)] {
        assert_eq!(group_error(version, Error::GroupIdNotFound), expected);
    }
    assert_eq!(group_error(9, Error::GroupIdNotFound), ErrorCode::GroupIdNotFound);
    assert_eq!(group_error(8, Error::UnknownMemberId), ErrorCode::UnknownMemberId);
}

#[test]
fn every_version_can_be_written() {
    let partitions = vec![PartitionResult { partition_index: 0, result: Err(Error::OffsetMetadataTooLarge) }];
    let committed = CommittedTopic { topic_id: ID, name: "t".into(), partitions };
    for version in 2..=10 {
        let response = respond(vec![committed_topic(version, committed.clone())]);
        assert_eq!(response.topics.len(), 1);
        assert_eq!(response.topics[0].partitions[0].error_code, ErrorCode::OffsetMetadataTooLarge.code());
        assert_eq!(response.encode(&mut Encoder::new(), version), Ok(()), "version {version}");
    }
}
