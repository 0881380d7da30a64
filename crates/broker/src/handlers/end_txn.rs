//! EndTxn (26): a producer commits or aborts its transaction. Since version 5 the answer has its next epoch (KIP-890).

use super::{Context, Pending, Refusal, plain};
use crate::transactions::submit_bringing_id;
use ottla_coordinator::transactions::{EndTransaction, Event, Producer, Reply};
use ottla_protocol::{
    ErrorCode,
    frame::RequestFrame,
    messages::{EndTxnRequest, EndTxnResponse},
};
use std::pin::Pin;

/// Before this version clients do not know PRODUCER_FENCED (KIP-588).
const FENCED_SINCE: i16 = 2;
/// Since this version clients go by `transaction.version` 2.
const BUMPS_EPOCH_SINCE: i16 = 5;

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain(cx, request, handle)
}

async fn handle(cx: Context, request: EndTxnRequest) -> EndTxnResponse {
    match end(&cx, request).await {
        Ok(Producer { id, epoch }) => EndTxnResponse { producer_id: id, producer_epoch: epoch, ..Default::default() },
        Err(error) => {
            let error = match error {
                ErrorCode::ProducerFenced if cx.version < FENCED_SINCE => ErrorCode::InvalidProducerEpoch,
                error => error,
            };
            EndTxnResponse { error_code: error.code(), producer_id: -1, producer_epoch: -1, ..Default::default() }
        }
    }
}

async fn end(cx: &Context, request: EndTxnRequest) -> Result<Producer, ErrorCode> {
    if request.transactional_id.is_empty() {
        return Err(ErrorCode::InvalidRequest);
    }
    let transactional_id = request.transactional_id.detached();
    let event = |ticket, new_producer_id| {
        let end = EndTransaction {
            transactional_id: transactional_id.clone(),
            producer: Producer { id: request.producer_id, epoch: request.producer_epoch },
            committed: request.committed,
            client_version: if cx.version < BUMPS_EPOCH_SINCE { 0 } else { 2 },
            new_producer_id,
        };
        Event::EndTransaction(ticket, end)
    };
    submit_bringing_id(&cx.broker, &transactional_id, event, |reply| match reply {
        Reply::EndTransaction(ended) => Some(ended),
        _ => None,
    })
    .await
}
