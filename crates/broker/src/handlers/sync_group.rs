//! SyncGroup (14): a member asks for its assignment; the leader of the group brings everyone's.

use super::{Context, Pending, Refusal, plain};
use crate::groups::{reply, submit};
use ottla_coordinator::{Error, Event, GroupAssignment, SyncGroup, Synced};
use ottla_protocol::{
    ErrorCode,
    frame::RequestFrame,
    messages::{SyncGroupRequest, SyncGroupResponse},
};
use std::pin::Pin;

/// Since this version a member must say which protocol it believes in (KIP-559).
const PROTOCOL_REQUIRED_SINCE: i16 = 5;

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain(cx, request, handle)
}

async fn handle(cx: Context, request: SyncGroupRequest) -> SyncGroupResponse {
    match sync(&cx, request).await {
        Ok(Synced { protocol_type, protocol_name, assignment }) => {
            SyncGroupResponse { protocol_type, protocol_name, assignment, ..Default::default() }
        }
        Err(error) => SyncGroupResponse { error_code: error.code(), ..Default::default() },
    }
}

async fn sync(cx: &Context, request: SyncGroupRequest) -> Result<Synced, ErrorCode> {
    let sync = plan(cx.version, request)?;
    let group_id = sync.group_id.clone();
    let answer = submit(&cx.broker, &group_id, |ticket| Event::SyncGroup(ticket, sync)).await;
    reply!(answer, SyncGroup)?.map_err(Error::code)
}

fn plan(version: i16, request: SyncGroupRequest) -> Result<SyncGroup, ErrorCode> {
    let names_protocol = request.protocol_type.is_some() && request.protocol_name.is_some();
    if version >= PROTOCOL_REQUIRED_SINCE && !names_protocol {
        return Err(ErrorCode::InconsistentGroupProtocol);
    }
    if request.group_id.is_empty() {
        return Err(ErrorCode::InvalidGroupId);
    }
    let assignments = request.assignments.into_iter();
    Ok(SyncGroup {
        group_id: request.group_id,
        generation_id: request.generation_id,
        member_id: request.member_id,
        group_instance_id: request.group_instance_id,
        protocol_type: request.protocol_type,
        protocol_name: request.protocol_name,
        assignments: assignments
            .map(|a| GroupAssignment { member_id: a.member_id, assignment: a.assignment })
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::Str;

    fn check(version: i16, group_id: &str, protocol: Option<&str>, expected: Option<ErrorCode>) {
        let protocol = protocol.map(Str::from);
        let request = SyncGroupRequest {
            group_id: Str::from(group_id),
            protocol_type: protocol.clone(),
            protocol_name: protocol,
            ..Default::default()
        };
        assert_eq!(plan(version, request).err(), expected, "version {version}, group {group_id:?}");
    }

    #[test]
    fn the_protocol_is_required_since_version_5_and_asked_for_first() {
        check(4, "g", None, None);
        check(5, "g", None, Some(ErrorCode::InconsistentGroupProtocol));
        check(5, "g", Some("range"), None);
        check(5, "", None, Some(ErrorCode::InconsistentGroupProtocol));
        check(5, "", Some("range"), Some(ErrorCode::InvalidGroupId));
        check(0, "", None, Some(ErrorCode::InvalidGroupId));
    }
}
