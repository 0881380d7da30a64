//! How handlers ask coordinators.

use crate::{broker::Broker, shards::Unavailable};
use ottla_coordinator::transactions::{Error, Event, Reply};
use ottla_protocol::{ErrorCode, Str};
use ottla_state_machine::Ticket;

/// Has the coordinator of an id decide, and waits for its answer.
pub(crate) async fn submit(
    broker: &Broker,
    transactional_id: &Str,
    event: impl FnOnce(Ticket) -> Event,
) -> Result<Reply, ErrorCode> {
    let shard = broker.transactions.shard_for(&broker.image(), transactional_id)?;
    shard.submit(event).await.map_err(Unavailable::code)
}

/// The same for what may need a producer id, which is brought then.
pub(crate) async fn submit_bringing_id<T>(
    broker: &Broker,
    transactional_id: &Str,
    event: impl Fn(Ticket, Option<i64>) -> Event,
    answer: impl Fn(Reply) -> Option<Result<T, Error>>,
) -> Result<T, ErrorCode> {
    let mut new_producer_id = None;
    loop {
        // One that is not used is lost, as there are plenty.
        let reply = submit(broker, transactional_id, |ticket| event(ticket, new_producer_id)).await?;
        match answer(reply) {
            Some(Ok(answer)) => return Ok(answer),
            Some(Err(Error::NeedsProducerId)) if new_producer_id.is_none() => {
                new_producer_id = Some(broker.producer_ids.next(broker).await?);
            }
            Some(Err(error)) => return Err(error.code()),
            None => return Err(ErrorCode::UnknownServerError),
        }
    }
}
