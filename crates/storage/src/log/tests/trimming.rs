//! Truncation, deletion of records, retention and deletion of the whole.

use super::*;
use crate::log::DeleteError;
use crate::log_dir::names as dir_names;

#[test]
fn a_log_is_cut_at_any_offset_and_goes_on_there() {
    for offset in 0..20 {
        let fixture = Fixture::default();
        let mut log = fixture.open();
        fill(&mut log, 20);
        assert!(log.truncate_to(offset, NOW).unwrap());
        assert_eq!(log.log_end_offset(), offset);
        assert_eq!(log.high_watermark(), offset);
        assert_eq!(values(&log), filled(0..offset));
        fill(&mut log, 30);
        assert_eq!(values(&log), filled(0..offset + 30));
        drop(log);
        fixture.fs.kill();
        assert_eq!(values(&fixture.open()), filled(0..offset + 30));
    }
}

#[test]
fn truncation_at_the_end_changes_no_record_but_takes_back_epochs() {
    let mut log = Fixture::default().open();
    fill(&mut log, 3);
    log.start_leader_epoch(EPOCH + 1);
    assert_eq!(log.latest_epoch(), Some(EPOCH + 1));
    assert!(!log.truncate_to(3, NOW).unwrap());
    assert_eq!(log.latest_epoch(), Some(EPOCH));
    assert_eq!(log.log_end_offset(), 3);
}

#[test]
fn a_log_begins_anew_elsewhere() {
    let fixture = Fixture::default();
    let mut log = fixture.open();
    fill(&mut log, 20);
    log.truncate_fully_and_start_at(100, None, NOW).unwrap();
    let offsets = log.offsets();
    assert_eq!((offsets.log_start_offset, offsets.high_watermark, offsets.log_end_offset), (100, 100, 100));
    assert_eq!(fixture.names(".log"), ["00000000000000000100.log"]);
    assert_eq!(log.latest_epoch(), None);
    fill(&mut log, 3);
    assert_eq!(values(&log), filled(100..103));
}

#[test]
fn records_are_deleted_with_the_segments_below() {
    let fixture = Fixture::default();
    let mut log = fixture.open();
    fill(&mut log, 40);
    let segments = log.segment_count();
    let error = log.delete_records(41).unwrap_err();
    assert!(matches!(error, DeleteError::OffsetOutOfRange { offset: 41, high_watermark: 40 }), "{error}");
    let removal = log.delete_records(25).unwrap();
    assert!(log.segment_count() < segments);
    assert_eq!(fixture.names(".log").len(), log.segment_count());
    assert!(!fixture.names(".deleted").is_empty());
    assert_eq!(removal.paths().len(), fixture.names(".deleted").len());
    removal.run().unwrap();
    assert!(fixture.names(".deleted").is_empty());
    assert_eq!(values(&log), filled(25..40));
    assert_eq!(fixture.content("leader-epoch-checkpoint"), b"0\n1\n3 25\n");
    let removal = log.delete_records(40).unwrap();
    assert_eq!(log.segment_count(), 1);
    removal.run().unwrap();
    assert!(values(&log).is_empty());
}

#[test]
fn a_reader_goes_on_while_its_segment_is_deleted() {
    let fixture = Fixture::default();
    let mut log = fixture.open();
    fill(&mut log, 40);
    let read = log.reader().read(0, 1000, true, Isolation::LogEnd).unwrap();
    log.delete_records(40).unwrap().run().unwrap();
    assert!(CheckedBatches::parse_whole(read.bytes().unwrap()).is_ok());
    assert!(log.reader().read(0, 1000, true, Isolation::LogEnd).is_err());
}

#[test]
fn what_was_deleted_but_not_removed_goes_at_the_next_opening() {
    let mut fixture = Fixture::default();
    let mut log = fixture.open();
    fill(&mut log, 40);
    let _left = log.delete_records(25).unwrap();
    drop(log);
    fixture.fs.kill();
    fixture.options.log_start_offset = 25;
    assert_eq!(values(&fixture.open()), filled(25..40));
    assert!(fixture.names(".deleted").is_empty());
}

#[test]
fn retention_by_size_keeps_what_fits() {
    let mut fixture = Fixture::default();
    fixture.options.config.retention_bytes = 2000;
    fixture.options.config.retention_ms = -1;
    let mut log = fixture.open();
    fill(&mut log, 60);
    let before = log.size();
    log.delete_old_segments(NOW).unwrap().into_iter().for_each(|removal| removal.run().unwrap());
    assert!(log.size() < before);
    assert!((2000..3000).contains(&log.size()), "{}", log.size());
    assert_eq!(values(&log), filled(log.log_start_offset()..60));
}

#[test]
fn retention_by_time_takes_all_and_spares_what_is_not_replicated() {
    let mut fixture = Fixture::default();
    fixture.options.config.retention_ms = 1000;
    let mut log = fixture.open();
    fill(&mut log, 40);
    assert!(log.delete_old_segments(NOW + 1000).unwrap().is_empty());
    log.shared.set_high_watermark(20, None);
    let _removals = log.delete_old_segments(NOW + 100_000).unwrap();
    assert!(log.log_start_offset() > 0 && log.log_start_offset() <= 20);
    log.set_high_watermark(40);
    let _removals = log.delete_old_segments(NOW + 100_000).unwrap();
    assert_eq!(log.log_start_offset(), 40);
    assert_eq!((log.segment_count(), log.size()), (1, 0));
    fill(&mut log, 2);
    assert_eq!(values(&log), filled(40..42));
}

#[test]
fn a_deleted_log_is_renamed_first() {
    let fixture = Fixture::default();
    let mut log = fixture.open();
    fill(&mut log, 20);
    let reader = log.reader();
    let name = dir_names::to_delete("topic", 0, [7; 16]);
    let removal = log.delete(&name).unwrap();
    assert!(!fixture.fs.exists(&dir()).unwrap());
    assert!(fixture.fs.exists(&dir().with_file_name(&name)).unwrap());
    // Segments that were not open are found at the new place.
    assert!(!reader.read(0, 100, true, Isolation::LogEnd).unwrap().is_empty());
    removal.run().unwrap();
    assert!(!fixture.fs.exists(&dir().with_file_name(&name)).unwrap());
}
