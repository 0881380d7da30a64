//! Writes a log dir with logs of every kind, for Apache Kafka's tools to read: `sample_logs DIR`.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "a program, not a part of the crate")]

use std::path::Path;
use std::sync::Arc;

use ottla_protocol::Uuid;
use ottla_protocol::batch::control::EndTxnMarker;
use ottla_protocol::batch::{Builder, CheckedBatches, NewRecord};
use ottla_protocol::compression::{Compression, Level};
use ottla_storage::fs::RealFs;
use ottla_storage::log_dir::{Checkpoint, LogDir, MetaProperties, PartitionOffsets};
use ottla_storage::{Log, LogConfig, Origin};

const NOW: i64 = 1_700_000_000_000;

fn main() {
    let path = std::env::args().nth(1).unwrap();
    let mut dir = LogDir::open(Path::new(&path), Arc::new(RealFs::default())).unwrap();
    let directory_id = Some(Uuid::from_random_bytes([5; 16]));
    let cluster_id = Some("4L6g3nShT-eMCtK--X86sw".to_owned());
    dir.set_meta_properties(MetaProperties { cluster_id, node_id: Some(1), directory_id }).unwrap();
    let config = LogConfig { segment_bytes: 1 << 20, ..LogConfig::default() };
    let mut ends = PartitionOffsets::new();
    for (n, fill) in [codecs, transactions, idempotent].into_iter().enumerate() {
        let partition = n as i32;
        let mut log =
            dir.create_log("sample", partition, Uuid::from_random_bytes([9; 16]), config.clone(), NOW).unwrap();
        fill(&mut log);
        log.set_high_watermark(log.log_end_offset());
        ends.insert(("sample".to_owned(), partition), log.close().unwrap());
    }
    dir.write_checkpoint(Checkpoint::RecoveryPoint, &ends).unwrap();
    dir.write_checkpoint(Checkpoint::HighWatermark, &ends).unwrap();
    dir.write_checkpoint(Checkpoint::LogStartOffset, &PartitionOffsets::new()).unwrap();
    dir.mark_clean_shutdown(1).unwrap();
    // One more that nobody closes.
    let mut killed = dir.create_log("killed", 0, Uuid::from_random_bytes([8; 16]), config, NOW).unwrap();
    codecs(&mut killed);
}

fn records(log: &Log, count: i64, compression: Compression) -> Builder {
    let mut builder = Builder::new().compression(compression, Level::Default);
    for offset in log.log_end_offset()..log.log_end_offset() + count {
        let (key, value) =
            (format!("key {offset}"), format!("{{\"offset\": {offset}, \"text\": \"{}\"}}", "x".repeat(50)));
        builder.push(NewRecord {
            timestamp: NOW + offset * 10,
            key: Some(key.as_bytes()),
            value: Some(value.as_bytes()),
            headers: &[(b"h", Some(b"1")), (b"h", None)],
        });
    }
    builder
}

fn append(log: &mut Log, builder: Builder, epoch: i32, origin: Origin) {
    log.append_as_leader(CheckedBatches::from(builder.build().unwrap()), epoch, NOW, origin).unwrap();
}

fn codecs(log: &mut Log) {
    let codecs = [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];
    for n in 0..2000 {
        let builder = records(log, 1 + n % 60, codecs[(n % 5) as usize]);
        append(log, builder, (n / 500) as i32, Origin::Client);
    }
}

fn transactions(log: &mut Log) {
    let mut sequences = [0; 3];
    for n in 0..3000 {
        let producer = (n % 3) as usize;
        let producer_id = 1000 + producer as i64;
        let builder =
            records(log, 5, Compression::None).producer(producer_id, 0, sequences[producer]).transactional(true);
        append(log, builder, 0, Origin::Client);
        sequences[producer] += 5;
        if n % 7 == 0 {
            let marker = EndTxnMarker { coordinator_epoch: 2 };
            let end = Builder::end_transaction(NOW, producer_id, 0, n % 2 == 0, marker);
            append(log, end, 0, Origin::Marker { transaction_version: 1 });
        }
    }
}

fn idempotent(log: &mut Log) {
    for n in 0..500 {
        let builder = records(log, 3, Compression::Zstd).producer(42, 1, n * 3);
        append(log, builder, 0, Origin::Client);
    }
}
