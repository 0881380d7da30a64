//! Heartbeat (12): a member of a group says that it lives.

use super::{Context, Pending, Refusal, plain};
use crate::groups::{reply, submit};
use ottla_coordinator::{Error, Event, Heartbeat};
use ottla_protocol::{
    ErrorCode,
    frame::RequestFrame,
    messages::{HeartbeatRequest, HeartbeatResponse},
};
use std::pin::Pin;

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain(cx, request, handle)
}

async fn handle(cx: Context, request: HeartbeatRequest) -> HeartbeatResponse {
    let error_code = match heartbeat(&cx, request).await {
        Ok(()) => ErrorCode::None,
        // Nobody can tell yet whether the member is one; it may go on meanwhile, as in Kafka.
        Err(ErrorCode::CoordinatorLoadInProgress) => ErrorCode::None,
        Err(error) => error,
    };
    HeartbeatResponse { error_code: error_code.code(), ..Default::default() }
}

async fn heartbeat(cx: &Context, request: HeartbeatRequest) -> Result<(), ErrorCode> {
    let HeartbeatRequest { group_id, generation_id, member_id, group_instance_id, .. } = request;
    if group_id.is_empty() {
        return Err(ErrorCode::InvalidGroupId);
    }
    let heartbeat = Heartbeat { group_id: group_id.clone(), generation_id, member_id, group_instance_id };
    let answer = submit(&cx.broker, &group_id, |ticket| Event::Heartbeat(ticket, heartbeat)).await;
    reply!(answer, Heartbeat)?.map_err(Error::code)
}
