//! The coordinator's records as they are in the log, and its effects.

use super::sender::Post;
use crate::shards::{Stored, printable};
use ottla_coordinator::{
    Level,
    transactions::{Effect, Event, TransactionCoordinator, TransactionRecord},
};
use ottla_protocol::batch::{Builder, Header, Record};
use tracing::{debug, info, warn};

impl Stored for TransactionCoordinator {
    fn write(records: &[TransactionRecord], timestamp_ms: i64) -> Result<Builder, String> {
        TransactionRecord::write(records, timestamp_ms).map_err(|error| error.to_string())
    }

    fn read(header: &Header, record: Record) -> Result<Option<TransactionRecord>, String> {
        if header.attributes.is_control() {
            return Ok(None);
        }
        let offset = record.offset;
        let key = record.key.ok_or_else(|| format!("the record at offset {offset} has no key"))?;
        let decoded = TransactionRecord::decode(key, record.value);
        let decoded = decoded.map_err(|error| format!("the record at offset {offset}: {error}"))?;
        if decoded.is_none() {
            debug!(offset, "a record of __transaction_state is of a kind that is left alone");
        }
        Ok(decoded)
    }

    fn is_write(event: &Event) -> bool {
        matches!(event, Event::InitProducerId(..) | Event::AddPartitions(..) | Event::EndTransaction(..))
    }

    type Observer = Post;

    fn perform(post: &Post, effect: Effect) {
        match effect {
            Effect::WriteMarkers(markers) => post.tell(markers),
            Effect::NeedProducerId { transactional_id, producer } => post.bring_id(transactional_id, producer),
            Effect::Log { level, transactional_id, message } => log(level, &printable(&transactional_id), &message),
        }
    }
}

fn log(level: Level, transactional_id: &str, message: &str) {
    match level {
        Level::Debug => debug!(%transactional_id, "{message}"),
        Level::Info => info!(%transactional_id, "{message}"),
        Level::Warn => warn!(%transactional_id, "{message}"),
    }
}
