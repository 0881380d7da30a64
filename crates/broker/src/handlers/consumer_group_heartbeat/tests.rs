//! ConsumerGroupHeartbeat without a broker: what is refused at once, and how answers look.

use super::*;
use ottla_protocol::{
    Uuid,
    codec::{Codec, Encoder},
};
use std::collections::BTreeSet;

const ID: Uuid = Uuid::from_bytes([7; 16]);
const OTHER_ID: Uuid = Uuid::from_bytes([8; 16]);

/// A member that joins as it should.
fn joining() -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest {
        group_id: "g".into(),
        member_id: "m".into(),
        member_epoch: 0,
        rebalance_timeout_ms: 1_000,
        subscribed_topic_names: Some(vec!["t".into()]),
        topic_partitions: Some(Vec::new()),
        ..Default::default()
    }
}

/// A member that lives.
fn living() -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest { group_id: "g".into(), member_id: "m".into(), member_epoch: 3, ..Default::default() }
}

fn owned(topics: &[(Uuid, &[i32])]) -> Vec<consumer_group_heartbeat_request::TopicPartitions> {
    let topics = topics.iter().map(|(topic_id, partitions)| consumer_group_heartbeat_request::TopicPartitions {
        topic_id: *topic_id,
        partitions: partitions.to_vec(),
        ..Default::default()
    });
    topics.collect()
}

#[track_caller]
fn check(versions: &[i16], request: &ConsumerGroupHeartbeatRequest, expected: Option<&str>) {
    for version in versions {
        let expected = expected.map_or(Ok(()), |message| Err((ErrorCode::InvalidRequest, message.to_owned())));
        assert_eq!(validate(*version, request, || Assignor::ALL.to_vec()), expected, "version {version}");
    }
}

#[test]
fn a_member_may_join_live_and_leave() {
    check(&[0, 1], &joining(), None);
    check(&[0, 1], &living(), None);
    check(&[0, 1], &ConsumerGroupHeartbeatRequest { member_epoch: -1, ..living() }, None);
    let gone_for_a_while =
        ConsumerGroupHeartbeatRequest { member_epoch: -2, instance_id: Some("i".into()), ..living() };
    check(&[0, 1], &gone_for_a_while, None);
}

#[test]
fn an_id_is_the_brokers_to_make_in_the_first_request_of_version_0() {
    let without = |request| ConsumerGroupHeartbeatRequest { member_id: Str::default(), ..request };
    check(&[0], &without(joining()), None);
    let away = ConsumerGroupHeartbeatRequest { member_epoch: -2, instance_id: Some("i".into()), ..living() };
    check(&[0], &without(away.clone()), None);
    let refused = Some("MemberId can't be empty.");
    check(&[1], &without(joining()), refused);
    check(&[1], &without(away), refused);
    check(&[0, 1], &without(living()), refused);
    check(&[0, 1], &without(ConsumerGroupHeartbeatRequest { member_epoch: -1, ..living() }), refused);
    check(&[0, 1], &ConsumerGroupHeartbeatRequest { member_id: " \t".into(), ..living() }, refused);
}

#[test]
fn names_must_not_be_empty() {
    let blank: Str = " ".into();
    let group = ConsumerGroupHeartbeatRequest { group_id: blank.clone(), ..living() };
    check(&[0, 1], &group, Some("GroupId can't be empty."));
    let instance = ConsumerGroupHeartbeatRequest { instance_id: Some(Str::default()), ..living() };
    check(&[0, 1], &instance, Some("InstanceId can't be empty."));
    let rack = ConsumerGroupHeartbeatRequest { rack_id: Some(blank), ..living() };
    check(&[0, 1], &rack, Some("RackId can't be empty."));
    let first = ConsumerGroupHeartbeatRequest { group_id: Str::default(), member_id: Str::default(), ..living() };
    check(&[0, 1], &first, Some("MemberId can't be empty."));
}

