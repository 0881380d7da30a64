//! Gives brokers blocks of producer ids.

use super::context::{Context, Decision};
use crate::ApiError;
use ottla_protocol::ErrorCode;
use ottla_protocol::stored::ProducerIdsRecord;

/// How many producer ids a broker gets at a time.
pub const PRODUCER_ID_BLOCK_SIZE: i32 = 1000;

/// See [`super::Event::AllocateProducerIds`].
#[derive(Clone, Debug)]
pub struct AllocateProducerIds {
    /// The broker that asks.
    pub broker_id: i32,
    /// The epoch it registered with.
    pub broker_epoch: i64,
}

/// Producer ids that nobody else gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerIdBlock {
    /// The first id.
    pub first_producer_id: i64,
    /// How many follow from it, itself counted.
    pub size: i32,
}

pub(super) fn decide(c: &Context<'_>, event: AllocateProducerIds) -> Result<Decision<ProducerIdBlock>, ApiError> {
    c.check_broker_epoch(event.broker_id, event.broker_epoch)?;
    let first = c.image().next_producer_id().unwrap_or(0);
    let next = first.checked_add(i64::from(PRODUCER_ID_BLOCK_SIZE));
    let next = next.ok_or_else(|| {
        ApiError::new(
            ErrorCode::UnknownServerError,
            "Exhausted all producerIds as the next block's end producerId has exceeded the int64 type limit",
        )
    })?;
    let record = ProducerIdsRecord {
        broker_id: event.broker_id,
        broker_epoch: event.broker_epoch,
        next_producer_id: next,
        ..Default::default()
    };
    Ok(Decision {
        records: vec![record.into()],
        reply: ProducerIdBlock { first_producer_id: first, size: PRODUCER_ID_BLOCK_SIZE },
    })
}
