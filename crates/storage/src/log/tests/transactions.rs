//! Open and aborted transactions, and how they hold readers back.

use ottla_protocol::batch::control::EndTxnMarker;

use super::*;
use crate::producers::Error as ProducerError;
use crate::segment::AbortedTxn;

fn data(log: &mut Log, producer_id: i64, sequence: i32) -> i64 {
    let builder = batch(&["x"], NOW).producer(producer_id, 0, sequence).transactional(true);
    append(log, builder).unwrap().first_offset
}

fn end(log: &mut Log, producer_id: i64, epoch: i16, commit: bool, coordinator_epoch: i32) -> Result<i64, AppendError> {
    end_with(log, producer_id, epoch, commit, coordinator_epoch, 0)
}

fn end_with(
    log: &mut Log,
    producer_id: i64,
    epoch: i16,
    commit: bool,
    coordinator_epoch: i32,
    transaction_version: i16,
) -> Result<i64, AppendError> {
    let marker = Builder::end_transaction(NOW, producer_id, epoch, commit, EndTxnMarker { coordinator_epoch });
    let info = log.append_as_leader(built(marker), EPOCH, NOW, Origin::Marker { transaction_version })?;
    Ok(info.first_offset)
}

#[test]
fn the_last_stable_offset_waits_for_the_first_open_transaction() {
    let mut log = Fixture::default().open();
    fill(&mut log, 1);
    assert_eq!(data(&mut log, 1, 0), 1);
    assert_eq!(data(&mut log, 2, 0), 2);
    log.set_high_watermark(3);
    assert_eq!(log.last_stable_offset(), 1);
    end(&mut log, 1, 0, true, 0).unwrap();
    assert_eq!(log.last_stable_offset(), 1, "the marker is not replicated");
    log.set_high_watermark(4);
    assert_eq!(log.last_stable_offset(), 2);
    end(&mut log, 2, 0, false, 0).unwrap();
    log.set_high_watermark(5);
    assert_eq!(log.last_stable_offset(), 5);
}

#[test]
fn aborted_transactions_are_told_to_those_who_read_committed() {
    let fixture = Fixture::default();
    let mut log = fixture.open();
    data(&mut log, 1, 0);
    data(&mut log, 2, 0);
    end(&mut log, 1, 0, false, 0).unwrap();
    end(&mut log, 2, 0, true, 0).unwrap();
    log.set_high_watermark(4);
    let read = log.reader().read(0, 10_000, true, Isolation::LastStableOffset).unwrap();
    let aborted = AbortedTxn { producer_id: 1, first_offset: 0, last_offset: 2, last_stable_offset: 1 };
    assert_eq!(read.aborted, [aborted]);
    assert!(log.reader().read(3, 10_000, true, Isolation::LastStableOffset).unwrap().aborted.is_empty());
    assert!(log.reader().read(0, 10_000, true, Isolation::HighWatermark).unwrap().aborted.is_empty());
    log.close().unwrap();
    let fields = [1_i64, 0, 2, 1].map(i64::to_be_bytes).concat();
    assert_eq!(fixture.content("00000000000000000000.txnindex"), [&[0, 0][..], &fields].concat());
}

#[test]
fn transactions_survive_a_kill_with_their_index() {
    let fixture = Fixture::default();
    let mut log = fixture.open();
    for sequence in 0..20 {
        data(&mut log, 1, sequence);
    }
    data(&mut log, 2, 0);
    end(&mut log, 1, 0, false, 0).unwrap();
    let before = log.reader().aborted_transactions(0, 100).unwrap();
    assert_eq!(before.len(), 1);
    drop(log);
    fixture.fs.kill();
    let mut log = fixture.open();
    assert_eq!(log.reader().aborted_transactions(0, 100).unwrap(), before);
    log.set_high_watermark(22);
    assert_eq!(log.last_stable_offset(), 20);
    assert_eq!(log.producer(2).unwrap().current_txn_first_offset, Some(20));
    assert_eq!(log.producer(1).unwrap().current_txn_first_offset, None);
}

#[test]
fn truncation_takes_aborts_back() {
    let mut log = Fixture::default().open();
    data(&mut log, 1, 0);
    end(&mut log, 1, 0, false, 0).unwrap();
    log.truncate_to(1, NOW).unwrap();
    assert!(log.reader().aborted_transactions(0, 100).unwrap().is_empty());
    log.set_high_watermark(1);
    assert_eq!(log.last_stable_offset(), 0);
}

#[test]
fn markers_are_fenced_by_epochs() {
    let mut log = Fixture::default().open();
    data(&mut log, 1, 0);
    end(&mut log, 1, 0, true, 5).unwrap();
    let error = end(&mut log, 1, 0, true, 4).unwrap_err();
    let fenced = ProducerError::CoordinatorFenced { producer_id: 1, epoch: 4, current: 5 };
    assert!(matches!(error, AppendError::Producer(error) if error == fenced));
    assert!(matches!(
        end(&mut log, 1, -1, true, 5).unwrap_err(),
        AppendError::Producer(ProducerError::InvalidEpoch { .. })
    ));
}

#[test]
fn from_transaction_version_2_on_a_marker_has_a_newer_epoch() {
    let mut log = Fixture::default().open();
    data(&mut log, 1, 0);
    let error = end_with(&mut log, 1, 0, true, 5, 2).unwrap_err();
    assert!(
        matches!(error, AppendError::Producer(ProducerError::InvalidEpoch { epoch: 0, current: 0, .. })),
        "{error}"
    );
    end_with(&mut log, 1, 1, true, 5, 2).unwrap();
    // Written again after its answer was lost (KAFKA-19999).
    end_with(&mut log, 1, 1, true, 5, 2).unwrap();
}

#[test]
fn an_open_transaction_takes_nothing_from_outside_of_it() {
    let mut log = Fixture::default().open();
    data(&mut log, 1, 0);
    let error = append(&mut log, batch(&["x"], NOW).producer(1, 0, 1)).unwrap_err();
    assert!(matches!(error, AppendError::Producer(ProducerError::InvalidTxnState { producer_id: 1 })), "{error}");
}

#[test]
fn open_transactions_keep_their_producers() {
    let mut log = Fixture::default().open();
    data(&mut log, 1, 0);
    log.remove_expired_producers(i64::MAX);
    assert!(log.producer(1).is_some());
}

#[test]
fn an_abort_survives_a_power_cut_after_a_recovery() {
    let mut fixture = Fixture::default();
    fixture.fs.create_dir_all(&dir()).unwrap();
    let mut log = fixture.open();
    data(&mut log, 1, 0);
    end(&mut log, 1, 0, false, 0).unwrap();
    for _ in 0..2 {
        log.set_high_watermark(2);
        assert_eq!(log.reader().aborted_transactions(0, 2).unwrap().len(), 1);
        log.flush().unwrap();
        fixture.options.recovery_point = log.recovery_point();
        fixture.fs.power_cut(|_, _| 0);
        log = fixture.open();
        log.roll(NOW).unwrap();
    }
}

#[test]
fn a_truncation_forgets_no_transaction_that_began_below_the_log_start_offset() {
    let mut log = Fixture::default().open();
    append(&mut log, batch(&["a"], NOW).producer(7, 0, 0).transactional(true)).unwrap();
    fill(&mut log, 3);
    drop(log.delete_records(2).unwrap());
    log.truncate_to(3, NOW).unwrap();
    assert_eq!(log.producer(7).unwrap().current_txn_first_offset, Some(0));
}
