//! A batch written anew under another codec is the same batch to whoever reads it.
#![allow(clippy::unwrap_used, reason = "a test")]

use ottla_protocol::batch::{Builder, CheckedBatch, NewRecord, Record, TimestampType};
use ottla_protocol::compression::{Compression, Level, Limits};

const CODECS: [Compression; 5] =
    [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

fn produced(codec: Compression) -> CheckedBatch {
    let mut builder =
        Builder::new().compression(codec, Level::Default).producer(7, 3, i32::MAX - 1).transactional(true);
    let long = [b'x'; 3000];
    let headers: &[(&[u8], Option<&[u8]>)] = &[(b"h", Some(b"1")), (b"h", None), (b"h", Some(b"1"))];
    for (timestamp, key, value, headers) in [
        (1000, Some(&b"k"[..]), Some(&b""[..]), headers),
        (-1, None, Some(&long[..]), &[]),
        (5000, Some(&b""[..]), None, &[(&b""[..], Some(&b""[..]))]),
        (2000, None, None, &[]),
    ] {
        builder.push(NewRecord { timestamp, key, value, headers });
    }
    builder.build().unwrap()
}

fn records(batch: &CheckedBatch) -> Vec<Record> {
    batch.records(&Limits::default()).map(Result::unwrap).collect()
}

#[test]
fn records_and_producer_stay_under_every_codec() {
    for from in CODECS {
        for to in CODECS {
            let before = produced(from);
            let after = before.recompressed(to, Level::Default, &Limits::default()).unwrap();
            assert_eq!(after.compression(), to);
            assert_eq!(records(&after), records(&before), "{from:?} to {to:?}");
            assert_eq!(CheckedBatch::parse(after.to_bytes()).unwrap().header(), after.header());
            let told = |batch: &CheckedBatch| {
                let header = *batch.header();
                (header.producer_id, header.producer_epoch, header.base_sequence, header.last_sequence())
            };
            assert_eq!(told(&after), told(&before));
            assert!(after.header().attributes.is_transactional());
            assert_eq!(after.header().max_timestamp, 5000);
            assert_eq!(after.header().base_timestamp, 1000);
            if from == to {
                assert_eq!(after.to_bytes(), before.to_bytes(), "the same codec changes nothing");
            }
        }
    }
}

#[test]
fn a_stamped_batch_stays_stamped() {
    let mut before = produced(Compression::Gzip);
    before.set_max_timestamp(TimestampType::LogAppendTime, 9000);
    let after = before.recompressed(Compression::Zstd, Level::Of(1), &Limits::default()).unwrap();
    assert_eq!(after.header().attributes.timestamp_type(), TimestampType::LogAppendTime);
    assert!(records(&after).iter().all(|record| record.timestamp == 9000));
}

#[test]
fn what_does_not_decompress_within_the_limits_is_refused() {
    let batch = produced(Compression::Gzip);
    assert!(batch.recompressed(Compression::None, Level::Default, &Limits::with_max_output(100)).is_err());
}
