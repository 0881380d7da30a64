//! Opening after a crash: torn tails, torn indexes, power cuts, and damage that is none of these.

use super::*;
use crate::log::OpenError;
use crate::segment::Error as SegmentError;

const LOG: &str = "00000000000000000000.log";

fn path(name: &str) -> PathBuf {
    dir().join(name)
}

#[test]
fn a_tail_torn_at_any_byte_is_cut() {
    let mut fixture = Fixture::default();
    fixture.options.config.segment_bytes = 1 << 20;
    let mut log = fixture.open();
    fill(&mut log, 5);
    let whole = fixture.content(LOG).len();
    append(&mut log, batch(&["one more", "and another"], NOW)).unwrap();
    let content = fixture.content(LOG);
    drop(log);
    for len in whole..=content.len() {
        for zeros in [0, 100] {
            fixture.fs.kill();
            let torn = [&content[..len], &vec![0; zeros]].concat();
            fixture.fs.put(&path(LOG), &torn);
            let mut log = fixture.open();
            // Zeros may happen to be what was cut off.
            let kept = if torn.starts_with(&content) { 7 } else { 5 };
            assert_eq!(log.log_end_offset(), kept, "cut at {len}");
            assert_eq!(fixture.content(LOG).len(), if kept == 7 { content.len() } else { whole });
            fill(&mut log, 1);
            assert_eq!(log.log_end_offset(), kept + 1);
        }
    }
}

#[test]
fn any_bit_flipped_above_the_recovery_point_cuts_the_log_there() {
    let fixture = Fixture::default();
    let mut log = fixture.open();
    fill(&mut log, 4);
    let content = fixture.content(LOG);
    let one = content.len() / 4;
    for position in one..content.len() {
        let field = position % one;
        if (12..16).contains(&field) {
            continue; // The leader epoch is not covered by the CRC.
        }
        fixture.fs.kill();
        let mut damaged = content.clone();
        damaged[position] ^= 0x10;
        fixture.fs.put(&path(LOG), &damaged);
        let log = fixture.open();
        // Nor is the base offset: what it says is believed if it can be.
        if field >= 8 {
            assert_eq!(log.log_end_offset(), (position / one) as i64, "flipped at {position}");
        }
    }
}

#[test]
fn damage_below_the_recovery_point_is_an_error_and_nothing_is_cut() {
    let mut fixture = Fixture::default();
    let mut log = fixture.open();
    fill(&mut log, 4);
    log.flush().unwrap();
    assert_eq!(log.recovery_point(), 4);
    fill(&mut log, 1);
    drop(log);
    fixture.fs.kill();
    let content = fixture.content(LOG);
    let mut damaged = content.clone();
    // Its magic: what is flushed is walked by the headers.
    damaged[content.len() / 5 * 3 + 16] ^= 1;
    fixture.fs.put(&path(LOG), &damaged);
    fixture.options.recovery_point = 4;
    let error = fixture.try_open().unwrap_err();
    let at = content.len() as u64 / 5 * 3;
    assert!(matches!(&error, OpenError::Segment(SegmentError::Corrupt { position, .. }) if *position == at), "{error}");
    assert_eq!(fixture.content(LOG), damaged);
    // The same damage above it is a torn write.
    fixture.options.recovery_point = 3;
    assert_eq!(fixture.open().log_end_offset(), 3);
}

#[test]
fn segments_after_a_torn_one_go() {
    let fixture = Fixture::default();
    let mut log = fixture.open();
    fill(&mut log, 40);
    drop(log);
    fixture.fs.kill();
    let logs = fixture.names(".log");
    let second = fixture.content(&logs[1]);
    fixture.fs.put(&path(&logs[1]), &second[..second.len() - 1]);
    let log = fixture.open();
    assert_eq!(fixture.names(".log"), logs[..2]);
    let third: i64 = logs[2][..20].parse().unwrap();
    assert_eq!(values(&log), filled(0..third - 1));
    assert!(fixture.names(".snapshot").iter().all(|name| name[..20].parse::<i64>().unwrap() < third));
}

#[test]
fn torn_and_missing_indexes_are_rebuilt() {
    let mut fixture = Fixture::default();
    let mut log = fixture.open();
    fill(&mut log, 40);
    let recovery_point = log.close().unwrap();
    let indexes: Vec<(String, Vec<u8>)> = ["index", "timeindex"]
        .iter()
        .flat_map(|kind| fixture.names(kind))
        .map(|name| (name.clone(), fixture.content(&name)))
        .collect();
    fixture.options = OpenOptions { clean_shutdown: true, recovery_point, ..fixture.options };
    for (name, content) in &indexes {
        for damage in [None, Some(content.len().saturating_sub(3))] {
            fixture.fs.kill();
            match damage {
                None => fixture.fs.remove_file(&path(name)).unwrap(),
                Some(len) => fixture.fs.put(&path(name), &content[..len]),
            }
            let log = fixture.open();
            assert_eq!(values(&log), filled(0..40));
            log.close().unwrap();
            assert_eq!(&fixture.content(name), content, "{name}");
        }
    }
}

