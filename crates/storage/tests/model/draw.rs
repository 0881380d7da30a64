//! Draws batches and settings.

use ottla_protocol::batch::control::EndTxnMarker;
use ottla_protocol::batch::{Builder, CheckedBatch, NewRecord, TimestampType};
use ottla_protocol::compression::{Compression, Level};
use ottla_storage::LogConfig;

use super::batch::{Marker, Sequence};
use super::marks::mark;
use super::rng::Rng;

/// Offsets below this are within one index's reach.
const TEXT: &[u8] = &[b'x'; 700];

pub fn config(rng: &mut Rng, compact: bool) -> LogConfig {
    LogConfig {
        segment_bytes: rng.pick(&[300, 600, 1200, 3000, 10_000]),
        segment_ms: rng.pick(&[500, 5_000, 1_000_000_000]),
        segment_index_bytes: rng.pick(&[24, 100, 1 << 20, 1 << 20]),
        index_interval_bytes: rng.pick(&[0, 100, 300, 4096]),
        max_message_bytes: rng.pick(&[400, 1_000_000, 1_000_000]),
        message_timestamp_type: if rng.percent(20) { TimestampType::LogAppendTime } else { TimestampType::CreateTime },
        flush_messages: rng.pick(&[1, 10, i64::MAX]),
        retention_ms: rng.pick(&[-1, 2_000, 50_000]),
        retention_bytes: rng.pick(&[-1, 500, 4_000]),
        preallocate: rng.percent(20),
        delete: !compact || rng.percent(50),
        compact,
        producer_id_expiration_ms: rng.pick(&[5_000, 1_000_000, 1_000_000_000]),
        ..LogConfig::default()
    }
}

pub fn compression(rng: &mut Rng) -> Compression {
    if rng.percent(88) {
        return Compression::None;
    }
    let (codec, what) = rng.pick(&[
        (Compression::Gzip, "append gzip"),
        (Compression::Snappy, "append snappy"),
        (Compression::Lz4, "append lz4"),
        (Compression::Zstd, "append zstd"),
    ]);
    mark(what);
    codec
}

fn timestamp(rng: &mut Rng, now: i64) -> i64 {
    match rng.below(20) {
        0 => -1,
        1 => 0,
        2 => now - 100_000,
        3 => now + 3_000,
        _ => now - rng.within(0, 300),
    }
}

/// Some records, as any client may write them.
pub fn records(rng: &mut Rng, now: i64) -> Builder {
    let mut builder = Builder::new().compression(compression(rng), Level::Default);
    let count = rng.pick(&[1, 1, 1, 2, 3, 8]);
    for _ in 0..count {
        let len = rng.pick(&[0, 1, 7, 30, 120, 500]);
        let key = rng.next().to_be_bytes();
        let headers: &[(&[u8], Option<&[u8]>)] =
            if rng.percent(10) { &[(b"h", Some(b"1")), (b"h", None), (b"", Some(b""))] } else { &[] };
        builder.push(NewRecord {
            timestamp: timestamp(rng, now),
            key: rng.percent(60).then_some(&key),
            value: rng.percent(90).then_some(&TEXT[..len]),
            headers,
        });
    }
    builder
}

pub fn marker(now: i64, sequence: Sequence, marker: Marker) -> CheckedBatch {
    let end = EndTxnMarker { coordinator_epoch: marker.coordinator_epoch };
    Builder::end_transaction(now, sequence.id, sequence.epoch, !marker.abort, end).build().unwrap()
}
