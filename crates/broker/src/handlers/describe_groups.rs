//! DescribeGroups (15): state, members and assignments of classic groups.

use super::{Context, Pending, Refusal, plain_within, topics};
use crate::groups::{by_coordinator, reply, submit_to};
use ottla_coordinator::{DescribedGroup, DescribedMember, Event};
use ottla_protocol::{
    ErrorCode, Str,
    frame::RequestFrame,
    messages::{
        DescribeGroupsRequest, DescribeGroupsResponse,
        describe_groups_response::{self, DescribedGroupMember},
    },
};
use std::pin::Pin;

/// Since this version a client may ask what it is allowed to do (KIP-430).
const OPERATIONS_SINCE: i16 = 3;
/// Since this version a group that does not exist is an error; before, it was a dead one (KIP-1043).
const NOT_FOUND_SINCE: i16 = 6;

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain_within(cx, request, named, handle)
}

fn named(request: &DescribeGroupsRequest) -> usize {
    request.groups.len()
}

async fn handle(cx: Context, request: DescribeGroupsRequest) -> DescribeGroupsResponse {
    let operations = cx.version >= OPERATIONS_SINCE && request.include_authorized_operations;
    let described = by_coordinator(&cx.broker, request.groups, |shard, group_ids| async move {
        let answer = submit_to(&shard, |ticket| Event::DescribeGroups(ticket, group_ids)).await;
        reply!(answer, DescribeGroups)
    });
    let groups = described.await.into_iter().map(|(group_id, described)| match described {
        Ok(described) => existing(cx.version, operations, described),
        Err(error) => failed(group_id, error),
    });
    DescribeGroupsResponse { groups: groups.collect(), ..Default::default() }
}

fn failed(group_id: Str, error: ErrorCode) -> describe_groups_response::DescribedGroup {
    describe_groups_response::DescribedGroup { error_code: error.code(), group_id, ..Default::default() }
}

fn existing(version: i16, operations: bool, group: DescribedGroup) -> describe_groups_response::DescribedGroup {
    let error = group.error.filter(|_| version >= NOT_FOUND_SINCE);
    let mut response = describe_groups_response::DescribedGroup {
        error_code: error.map_or(ErrorCode::None, ottla_coordinator::Error::code).code(),
        error_message: error.map(|_| group.error_message.into()),
        group_id: group.group_id,
        group_state: Str::from_static(group.state.name()),
        protocol_type: group.protocol_type,
        protocol_data: group.protocol_data,
        members: group.members.into_iter().map(member).collect(),
        ..Default::default()
    };
    if operations && error.is_none() {
        response.authorized_operations = topics::ALL_GROUP_OPERATIONS;
    }
    response
}

fn member(member: DescribedMember) -> DescribedGroupMember {
    DescribedGroupMember {
        member_id: member.member_id,
        group_instance_id: member.group_instance_id,
        client_id: member.client_id,
        client_host: member.client_host,
        member_metadata: member.member_metadata,
        member_assignment: member.member_assignment,
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_coordinator::GroupState;
    use ottla_protocol::codec::{Codec, Encoder};

    fn group(error: Option<ottla_coordinator::Error>) -> DescribedGroup {
        DescribedGroup {
            group_id: "g".into(),
            error,
            error_message: "Group g not found.".to_owned(),
            state: if error.is_some() { GroupState::Dead } else { GroupState::Empty },
            protocol_type: Str::default(),
            protocol_data: Str::default(),
            members: vec![DescribedMember {
                member_id: "m".into(),
                group_instance_id: Some("i".into()),
                client_id: "c".into(),
                client_host: "/127.0.0.1".into(),
                member_metadata: Default::default(),
                member_assignment: Default::default(),
            }],
        }
    }

    #[test]
    fn a_group_that_does_not_exist_is_an_error_since_version_6() {
        let missing = || group(Some(ottla_coordinator::Error::GroupIdNotFound));
        let before = existing(5, true, missing());
        assert_eq!((before.error_code, before.error_message, &*before.group_state), (0, None, "Dead"));
        assert_eq!(before.authorized_operations, topics::ALL_GROUP_OPERATIONS);
        let since = existing(6, true, missing());
        assert_eq!(since.error_code, ErrorCode::GroupIdNotFound.code());
        assert_eq!(since.error_message, Some("Group g not found.".into()));
        assert_eq!(since.authorized_operations, i32::MIN);
    }

    #[test]
    fn operations_are_said_to_those_who_ask() {
        assert_eq!(existing(6, false, group(None)).authorized_operations, i32::MIN);
        assert_eq!(existing(6, true, group(None)).authorized_operations, topics::ALL_GROUP_OPERATIONS);
    }

    #[test]
    fn every_version_can_be_written() {
        for version in 0..=6 {
            let missing = group(Some(ottla_coordinator::Error::GroupIdNotFound));
            let groups = [existing(version, version >= 3, group(None)), existing(version, false, missing)];
            let response = DescribeGroupsResponse { groups: groups.into(), ..Default::default() };
            assert_eq!(response.encode(&mut Encoder::new(), version), Ok(()), "version {version}");
        }
    }
}
