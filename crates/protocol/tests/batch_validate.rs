//! What a leader accepts from a client, and with which of Kafka's errors it refuses the rest.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

use bytes::{Bytes, BytesMut};
use ottla_protocol::batch::control::ControlType;
use ottla_protocol::batch::{
    Builder, CheckedBatch, CheckedBatches, Error, ErrorKind, MAX_RECORD_ERRORS, NO_TIMESTAMP, NewRecord, Origin,
    Rejected, Rules, TimestampType, Validated,
};
use ottla_protocol::compression::{Compression, Level, Limits};

const NOW_MS: i64 = 1_700_000_000_000;
const HOUR_MS: i64 = 3_600_000;

fn rules() -> Rules<'static> {
    Rules {
        partition: ("topic", 0),
        origin: Origin::Client,
        compacted: false,
        timestamp_type: TimestampType::CreateTime,
        timestamp_before_max_ms: i64::MAX,
        timestamp_after_max_ms: HOUR_MS,
        now_ms: NOW_MS,
        limits: Limits::default(),
    }
}

fn with_timestamps(codec: Compression, timestamps: &[i64]) -> Builder {
    let mut builder = Builder::new().compression(codec, Level::Default);
    for &timestamp in timestamps {
        builder.push(NewRecord { timestamp, key: Some(b"key"), value: Some(b"value"), headers: &[] });
    }
    builder
}

/// As a Produce handler does it: bytes to a proven batch, then its records.
fn produce(bytes: Bytes, rules: &Rules) -> Result<(CheckedBatch, Validated), Rejected> {
    let mut batch = CheckedBatch::parse_produced(bytes)?;
    let validated = batch.validate_records(rules)?;
    let patched = CheckedBatch::parse(batch.to_bytes()).expect("what is accepted stays sound");
    assert_eq!(patched.header(), batch.header());
    Ok((batch, validated))
}

fn check_rejected(builder: Builder, rules: &Rules, kind: ErrorKind, indexes: &[i32]) {
    let rejected = produce(builder.build_bytes().unwrap(), rules).unwrap_err();
    assert_eq!(rejected.kind(), kind, "{rejected}");
    let found: Vec<_> = rejected.record_errors().iter().map(|error| error.batch_index).collect();
    assert_eq!(found, indexes, "{rejected}");
}

#[test]
fn finds_the_largest_timestamp_and_where_it_is_first() {
    for codec in Compression::ALL {
        let builder = with_timestamps(codec, &[NOW_MS - 5, NOW_MS + 7, NOW_MS, NOW_MS + 7]);
        let (batch, validated) = produce(builder.build_bytes().unwrap(), &rules()).unwrap();
        assert_eq!(validated.records_count, 4);
        assert_eq!(validated.max_timestamp, NOW_MS + 7);
        assert_eq!(validated.max_timestamp_offset_delta, 1);
        assert_eq!(validated.uncompressed_size, 4 * 15);
        assert_eq!(batch.header().max_timestamp, NOW_MS + 7);
    }
}

#[test]
fn a_wrong_max_timestamp_is_set_right() {
    let mut batch = with_timestamps(Compression::Zstd, &[NOW_MS]).build().unwrap();
    batch.set_max_timestamp(TimestampType::CreateTime, 5);
    let (batch, _) = produce(batch.to_bytes(), &rules()).unwrap();
    assert_eq!(batch.header().max_timestamp, NOW_MS);
}

#[test]
fn log_append_time_overrules_the_producer() {
    let rules = Rules { timestamp_type: TimestampType::LogAppendTime, ..rules() };
    let bytes = with_timestamps(Compression::Lz4, &[0, i64::MAX, 3]).build_bytes().unwrap();
    let (batch, validated) = produce(bytes, &rules).unwrap();
    assert_eq!((validated.max_timestamp, validated.max_timestamp_offset_delta), (NOW_MS, 0));
    assert_eq!(batch.header().attributes.timestamp_type(), TimestampType::LogAppendTime);
    for record in batch.records(&Limits::default()) {
        assert_eq!(record.unwrap().timestamp, NOW_MS);
    }
}

#[test]
fn timestamps_out_of_bounds_are_listed() {
    let late = NOW_MS + HOUR_MS + 1;
    let builder = with_timestamps(Compression::Gzip, &[late, NOW_MS, NO_TIMESTAMP, late, late - 1]);
    check_rejected(builder, &rules(), ErrorKind::InvalidTimestamp, &[0, 3]);
    let rules = Rules { timestamp_before_max_ms: 10, ..rules() };
    let builder = with_timestamps(Compression::None, &[NOW_MS - 10, NOW_MS - 11, NO_TIMESTAMP]);
    check_rejected(builder, &rules, ErrorKind::InvalidTimestamp, &[1]);
}

