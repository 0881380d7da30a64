//! Reading beside the owner: bounds, limits, times and epochs.

use super::*;
use crate::epochs::EpochEndOffset;
use crate::read::{self, EARLIEST, Found, LATEST, MAX_TIMESTAMP};

#[test]
fn offsets_outside_of_the_log_are_errors_and_the_end_is_empty() {
    let mut log = Fixture::default().open();
    fill(&mut log, 3);
    let reader = log.reader();
    for offset in [-1, 4] {
        let error = reader.read(offset, 100, true, Isolation::LogEnd).unwrap_err();
        assert!(
            matches!(error, read::Error::OffsetOutOfRange { log_start_offset: 0, log_end_offset: 3, .. }),
            "{error}"
        );
    }
    assert!(reader.read(3, 100, true, Isolation::LogEnd).unwrap().is_empty());
}

#[test]
fn consumers_see_up_to_the_high_watermark() {
    let mut log = Fixture::default().open();
    fill(&mut log, 6);
    append(&mut log, batch(&["a", "b"], NOW)).unwrap();
    append(&mut log, batch(&["c"], NOW)).unwrap();
    let reader = log.reader();
    assert!(reader.read(6, 1000, true, Isolation::HighWatermark).unwrap().is_empty());
    assert!(reader.read(8, 1000, true, Isolation::HighWatermark).unwrap().is_empty());
    log.set_high_watermark(8);
    let read = reader.read(6, 1000, true, Isolation::HighWatermark).unwrap();
    let batches = CheckedBatches::parse(read.bytes().unwrap()).unwrap();
    assert_eq!(batches.iter().map(|batch| batch.header().next_offset()).collect::<Vec<_>>(), [8]);
    assert_eq!(read.offsets.high_watermark, 8);
    assert_eq!(read.offsets.log_end_offset, 9);
}

#[test]
fn every_bound_and_start_gives_the_batches_between() {
    let fixture = Fixture::default();
    let mut log = fixture.open();
    fill(&mut log, 40);
    drop(log);
    // Opened anew, nothing is in memory: all goes through the indexes.
    let mut log = fixture.open();
    let reader = log.reader();
    for bound in 0..=40 {
        log.set_high_watermark(bound);
        for offset in 0..=bound {
            let read = reader.read(offset, 10_000, true, Isolation::HighWatermark).unwrap();
            if offset == bound {
                assert!(read.is_empty());
                continue;
            }
            let batches = CheckedBatches::parse(read.bytes().unwrap()).unwrap();
            assert_eq!(batches.iter().next().unwrap().header().base_offset, offset);
            assert!(batches.iter().last().unwrap().header().next_offset() <= bound);
        }
    }
}

#[test]
fn a_batch_in_the_middle_is_read_from_its_start() {
    let mut log = Fixture::default().open();
    append(&mut log, batch(&["a", "b", "c"], NOW)).unwrap();
    let read = log.reader().read(2, 1000, true, Isolation::LogEnd).unwrap();
    let batches = CheckedBatches::parse(read.bytes().unwrap()).unwrap();
    assert_eq!(batches.iter().next().unwrap().header().base_offset, 0);
}

#[test]
fn limits_cut_but_for_the_first_batch_where_asked() {
    let mut log = Fixture::default().open();
    fill(&mut log, 3);
    let reader = log.reader();
    let size = |max_bytes, min_one| reader.read(0, max_bytes, min_one, Isolation::LogEnd).unwrap().len();
    let one = size(1, true);
    assert_eq!(size(1, false), 0);
    assert_eq!(size(one - 1, false), 0);
    assert_eq!(size(one, false), one);
    assert_eq!(size(one + 5, true), one + 5);
    assert_eq!(size(usize::MAX, true), 3 * one);
}

#[test]
fn records_are_found_by_time() {
    let mut log = Fixture::default().open();
    for timestamp in [100, 300, 200, 400, 350] {
        append(&mut log, batch(&["a", "b"], timestamp)).unwrap();
        log.roll(NOW).unwrap();
    }
    let find =
        |timestamp| log.reader().offset_for_timestamp(timestamp).unwrap().map(|found| (found.timestamp, found.offset));
    assert_eq!(find(0), Some((100, 0)));
    assert_eq!(find(100), Some((100, 0)));
    assert_eq!(find(101), Some((300, 2)));
    assert_eq!(find(300), Some((300, 2)));
    assert_eq!(find(301), Some((400, 6)));
    assert_eq!(find(401), None);
    let all = |timestamp| log.reader().offset_for_timestamp(timestamp).unwrap().unwrap();
    assert_eq!(all(MAX_TIMESTAMP), Found { timestamp: 400, offset: 6, leader_epoch: Some(EPOCH) });
    assert_eq!(all(EARLIEST), Found { timestamp: -1, offset: 0, leader_epoch: Some(EPOCH) });
    assert_eq!(all(LATEST), Found { timestamp: -1, offset: 10, leader_epoch: Some(EPOCH) });
}

#[test]
fn records_are_found_by_time_within_a_batch_and_from_the_start_offset_on() {
    let mut log = Fixture::default().open();
    let mut builder = Builder::new();
    for timestamp in [10, 30, 20] {
        builder.push(NewRecord { timestamp, value: Some(b"a"), ..NewRecord::default() });
    }
    append(&mut log, builder).unwrap();
    log.set_high_watermark(3);
    let find = |log: &Log, timestamp| log.reader().offset_for_timestamp(timestamp).unwrap().map(|found| found.offset);
    assert_eq!(find(&log, 11), Some(1));
    assert_eq!(find(&log, MAX_TIMESTAMP), Some(1));
    let _none = log.delete_records(2).unwrap();
    assert_eq!(find(&log, 11), Some(2));
    assert_eq!(find(&log, 21), None);
}

#[test]
fn an_empty_log_has_no_time() {
    let log = Fixture::default().open();
    assert_eq!(log.reader().offset_for_timestamp(0).unwrap(), None);
    assert_eq!(log.reader().offset_for_timestamp(MAX_TIMESTAMP).unwrap(), None);
    assert_eq!(log.reader().offset_for_timestamp(LATEST).unwrap().unwrap().offset, 0);
}

#[test]
fn epochs_end_where_the_next_begins() {
    let mut log = Fixture::default().open();
    for (epoch, count) in [(1, 2), (4, 3), (5, 1)] {
        for _ in 0..count {
            log.append_as_leader(built(batch(&["a"], NOW)), epoch, NOW, Origin::Client).unwrap();
        }
    }
    let end = |epoch| log.end_offset_for_epoch(epoch).map(|EpochEndOffset { epoch, end_offset }| (epoch, end_offset));
    assert_eq!(end(-1), None);
    assert_eq!(end(0), Some((0, 0)));
    assert_eq!(end(1), Some((1, 2)));
    assert_eq!(end(3), Some((1, 2)));
    assert_eq!(end(4), Some((4, 5)));
    assert_eq!(end(5), Some((5, 6)));
    assert_eq!(end(6), None);
    assert_eq!(log.reader().epoch_for(4), Some(4));
}
