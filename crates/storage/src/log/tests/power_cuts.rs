//! What a power cut must not bring back or take away; each was found by comparing a log with its model (`tests/model`).

use ottla_protocol::batch::control::EndTxnMarker;

use super::*;
use crate::read::MAX_TIMESTAMP;

/// Only what was synced stays.
fn cut(fixture: &Fixture) {
    fixture.fs.power_cut(|_, _| 0);
}

fn fixture() -> Fixture {
    let fixture = Fixture::default();
    fixture.fs.create_dir_all(&dir()).unwrap();
    fixture
}

#[test]
fn indexes_of_a_segment_that_was_flushed_before_it_was_completed_are_durable() {
    let mut fixture = fixture();
    let mut log = fixture.open();
    fill(&mut log, 5);
    log.flush().unwrap();
    assert!(log.roll(NOW).unwrap());
    append(&mut log, batch(&["no later than the others"], NOW)).unwrap();
    log.flush().unwrap();
    fixture.options.recovery_point = log.recovery_point();
    drop(log);
    cut(&fixture);
    let found = fixture.open().reader().offset_for_timestamp(MAX_TIMESTAMP).unwrap();
    assert_eq!(found.map(|found| found.offset), Some(4));
}

#[test]
fn snapshots_that_a_truncation_removed_do_not_come_back_with_other_records() {
    let mut fixture = fixture();
    let mut log = fixture.open();
    let of_producer = |sequence| batch(&["one"], NOW).producer(7, 0, sequence);
    append(&mut log, of_producer(0)).unwrap();
    append(&mut log, of_producer(1)).unwrap();
    log.roll(NOW).unwrap();
    log.flush().unwrap();
    log.truncate_to(1, NOW).unwrap();
    fill(&mut log, 1);
    log.flush().unwrap();
    fixture.options.recovery_point = log.recovery_point();
    drop(log);
    cut(&fixture);
    let mut log = fixture.open();
    fill(&mut log, 1);
    log.truncate_to(2, NOW).unwrap();
    assert_eq!(log.producer(7).unwrap().last_sequence(), 0);
}

#[test]
fn deleted_segments_do_not_come_back_below_what_was_flushed_since() {
    let fixture = fixture();
    let mut log = fixture.open();
    fill(&mut log, 40);
    log.flush().unwrap();
    log.delete_records(35).unwrap().run().unwrap();
    let start = log.reader().offsets().log_start_offset;
    fill(&mut log, 1);
    log.flush().unwrap();
    drop(log);
    // The log start offset is not checkpointed yet, nor is the recovery point.
    cut(&fixture);
    let log = fixture.open();
    assert_eq!(log.log_end_offset(), 41);
    assert!(log.log_start_offset() > 20 && log.log_start_offset() <= start);
}

#[test]
fn of_several_deleted_segments_no_later_one_is_gone_before_an_earlier_one() {
    for seed in 0..40_usize {
        let fixture = fixture();
        let mut log = fixture.open();
        fill(&mut log, 40);
        log.flush().unwrap();
        drop(log.delete_records(35).unwrap());
        drop(log);
        let mut drawn = seed;
        fixture.fs.tear(|bound| {
            drawn = drawn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (drawn >> 33) % bound
        });
        assert_eq!(fixture.open().log_end_offset(), 40, "seed {seed}");
    }
}

#[test]
fn a_deleted_segment_comes_back_with_its_aborted_transactions_or_not_at_all() {
    for seed in 0..60_usize {
        let mut fixture = fixture();
        let mut log = fixture.open();
        append(&mut log, batch(&["aborted"], NOW).producer(7, 0, 0).transactional(true)).unwrap();
        let marker = Builder::end_transaction(NOW, 7, 0, false, EndTxnMarker { coordinator_epoch: 0 });
        log.append_as_leader(built(marker), EPOCH, NOW, Origin::Marker { transaction_version: 0 }).unwrap();
        log.roll(NOW).unwrap();
        fill(&mut log, 1);
        log.flush().unwrap();
        fixture.options.recovery_point = log.recovery_point();
        drop(log.delete_records(2).unwrap());
        drop(log);
        let mut drawn = seed;
        fixture.fs.tear(|bound| {
            drawn = drawn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (drawn >> 33) % bound
        });
        let mut log = fixture.open();
        log.set_high_watermark(log.log_end_offset());
        if log.log_start_offset() == 0 {
            let read = log.reader().read(0, 10_000, true, Isolation::LastStableOffset).unwrap();
            assert_eq!(read.aborted.len(), 1, "seed {seed}");
        }
    }
}

