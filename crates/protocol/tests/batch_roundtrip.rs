//! What was built is read again, by this crate and by kafka-protocol, an independent implementation.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

use bytes::{Bytes, BytesMut};
use kafka_protocol::records::{
    Compression as OracleCompression, Record as OracleRecord, RecordBatchDecoder, RecordBatchEncoder,
    RecordEncodeOptions, TimestampType as OracleTimestampType,
};
use ottla_protocol::batch::{Builder, CheckedBatch, CheckedBatches, NewRecord, Record};
use ottla_protocol::compression::{Compression, Level, Limits};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_codec_gives_back_what_was_compressed(input in compressible(), codec in codec()) {
        let compressed = codec.compress(&input, Level::Default).unwrap();
        let output = codec.decompress_all(compressed.into(), &Limits::default()).unwrap();
        prop_assert_eq!(output, input);
    }

    #[test]
    fn records_come_back(records in vec(record(), 1..20), codec in codec(), base_offset in 0..i64::MAX / 2) {
        let batch = build(&records, codec, base_offset);
        let parsed = CheckedBatch::parse(batch.to_bytes()).unwrap();
        prop_assert_eq!(parsed.header(), batch.header());
        let expected = (base_offset..).zip(&records).map(|(offset, record)| Record { offset, ..record.clone() });
        let read: Vec<_> = parsed.records(&Limits::default()).map(Result::unwrap).collect();
        prop_assert_eq!(read, expected.collect::<Vec<_>>());
    }

    #[test]
    fn batches_come_back_one_by_one(sizes in vec(1..5_usize, 1..6)) {
        let mut bytes = BytesMut::new();
        for size in &sizes {
            bytes.extend_from_slice(&build(&vec![sample(); *size], Compression::None, 0).to_bytes());
        }
        let total = bytes.len();
        let batches = CheckedBatches::parse(bytes.freeze()).unwrap();
        let counts: Vec<_> = batches.iter().map(|batch| batch.header().records_count as usize).collect();
        prop_assert_eq!(counts, sizes);
        prop_assert_eq!(batches.total_size(), total);
    }

    #[test]
    fn patches_stay_valid(offset in 0..i64::MAX / 2, epoch in any::<i32>(), codec in codec()) {
        let mut batch = build(&[sample(), sample()], codec, 0);
        batch.set_base_offset(offset);
        batch.set_leader_epoch(epoch);
        let written = [batch.head().as_slice(), &batch.tail()].concat();
        prop_assert_eq!(&batch.to_bytes(), &written);
        let parsed = CheckedBatch::parse(written.into()).unwrap();
        prop_assert_eq!(parsed.header(), batch.header());
        prop_assert_eq!(parsed.header().next_offset(), offset + 2);
    }

    #[test]
    fn what_kafka_protocol_writes_is_read_here(records in vec(record(), 1..20), codec in codec()) {
        let oracle: Vec<_> = (0..).zip(&records).map(|(offset, record)| to_oracle(offset, record)).collect();
        let mut bytes = BytesMut::new();
        let options = RecordEncodeOptions { version: 2, compression: to_oracle_codec(codec) };
        RecordBatchEncoder::encode_with_custom_compression(&mut bytes, &oracle, &options, Some(
            |records: &mut BytesMut, out: &mut BytesMut, _| {
                out.extend_from_slice(&codec.compress(records, Level::Default)?);
                Ok(())
            },
        )).unwrap();
        let batch = CheckedBatch::parse(bytes.freeze()).unwrap();
        prop_assert_eq!(batch.compression(), codec);
        let read: Vec<_> = batch.records(&Limits::default()).map(Result::unwrap).collect();
        let expected = oracle.iter().map(from_oracle);
        prop_assert_eq!(read, expected.collect::<Vec<_>>());
    }

    #[test]
    fn what_is_written_here_is_read_by_kafka_protocol(records in vec(record(), 1..20), codec in codec()) {
        let batch = build(&records, codec, 5);
        let decompress = |compressed: &mut Bytes, _| {
            Ok(codec.decompress_all(std::mem::take(compressed), &Limits::default())?.into())
        };
        let decoded = RecordBatchDecoder::decode_with_custom_compression(&mut batch.to_bytes(), Some(decompress)).unwrap();
        let read: Vec<_> = decoded.records.iter().map(from_oracle).collect();
        // The oracle keeps one header a name.
        let expected = (5..).zip(&records).map(|(offset, record)| from_oracle(&to_oracle(offset, record)));
        prop_assert_eq!(read, expected.collect::<Vec<_>>());
    }
}

