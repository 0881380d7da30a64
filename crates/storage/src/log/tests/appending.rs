//! Appending, rolling and what the files hold afterwards.

use ottla_protocol::batch::{CheckedBatches, TimestampType};

use super::*;
use crate::config::LogConfig;

#[test]
fn batches_get_offsets_and_the_leader_epoch() {
    let fixture = Fixture::default();
    let mut log = fixture.open();
    let first = append(&mut log, batch(&["a", "b", "c"], NOW)).unwrap();
    let second = append(&mut log, batch(&["d"], NOW)).unwrap();
    assert_eq!((first.first_offset, first.last_offset), (0, 2));
    assert_eq!((second.first_offset, second.last_offset), (3, 3));
    assert_eq!(second.log_append_time_ms, -1);
    assert_eq!(log.log_end_offset(), 4);
    let stored = fixture.content("00000000000000000000.log");
    let batches = CheckedBatches::parse(stored.into()).unwrap();
    let placed: Vec<_> =
        batches.iter().map(|batch| (batch.header().base_offset, batch.header().partition_leader_epoch)).collect();
    assert_eq!(placed, [(0, EPOCH), (3, EPOCH)]);
    assert_eq!(fixture.content("leader-epoch-checkpoint"), b"0\n1\n3 0\n");
}

#[test]
fn log_append_time_is_stamped() {
    let mut fixture = Fixture::default();
    fixture.options.config.message_timestamp_type = TimestampType::LogAppendTime;
    let mut log = fixture.open();
    let info = append(&mut log, batch(&["a"], 5)).unwrap();
    assert_eq!(info.log_append_time_ms, NOW);
    let stored = read_all(&log, 0);
    assert_eq!(stored[0].header().max_timestamp, NOW);
    assert_eq!(stored[0].header().attributes.timestamp_type(), TimestampType::LogAppendTime);
}

#[test]
fn limits_refuse_what_is_too_large() {
    let mut fixture = Fixture::default();
    fixture.options.config.max_message_bytes = 100;
    let mut log = fixture.open();
    let long = "x".repeat(100);
    let error = append(&mut log, batch(&[&long], NOW)).unwrap_err();
    assert!(matches!(error, AppendError::MessageTooLarge { max: 100, .. }), "{error}");
    log.set_config(LogConfig { segment_bytes: 100, ..LogConfig::default() });
    let error = append(&mut log, batch(&[&long], NOW)).unwrap_err();
    assert!(matches!(error, AppendError::RecordListTooLarge { max: 100, .. }), "{error}");
    assert_eq!(log.log_end_offset(), 0);
}

#[test]
fn clients_do_not_choose_offsets() {
    let mut log = Fixture::default().open();
    let error = append(&mut log, batch(&["a"], NOW).base_offset(7)).unwrap_err();
    assert!(matches!(error, AppendError::BaseOffset(7)), "{error}");
}

#[test]
fn segments_roll_by_size_and_their_indexes_are_complete() {
    let fixture = Fixture::default();
    let mut log = fixture.open();
    fill(&mut log, 40);
    let logs = fixture.names(".log");
    assert!(logs.len() > 2, "{logs:?}");
    assert_eq!(log.segment_count(), logs.len());
    for name in &logs[..logs.len() - 1] {
        assert!(fixture.content(name).len() <= 1000);
        let index = fixture.content(&name.replace(".log", ".index"));
        check_offset_index(&fixture.content(name), &index, name[..20].parse().unwrap());
    }
    assert_eq!(fixture.names(".snapshot").len(), logs.len() - 1);
    assert_eq!(values(&log), filled(0..40));
}

/// Every entry holds the last offset of the batch that starts at its position, as kafka-dump-log checks it.
fn check_offset_index(log: &[u8], index: &[u8], base_offset: i64) {
    assert!(!index.is_empty());
    for entry in index.chunks_exact(8) {
        let relative = u32::from_be_bytes(entry[..4].try_into().unwrap());
        let position = u32::from_be_bytes(entry[4..].try_into().unwrap());
        let header = ottla_protocol::batch::Header::parse(&log[position as usize..]).unwrap();
        assert_eq!(header.last_offset(), base_offset + i64::from(relative));
    }
}

