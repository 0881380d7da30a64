//! Batches as an idempotent producer sends them, and logs of them.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use ottla_protocol::batch::{Builder, CheckedBatches, NewRecord};
use ottla_storage::fs::RealFs;
use ottla_storage::{Log, LogConfig, OpenOptions, Origin};

pub(crate) const NOW_MS: i64 = 1_700_000_000_000;
/// Bytes of a record's value.
const VALUE_BYTES: usize = 940;

/// Batch number `n` of about `size` bytes of a producer who sends no other.
pub(crate) fn batch(n: usize, size: usize) -> Bytes {
    let records = size.div_ceil(1024);
    let value = vec![b'v'; VALUE_BYTES];
    let mut builder = Builder::new().producer(1, 0, (n * records) as i32);
    for _ in 0..records {
        builder.push(NewRecord { timestamp: NOW_MS + n as i64, value: Some(&value), ..NewRecord::default() });
    }
    builder.build().unwrap().to_bytes()
}

/// A batch of `records` small records whose keys are drawn from `keys` many.
pub(crate) fn keyed_batch(rng: &mut u64, records: usize, keys: u64) -> Bytes {
    let mut builder = Builder::new();
    for _ in 0..records {
        *rng = rng.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let key = format!("key {}", (*rng >> 33) % keys);
        builder.push(NewRecord {
            timestamp: NOW_MS,
            key: Some(key.as_bytes()),
            value: Some(&[b'v'; 100]),
            ..NewRecord::default()
        });
    }
    builder.build().unwrap().to_bytes()
}

pub(crate) fn open(dir: &Path, options: &OpenOptions) -> Log {
    Log::open(Arc::new(RealFs::default()), dir, options).unwrap()
}

/// A new log.
pub(crate) fn create(dir: &Path, config: LogConfig) -> Log {
    open(dir, &OpenOptions { config, now_ms: NOW_MS, ..OpenOptions::default() })
}

/// Proves a batch and appends it, as for a client's request.
pub(crate) fn append(log: &mut Log, batch: &Bytes) {
    let batches = CheckedBatches::parse(batch.clone()).unwrap();
    log.append_as_leader(batches, 0, NOW_MS, Origin::Client).unwrap();
}
