//! Batches that Apache Kafka 4.3.1 wrote, against what Kafka reads out of them. `data/batch/Golden.java` made both.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::fmt::Write;

use bytes::Bytes;
use ottla_protocol::batch::control::{ControlType, EndTxnMarker};
use ottla_protocol::batch::{Builder, CheckedBatch, Header, NewRecord, Record, TimestampType};
use ottla_protocol::compression::{Compression, Level, Limits};

macro_rules! golden {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_bytes!(concat!("data/batch/", $name, ".bin")).as_slice(), include_str!(concat!("data/batch/", $name, ".txt")))),*]
    };
}

const GOLDEN: [(&str, &[u8], &str); 18] = golden![
    "small-none",
    "small-gzip",
    "small-snappy",
    "small-lz4",
    "small-zstd",
    "large-gzip",
    "large-snappy",
    "large-lz4",
    "large-lz4-17",
    "large-zstd",
    "large-zstd-22",
    "transactional",
    "log-append-time",
    "end-transaction-abort",
    "end-transaction-commit",
    "leader-change",
    "emptied",
    "delete-horizon",
];

#[test]
fn reads_what_kafka_reads() {
    for (name, bytes, expected) in GOLDEN {
        let batch = CheckedBatch::parse(Bytes::from_static(bytes)).unwrap();
        assert_eq!(batch.head().as_slice(), &bytes[..61], "{name}");
        assert_eq!(dump(&batch), expected, "{name}");
    }
}

#[test]
fn writes_the_very_bytes_of_kafka() {
    let mut built = vec![("small-none", with_small(Builder::new().base_offset(7_000_000_000).leader_epoch(5), 0, 1))];
    let transactional =
        Builder::new().base_offset(40).leader_epoch(9).producer(90210, 3, i32::MAX - 1).transactional(true);
    built.push(("transactional", with_small(transactional, 0, 1)));
    built.push(("log-append-time", with_small(Builder::new().log_append_time(1_800_000_000_000), 0, 1)));
    let horizon =
        Builder::new().base_offset(500).leader_epoch(4).delete_horizon_ms(1_750_000_000_000).last_offset_delta(20);
    built.push(("delete-horizon", with_small(horizon, 1, 3)));
    for (name, commit) in [("end-transaction-abort", false), ("end-transaction-commit", true)] {
        let marker = EndTxnMarker { coordinator_epoch: 12 };
        let builder = Builder::end_transaction(1_700_000_000_001, 90210, 3, commit, marker);
        built.push((name, builder.base_offset(77).leader_epoch(4)));
    }
    let leader_change = [0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 1, 0, 1, 0];
    let builder = Builder::control(1_700_000_000_002, ControlType::LeaderChange, &leader_change);
    built.push(("leader-change", builder.base_offset(3).leader_epoch(2)));
    for (name, builder) in built {
        let (_, bytes, _) = GOLDEN.into_iter().find(|golden| golden.0 == name).unwrap();
        assert_eq!(builder.build_bytes().unwrap(), bytes, "{name}");
    }
}

#[test]
fn patches_the_crc_as_kafka_does() {
    let mut batch = with_small(Builder::new(), 0, 1).build().unwrap();
    batch.set_max_timestamp(TimestampType::LogAppendTime, 1_800_000_000_000);
    let bytes = [batch.head().as_slice(), &batch.tail()].concat();
    assert_eq!(bytes, include_bytes!("data/batch/log-append-time.bin"));
    assert_eq!(batch.to_bytes(), bytes);
}

/// The blocks of LZ4 and snappy are cut as Kafka cuts them, though the compressors differ.
#[test]
fn frames_blocks_as_kafka_does() {
    for (codec, name) in [(Compression::Snappy, "large-snappy"), (Compression::Lz4, "large-lz4")] {
        let (_, bytes, _) = GOLDEN.into_iter().find(|golden| golden.0 == name).unwrap();
        let theirs = Bytes::from_static(bytes).slice(61..);
        let records = codec.decompress_all(theirs.clone(), &Limits::default()).unwrap();
        let ours = codec.compress(&records, Level::Default).unwrap();
        assert_eq!(ours[..7], theirs[..7]);
        assert_eq!(block_count(codec, &ours), block_count(codec, &theirs));
    }
}

fn block_count(codec: Compression, mut bytes: &[u8]) -> usize {
    bytes = &bytes[if codec == Compression::Lz4 { 7 } else { 16 }..];
    let mut count = 0;
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let length = match codec {
            Compression::Lz4 => u32::from_le_bytes(*length) & !(1 << 31),
            _ => u32::from_be_bytes(*length),
        };
        bytes = &rest[length as usize..];
        count += 1;
    }
    assert!(bytes.is_empty());
    count
}

fn with_small(mut builder: Builder, first: i32, step: i32) -> Builder {
    let headers: [(&[u8], Option<&[u8]>); 3] = [(b"same", Some(b"1")), (b"other", None), (b"same", Some(b""))];
    let records = [
        NewRecord { timestamp: 1_700_000_000_000, key: Some(b"key"), value: Some(b"value"), headers: &[] },
        NewRecord { timestamp: 1_700_000_000_500, key: None, value: Some(b"no key"), headers: &headers },
        NewRecord { timestamp: 1_699_999_999_000, key: Some(b"key"), value: None, headers: &[] },
        NewRecord { timestamp: 1_700_000_000_100, key: Some(b""), value: Some(b""), headers: &[] },
    ];
    for (offset_delta, record) in (first..).step_by(step as usize).zip(records) {
        builder.push_at(offset_delta, record);
    }
    builder
}

fn dump(batch: &CheckedBatch) -> String {
    let mut lines = String::new();
    for record in batch.records(&Limits::default()) {
        writeln!(lines, "{}", dump_record(&record.unwrap())).unwrap();
    }
    if batch.header().records_count > 100 {
        lines = format!("{}\n", text(Some(lines.as_bytes())));
    }
    format!("{}\n{lines}", dump_header(batch.header(), batch.size_in_bytes()))
}

fn dump_header(header: &Header, size: usize) -> String {
    let attributes = header.attributes;
    let mut flags = String::new();
    if attributes.is_transactional() {
        flags += " transactional";
    }
    if attributes.is_control() {
        flags += " control";
    }
    if let Some(horizon) = header.delete_horizon_ms() {
        write!(flags, " horizon {horizon}").unwrap();
    }
    format!(
        "batch offsets {}..{} epoch {} codec {} {:?} producer {}/{} sequence {}..{}{flags} count {} timestamps {}..{} size {size}",
        header.base_offset,
        header.last_offset(),
        header.partition_leader_epoch,
        attributes.compression().unwrap().name(),
        attributes.timestamp_type(),
        header.producer_id,
        header.producer_epoch,
        header.base_sequence,
        header.last_sequence(),
        header.records_count,
        header.base_timestamp,
        header.max_timestamp,
    )
}

fn dump_record(record: &Record) -> String {
    let Record { offset, timestamp, key, value, headers } = record;
    let mut line = format!("{offset} {timestamp} {} {}", text(key.as_deref()), text(value.as_deref()));
    for (name, value) in headers {
        write!(line, " {}={}", String::from_utf8_lossy(name), text(value.as_deref())).unwrap();
    }
    line
}

fn text(bytes: Option<&[u8]>) -> String {
    match bytes {
        None => "null".into(),
        Some(bytes) if bytes.len() > 20 => format!("{}/{:08x}", bytes.len(), crc32c::crc32c(bytes)),
        Some(bytes) => format!("'{}'", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
    }
}