#[test]
fn a_torn_tail_that_was_cut_stays_cut() {
    let fixture = fixture();
    let mut log = fixture.open();
    fill(&mut log, 5);
    let name = "00000000000000000000.log";
    drop(log);
    fixture.fs.kill();
    let mut content = fixture.content(name);
    let one = content.len() / 5;
    content[3 * one + 40] ^= 1;
    fixture.fs.put(&dir().join(name), &content);
    let mut log = fixture.open();
    assert_eq!(log.log_end_offset(), 3);
    append(&mut log, batch(&["VALUE 3"], NOW)).unwrap();
    drop(log);
    // The first of the sectors reached the disk, the new length did not: what was at offset 4 must not be back.
    cut(&fixture);
    assert!(fixture.open().log_end_offset() <= 4);
    assert!(fixture.content(name).len() <= 4 * one);
}

#[test]
fn epochs_follow_a_log_start_offset_that_a_crash_took_back() {
    let fixture = fixture();
    let mut log = fixture.open();
    fill(&mut log, 4);
    drop(log.delete_records(4).unwrap());
    drop(log);
    fixture.fs.kill();
    let log = fixture.open();
    assert_eq!((log.log_start_offset(), log.latest_epoch()), (0, Some(EPOCH)));
    assert_eq!(log.reader().epoch_for(0), Some(EPOCH));
}

#[test]
fn a_truncation_within_a_batch_leaves_no_hole() {
    let mut fixture = fixture();
    fixture.options.config.segment_bytes = 1 << 20;
    let mut log = fixture.open();
    append(&mut log, batch(&["one"], NOW)).unwrap();
    log.roll(NOW).unwrap();
    append(&mut log, batch(&["two", "three", "four"], NOW)).unwrap();
    assert!(log.truncate_to(3, NOW).unwrap());
    assert_eq!(log.log_end_offset(), 1);
    log.roll(NOW).unwrap();
    append(&mut log, batch(&["five"], NOW)).unwrap();
    drop(log);
    fixture.fs.kill();
    assert_eq!(fixture.open().log_end_offset(), 2);
}

#[test]
fn a_follower_leaves_out_what_one_segment_cannot_hold() {
    let fixture = fixture();
    let mut log = fixture.open();
    let far = 5_000_000_000;
    let batches: Vec<u8> = [3, far, far + 1]
        .iter()
        .flat_map(|offset| batch(&["a"], NOW).base_offset(*offset).leader_epoch(EPOCH).build().unwrap().to_bytes())
        .collect();
    let mut bytes = bytes::Bytes::from(batches);
    for end in [4, far + 2] {
        let batches = CheckedBatches::parse(bytes.clone()).unwrap();
        log.append_as_follower(batches, EPOCH, NOW).unwrap();
        assert_eq!(log.log_end_offset(), end);
        bytes = bytes.slice(bytes.len() / 3..);
    }
    assert_eq!(read_all(&log, 0).len(), 3);
}

#[test]
fn what_was_refused_for_want_of_room_does_not_come_back() {
    use crate::fs::sim::{Call, Fault};
    for seed in 0..60_usize {
        let fixture = fixture();
        let mut log = fixture.open();
        fill(&mut log, 2);
        log.flush().unwrap();
        let full =
            |call, _: &Path| (call == Call::Write).then_some(Fault::Partly(1000, std::io::ErrorKind::StorageFull));
        fixture.fs.inject(full);
        append(&mut log, batch(&["refused"], NOW)).unwrap_err();
        fixture.fs.heal();
        append(&mut log, batch(&["taken, and longer"], NOW)).unwrap();
        drop(log);
        let mut drawn = seed;
        fixture.fs.tear(|bound| {
            drawn = drawn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (drawn >> 33) % bound
        });
        assert!(values(&fixture.open()).iter().all(|(_, value)| value != "refused"), "seed {seed}");
    }
}