fn build(records: &[Record], codec: Compression, base_offset: i64) -> CheckedBatch {
    let mut builder = Builder::new().base_offset(base_offset).compression(codec, Level::Default);
    for Record { timestamp, key, value, headers, .. } in records {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_ref(), value.as_deref())).collect();
        let (key, value) = (key.as_deref(), value.as_deref());
        builder.push(NewRecord { timestamp: *timestamp, key, value, headers: &headers });
    }
    builder.build().unwrap()
}

fn sample() -> Record {
    Record { offset: 0, timestamp: 1, key: None, value: Some(Bytes::from_static(b"value")), headers: Vec::new() }
}

fn codec() -> impl Strategy<Value = Compression> {
    proptest::sample::select(Compression::ALL.as_slice())
}

/// Long runs and noise, over several blocks of every codec.
fn compressible() -> impl Strategy<Value = Vec<u8>> {
    vec((any::<u8>(), prop_oneof![1..20_usize, 1..100_000_usize]), 0..20)
        .prop_map(|runs| runs.into_iter().flat_map(|(byte, length)| vec![byte; length]).collect())
}

fn record() -> impl Strategy<Value = Record> {
    let name = "[a-c]{0,2}".prop_map(Bytes::from);
    let timestamp = prop_oneof![Just(-1), 0..i64::MAX, 1_700_000_000_000..1_700_000_100_000_i64];
    (timestamp, payload(), payload(), vec((name, payload()), 0..5))
        .prop_map(|(timestamp, key, value, headers)| Record { offset: 0, timestamp, key, value, headers })
}

fn payload() -> impl Strategy<Value = Option<Bytes>> {
    let bytes =
        prop_oneof![vec(any::<u8>(), 0..10), vec(any::<u8>(), 0..300), any::<u8>().prop_map(|byte| vec![byte; 40_000])];
    option::of(bytes.prop_map(Bytes::from))
}

fn to_oracle(offset: i64, record: &Record) -> OracleRecord {
    let name = |name: &Bytes| String::from_utf8(name.to_vec()).unwrap().into();
    OracleRecord {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: 0,
        producer_id: -1,
        producer_epoch: -1,
        timestamp_type: OracleTimestampType::Creation,
        offset,
        // Records whose sequence does not follow would go to another batch.
        sequence: offset as i32,
        timestamp: record.timestamp,
        key: record.key.clone(),
        value: record.value.clone(),
        headers: record.headers.iter().map(|(key, value)| (name(key), value.clone())).collect(),
    }
}

fn from_oracle(record: &OracleRecord) -> Record {
    let headers = record.headers.iter().map(|(name, value)| (Bytes::from(name.to_string()), value.clone()));
    Record {
        offset: record.offset,
        timestamp: record.timestamp,
        key: record.key.clone(),
        value: record.value.clone(),
        headers: headers.collect(),
    }
}

fn to_oracle_codec(codec: Compression) -> OracleCompression {
    match codec {
        Compression::None => OracleCompression::None,
        Compression::Gzip => OracleCompression::Gzip,
        Compression::Snappy => OracleCompression::Snappy,
        Compression::Lz4 => OracleCompression::Lz4,
        Compression::Zstd => OracleCompression::Zstd,
    }
}