#[test]
fn who_joins_says_all_and_owns_nothing() {
    let timeout = ConsumerGroupHeartbeatRequest { rebalance_timeout_ms: -1, ..joining() };
    check(&[0, 1], &timeout, Some("RebalanceTimeoutMs must be provided in first request."));
    for topics in [None, Some(owned(&[(ID, &[1])])), Some(owned(&[(ID, &[])]))] {
        let request = ConsumerGroupHeartbeatRequest { topic_partitions: topics, ..joining() };
        check(&[0, 1], &request, Some("TopicPartitions must be empty when (re-)joining."));
    }
    let nothing = ConsumerGroupHeartbeatRequest { subscribed_topic_names: None, ..joining() };
    let message = "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.";
    check(&[0, 1], &nothing, Some(message));
    check(&[1], &ConsumerGroupHeartbeatRequest { subscribed_topic_regex: Some(Str::default()), ..nothing }, None);
    check(&[0, 1], &ConsumerGroupHeartbeatRequest { subscribed_topic_names: Some(Vec::new()), ..joining() }, None);
}

#[test]
fn epochs_below_0_mean_leaving() {
    let away = ConsumerGroupHeartbeatRequest { member_epoch: -2, ..living() };
    check(&[0, 1], &away, Some("InstanceId can't be null."));
    for member_epoch in [-3, i32::MIN] {
        check(&[0, 1], &ConsumerGroupHeartbeatRequest { member_epoch, ..living() }, Some("MemberEpoch is invalid."));
    }
}

#[test]
fn an_assignor_must_be_offered() {
    let wanting = |name: &str| ConsumerGroupHeartbeatRequest { server_assignor: Some(name.into()), ..joining() };
    assert_eq!(validate(1, &wanting("range"), || vec![Assignor::Range, Assignor::Uniform]), Ok(()));
    let refused = |name: &str, assignors: &[Assignor], message: &str| {
        let expected = Err((ErrorCode::UnsupportedAssignor, message.to_owned()));
        assert_eq!(validate(1, &wanting(name), || assignors.to_vec()), expected);
    };
    refused("range", &[Assignor::Uniform], "ServerAssignor range is not supported. Supported assignors: uniform.");
    let both = "ServerAssignor Range is not supported. Supported assignors: uniform, range.";
    refused("Range", &[Assignor::Range, Assignor::Uniform], both);
    refused("", &[Assignor::Range], "ServerAssignor  is not supported. Supported assignors: range.");
}

#[test]
fn what_a_member_owns_is_one_set_a_topic() {
    let owned = owned(&[(ID, &[2, 0]), (OTHER_ID, &[]), (ID, &[2, 1])]);
    assert_eq!(assignment(owned), Assignment::from([(ID, BTreeSet::from([0, 1, 2]))]));
}

#[test]
fn every_version_can_be_written() {
    let answer = ConsumerHeartbeatAnswer {
        member_id: "m".into(),
        member_epoch: 4,
        heartbeat_interval_ms: 5_000,
        assignment: Some(Assignment::from([(ID, BTreeSet::from([1, 0]))])),
    };
    for version in 0..=1 {
        let response = respond(Ok(answer.clone()));
        let assigned = response.assignment.as_ref().expect("it is there");
        assert_eq!(assigned.topic_partitions[0].partitions, [0, 1]);
        assert_eq!(response.encode(&mut Encoder::new(), version), Ok(()), "version {version}");
        let refused = Refused { error: ottla_coordinator::Error::FencedMemberEpoch, message: "why".to_owned() };
        let response = respond(Err(failure(refused)));
        assert_eq!(response.error_code, ErrorCode::FencedMemberEpoch.code());
        assert_eq!((response.error_message.as_deref(), &response.member_id), (Some("why"), &None));
        assert_eq!(response.encode(&mut Encoder::new(), version), Ok(()), "version {version}");
    }
}
