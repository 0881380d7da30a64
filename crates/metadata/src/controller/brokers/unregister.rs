//! A broker is taken out of the cluster for good.

use super::super::context::{Context, Decision};
use super::super::leadership::BrokerNews;
use crate::ApiError;
use ottla_protocol::ErrorCode;
use ottla_protocol::stored::UnregisterBrokerRecord;

/// See [`super::super::Event::UnregisterBroker`].
#[derive(Clone, Copy, Debug)]
pub struct UnregisterBroker {
    /// The broker.
    pub broker_id: i32,
}

pub(in crate::controller) fn decide(c: &Context<'_>, event: UnregisterBroker) -> Result<Decision<()>, ApiError> {
    let id = event.broker_id;
    let broker = c.cluster().broker(id).ok_or_else(|| {
        ApiError::new(ErrorCode::BrokerIdNotRegistered, format!("Broker ID {id} is not currently registered"))
    })?;
    let mut records = c.partition_changes(BrokerNews::Leaves(id));
    records.push(UnregisterBrokerRecord { broker_id: id, broker_epoch: broker.epoch, ..Default::default() }.into());
    Ok(Decision { records, reply: () })
}
