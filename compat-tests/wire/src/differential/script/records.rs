//! Batches to produce.

use crate::differential::run::Run;
use ottla_protocol::{
    Bytes,
    batch::{Builder, NewRecord},
    compression::{Compression, Level},
};

/// How a batch of three records differs from the usual.
#[derive(Clone)]
pub(super) struct Batch {
    pub(super) compression: Compression,
    pub(super) keyless: bool,
    /// Bytes of each value.
    pub(super) value: usize,
    /// Of all records; 0 for the run's clock.
    pub(super) timestamp: i64,
    pub(super) producer: Option<(i64, i16, i32)>,
    pub(super) transactional: bool,
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            compression: Compression::None,
            keyless: false,
            value: 20,
            timestamp: 0,
            producer: None,
            transactional: false,
        }
    }
}

pub(super) fn batch(run: &Run, batch: Batch) -> anyhow::Result<Bytes> {
    let mut builder = Builder::new().compression(batch.compression, Level::Default);
    if let Some((id, epoch, sequence)) = batch.producer {
        builder = builder.producer(id, epoch, sequence);
    }
    builder = builder.transactional(batch.transactional);
    let timestamp = if batch.timestamp == 0 { run.now_ms() } else { batch.timestamp };
    for n in 0..3u8 {
        let key = [n];
        let value = vec![n; batch.value];
        builder.push(NewRecord {
            timestamp,
            key: (!batch.keyless).then_some(key.as_slice()),
            value: Some(&value),
            ..NewRecord::default()
        });
    }
    Ok(builder.build_bytes()?)
}

/// The same bytes with a checksum that is right.
pub(super) fn with_crc(mut bytes: Vec<u8>) -> Bytes {
    const CRC: core::ops::Range<usize> = 17..21;
    let crc = crc32c(bytes.get(CRC.end..).unwrap_or_default());
    bytes.splice(CRC, crc.to_be_bytes());
    Bytes::from(bytes)
}

/// CRC-32C bit by bit: a few batches need no table.
fn crc32c(bytes: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 })
    })
}
