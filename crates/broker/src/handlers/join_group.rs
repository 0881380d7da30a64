//! JoinGroup (11): a member wants to be in the group's next generation, and waits until that begins.

use super::{Context, Pending, Refusal, client_host::client_host, plain};
use crate::{
    entropy,
    groups::{reply, submit},
};
use ottla_coordinator::{Event, JoinGroup, JoinRefused, Joined, Protocol, Settings};
use ottla_protocol::{
    ErrorCode, Str,
    frame::RequestFrame,
    messages::{JoinGroupRequest, JoinGroupResponse, join_group_response::JoinGroupResponseMember},
};
use std::pin::Pin;

/// Since this version a member says how long it may take to join again; before, it was the session timeout (KIP-62).
const REBALANCE_TIMEOUT_SINCE: i16 = 1;
/// Since this version a new member must join again with the id it is given (KIP-394).
const KNOWN_MEMBER_ID_SINCE: i16 = 4;
/// Since this version the name of the protocol may be null.
const NULLABLE_PROTOCOL_SINCE: i16 = 7;
/// Since this version a leader can be told to keep the assignment (KIP-814).
const SKIP_ASSIGNMENT_SINCE: i16 = 9;

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain(cx, request, handle)
}

async fn handle(cx: Context, request: JoinGroupRequest) -> JoinGroupResponse {
    let joined = join(&cx, request).await;
    respond(cx.version, joined)
}

/// Why a member is not in the generation, with the id it is told.
type Refused = (ErrorCode, Str);

async fn join(cx: &Context, request: JoinGroupRequest) -> Result<Joined, Refused> {
    if let Err(error) = validate(&request, &cx.broker.groups.settings()) {
        return Err((error, request.member_id));
    }
    let join = plan(cx, request);
    let group_id = join.group_id.clone();
    let answer = submit(&cx.broker, &group_id, |ticket| Event::JoinGroup(ticket, join)).await;
    let joined = reply!(answer, JoinGroup).map_err(|error| (error, Str::default()))?;
    joined.map_err(|JoinRefused { error, member_id }| (error.code(), member_id))
}

/// What is wrong whoever the coordinator is.
fn validate(request: &JoinGroupRequest, settings: &Settings) -> Result<(), ErrorCode> {
    let session_timeouts = settings.group_min_session_timeout_ms..=settings.group_max_session_timeout_ms;
    match request {
        _ if request.group_id.is_empty() => Err(ErrorCode::InvalidGroupId),
        _ if !session_timeouts.contains(&request.session_timeout_ms) => Err(ErrorCode::InvalidSessionTimeout),
        _ => Ok(()),
    }
}

fn plan(cx: &Context, request: JoinGroupRequest) -> JoinGroup {
    let protocols = request.protocols.into_iter();
    JoinGroup {
        group_id: request.group_id,
        member_id: request.member_id,
        group_instance_id: request.group_instance_id,
        client_id: cx.client_id(),
        client_host: client_host(cx.peer.address),
        member_id_suffix: entropy::member_suffix().into(),
        session_timeout_ms: request.session_timeout_ms,
        rebalance_timeout_ms: match cx.version >= REBALANCE_TIMEOUT_SINCE {
            true => request.rebalance_timeout_ms,
            false => request.session_timeout_ms,
        },
        protocol_type: request.protocol_type,
        protocols: protocols.map(|p| Protocol { name: p.name, metadata: p.metadata }).collect(),
        reason: request.reason,
        require_known_member_id: cx.version >= KNOWN_MEMBER_ID_SINCE,
        supports_skipping_assignment: cx.version >= SKIP_ASSIGNMENT_SINCE,
    }
}

fn respond(version: i16, joined: Result<Joined, Refused>) -> JoinGroupResponse {
    match joined {
        Ok(joined) => {
            let members = joined.members.into_iter().map(|member| JoinGroupResponseMember {
                member_id: member.member_id,
                group_instance_id: member.group_instance_id,
                metadata: member.metadata,
                ..Default::default()
            });
            JoinGroupResponse {
                generation_id: joined.generation_id,
                protocol_type: joined.protocol_type,
                protocol_name: protocol_name(version, joined.protocol_name),
                leader: joined.leader,
                skip_assignment: joined.skip_assignment,
                member_id: joined.member_id,
                members: members.collect(),
                ..Default::default()
            }
        }
        Err((error, member_id)) => JoinGroupResponse {
            error_code: error.code(),
            protocol_name: protocol_name(version, None),
            member_id,
            ..Default::default()
        },
    }
}

/// No protocol is null where it can be, and empty before.
fn protocol_name(version: i16, name: Option<Str>) -> Option<Str> {
    match version >= NULLABLE_PROTOCOL_SINCE {
        true => name.filter(|name| !name.is_empty()),
        false => Some(name.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_coordinator::JoinedMember;
    use ottla_protocol::{
        Bytes,
        codec::{Codec, Encoder},
    };

    fn joined(protocol_name: Option<&str>) -> Joined {
        Joined {
            generation_id: 3,
            protocol_type: Some("consumer".into()),
            protocol_name: protocol_name.map(Str::from),
            leader: "m".into(),
            skip_assignment: false,
            member_id: "m".into(),
            members: vec![JoinedMember {
                member_id: "m".into(),
                group_instance_id: Some("i".into()),
                metadata: Bytes::from_static(b"data"),
            }],
        }
    }

    #[test]
    fn no_protocol_is_empty_before_version_7_and_null_since() {
        for version in 0..=9 {
            let none = if version >= 7 { None } else { Some(Str::default()) };
            let refused = respond(version, Err((ErrorCode::MemberIdRequired, "m".into())));
            assert_eq!((&refused.protocol_name, refused.generation_id), (&none, -1));
            assert_eq!(respond(version, Ok(joined(None))).protocol_name, none);
            assert_eq!(respond(version, Ok(joined(Some("")))).protocol_name, none);
            assert_eq!(respond(version, Ok(joined(Some("range")))).protocol_name, Some("range".into()));
        }
    }

    #[test]
    fn every_version_can_be_written() {
        for version in 0..=9 {
            for answer in [Ok(joined(Some("range"))), Err((ErrorCode::NotCoordinator, Str::default()))] {
                let response = respond(version, answer);
                assert_eq!(response.encode(&mut Encoder::new(), version), Ok(()), "version {version}");
            }
        }
    }

    #[test]
    fn what_is_wrong_in_any_group_is_said_at_once() {
        let settings = Settings::default();
        let check = |group_id: &str, session_timeout_ms, expected| {
            let request = JoinGroupRequest { group_id: group_id.into(), session_timeout_ms, ..Default::default() };
            assert_eq!(validate(&request, &settings), expected);
        };
        check("", 1, Err(ErrorCode::InvalidGroupId));
        check("g", settings.group_min_session_timeout_ms - 1, Err(ErrorCode::InvalidSessionTimeout));
        check("g", settings.group_max_session_timeout_ms + 1, Err(ErrorCode::InvalidSessionTimeout));
        check("g", settings.group_min_session_timeout_ms, Ok(()));
        check("g", settings.group_max_session_timeout_ms, Ok(()));
    }
}
