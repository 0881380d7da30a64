//! UnregisterBroker (64): takes a broker out of the cluster for good (KIP-631).

use super::{
    Context, Pending, Refusal,
    ask_controller::{NO_TIMEOUT_MS, ask, outcome},
    plain,
};
use ottla_metadata::controller::{Event, Reply, UnregisterBroker};
use ottla_protocol::{
    frame::RequestFrame,
    messages::{UnregisterBrokerRequest, UnregisterBrokerResponse},
};
use std::pin::Pin;

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain(cx, request, handle)
}

async fn handle(cx: Context, request: UnregisterBrokerRequest) -> UnregisterBrokerResponse {
    let event = UnregisterBroker { broker_id: request.broker_id };
    let pick = |reply| match reply {
        Reply::UnregisterBroker(answer) => Some(answer),
        _ => None,
    };
    let answer = ask(&cx, NO_TIMEOUT_MS, move |ticket| Event::UnregisterBroker(ticket, event), pick).await;
    if answer.is_ok() {
        tracing::info!(broker_id = request.broker_id, "broker unregistered");
    }
    match outcome(&answer) {
        (0, _) => UnregisterBrokerResponse::default(),
        (error_code, error_message) => {
            UnregisterBrokerResponse { error_code, error_message, ..Default::default() }
        }
    }
}
