//! BrokerHeartbeat (63): a broker tells the controller that it lives, and asks to serve or to stop (KIP-631).

use super::{
    Context, Pending, Refusal,
    ask_controller::{ask, outcome},
    plain_within,
};
use ottla_config::keys;
use ottla_metadata::controller::{BrokerHeartbeat, Event, Reply};
use ottla_protocol::{
    frame::RequestFrame,
    messages::{BrokerHeartbeatRequest, BrokerHeartbeatResponse},
};
use std::pin::Pin;

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain_within(cx, request, named, handle)
}

fn named(request: &BrokerHeartbeatRequest) -> usize {
    request.offline_log_dirs.len() + request.cordoned_log_dirs.as_ref().map_or(0, Vec::len)
}

async fn handle(cx: Context, request: BrokerHeartbeatRequest) -> BrokerHeartbeatResponse {
    let of = (request.broker_id, request.broker_epoch);
    let event = BrokerHeartbeat {
        broker_id: request.broker_id,
        broker_epoch: request.broker_epoch,
        current_metadata_offset: request.current_metadata_offset,
        want_fence: request.want_fence,
        want_shut_down: request.want_shut_down,
        offline_log_dirs: request.offline_log_dirs,
        cordoned_log_dirs: request.cordoned_log_dirs,
    };
    let pick = |reply| match reply {
        Reply::BrokerHeartbeat(answer) => Some(answer),
        _ => None,
    };
    // The broker sends the next one after a whole interval.
    let timeout_ms = cx.broker.config().get(keys::BROKER_HEARTBEAT_INTERVAL_MS) / 2;
    let answer = ask(&cx, timeout_ms.max(1), |ticket| Event::BrokerHeartbeat(ticket, event), pick).await;
    let error_code = outcome(&answer).0;
    match answer {
        Ok(status) => {
            // If the connection ends, its broker may have.
            let _ = cx.peer.heartbeat_of.set(of);
            BrokerHeartbeatResponse {
            is_caught_up: status.is_caught_up,
            is_fenced: status.is_fenced,
            should_shut_down: status.should_shut_down,
            ..Default::default()
            }
        }
        Err(_) => BrokerHeartbeatResponse { error_code, ..Default::default() },
    }
}
