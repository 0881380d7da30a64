//! InitProducerId (22): an id for an idempotent producer, or for one that takes a transactional id (KIP-98, KIP-360, KIP-890).

use super::{Context, Pending, Refusal, plain};
use crate::transactions::submit_bringing_id;
use ottla_coordinator::transactions::{Event, InitProducerId, Producer, Reply};
use ottla_protocol::{
    ErrorCode, Str,
    frame::RequestFrame,
    messages::{InitProducerIdRequest, InitProducerIdResponse},
};
use std::pin::Pin;

/// Before this version clients do not know PRODUCER_FENCED (KIP-588).
const FENCED_SINCE: i16 = 4;
/// What a producer says that was not given anything yet.
const NONE: (i64, i16) = (-1, -1);

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain(cx, request, handle)
}

async fn handle(cx: Context, request: InitProducerIdRequest) -> InitProducerIdResponse {
    match init(&cx, request).await {
        Ok(Producer { id, epoch }) => {
            InitProducerIdResponse { producer_id: id, producer_epoch: epoch, ..Default::default() }
        }
        Err(error) => {
            let error = match error {
                ErrorCode::ProducerFenced if cx.version < FENCED_SINCE => ErrorCode::InvalidProducerEpoch,
                error => error,
            };
            InitProducerIdResponse {
                error_code: error.code(),
                producer_id: -1,
                producer_epoch: -1,
                ..Default::default()
            }
        }
    }
}

async fn init(cx: &Context, request: InitProducerIdRequest) -> Result<Producer, ErrorCode> {
    let expected = match (request.producer_id, request.producer_epoch) {
        NONE => None,
        (id, epoch) if id == NONE.0 || epoch == NONE.1 => return Err(ErrorCode::InvalidRequest),
        (id, epoch) => Some(Producer { id, epoch }),
    };
    match request.transactional_id {
        // With a producer id and epoch an idempotent producer wants a new epoch; Kafka gives it a new id with epoch 0.
        None => Ok(Producer { id: cx.broker.producer_ids.next(&cx.broker).await?, epoch: 0 }),
        Some(id) if id.is_empty() => Err(ErrorCode::InvalidRequest),
        // Version 6, which could ask for two-phase commit (KIP-939), is not offered.
        Some(id) => take(cx, id.detached(), request.transaction_timeout_ms, expected).await,
    }
}

async fn take(
    cx: &Context,
    transactional_id: Str,
    timeout_ms: i32,
    expected: Option<Producer>,
) -> Result<Producer, ErrorCode> {
    let event = |ticket, new_producer_id| {
        let transactional_id = transactional_id.clone();
        let request = InitProducerId { transactional_id, timeout_ms, expected, new_producer_id };
        Event::InitProducerId(ticket, request)
    };
    submit_bringing_id(&cx.broker, &transactional_id, event, |reply| match reply {
        Reply::InitProducerId(given) => Some(given),
        _ => None,
    })
    .await
}
