//! AllocateProducerIds (67): a broker wants a block of producer ids (KIP-730).

use super::{
    Context, Pending, Refusal,
    ask_controller::{NO_TIMEOUT_MS, ask, outcome},
    plain,
};
use ottla_metadata::controller::{AllocateProducerIds, Event, Reply};
use ottla_protocol::{
    frame::RequestFrame,
    messages::{AllocateProducerIdsRequest, AllocateProducerIdsResponse},
};
use std::pin::Pin;

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain(cx, request, handle)
}

async fn handle(cx: Context, request: AllocateProducerIdsRequest) -> AllocateProducerIdsResponse {
    let event = AllocateProducerIds { broker_id: request.broker_id, broker_epoch: request.broker_epoch };
    let pick = |reply| match reply {
        Reply::AllocateProducerIds(answer) => Some(answer),
        _ => None,
    };
    let answer = ask(&cx, NO_TIMEOUT_MS, move |ticket| Event::AllocateProducerIds(ticket, event), pick).await;
    let error_code = outcome(&answer).0;
    match answer {
        Ok(block) => AllocateProducerIdsResponse {
            producer_id_start: block.first_producer_id,
            producer_id_len: block.size,
            ..Default::default()
        },
        Err(_) => AllocateProducerIdsResponse { error_code, ..Default::default() },
    }
}