#[test]
fn the_time_index_ends_with_the_largest_timestamp() {
    let fixture = Fixture::default();
    let mut log = fixture.open();
    append(&mut log, batch(&["a"], 100)).unwrap();
    append(&mut log, batch(&["b", "c"], 300)).unwrap();
    append(&mut log, batch(&["d"], 200)).unwrap();
    assert!(log.roll(NOW).unwrap());
    // Timestamp 300 belongs to the batch whose last offset is 2.
    let entry = [&300_i64.to_be_bytes()[..], &2_u32.to_be_bytes()].concat();
    assert_eq!(fixture.content("00000000000000000000.timeindex"), entry);
    assert_eq!(fixture.content("00000000000000000000.index"), b"");
}

#[test]
fn segments_roll_by_the_time_in_them() {
    let mut fixture = Fixture::default();
    fixture.options.config.segment_ms = 1000;
    let mut log = fixture.open();
    append(&mut log, batch(&["a"], NOW)).unwrap();
    assert!(!append(&mut log, batch(&["b"], NOW + 1000)).unwrap().rolled);
    assert!(append(&mut log, batch(&["c"], NOW + 1001)).unwrap().rolled);
    assert_eq!(fixture.names(".log").len(), 2);
}

#[test]
fn segments_roll_when_an_index_is_full() {
    let mut fixture = Fixture::default();
    let config = LogConfig { index_interval_bytes: 1, segment_index_bytes: 36, ..LogConfig::default() };
    fixture.options.config = config;
    let mut log = fixture.open();
    fill(&mut log, 20);
    // Three entries of the time index fit, of which the last is kept for the end.
    assert!(log.segment_count() > 3);
    for name in fixture.names(".timeindex") {
        assert!(fixture.content(&name).len() <= 36);
    }
    assert_eq!(values(&log), filled(0..20));
}

#[test]
fn segments_roll_before_offsets_are_too_far_apart() {
    let fixture = Fixture::default();
    let mut log = fixture.open();
    let far = i64::from(i32::MAX);
    for base_offset in [0, far, far + 1] {
        let batch = built(batch(&["a"], NOW).base_offset(base_offset).leader_epoch(0));
        log.append_as_follower(batch, 0, NOW).unwrap().unwrap();
    }
    assert_eq!(fixture.names(".log"), ["00000000000000000000.log", "00000000002147483648.log"]);
}

#[test]
fn followers_keep_offsets_and_leave_out_what_the_leader_cannot_know() {
    let mut log = Fixture::default().open();
    let at = |offset, epoch| batch(&["a"], NOW).base_offset(offset).leader_epoch(epoch).build().unwrap();
    let both = [at(5, 1).to_bytes(), at(6, 2).to_bytes()].concat();
    let info = log.append_as_follower(CheckedBatches::parse(both.into()).unwrap(), 1, NOW).unwrap().unwrap();
    assert_eq!((info.first_offset, info.last_offset), (5, 5));
    assert_eq!(log.log_end_offset(), 6);
    assert!(log.append_as_follower(at(6, 2).into(), 1, NOW).unwrap().is_none());
    let error = log.append_as_follower(at(3, 1).into(), 1, NOW).unwrap_err();
    assert!(matches!(error, AppendError::UnexpectedOffset { first_offset: 3, log_end_offset: 6, .. }), "{error}");
}

#[test]
fn the_raft_leader_keeps_offsets_and_must_have_the_epoch() {
    let mut log = Fixture::default().open();
    let at = |offset, epoch| built(batch(&["a"], NOW).base_offset(offset).leader_epoch(epoch));
    log.append_as_leader(at(0, 9), 9, NOW, Origin::RaftLeader).unwrap();
    let error = log.append_as_leader(at(1, 8), 9, NOW, Origin::RaftLeader).unwrap_err();
    assert!(matches!(error, AppendError::LeaderEpoch { epoch: 8, expected: 9 }), "{error}");
    assert_eq!(log.log_end_offset(), 1);
}
