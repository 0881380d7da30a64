//! Brokers register, tell that they live, and leave.

mod heartbeat;
mod register;
mod sessions;
mod unregister;

pub use self::heartbeat::{BrokerHeartbeat, BrokerStatus};
pub use self::register::RegisterBroker;
pub use self::unregister::UnregisterBroker;

pub(super) use self::heartbeat::{decide as heartbeat, gone, session_ended};
pub(super) use self::register::decide as register;
pub(super) use self::sessions::Sessions;
pub(super) use self::unregister::decide as unregister;

use super::context::Context;
use crate::image::Broker;
use crate::{ApiError, MetadataRecord};
use ottla_protocol::ErrorCode;
use ottla_protocol::stored::BrokerRegistrationChangeRecord;

/// In a change: the broker becomes fenced, stays as it is, or is fenced no more.
const FENCE: i8 = 1;
const UNFENCE: i8 = -1;

impl Context<'_> {
    /// Refuses brokers that are not registered, or were registered anew since.
    pub(super) fn check_broker_epoch(&self, id: i32, epoch: i64) -> Result<&Broker, ApiError> {
        let stale = |message| ApiError::new(ErrorCode::StaleBrokerEpoch, message);
        let broker = self
            .cluster()
            .broker(id)
            .ok_or_else(|| stale(format!("No broker registration found for broker id {id}")))?;
        match broker.epoch == epoch {
            true => Ok(broker),
            false => Err(stale(format!("Expected broker epoch {}, but got broker epoch {epoch}", broker.epoch))),
        }
    }
}

fn change(broker: &Broker) -> BrokerRegistrationChangeRecord {
    BrokerRegistrationChangeRecord { broker_id: broker.id, broker_epoch: broker.epoch, ..Default::default() }
}

fn set_fenced(broker: &Broker, fenced: i8) -> MetadataRecord {
    BrokerRegistrationChangeRecord { fenced, ..change(broker) }.into()
}
