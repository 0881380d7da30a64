//! The coordinator's records as they are in the log, and its lines in ours.

use crate::{
    metrics::Rebalances,
    shards::{Stored, printable},
};
use ottla_coordinator::{CoordinatorRecord, Decoded, Effect, Event, GroupCoordinator, Level};
use ottla_protocol::batch::{Builder, Header, NewRecord, Record, control::ControlType};
use std::sync::Arc;
use tracing::{debug, info, warn};

impl Stored for GroupCoordinator {
    fn write(records: &[CoordinatorRecord], timestamp_ms: i64) -> Result<Builder, String> {
        let mut builder = Builder::new();
        for record in records {
            let (key, value) = record.encode().map_err(|error| error.to_string())?;
            builder.push(NewRecord { timestamp: timestamp_ms, key: Some(&key), value: value.as_deref(), headers: &[] });
        }
        Ok(builder)
    }

    fn read(header: &Header, record: Record) -> Result<Option<CoordinatorRecord>, String> {
        let offset = record.offset;
        let Some(key) = record.key else {
            return Err(format!("the record at offset {offset} has no key"));
        };
        let at = |error: &dyn std::fmt::Display| format!("the record at offset {offset}: {error}");
        if header.attributes.is_control() {
            let control = ControlType::decode_key(&key).map_err(|error| at(&error))?;
            return Ok(transaction_end(control, header.producer_id));
        }
        let producer_id = header.attributes.is_transactional().then_some(header.producer_id);
        match CoordinatorRecord::decode(key, record.value, producer_id).map_err(|error| at(&error))? {
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

fn transaction_end(control: ControlType, producer_id: i64) -> Option<CoordinatorRecord> {
    let committed = match control {
        ControlType::Commit => true,
        ControlType::Abort => false,
        _ => return None,
    };
    Some(CoordinatorRecord::TransactionEnd { producer_id, committed })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::{
        Str, Uuid,
        batch::{CheckedBatch, NO_SEQUENCE, control::EndTxnMarker},
        compression::Limits,
    };

    fn read_all(batch: &CheckedBatch) -> Result<Vec<Option<CoordinatorRecord>>, String> {
        let records = batch.records(&Limits::default());
        records.map(|record| GroupCoordinator::read(batch.header(), record.expect("a sound record"))).collect()
    }

    fn offset(producer_id: Option<i64>) -> CoordinatorRecord {
        CoordinatorRecord::Offset {
            group_id: Str::from_static("g"),
            topic: Str::from_static("t"),
            partition: 3,
            value: Some(ottla_coordinator::OffsetAndMetadata {
                committed_offset: 42,
                leader_epoch: 1,
                metadata: Str::from_static("m"),
                commit_timestamp_ms: 5,
                expire_timestamp_ms: None,
                topic_id: Uuid::ONE,
                record_offset: 0,
            }),
            producer_id,
        }
    }

    #[test]
    fn records_come_back_as_they_were_written() {
        let group = CoordinatorRecord::Group { group_id: Str::from_static("g"), value: None };
        let records = vec![offset(None), group];
        let batch = GroupCoordinator::write(&records, 7).expect("they encode").build().expect("they fit");
        assert_eq!(batch.header().max_timestamp, 7);
        let read: Vec<_> = read_all(&batch).expect("they decode").into_iter().flatten().collect();
        assert_eq!(read, records);
    }

    #[test]
    fn offsets_in_a_transaction_know_its_producer() {
        let batch = GroupCoordinator::write(&[offset(None)], 7).expect("it encodes");
        let batch = batch.producer(9, 0, 0).transactional(true).build().expect("it fits");
        assert_eq!(read_all(&batch), Ok(vec![Some(offset(Some(9)))]));
    }

    #[test]
    fn the_end_of_a_transaction_is_a_control_batch() {
        for committed in [true, false] {
            let marker = EndTxnMarker { coordinator_epoch: 1 };
            let batch = Builder::end_transaction(7, 9, 0, committed, marker).build().expect("it fits");
            let expected = CoordinatorRecord::TransactionEnd { producer_id: 9, committed };
            assert_eq!(read_all(&batch), Ok(vec![Some(expected)]));
        }
        let other = Builder::control(7, ControlType::LeaderChange, b"").producer(-1, -1, NO_SEQUENCE);
        assert_eq!(read_all(&other.build().expect("it fits")), Ok(vec![None]));
    }

    #[test]
    fn a_record_that_cannot_be_read_says_where() {
        let mut builder = Builder::new().base_offset(10);
        builder.push(NewRecord::default());
        let batch = builder.build().expect("it fits");
        assert_eq!(read_all(&batch), Err("the record at offset 10 has no key".to_owned()));
    }
}
