//! Producer ids for idempotent producers, handed out of blocks that the controller gives.

use crate::broker::Broker;
use ottla_metadata::controller::{AllocateProducerIds, Event, Reply};
use ottla_protocol::ErrorCode;
use tokio::sync::Mutex;

/// The block in use; a block not used up when the process ends is lost, as in Kafka.
#[derive(Debug, Default)]
pub(crate) struct ProducerIds(Mutex<Option<std::ops::Range<i64>>>);

impl ProducerIds {
    /// A producer id that nobody else has or had.
    pub(crate) async fn next(&self, broker: &Broker) -> Result<i64, ErrorCode> {
        let mut block = self.0.lock().await;
        loop {
            if let Some(id) = block.as_mut().and_then(Iterator::next) {
                return Ok(id);
            }
            *block = Some(allocate(broker).await?);
        }
    }
}

async fn allocate(broker: &Broker) -> Result<std::ops::Range<i64>, ErrorCode> {
    let broker_id = broker.node_id;
    let ask = AllocateProducerIds { broker_id, broker_epoch: broker.epoch() };
    match broker.controller().submit(|ticket| Event::AllocateProducerIds(ticket, ask)).await {
        Ok(Reply::AllocateProducerIds(Ok(block))) => {
            Ok(block.first_producer_id..block.first_producer_id + i64::from(block.size))
        }
        Ok(Reply::AllocateProducerIds(Err(error))) => {
            tracing::warn!(%error, "the controller gives no producer ids");
            Err(ErrorCode::CoordinatorLoadInProgress)
        }
        _ => Err(ErrorCode::CoordinatorLoadInProgress),
    }
}
