//! What stays of a log and what goes.

use ottla_protocol::compression::{Compression, Level};

use super::*;

/// Appends each batch, rolls, cleans, and checks the records that a consumer is given.
fn check(appended: &[&str], expected: &[(i64, &str)]) {
    let mut log = Fixture::default().open();
    appended.iter().for_each(|text| append(&mut log, records(text)));
    log.roll(NOW).unwrap();
    clean(&mut log, None, NOW).unwrap();
    let expected: Vec<_> = expected.iter().map(|(offset, record)| (*offset, (*record).to_owned())).collect();
    assert_eq!(committed(&log), expected);
}

#[test]
fn the_last_record_of_each_key_stays_where_it_was() {
    check(&["a=1"], &[(0, "a=1")]);
    check(&["a=1 b=1", "a=2", "a=3 b=2 c=1"], &[(3, "a=3"), (4, "b=2"), (5, "c=1")]);
    check(&["a=1 a=2 a=3", "b=1"], &[(2, "a=3"), (3, "b=1")]);
    check(&["a=1 b=", "b=2", "a= b="], &[(3, "a="), (4, "b=")]);
    check(&["=x a=1", "=y", "a=2"], &[(3, "a=2")]);
}

#[test]
fn a_tombstone_stays_until_late_readers_have_seen_it() {
    let mut log = Fixture::default().open();
    append(&mut log, records("a=1 b=1"));
    append(&mut log, records("a c=1"));
    append(&mut log, records("d=1"));
    log.roll(NOW).unwrap();
    let horizon = |log: &Log| batches(log).iter().map(|batch| batch.header().delete_horizon_ms()).collect::<Vec<_>>();
    let mut pass = |now_ms, tail: &str| {
        clean(&mut log, None, now_ms).unwrap().unwrap();
        assert_eq!(committed(&log).iter().map(|(_, record)| record.as_str()).collect::<Vec<_>>().join(" "), tail);
        let timestamps = batches(&log).into_iter().flat_map(|batch| batch.records(&LIMITS)).map(|record| {
            let record = record.unwrap();
            (record.offset, record.timestamp - NOW)
        });
        let expected =
            [(1, 1), (2, 0), (3, 1), (4, 0)].into_iter().filter(|(offset, _)| *offset != 2 || tail.contains("a"));
        assert_eq!(timestamps.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "timestamps stay");
        horizon(&log)
    };
    // The first pass that sees it sets the horizon, and no later one moves it.
    assert_eq!(pass(NOW, "b=1 a c=1 d=1"), [None, Some(NOW + RETENTION_MS), None]);
    assert_eq!(pass(NOW + RETENTION_MS - 1, "b=1 a c=1 d=1"), [None, Some(NOW + RETENTION_MS), None]);
    assert_eq!(pass(NOW + RETENTION_MS, "b=1 c=1 d=1"), [None, Some(NOW + RETENTION_MS), None]);
}

/// One aborted and one committed transaction of two producers, their batches mixed and over two segments.
fn transactions(log: &mut Log) {
    let of = |text: &str, id, sequence| records(text).producer(id, 0, sequence).transactional(true);
    append(log, records("a=0 b=0"));
    append(log, of("a=1 x=1", 7, 0));
    append(log, of("b=1", 8, 0));
    log.roll(NOW).unwrap();
    append(log, of("a=2", 7, 2));
    end_transaction(log, 8, true);
    end_transaction(log, 7, false);
    append(log, records("c=1"));
    log.roll(NOW).unwrap();
}

#[test]
fn aborted_records_go_and_count_for_nothing() {
    let mut log = Fixture::default().open();
    transactions(&mut log);
    let before = view(&committed(&log));
    let cleaned = clean(&mut log, None, NOW).unwrap().unwrap();
    assert_eq!(cleaned.next_dirty_offset, 9);
    let expected = [(0, "a=0"), (4, "b=1"), (8, "c=1")].map(|(offset, record)| (offset, record.to_owned()));
    assert_eq!(committed(&log), expected);
    assert_eq!(view(&committed(&log)), before);
}

#[test]
fn markers_stay_until_their_data_is_gone_and_late_readers_have_seen_them() {
    let mut log = Fixture::default().open();
    transactions(&mut log);
    // Else each producer's last batch and marker would stay for the sake of its state.
    log.remove_expired_producers(i64::MAX);
    let markers = |log: &Log| {
        let control = batches(log).into_iter().filter(|batch| batch.header().attributes.is_control());
        control.map(|batch| (batch.header().base_offset, batch.header().delete_horizon_ms())).collect::<Vec<_>>()
    };
    let mut pass = |now_ms| {
        clean(&mut log, None, now_ms).unwrap();
        markers(&log)
    };
    // The first pass drops the aborted data, the second finds none.
    assert_eq!(pass(NOW), [(6, None), (7, None)]);
    assert_eq!(pass(NOW + 1), [(6, None), (7, Some(NOW + 1 + RETENTION_MS))]);
    assert_eq!(pass(NOW + RETENTION_MS), [(6, None), (7, Some(NOW + 1 + RETENTION_MS))]);
    assert_eq!(pass(NOW + 1 + RETENTION_MS), [(6, None)]);
    append(&mut log, records("b=9"));
    log.roll(NOW).unwrap();
    // Now nothing of the committed one is left either.
    let mut pass = |now_ms| {
        clean(&mut log, None, now_ms).unwrap();
        markers(&log)
    };
    assert_eq!(pass(NOW), [(6, None)]);
    assert_eq!(pass(NOW), [(6, Some(NOW + RETENTION_MS))]);
    assert_eq!(pass(NOW + RETENTION_MS), []);
}