#[test]
fn a_client_may_not_set_log_append_time() {
    let mut builder = Builder::new().log_append_time(NO_TIMESTAMP);
    builder.push(NewRecord::default());
    check_rejected(builder, &rules(), ErrorKind::InvalidTimestamp, &[0]);
    let mut builder = Builder::new().log_append_time(NOW_MS);
    builder.push(NewRecord::default());
    let rules = Rules { timestamp_type: TimestampType::LogAppendTime, ..rules() };
    check_rejected(builder, &rules, ErrorKind::InvalidTimestamp, &[0]);
}

#[test]
fn compacted_topics_need_keys() {
    let rules = Rules { compacted: true, ..rules() };
    let mut builder = with_timestamps(Compression::Snappy, &[NOW_MS]);
    builder.push(NewRecord { timestamp: NOW_MS, ..NewRecord::default() });
    builder.push(NewRecord { timestamp: NOW_MS, key: Some(b""), ..NewRecord::default() });
    check_rejected(builder.clone(), &rules, ErrorKind::InvalidRecord, &[1]);
    builder.push(NewRecord { timestamp: i64::MAX, key: Some(b""), ..NewRecord::default() });
    check_rejected(builder, &rules, ErrorKind::InvalidTimestamp, &[1, 3]);

    let mut builder = Builder::new();
    (0..5).for_each(|_| builder.push(NewRecord { timestamp: NOW_MS, ..NewRecord::default() }));
    let rejected = produce(builder.build_bytes().unwrap(), &rules).unwrap_err();
    let one = |n| {
        format!(
            "RecordError(batchIndex={n}, message='Compacted topic cannot accept message without key in topic partition topic-0')"
        )
    };
    let first_three = [one(0), one(1), one(2)].join(", ");
    let expected = format!(
        "One or more records have been rejected due to 5 record errors in total, and only showing the first three errors at most: [{first_three}]"
    );
    assert_eq!(rejected.to_string(), expected);
}

#[test]
fn the_list_of_rejected_records_ends() {
    let rules = Rules { compacted: true, ..rules() };
    let mut builder = Builder::new();
    for _ in 0..=MAX_RECORD_ERRORS {
        builder.push(NewRecord::default());
    }
    let rejected = produce(builder.build_bytes().unwrap(), &rules).unwrap_err();
    assert_eq!(rejected.record_errors().len(), MAX_RECORD_ERRORS);
}

#[test]
fn clients_may_not_write_what_brokers_write() {
    let control = Builder::control(NOW_MS, ControlType::Commit, &[0; 6]);
    check_rejected(control.clone(), &rules(), ErrorKind::InvalidRecord, &[]);
    let broker = Rules { origin: Origin::Broker, ..rules() };
    produce(control.build_bytes().unwrap(), &broker).unwrap();

    let empty = Builder::new().last_offset_delta(3);
    check_rejected(empty, &rules(), ErrorKind::InvalidRecord, &[]);
    let wide = with_timestamps(Compression::None, &[NOW_MS]).last_offset_delta(1);
    check_rejected(wide, &rules(), ErrorKind::InvalidRecord, &[]);
}

#[test]
fn producer_and_sequence_go_together() {
    let batch = || with_timestamps(Compression::None, &[NOW_MS]);
    produce(batch().producer(5, 0, 0).transactional(true).build_bytes().unwrap(), &rules()).unwrap();
    produce(batch().producer(-1, -1, -1).build_bytes().unwrap(), &rules()).unwrap();
    check_rejected(batch().producer(5, 0, -1), &rules(), ErrorKind::InvalidRecord, &[]);
    check_rejected(batch().transactional(true), &rules(), ErrorKind::InvalidRecord, &[]);
}

#[test]
fn offsets_follow_one_another() {
    for codec in Compression::ALL {
        let mut builder = with_timestamps(codec, &[NOW_MS]);
        builder.push_at(2, NewRecord { timestamp: NOW_MS, ..NewRecord::default() });
        check_rejected(builder.last_offset_delta(1), &rules(), ErrorKind::InvalidRecord, &[]);
    }
}

/// How many records there are is known when they are walked, in both directions.
#[test]
fn the_record_count_must_be_true() {
    for codec in Compression::ALL {
        for (count, really) in [(3, 2), (2, 3)] {
            let records = with_timestamps(codec, &vec![NOW_MS; really]).build().unwrap();
            let header = with_timestamps(Compression::None, &vec![NOW_MS; count]).build().unwrap();
            let mut header = *header.header();
            header.attributes = records.header().attributes;
            header.batch_length = records.header().batch_length;
            header.crc = header.compute_crc(&records.tail());
            let bytes = [header.encode().as_slice(), &records.tail()].concat();
            let rejected = produce(bytes.into(), &rules()).unwrap_err();
            assert_eq!(rejected.kind(), ErrorKind::InvalidRecord, "{rejected}");
        }
    }
}

