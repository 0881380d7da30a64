//! Records as Kafka writes them.

use super::super::transaction::{NO_PRODUCER_ID, Transaction};
use super::super::{Producer, RecordError, State, TransactionRecord};
use super::world::partitions;
use ottla_protocol::{Bytes, Str};

fn transaction() -> Transaction {
    Transaction {
        producer: Producer { id: 9, epoch: 3 },
        previous_producer_id: 8,
        next_producer_id: 10,
        timeout_ms: 60_000,
        state: State::PrepareCommit,
        partitions: partitions(&["t-0", "t-2", "u-1"]),
        start_ms: 5,
        last_update_ms: 7,
        client_version: 2,
    }
}

#[test]
fn what_is_written_is_read() {
    for (version, state) in [(0, State::PrepareCommit), (1, State::PrepareCommit), (2, State::Ongoing)] {
        let record = TransactionRecord::new(Str::from("a"), Transaction { state, ..transaction() }, version);
        let (key, value) = record.encode().unwrap();
        assert!(record.max_bytes() >= key.len() + value.as_ref().unwrap().len());
        assert_eq!(TransactionRecord::decode(key, value), Ok(Some(record)));
    }
    let (key, value) = TransactionRecord::tombstone(Str::from("a")).encode().unwrap();
    assert_eq!(value, None);
    assert_eq!(TransactionRecord::decode(key, value), Ok(Some(TransactionRecord::tombstone(Str::from("a")))));
}

#[test]
fn before_version_1_there_is_no_room_for_what_kip_890_adds() {
    let record = TransactionRecord::new(Str::from("a"), transaction(), 0);
    let kept = record.transaction.unwrap();
    assert_eq!((kept.previous_producer_id, kept.next_producer_id, kept.client_version), (NO_PRODUCER_ID, -1, 0));
}

#[test]
fn what_is_not_known_is_left_alone_or_told() {
    let (key, value) = TransactionRecord::new(Str::from("a"), transaction(), 1).encode().unwrap();
    let mut other_key = key.to_vec();
    other_key[1] = 1;
    assert_eq!(TransactionRecord::decode(other_key.into(), value.clone()), Ok(None));
    let mut newer = value.clone().unwrap().to_vec();
    newer[1] = 2;
    assert_eq!(TransactionRecord::decode(key.clone(), Some(newer.into())), Ok(None));
    let mut unknown = value.unwrap().to_vec();
    // After version, producer id, epoch and timeout.
    unknown[16] = 6;
    assert_eq!(TransactionRecord::decode(key.clone(), Some(unknown.into())), Err(RecordError::UnknownState(6)));
    let cut = TransactionRecord::decode(key, Some(Bytes::from_static(&[0, 1, 2])));
    assert!(matches!(cut, Err(RecordError::Decode(_))), "{cut:?}");
}