#[test]
fn the_last_batch_of_an_active_producer_stays_if_only_as_a_header() {
    let fixture = Fixture::default();
    let mut log = fixture.open();
    append(&mut log, records("a=1").producer(7, 3, 0));
    append(&mut log, records("a=2 b=1").producer(7, 3, 1));
    append(&mut log, records("a=3 b=2"));
    log.roll(NOW).unwrap();
    clean(&mut log, None, NOW).unwrap();
    let all = batches(&log);
    let [emptied, last] = all.as_slice() else { panic!("{all:?}") };
    let header = emptied.header();
    assert_eq!((header.base_offset, header.last_offset(), header.records_count), (1, 2, 0));
    assert_eq!((header.producer_id, header.producer_epoch, header.last_sequence()), (7, 3, 2));
    assert_eq!((header.base_timestamp, header.max_timestamp), (-1, NOW + 1));
    assert_eq!(last.header().base_offset, 3);
    // It is enough to know a copy that is sent again.
    drop(log);
    fixture.fs.kill();
    fixture.remove(".snapshot");
    let mut log = fixture.open();
    let again = CheckedBatches::from(records("a=2 b=1").producer(7, 3, 1).build().unwrap());
    assert!(log.append_as_leader(again, 0, NOW, Origin::Client).unwrap().duplicate);
}

#[test]
fn the_end_of_what_was_cleaned_is_not_lost() {
    let mut log = Fixture::default().open();
    append(&mut log, records("a=1"));
    append(&mut log, records("=no-key"));
    log.roll(NOW).unwrap();
    clean(&mut log, None, NOW).unwrap();
    let last = batches(&log).pop().unwrap();
    assert_eq!((last.header().base_offset, last.header().records_count), (1, 0));
}

#[test]
fn batches_keep_their_codec_and_records_all_they_have() {
    for codec in Compression::ALL {
        let mut log = Fixture::default().open();
        let headers: &[(&[u8], Option<&[u8]>)] = &[(b"h", Some(b"1")), (b"h", None), (b"", Some(b""))];
        let mut builder = Builder::new().compression(codec, Level::Default).leader_epoch(0);
        for (timestamp, key) in [(NOW + 50, "a"), (NOW + 70, "b"), (NOW + 60, "c"), (NOW + 80, "a")] {
            let (key, value) = (Some(key.as_bytes()), Some(key.as_bytes()));
            builder.push(NewRecord { timestamp, key, value, headers });
        }
        append(&mut log, builder.clone());
        append(&mut log, builder);
        append(&mut log, records("a=2"));
        log.roll(NOW).unwrap();
        let before = batches(&log);
        clean(&mut log, None, NOW).unwrap();
        let after = batches(&log);
        let [rewritten, copied] = after.as_slice() else { panic!("{after:?}") };
        let header = rewritten.header();
        assert_eq!(rewritten.compression(), codec);
        assert_eq!((header.base_offset, header.last_offset(), header.records_count), (4, 7, 2));
        assert_eq!((header.base_timestamp, header.max_timestamp), (NOW + 70, NOW + 70));
        let kept = |batch: &CheckedBatch, offsets: &[i64]| {
            let records = batch.records(&LIMITS).map(Result::unwrap);
            records.filter(|record| offsets.contains(&record.offset)).collect::<Vec<_>>()
        };
        assert_eq!(kept(rewritten, &[5, 6]), kept(&before[1], &[5, 6]));
        assert_eq!(copied.to_bytes(), before[2].to_bytes(), "a batch that keeps all records is copied");
    }
}

#[test]
fn the_brokers_timestamp_stays_the_brokers() {
    let mut log = Fixture::default().open();
    append(&mut log, records("a=1 b=1 c").log_append_time(NOW + 5));
    append(&mut log, records("a=2"));
    log.roll(NOW).unwrap();
    clean(&mut log, None, NOW).unwrap();
    let first = batches(&log).remove(0);
    assert_eq!((first.header().records_count, first.header().max_timestamp), (2, NOW + 5));
    assert!(first.records(&LIMITS).all(|record| record.unwrap().timestamp == NOW + 5));
}

#[test]
fn a_batch_larger_than_any_buffer_is_cleaned() {
    let mut log = Fixture::default().open();
    log.set_config(LogConfig { segment_bytes: 4 << 20, max_message_bytes: 4 << 20, ..log.config().clone() });
    let large = "x".repeat(3 << 20);
    append(&mut log, records(&format!("a=1 b={large}")));
    append(&mut log, records("a=2"));
    log.roll(NOW).unwrap();
    clean_with(&mut log, None, NOW, &CompactionConfig { io_buffer_bytes: 1, ..CompactionConfig::default() }).unwrap();
    assert_eq!(committed(&log), [(1, format!("b={large}")), (2, "a=2".to_owned())]);
}

#[test]
fn what_the_map_does_not_hold_is_for_the_next_pass() {
    let mut log = Fixture::default().open();
    for n in 0..60 {
        append(&mut log, records(&format!("k{}={n} j{}={n}", n % 20, n % 7)));
    }
    log.roll(NOW).unwrap();
    let before = view(&committed(&log));
    let config = CompactionConfig { dedupe_buffer_bytes: 10 * 24, ..CompactionConfig::default() };
    let (mut checkpoint, mut passes) = (None, 0);
    while let Some(cleaned) = clean_with(&mut log, checkpoint, NOW, &config).unwrap() {
        assert!(Some(cleaned.next_dirty_offset) > checkpoint, "each pass gets on");
        assert_eq!(cleaned.stats.map_full, cleaned.next_dirty_offset < 120);
        checkpoint = Some(cleaned.next_dirty_offset);
        passes += 1;
        assert_eq!(view(&committed(&log)), before);
    }
    assert!(passes > 3, "{passes}");
    assert_eq!((checkpoint, committed(&log).len()), (Some(120), 27));
}