#[test]
fn produce_takes_one_whole_batch() {
    let batch = with_timestamps(Compression::None, &[NOW_MS]).build_bytes().unwrap();
    let check = |bytes: &[u8], kind| {
        let result = CheckedBatch::parse_produced(Bytes::copy_from_slice(bytes));
        assert_eq!(result.err().map(|error| error.kind()), kind, "{bytes:?}");
    };
    let with = |more: &[u8]| [&batch, more].concat();
    check(&batch, None);
    check(&[], Some(ErrorKind::InvalidRecord));
    check(&batch[..batch.len() - 1], Some(ErrorKind::InvalidRecord));
    check(&with(&batch), Some(ErrorKind::InvalidRecord));
    check(&with(&batch[..20]), None);
    check(&with(&[0; 11]), None);
    check(&with(&[0; 12]), Some(ErrorKind::CorruptMessage));
}

#[test]
fn every_fault_of_a_header_has_its_error() {
    let batch = with_timestamps(Compression::None, &[NOW_MS]).build_bytes().unwrap();
    let check = |position: usize, bytes: &[u8], expected: fn(&Error) -> bool, kind| {
        let mut broken = BytesMut::from(batch.as_ref());
        broken[position..position + bytes.len()].copy_from_slice(bytes);
        let crc = crc32c::crc32c(&broken[21..]);
        if position > 20 {
            broken[17..21].copy_from_slice(&crc.to_be_bytes());
        }
        let error = CheckedBatch::parse_produced(broken.freeze()).unwrap_err();
        assert!(expected(&error), "{error:?}");
        assert_eq!(error.kind(), kind, "{error:?}");
    };
    use ErrorKind::{CorruptMessage, InvalidRecord, UnsupportedCompressionType};
    check(8, &13_i32.to_be_bytes(), |e| matches!(e, Error::Length(13)), CorruptMessage);
    check(8, &48_i32.to_be_bytes(), |e| matches!(e, Error::Length(48)), CorruptMessage);
    check(8, &(-1_i32).to_be_bytes(), |e| matches!(e, Error::Length(-1)), CorruptMessage);
    check(8, &i32::MAX.to_be_bytes(), |e| matches!(e, Error::Empty), InvalidRecord);
    check(16, &[0], |e| matches!(e, Error::OldMagic(0)), InvalidRecord);
    check(16, &[1], |e| matches!(e, Error::OldMagic(1)), InvalidRecord);
    check(16, &[3], |e| matches!(e, Error::UnknownMagic(3)), CorruptMessage);
    check(16, &[255], |e| matches!(e, Error::UnknownMagic(-1)), CorruptMessage);
    check(17, &[0; 4], |e| matches!(e, Error::Crc { stored: 0, .. }), CorruptMessage);
    check(21, &[0, 5], |e| matches!(e, Error::UnknownCompression(5)), UnsupportedCompressionType);
    check(23, &(-1_i32).to_be_bytes(), |e| matches!(e, Error::OffsetRange { .. }), InvalidRecord);
    check(57, &(-1_i32).to_be_bytes(), |e| matches!(e, Error::Count { .. }), InvalidRecord);
    check(57, &2_i32.to_be_bytes(), |e| matches!(e, Error::Count { .. }), InvalidRecord);
}

#[test]
fn a_fetched_sequence_may_end_in_part_of_a_batch() {
    let one = with_timestamps(Compression::None, &[NOW_MS]).build_bytes().unwrap();
    let bytes = Bytes::from([&one, &one, &one[..30]].concat());
    let (batches, rest) = CheckedBatches::parse_whole(bytes.clone()).unwrap();
    assert_eq!(batches.count(), 2);
    assert!(matches!(rest, Some(Error::Truncated { needed: 61, available: 30 })), "{rest:?}");
    assert!(matches!(CheckedBatches::parse(bytes), Err(Error::Truncated { .. })));
    assert!(matches!(CheckedBatches::parse(Bytes::new()), Err(Error::Empty)));
}

#[test]
fn offsets_do_not_overflow() {
    let last = with_timestamps(Compression::None, &[NOW_MS]).base_offset(i64::MAX - 1).build_bytes().unwrap();
    assert_eq!(CheckedBatch::parse(last).unwrap().header().next_offset(), i64::MAX);
    for base_offset in [i64::MAX, -1, i64::MIN] {
        let beyond = with_timestamps(Compression::None, &[NOW_MS]).base_offset(base_offset).build_bytes().unwrap();
        assert!(matches!(CheckedBatch::parse(beyond), Err(Error::OffsetRange { .. })));
    }
}
