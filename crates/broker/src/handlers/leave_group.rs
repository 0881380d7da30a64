//! LeaveGroup (13): a member goes, or an administrator removes several (KIP-345).

use super::{Context, Pending, Refusal, plain_within};
use crate::groups::{reply, submit};
use ottla_coordinator::{Error, Event, LeaveGroup, LeavingMember, LeftMember};
use ottla_protocol::{
    ErrorCode,
    frame::RequestFrame,
    messages::{LeaveGroupRequest, LeaveGroupResponse, leave_group_response::MemberResponse},
};
use std::pin::Pin;

/// Since this version several members may leave at once.
const BATCHED_SINCE: i16 = 3;

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain_within(cx, request, named, handle)
}

fn named(request: &LeaveGroupRequest) -> usize {
    request.members.len()
}

async fn handle(cx: Context, request: LeaveGroupRequest) -> LeaveGroupResponse {
    let left = leave(&cx, request).await;
    respond(cx.version, left)
}

async fn leave(cx: &Context, request: LeaveGroupRequest) -> Result<Vec<LeftMember>, ErrorCode> {
    if request.group_id.is_empty() {
        return Err(ErrorCode::InvalidGroupId);
    }
    let leave = plan(cx.version, request);
    let group_id = leave.group_id.clone();
    let answer = submit(&cx.broker, &group_id, |ticket| Event::LeaveGroup(ticket, leave)).await;
    reply!(answer, LeaveGroup)?.map_err(Error::code)
}

fn plan(version: i16, request: LeaveGroupRequest) -> LeaveGroup {
    let members = match version >= BATCHED_SINCE {
        true => request
            .members
            .into_iter()
            .map(|member| LeavingMember {
                member_id: member.member_id,
                group_instance_id: member.group_instance_id,
                reason: member.reason,
            })
            .collect(),
        false => vec![LeavingMember { member_id: request.member_id, ..Default::default() }],
    };
    LeaveGroup { group_id: request.group_id, members }
}

fn respond(version: i16, left: Result<Vec<LeftMember>, ErrorCode>) -> LeaveGroupResponse {
    let code = |left: &LeftMember| left.result.map_or_else(|error| error.code(), |()| ErrorCode::None);
    match left {
        Err(error) => LeaveGroupResponse { error_code: error.code(), ..Default::default() },
        Ok(left) if version < BATCHED_SINCE => {
            let error = left.first().map_or(ErrorCode::None, code);
            LeaveGroupResponse { error_code: error.code(), ..Default::default() }
        }
        Ok(left) => {
            let members = left.into_iter().map(|left| MemberResponse {
                error_code: code(&left).code(),
                member_id: left.member_id,
                group_instance_id: left.group_instance_id,
                ..Default::default()
            });
            LeaveGroupResponse { members: members.collect(), ..Default::default() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::{Str, messages::leave_group_request::MemberIdentity};

    fn unknown_member(left: LeavingMember) -> LeftMember {
        let LeavingMember { member_id, group_instance_id, .. } = left;
        LeftMember { member_id, group_instance_id, result: Err(Error::UnknownMemberId) }
    }

    #[test]
    fn one_member_leaves_before_version_3_and_its_error_is_the_response_s() {
        let request = LeaveGroupRequest { group_id: "g".into(), member_id: "m".into(), ..Default::default() };
        let plan = plan(2, request);
        assert_eq!(plan.members, [LeavingMember { member_id: "m".into(), ..Default::default() }]);
        let left: Vec<_> = plan.members.into_iter().map(unknown_member).collect();
        let response = respond(2, Ok(left));
        assert_eq!(response.error_code, ErrorCode::UnknownMemberId.code());
        assert!(response.members.is_empty());
    }

    #[test]
    fn each_member_has_its_own_error_since_version_3() {
        let instance = Some(Str::from("i"));
        let member = MemberIdentity { group_instance_id: instance.clone(), ..Default::default() };
        let request = LeaveGroupRequest { group_id: "g".into(), members: vec![member], ..Default::default() };
        let left: Vec<_> = plan(3, request).members.into_iter().map(unknown_member).collect();
        let response = respond(3, Ok(left));
        assert_eq!(response.error_code, 0);
        let expected = MemberResponse {
            group_instance_id: instance,
            error_code: ErrorCode::UnknownMemberId.code(),
            ..Default::default()
        };
        assert_eq!(response.members, [expected]);
    }

    #[test]
    fn an_error_of_the_whole_group_names_no_members() {
        for version in 0..=5 {
            let response = respond(version, Err(ErrorCode::NotCoordinator));
            assert_eq!(response.error_code, ErrorCode::NotCoordinator.code());
            assert!(response.members.is_empty());
        }
    }
}