#[test]
fn an_index_that_points_nowhere_gives_right_answers() {
    let mut fixture = Fixture::default();
    let mut log = fixture.open();
    fill(&mut log, 40);
    let recovery_point = log.close().unwrap();
    fixture.options = OpenOptions { clean_shutdown: true, recovery_point, ..fixture.options };
    for name in fixture.names(".index") {
        let mut content = fixture.content(&name);
        content.chunks_exact_mut(8).for_each(|entry| entry[7] ^= 0x15);
        fixture.fs.put(&path(&name), &content);
    }
    let log = fixture.open();
    for offset in 0..40 {
        let read = log.reader().read(offset, 1, true, Isolation::LogEnd).unwrap();
        let batches = CheckedBatches::parse(read.bytes().unwrap()).unwrap();
        assert_eq!(batches.iter().next().unwrap().header().base_offset, offset);
    }
}

#[test]
fn a_kill_loses_nothing_that_was_written() {
    let fixture = Fixture::default();
    for round in 0..5 {
        let mut log = fixture.open();
        assert_eq!(values(&log), filled(0..round * 17));
        fill(&mut log, 17);
        drop(log);
        fixture.fs.kill();
    }
}

#[test]
fn a_power_cut_loses_nothing_that_was_flushed() {
    for kept_bytes in [0, 1, 60, 61, 100, 150, 1000] {
        let mut fixture = Fixture::default();
        fixture.fs.create_dir_all(&dir()).unwrap();
        let mut log = fixture.open();
        fill(&mut log, 25);
        log.flush().unwrap();
        let recovery_point = log.recovery_point();
        fill(&mut log, 25);
        drop(log);
        fixture.fs.power_cut(|_, unsynced| kept_bytes.min(unsynced));
        fixture.options.recovery_point = recovery_point;
        let mut log = fixture.open();
        assert!(log.log_end_offset() >= 25, "{}", log.log_end_offset());
        assert_eq!(values(&log), filled(0..log.log_end_offset()));
        fill(&mut log, 5);
        assert_eq!(values(&log), filled(0..log.log_end_offset()));
    }
}

#[test]
fn a_clean_stop_opens_without_reading_segments() {
    let mut fixture = Fixture::default();
    let mut log = fixture.open();
    fill(&mut log, 40);
    let recovery_point = log.close().unwrap();
    assert_eq!(recovery_point, 40);
    fixture.options = OpenOptions { clean_shutdown: true, recovery_point, ..fixture.options };
    let sealed = fixture.names(".log")[0].clone();
    fixture.fs.inject(move |_, path| {
        let touched = path.ends_with(&sealed);
        touched.then_some(crate::fs::sim::Fault::Error(std::io::ErrorKind::Other))
    });
    let log = fixture.open();
    assert_eq!(log.log_end_offset(), 40);
    assert_eq!(log.recovery_point(), 40);
}

#[test]
fn leftovers_of_a_compaction_are_finished_or_taken_back() {
    let mut fixture = Fixture::default();
    let mut log = fixture.open();
    fill(&mut log, 40);
    let recovery_point = log.close().unwrap();
    let logs = fixture.names(".log");
    let [first, second] = [&logs[0], &logs[1]].map(|name| fixture.content(name));
    // The first two segments were about to be replaced by one.
    fixture.fs.put(&path(&format!("{}.swap", logs[0])), &[first, second].concat());
    fixture.fs.put(&path(&format!("{}.cleaned", logs[2])), b"not complete");
    fixture.options = OpenOptions { clean_shutdown: true, recovery_point, ..fixture.options };
    let log = fixture.open();
    assert_eq!(log.segment_count(), logs.len() - 1);
    assert_eq!(values(&log), filled(0..40));
    assert!(fixture.names(".swap").is_empty() && fixture.names(".cleaned").is_empty());
}

#[test]
fn a_log_that_ends_below_its_start_begins_anew() {
    let mut fixture = Fixture::default();
    let mut log = fixture.open();
    fill(&mut log, 10);
    drop(log);
    fixture.fs.kill();
    fixture.options.log_start_offset = 50;
    let mut log = fixture.open();
    assert_eq!((log.log_start_offset(), log.log_end_offset()), (50, 50));
    fill(&mut log, 2);
    assert_eq!(values(&log), filled(50..52));
}

#[test]
fn another_topics_log_is_refused() {
    let mut fixture = Fixture::default();
    fixture.options.topic_id = Some(ottla_protocol::Uuid::from_bytes([1; 16]));
    drop(fixture.open());
    assert_eq!(fixture.content("partition.metadata"), b"version: 0\ntopic_id: AQEBAQEBAQEBAQEBAQEBAQ");
    fixture.options.topic_id = Some(ottla_protocol::Uuid::from_bytes([2; 16]));
    let error = fixture.try_open().unwrap_err();
    assert!(matches!(error, OpenError::InconsistentTopicId { .. }), "{error}");
    fixture.options.topic_id = None;
    assert_eq!(fixture.open().topic_id(), Some(ottla_protocol::Uuid::from_bytes([1; 16])));
}
