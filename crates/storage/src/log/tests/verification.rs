//! No transaction begins in a partition behind its coordinator's back (KIP-890).

use ottla_protocol::batch::control::EndTxnMarker;

use super::*;
use crate::producers::{Error as ProducerError, Verification, Verify};

const PRODUCER: i64 = 7;

fn begin(log: &mut Log, epoch: i16, sequence: i32, bumps_epoch: bool) -> Result<Option<Verification>, ProducerError> {
    log.begin_verification(Verify { producer_id: PRODUCER, epoch, sequence, bumps_epoch }, NOW)
}

fn check(log: &Log, epoch: i16, sequence: i32, verification: Option<Verification>) -> Result<(), ProducerError> {
    let batch = built(batch(&["x"], NOW).producer(PRODUCER, epoch, sequence).transactional(true));
    log.check_transactional(batch.iter().next().unwrap().header(), verification)
}

fn data(log: &mut Log, epoch: i16, sequence: i32) {
    append(log, batch(&["x"], NOW).producer(PRODUCER, epoch, sequence).transactional(true)).unwrap();
}

fn end(log: &mut Log, epoch: i16) {
    let marker = Builder::end_transaction(NOW, PRODUCER, epoch, true, EndTxnMarker { coordinator_epoch: 0 });
    log.append_as_leader(built(marker), EPOCH, NOW, Origin::Marker { transaction_version: 0 }).unwrap();
}

const NOT_IN_TRANSACTION: Result<(), ProducerError> = Err(ProducerError::NotInTransaction { producer_id: PRODUCER });

#[test]
fn the_first_batch_needs_a_look_up_and_the_others_none() {
    let mut log = Fixture::default().open();
    assert_eq!(check(&log, 0, 0, None), NOT_IN_TRANSACTION);
    let verification = begin(&mut log, 0, 0, false).unwrap();
    assert!(verification.is_some());
    assert_eq!(begin(&mut log, 0, 0, false).unwrap(), verification, "it is under way");
    assert_eq!(check(&log, 0, 0, None), NOT_IN_TRANSACTION);
    assert_eq!(check(&log, 0, 0, verification), Ok(()));
    data(&mut log, 0, 0);
    assert_eq!(begin(&mut log, 0, 1, false), Ok(None));
    assert_eq!(check(&log, 0, 1, None), Ok(()));
    end(&mut log, 0);
    assert_eq!(check(&log, 0, 1, None), NOT_IN_TRANSACTION);
    assert_eq!(check(&log, 0, 0, None), Ok(()), "it came before");
}

#[test]
fn a_look_up_is_no_good_once_the_transaction_is_over() {
    let mut log = Fixture::default().open();
    let stale = begin(&mut log, 0, 0, false).unwrap();
    end(&mut log, 0);
    assert_eq!(check(&log, 0, 0, stale), NOT_IN_TRANSACTION);
    let fresh = begin(&mut log, 0, 0, false).unwrap();
    assert_ne!(fresh, stale);
    assert_eq!(check(&log, 0, 0, stale), NOT_IN_TRANSACTION);
    assert_eq!(check(&log, 0, 0, fresh), Ok(()));
}

#[test]
fn with_an_epoch_a_transaction_the_end_of_the_one_before_takes_nothing_away() {
    let mut log = Fixture::default().open();
    data(&mut log, 0, 0);
    // The next transaction is looked up before the marker of the one before, which has the new epoch, has come.
    let next = begin(&mut log, 1, 0, true).unwrap();
    end(&mut log, 1);
    assert_eq!(check(&log, 1, 0, next), Ok(()));
    end(&mut log, 2);
    assert_eq!(
        check(&log, 1, 0, next),
        Err(ProducerError::InvalidEpoch { producer_id: PRODUCER, epoch: 1, current: 2 })
    );
}

#[test]
fn an_older_epoch_is_not_looked_up() {
    let mut log = Fixture::default().open();
    data(&mut log, 1, 0);
    let fenced = ProducerError::InvalidEpoch { producer_id: PRODUCER, epoch: 0, current: 1 };
    assert_eq!(begin(&mut log, 0, 0, false), Err(fenced));
    assert!(begin(&mut log, 2, 0, false).unwrap().is_some(), "a newer epoch is");
}

#[test]
fn a_batch_does_not_overtake_one_whose_look_up_failed() {
    let mut log = Fixture::default().open();
    let out_of_order = |sequence| Err(ProducerError::OutOfOrderSequence { producer_id: PRODUCER, sequence, last: -1 });
    let verification = begin(&mut log, 0, 3, false).unwrap();
    assert_eq!(check(&log, 0, 3, verification), Ok(()));
    begin(&mut log, 0, 2, false).unwrap();
    assert_eq!(check(&log, 0, 3, verification), out_of_order(3));
    assert_eq!(check(&log, 0, 2, verification), Ok(()));
    // Of a newer epoch what came before says nothing.
    begin(&mut log, 1, 5, false).unwrap();
    assert_eq!(check(&log, 1, 5, verification), Ok(()));
    // With an epoch a transaction its first batch is the first of all.
    let mut log = Fixture::default().open();
    let verification = begin(&mut log, 0, 1, true).unwrap();
    assert_eq!(check(&log, 0, 1, verification), out_of_order(1));
}

#[test]
fn a_look_up_that_nobody_came_back_to_is_forgotten() {
    let mut log = Fixture::default().open();
    let verification = begin(&mut log, 0, 0, false).unwrap();
    let expires = LogConfig::default().producer_id_expiration_ms;
    log.remove_expired_producers(NOW + expires - 1);
    assert_eq!(check(&log, 0, 0, verification), Ok(()));
    log.remove_expired_producers(NOW + expires);
    assert_eq!(check(&log, 0, 0, verification), NOT_IN_TRANSACTION);
}
