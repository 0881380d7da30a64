//! Batches that are written are read back, and ends of transactions are control records.

use crate::{CoordinatorRecord, Decoded, OffsetAndMetadata, RecordError};
use ottla_protocol::batch::control::{ControlType, EndTxnMarker};
use ottla_protocol::batch::{Builder, NO_SEQUENCE, NewRecord};
use ottla_protocol::compression::Limits;
use ottla_protocol::{Str, Uuid};

fn read(batch: Builder) -> Result<Vec<Decoded>, RecordError> {
    let batch = batch.build().expect("it fits");
    let records = batch.records(&Limits::default());
    records.map(|record| CoordinatorRecord::read(batch.header(), record.expect("a sound record"))).collect()
}

fn offset(producer_id: Option<i64>) -> CoordinatorRecord {
    CoordinatorRecord::Offset {
        group_id: Str::from("g"),
        topic: Str::from("t"),
        partition: 3,
        value: Some(OffsetAndMetadata {
            committed_offset: 42,
            leader_epoch: 1,
            metadata: Str::from("m"),
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
    let group = CoordinatorRecord::Group { group_id: Str::from("g"), value: None };
    let records = [offset(None), group];
    let batch = CoordinatorRecord::write(&records, 7).unwrap();
    assert_eq!(read(batch), Ok(records.map(Decoded::Record).to_vec()));
    let batch = CoordinatorRecord::write(&[offset(None)], 7).unwrap().build().expect("it fits");
    assert_eq!(batch.header().max_timestamp, 7);
}

#[test]
fn offsets_in_a_transaction_know_its_producer() {
    let batch = || CoordinatorRecord::write(&[offset(None)], 7).unwrap().producer(9, 0, 0);
    assert_eq!(read(batch().transactional(true)), Ok(vec![Decoded::Record(offset(Some(9)))]));
    assert_eq!(read(batch()), Ok(vec![Decoded::Record(offset(None))]));
}

#[test]
fn the_end_of_a_transaction_is_a_control_record() {
    for committed in [true, false] {
        let batch = Builder::end_transaction(7, 9, 0, committed, EndTxnMarker { coordinator_epoch: 1 });
        let end = CoordinatorRecord::TransactionEnd { producer_id: 9, committed };
        assert_eq!(read(batch), Ok(vec![Decoded::Record(end)]));
    }
    let other = Builder::control(7, ControlType::LeaderChange, b"").producer(-1, -1, NO_SEQUENCE);
    assert_eq!(read(other), Ok(vec![Decoded::Ignored { record_type: 2 }]));
}

#[test]
fn a_record_without_a_key_cannot_be_read() {
    let mut batch = Builder::new();
    batch.push(NewRecord::default());
    assert_eq!(read(batch), Err(RecordError::NoKey));
    let mut control = Builder::new().control_batch(true);
    control.push(NewRecord { key: Some(&[0]), ..NewRecord::default() });
    assert!(matches!(read(control), Err(RecordError::ControlKey(_))));
}
