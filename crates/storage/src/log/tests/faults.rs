//! Disks that fail while a log is open.

use std::io::ErrorKind;

use super::*;
use crate::fs::sim::{Call, Fault};
use crate::segment::Error as SegmentError;

#[test]
fn a_full_disk_refuses_appends_until_there_is_room() {
    let fixture = Fixture::default();
    let mut log = fixture.open();
    fill(&mut log, 3);
    for written in [0, 30, 61, 70] {
        fixture.fs.inject(move |call, path| {
            let hit = call == Call::Write && path.extension().is_some_and(|kind| kind == "log");
            hit.then_some(Fault::Partly(written, ErrorKind::StorageFull))
        });
        let error = append(&mut log, batch(&["lost"], NOW)).unwrap_err();
        assert!(matches!(error, AppendError::DiskFull(_)), "{error}");
        assert_eq!(values(&log), filled(0..3));
        fixture.fs.heal();
    }
    fill(&mut log, 2);
    assert_eq!(values(&log), filled(0..5));
    drop(log);
    fixture.fs.kill();
    assert_eq!(values(&fixture.open()), filled(0..5));
}

#[test]
fn a_disk_full_for_all_files_refuses_appends_and_keeps_what_is_there() {
    for room in 0..60 {
        let fixture = Fixture::default();
        let mut log = fixture.open();
        fill(&mut log, 3);
        let mut writes = 0;
        fixture.fs.inject(move |call, _| {
            writes += i32::from(call == Call::Write);
            (call == Call::Write && writes > room).then_some(Fault::Partly(7, ErrorKind::StorageFull))
        });
        let mut acknowledged = 3;
        for _ in 0..40 {
            match append(&mut log, batch(&[&format!("value {acknowledged}")], NOW)) {
                Ok(info) => acknowledged = info.last_offset + 1,
                Err(error) => assert!(matches!(error, AppendError::DiskFull(_)), "{error}"),
            }
        }
        assert_eq!(values(&log), filled(0..acknowledged));
        fixture.fs.heal();
        fill(&mut log, 20);
        assert_eq!(values(&log), filled(0..acknowledged + 20));
        drop(log);
        fixture.fs.kill();
        assert_eq!(values(&fixture.open()), filled(0..acknowledged + 20));
    }
}

#[test]
fn a_log_is_cut_on_a_full_disk_or_later() {
    let mut refused = 0;
    for (room, epoch, end) in (0..12).flat_map(|room| [(room, EPOCH, 20), (room, EPOCH + 1, 20), (room, EPOCH + 1, 29)])
    {
        let fixture = Fixture::default();
        let mut log = fixture.open();
        fill(&mut log, 30);
        log.start_leader_epoch(epoch);
        log.append_as_leader(batch(&["cut off"], NOW).build().unwrap().into(), epoch, NOW, Origin::Client).unwrap();
        log.start_leader_epoch(epoch + 1);
        let mut writes = 0;
        fixture.fs.inject(move |call, _| {
            writes += i32::from(call == Call::Write);
            (call == Call::Write && writes > room).then_some(Fault::Partly(7, ErrorKind::StorageFull))
        });
        match log.truncate_to(end, NOW) {
            Ok(cut) => assert!(cut, "room for {room} writes"),
            Err(error) => {
                assert!(error.is_full(), "{error}");
                assert_eq!(log.log_end_offset(), 31, "nothing has changed");
                refused += 1;
            }
        }
        fixture.fs.heal();
        log.truncate_to(end, NOW).unwrap();
        assert_eq!((values(&log), log.latest_epoch()), (filled(0..end), Some(EPOCH)));
        log.append_as_leader(
            batch(&[&format!("value {end}")], NOW).build().unwrap().into(),
            EPOCH + 5,
            NOW,
            Origin::Client,
        )
        .unwrap();
        log.flush().unwrap();
        drop(log);
        fixture.fs.kill();
        let log = fixture.open();
        assert_eq!(
            (values(&log), log.leader_epochs()),
            (filled(0..end + 1), vec![(EPOCH, 0), (EPOCH + 5, end)]),
            "room for {room} writes"
        );
    }
    assert!(refused > 0, "there always was room");
}

