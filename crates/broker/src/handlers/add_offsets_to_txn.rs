//! AddOffsetsToTxn (25): the offsets of a group come into a transaction. Clients that go by `transaction.version` 2 leave that to
//! the broker (KIP-890).

use super::{Context, Pending, Refusal, plain};
use crate::{groups::Groups, transactions::submit};
use ottla_coordinator::transactions::{AddPartitions, Event, Partitions, Producer, Reply};
use ottla_metadata::topic_name::GROUP_METADATA_TOPIC_NAME;
use ottla_protocol::{
    ErrorCode, Str,
    frame::RequestFrame,
    messages::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse},
};
use std::pin::Pin;

/// Before this version clients do not know PRODUCER_FENCED (KIP-588).
const FENCED_SINCE: i16 = 2;

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain(cx, request, handle)
}

async fn handle(cx: Context, request: AddOffsetsToTxnRequest) -> AddOffsetsToTxnResponse {
    let error = match add(&cx, request).await {
        Ok(()) => ErrorCode::None,
        Err(ErrorCode::ProducerFenced) if cx.version < FENCED_SINCE => ErrorCode::InvalidProducerEpoch,
        Err(error) => error,
    };
    AddOffsetsToTxnResponse { error_code: error.code(), ..Default::default() }
}

async fn add(cx: &Context, request: AddOffsetsToTxnRequest) -> Result<(), ErrorCode> {
    if request.transactional_id.is_empty() {
        return Err(ErrorCode::InvalidRequest);
    }
    // Who asks for the group's coordinator has the topic made.
    let partition = Groups::partition_for(&cx.broker.image(), &request.group_id);
    let partition = partition.map_err(|_| ErrorCode::CoordinatorNotAvailable)?;
    let transactional_id = request.transactional_id.detached();
    let added = AddPartitions {
        transactional_id: transactional_id.clone(),
        producer: Producer { id: request.producer_id, epoch: request.producer_epoch },
        partitions: Partitions::from_iter([(Str::from_static(GROUP_METADATA_TOPIC_NAME), partition)]),
        client_version: 0,
    };
    match submit(&cx.broker, &transactional_id, |ticket| Event::AddPartitions(ticket, added)).await? {
        Reply::AddPartitions(added) => added.map_err(|error| error.code()),
        _ => Err(ErrorCode::UnknownServerError),
    }
}
