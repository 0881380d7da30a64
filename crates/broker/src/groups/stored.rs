//! The coordinator's records as they are in the log, and its lines in ours.

use crate::{
    metrics::Rebalances,
    shards::{Stored, printable},
};
use ottla_coordinator::{CoordinatorRecord, Decoded, Effect, Event, GroupCoordinator, Level};
use ottla_protocol::batch::{Builder, Header, Record};
use std::sync::Arc;
use tracing::{debug, info, warn};

impl Stored for GroupCoordinator {
    fn write(records: &[CoordinatorRecord], timestamp_ms: i64) -> Result<Builder, String> {
        CoordinatorRecord::write(records, timestamp_ms).map_err(|error| error.to_string())
    }

    fn read(header: &Header, record: Record) -> Result<Option<CoordinatorRecord>, String> {
        let offset = record.offset;
        let read = CoordinatorRecord::read(header, record);
        match read.map_err(|error| format!("the record at offset {offset}: {error}"))? {
            Decoded::Record(record) => Ok(Some(record)),
            Decoded::Ignored { record_type } => {
                debug!(offset, record_type, "a record of __consumer_offsets is of a kind that is left alone");
                Ok(None)
            }
        }
    }

    fn is_write(event: &Event) -> bool {
        matches!(event, Event::OffsetCommit(..) | Event::OffsetDelete(..) | Event::DeleteGroups(..))
    }

    type Observer = Arc<Rebalances>;

    fn perform(rebalances: &Arc<Rebalances>, effect: Effect) {
        match effect {
            Effect::Log { level, group_id, message } => log(level, &printable(&group_id), &printable(&message)),
            Effect::Rebalance { group_type, cause } => rebalances.began(group_type, cause),
        }
    }
}

fn log(level: Level, group: &str, message: &str) {
    match level {
        Level::Debug => debug!(%group, "{message}"),
        Level::Info => info!(%group, "{message}"),
        Level::Warn => warn!(%group, "{message}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::{batch::NewRecord, compression::Limits};

    #[test]
    fn a_record_that_cannot_be_read_says_where() {
        let mut builder = Builder::new().base_offset(10);
        builder.push(NewRecord::default());
        let batch = builder.build().expect("it fits");
        let record = batch.records(&Limits::default()).next().expect("it was pushed").expect("it is sound");
        let expected = "the record at offset 10: a record of __consumer_offsets has no key";
        assert_eq!(GroupCoordinator::read(batch.header(), record), Err(expected.to_owned()));
    }
}
