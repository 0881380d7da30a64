//! InitProducerId (22): an id for an idempotent producer (KIP-98, KIP-360). Transactional producers are refused for now.

use super::{Context, Pending, Refusal, plain};
use ottla_protocol::{
    ErrorCode,
    frame::RequestFrame,
    messages::{InitProducerIdRequest, InitProducerIdResponse},
};
use std::pin::Pin;

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain(cx, request, handle)
}

async fn handle(cx: Context, request: InitProducerIdRequest) -> InitProducerIdResponse {
    let failed = |error: ErrorCode| InitProducerIdResponse {
        error_code: error.code(),
        producer_id: -1,
        producer_epoch: -1,
        ..Default::default()
    };
    match request.transactional_id {
        Some(id) if id.is_empty() => failed(ErrorCode::InvalidRequest),
        // There is no transaction coordinator yet, which is what this code says; clients give up after their timeout.
        Some(_) => failed(ErrorCode::CoordinatorNotAvailable),
        None if (request.producer_id == -1) != (request.producer_epoch == -1) => failed(ErrorCode::InvalidRequest),
        // With a producer id and epoch an idempotent producer wants a new epoch; Kafka gives it a new id with epoch 0.
        None => match cx.broker.producer_ids.next(&cx.broker).await {
            Ok(producer_id) => InitProducerIdResponse { producer_id, producer_epoch: 0, ..Default::default() },
            Err(error) => failed(error),
        },
    }
}
