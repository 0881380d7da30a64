//! Idempotent producers, case by case as Kafka decides them.

use super::*;
use crate::producers::Error as ProducerError;

/// Appends one record of a producer.
fn produce(log: &mut Log, producer_id: i64, epoch: i16, sequence: i32) -> Result<AppendInfo, AppendError> {
    append(log, batch(&["x"], NOW).producer(producer_id, epoch, sequence))
}

fn refused(result: Result<AppendInfo, AppendError>) -> ProducerError {
    match result {
        Err(AppendError::Producer(error)) => error,
        other => panic!("{other:?}"),
    }
}

fn out_of_order(sequence: i32, last: i32) -> ProducerError {
    ProducerError::OutOfOrderSequence { producer_id: 1, sequence, last }
}

#[test]
fn any_of_the_last_five_batches_is_answered_with_its_offsets() {
    let mut log = Fixture::default().open();
    for sequence in 0..7 {
        produce(&mut log, 1, 0, sequence).unwrap();
    }
    for sequence in 2..7 {
        let info = produce(&mut log, 1, 0, sequence).unwrap();
        assert!(info.duplicate);
        assert_eq!(info.first_offset, i64::from(sequence));
    }
    assert_eq!(refused(produce(&mut log, 1, 0, 1)), out_of_order(1, 6));
    assert_eq!(log.log_end_offset(), 7);
}

#[test]
fn a_duplicate_has_the_whole_range_of_sequences() {
    let mut log = Fixture::default().open();
    let two = || batch(&["x", "y"], NOW).producer(1, 0, 0);
    append(&mut log, two()).unwrap();
    assert_eq!(refused(produce(&mut log, 1, 0, 0)), out_of_order(0, 1));
    let info = append(&mut log, two()).unwrap();
    assert_eq!((info.first_offset, info.last_offset, info.duplicate), (0, 1, true));
}

#[test]
fn gaps_are_refused() {
    let mut log = Fixture::default().open();
    produce(&mut log, 1, 0, 0).unwrap();
    assert_eq!(refused(produce(&mut log, 1, 0, 2)), out_of_order(2, 0));
    produce(&mut log, 1, 0, 1).unwrap();
}

#[test]
fn an_unknown_producer_starts_anywhere() {
    let mut log = Fixture::default().open();
    produce(&mut log, 1, 4, 17).unwrap();
    produce(&mut log, 1, 4, 18).unwrap();
}

#[test]
fn an_older_epoch_is_fenced_and_a_newer_one_starts_at_zero() {
    let mut log = Fixture::default().open();
    produce(&mut log, 1, 1, 0).unwrap();
    let fenced = ProducerError::InvalidEpoch { producer_id: 1, epoch: 0, current: 1 };
    assert_eq!(refused(produce(&mut log, 1, 0, 1)), fenced);
    assert_eq!(refused(produce(&mut log, 1, 2, 1)), out_of_order(1, -1));
    produce(&mut log, 1, 2, 0).unwrap();
    // The batches of the epoch before are forgotten.
    assert_eq!(log.producer(1).unwrap().batches.len(), 1);
}

#[test]
fn sequences_wrap() {
    let mut log = Fixture::default().open();
    produce(&mut log, 1, 0, i32::MAX - 1).unwrap();
    let over = || batch(&["x", "y", "z"], NOW).producer(1, 0, i32::MAX);
    assert_eq!(append(&mut log, over()).unwrap().first_offset, 1);
    assert_eq!(log.producer(1).unwrap().last_sequence(), 1);
    let again = append(&mut log, over()).unwrap();
    assert_eq!((again.first_offset, again.last_offset, again.duplicate), (1, 3, true));
    produce(&mut log, 1, 0, 2).unwrap();
}

#[test]
fn producers_do_not_mix() {
    let mut log = Fixture::default().open();
    produce(&mut log, 1, 0, 0).unwrap();
    assert!(!produce(&mut log, 2, 0, 0).unwrap().duplicate);
    assert_eq!(log.producers().len(), 2);
}

#[test]
fn coordinators_need_no_sequence_and_followers_check_nothing() {
    let mut log = Fixture::default().open();
    let without = || built(batch(&["x"], NOW).producer(1, 5, -1));
    let origin = Origin::Coordinator;
    log.append_as_leader(without(), EPOCH, NOW, origin).unwrap();
    log.append_as_leader(without(), EPOCH, NOW, origin).unwrap();
    let old = built(batch(&["x"], NOW).producer(1, 4, 100).base_offset(2).leader_epoch(EPOCH));
    log.append_as_follower(old, EPOCH, NOW).unwrap().unwrap();
    assert_eq!(log.producer(1).unwrap().epoch, 4);
}

#[test]
fn the_state_survives_a_clean_stop_a_kill_and_truncation() {
    let mut fixture = Fixture::default();
    let mut log = fixture.open();
    for sequence in 0..30 {
        produce(&mut log, 1, 0, sequence).unwrap();
    }
    let recovery_point = log.close().unwrap();
    fixture.options = OpenOptions { clean_shutdown: true, recovery_point, ..fixture.options };
    let mut log = fixture.open();
    // A snapshot holds the last batch of each producer, as in Kafka.
    assert!(produce(&mut log, 1, 0, 29).unwrap().duplicate);
    produce(&mut log, 1, 0, 30).unwrap();
    produce(&mut log, 1, 0, 31).unwrap();
    drop(log);
    fixture.fs.kill();
    fixture.options.clean_shutdown = false;
    let mut log = fixture.open();
    assert!(produce(&mut log, 1, 0, 30).unwrap().duplicate);
    assert!(log.truncate_to(31, NOW).unwrap());
    assert_eq!(log.producer(1).unwrap().last_sequence(), 30);
    produce(&mut log, 1, 0, 31).unwrap();
}

#[test]
fn idle_producers_expire() {
    let mut log = Fixture::default().open();
    let expiration_ms = log.config().producer_id_expiration_ms;
    produce(&mut log, 1, 0, 5).unwrap();
    log.remove_expired_producers(NOW + expiration_ms - 1);
    assert!(log.producer(1).is_some());
    log.remove_expired_producers(NOW + expiration_ms);
    assert!(log.producer(1).is_none());
    produce(&mut log, 1, 0, 9).unwrap();
}