#[test]
fn a_failed_write_ends_appends_and_shows_nothing() {
    let fixture = Fixture::default();
    let mut log = fixture.open();
    fill(&mut log, 3);
    fixture.fs.inject(|call, _| (call == Call::Write).then_some(Fault::Partly(70, ErrorKind::Other)));
    assert!(matches!(append(&mut log, batch(&["lost"], NOW)).unwrap_err(), AppendError::Segment(_)));
    fixture.fs.heal();
    assert!(matches!(append(&mut log, batch(&["lost"], NOW)).unwrap_err(), AppendError::Failed));
    assert_eq!(values(&log), filled(0..3));
    drop(log);
    fixture.fs.kill();
    let mut log = fixture.open();
    assert_eq!(values(&log), filled(0..3));
    fill(&mut log, 2);
}

#[test]
fn a_failed_flush_moves_no_recovery_point_and_ends_appends() {
    for failing in 0..6 {
        let fixture = Fixture::default();
        let mut log = fixture.open();
        fill(&mut log, 30);
        let mut calls = 0;
        fixture.fs.inject(move |call, _| {
            calls += i32::from(matches!(call, Call::Sync | Call::SyncDir));
            (calls == failing + 1).then_some(Fault::Error(ErrorKind::Other))
        });
        log.flush().unwrap_err();
        fixture.fs.heal();
        assert_eq!(log.recovery_point(), 0);
        assert!(matches!(append(&mut log, batch(&["lost"], NOW)).unwrap_err(), AppendError::Failed));
        assert!(matches!(log.flush().unwrap_err(), SegmentError::Failed { .. }), "a failed fsync is not tried again");
        assert!(log.flush_task().unwrap().is_none());
        assert!(log.close().is_err(), "this is no clean stop");
    }
}

#[test]
fn an_append_that_fails_anywhere_leaves_a_log_that_opens() {
    for failing in 1..60 {
        let mut fixture = Fixture::default();
        let mut log = fixture.open();
        fill(&mut log, 11);
        let mut calls = 0;
        fixture.fs.inject(move |_, _| {
            calls += 1;
            (calls == failing).then_some(Fault::Error(ErrorKind::Other))
        });
        let mut acknowledged = 11;
        for _ in 0..10 {
            let value = format!("value {acknowledged}");
            match append(&mut log, batch(&[&value], NOW)) {
                Ok(info) => acknowledged = info.last_offset + 1,
                Err(_) => break,
            }
        }
        drop(log);
        fixture.fs.heal();
        fixture.fs.kill();
        fixture.options.recovery_point = 0;
        let log = fixture.open();
        // What failed after it was written may be there, as any append without an answer.
        assert!((acknowledged..=acknowledged + 1).contains(&log.log_end_offset()));
        assert_eq!(values(&log)[..acknowledged as usize], filled(0..acknowledged));
    }
}

#[test]
fn a_flush_begun_before_a_truncation_does_not_vouch_for_what_came_after() {
    let mut log = Fixture::default().open();
    fill(&mut log, 5);
    let task = log.flush_task().unwrap().unwrap();
    log.truncate_to(2, NOW).unwrap();
    fill(&mut log, 3);
    let flushed = task.run().unwrap();
    assert_eq!(flushed.up_to(), 5);
    log.mark_flushed(flushed);
    assert_eq!(log.recovery_point(), 0);
}

#[test]
fn a_roll_or_an_epoch_that_fails_ends_appends() {
    for failing in [Call::Open, Call::Rename] {
        let mut fixture = Fixture::default();
        fixture.options.config.segment_bytes = 100;
        let mut log = fixture.open();
        fill(&mut log, 2);
        fixture.fs.inject(move |call, _| (call == failing).then_some(Fault::Error(ErrorKind::Other)));
        let newer = batch(&["lost"], NOW);
        log.append_as_leader(built(newer), EPOCH + 1, NOW, crate::Origin::Client).unwrap_err();
        fixture.fs.heal();
        let again = append(&mut log, batch(&["lost"], NOW)).unwrap_err();
        assert!(matches!(again, AppendError::Failed), "{failing:?}: {again}");
    }
}

#[test]
fn a_flush_that_a_truncation_overtook_does_not_fail() {
    let mut log = Fixture::default().open();
    fill(&mut log, 3);
    log.roll(NOW).unwrap();
    let task = log.flush_task().unwrap().unwrap();
    log.truncate_to(1, NOW).unwrap();
    log.mark_flushed(task.run().unwrap());
    assert_eq!(log.recovery_point(), 0);
}
