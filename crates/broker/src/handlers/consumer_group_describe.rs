//! ConsumerGroupDescribe (69): state, members and assignments of consumer groups (KIP-848).

use super::{Context, Pending, Refusal, consumer_groups, plain_within, topics};
use crate::groups::{by_coordinator, reply, submit_to};
use ottla_coordinator::{DescribedConsumerGroup, DescribedConsumerMember, DescribedPartitions, Event, Refused};
use ottla_protocol::{
    ErrorCode, Str,
    frame::RequestFrame,
    messages::{
        ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse,
        consumer_group_describe_response::{Assignment, DescribedGroup, Member, TopicPartitions},
    },
};
use std::pin::Pin;

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain_within(cx, request, named, handle)
}

fn named(request: &ConsumerGroupDescribeRequest) -> usize {
    request.group_ids.len()
}

async fn handle(cx: Context, request: ConsumerGroupDescribeRequest) -> ConsumerGroupDescribeResponse {
    let ConsumerGroupDescribeRequest { group_ids, include_authorized_operations: operations, .. } = request;
    if !consumer_groups::are_offered(&cx) {
        let groups = group_ids.into_iter().map(|group_id| failed(group_id, ErrorCode::UnsupportedVersion));
        return ConsumerGroupDescribeResponse { groups: groups.collect(), ..Default::default() };
    }
    let (unnamed, named): (Vec<Str>, Vec<Str>) = group_ids.into_iter().partition(|group_id| group_id.is_empty());
    let described = by_coordinator(&cx.broker, named, |shard, group_ids| async move {
        let answer = submit_to(&shard, |ticket| Event::ConsumerGroupDescribe(ticket, group_ids)).await;
        reply!(answer, ConsumerGroupDescribe)
    });
    let described = described.await.into_iter().map(|(group_id, described)| match described {
        Ok(group) => existing(operations, group),
        Err(error) => failed(group_id, error),
    });
    // As in Kafka those without a name come first.
    let unnamed = unnamed.into_iter().map(|group_id| failed(group_id, ErrorCode::InvalidGroupId));
    ConsumerGroupDescribeResponse { groups: unnamed.chain(described).collect(), ..Default::default() }
}

fn failed(group_id: Str, error: ErrorCode) -> DescribedGroup {
    DescribedGroup { error_code: error.code(), group_id, ..Default::default() }
}

fn existing(operations: bool, group: DescribedConsumerGroup) -> DescribedGroup {
    if let Some(Refused { error, message }) = group.refused {
        let error_message = consumer_groups::words(error.code(), Some(message));
        return DescribedGroup { error_message, ..failed(group.group_id, error.code()) };
    }
    let mut response = DescribedGroup {
        group_id: group.group_id,
        group_state: Str::from_static(group.state.name()),
        group_epoch: group.group_epoch,
        assignment_epoch: group.assignment_epoch,
        assignor_name: group.assignor_name,
        members: group.members.into_iter().map(member).collect(),
        ..Default::default()
    };
    if operations {
        response.authorized_operations = topics::ALL_GROUP_OPERATIONS;
    }
    response
}

fn member(member: DescribedConsumerMember) -> Member {
    Member {
        member_id: member.member_id,
        instance_id: member.instance_id,
        rack_id: member.rack_id,
        member_epoch: member.member_epoch,
        client_id: member.client_id,
        client_host: member.client_host,
        subscribed_topic_names: member.subscribed_topic_names,
        subscribed_topic_regex: member.subscribed_topic_regex,
        assignment: assignment(member.assignment),
        target_assignment: assignment(member.target_assignment),
        member_type: member.member_type,
        ..Default::default()
    }
}

fn assignment(topics: Vec<DescribedPartitions>) -> Assignment {
    let topic_partitions = topics.into_iter().map(|topic| TopicPartitions {
        topic_id: topic.topic_id,
        topic_name: topic.topic_name,
        partitions: topic.partitions,
        ..Default::default()
    });
    Assignment { topic_partitions: topic_partitions.collect(), ..Default::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_coordinator::ConsumerGroupState;
    use ottla_protocol::{
        Uuid,
        codec::{Codec, Encoder},
    };

    fn partitions() -> Vec<DescribedPartitions> {
        vec![DescribedPartitions { topic_id: Uuid::ONE, topic_name: "t".into(), partitions: vec![0, 2] }]
    }

    fn group(refused: Option<Refused>) -> DescribedConsumerGroup {
        DescribedConsumerGroup {
            group_id: "g".into(),
            state: if refused.is_some() { ConsumerGroupState::Dead } else { ConsumerGroupState::Stable },
            refused,
            group_epoch: 3,
            assignment_epoch: 2,
            assignor_name: "uniform".into(),
            members: vec![DescribedConsumerMember {
                member_id: "m".into(),
                instance_id: None,
                rack_id: Some("r".into()),
                member_epoch: 2,
                client_id: "c".into(),
                client_host: "/127.0.0.1".into(),
                subscribed_topic_names: vec!["t".into()],
                subscribed_topic_regex: None,
                assignment: partitions(),
                target_assignment: Vec::new(),
                member_type: 1,
            }],
        }
    }

    #[test]
    fn a_group_that_is_none_has_nothing_but_an_error() {
        let refused =
            Refused { error: ottla_coordinator::Error::GroupIdNotFound, message: "Group g not found.".to_owned() };
        let response = existing(true, group(Some(refused)));
        let expected = DescribedGroup {
            error_code: ErrorCode::GroupIdNotFound.code(),
            error_message: Some("Group g not found.".into()),
            group_id: "g".into(),
            ..Default::default()
        };
        assert_eq!(response, expected);
        assert_eq!(response.authorized_operations, i32::MIN);
    }

    #[test]
    fn operations_are_said_to_those_who_ask() {
        assert_eq!(existing(false, group(None)).authorized_operations, i32::MIN);
        assert_eq!(existing(true, group(None)).authorized_operations, topics::ALL_GROUP_OPERATIONS);
    }

    #[test]
    fn every_version_can_be_written() {
        for version in 0..=1 {
            let group = existing(true, group(None));
            assert_eq!(group.members[0].assignment.topic_partitions[0].partitions, [0, 2]);
            let response = ConsumerGroupDescribeResponse { groups: vec![group], ..Default::default() };
            assert_eq!(response.encode(&mut Encoder::new(), version), Ok(()), "version {version}");
        }
    }
}
