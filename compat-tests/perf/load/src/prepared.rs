//! Produce requests of one batch, encoded once and sent any number of times.

use ottla_protocol::batch::{Builder, NewRecord};
use ottla_protocol::compression::{Compression, Level};
use ottla_protocol::messages::ProduceRequest;
use ottla_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use ottla_protocol::{ApiKey, Records, Str};

use crate::client;

/// The last one that names topics.
pub(crate) const VERSION: i16 = 12;

#[derive(clap::Args, Clone)]
pub(crate) struct Batch {
    /// Bytes of a batch, about
    #[arg(long, default_value_t = 16384)]
    pub(crate) batch: usize,
    /// Bytes of a record's value
    #[arg(long, default_value_t = 1000)]
    pub(crate) record: usize,
    #[arg(long, default_value_t = -1, allow_negative_numbers = true)]
    pub(crate) acks: i16,
    /// Codec: none, gzip, snappy, lz4 or zstd
    #[arg(long, default_value = "none")]
    pub(crate) compression: String,
}

pub(crate) struct Prepared {
    pub(crate) frame: Vec<u8>,
    pub(crate) batch_bytes: usize,
    pub(crate) records: u64,
}

impl Batch {
    pub(crate) fn prepare(&self, topic: &str, partition: i32) -> anyhow::Result<Prepared> {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
        let count = (self.batch.saturating_sub(61) / (self.record + 10)).max(1);
        let mut builder = Builder::new().compression(self.codec()?, Level::Default);
        for n in 0..count {
            let value = words(self.record, (partition as u64) << 20 | n as u64);
            let timestamp = now.as_millis() as i64;
            builder.push(NewRecord { timestamp, value: Some(&value), ..NewRecord::default() });
        }
        let bytes = builder.build_bytes()?;
        let batch_bytes = bytes.len();
        let body = ProduceRequest {
            acks: self.acks,
            timeout_ms: 30_000,
            topic_data: vec![TopicProduceData {
                name: Str::from(topic),
                partition_data: vec![PartitionProduceData {
                    index: partition,
                    records: Some(Records::Bytes(bytes)),
                    ..Default::default()
                }],
                ..Default::default()
            }],
            ..Default::default()
        };
        Ok(Prepared { frame: client::request(ApiKey::Produce, VERSION, &body)?, batch_bytes, records: count as u64 })
    }

    fn codec(&self) -> anyhow::Result<Compression> {
        Ok(match self.compression.as_str() {
            "none" => Compression::None,
            "gzip" => Compression::Gzip,
            "snappy" => Compression::Snappy,
            "lz4" => Compression::Lz4,
            "zstd" => Compression::Zstd,
            other => anyhow::bail!("no such codec: {other}"),
        })
    }
}

/// Bytes that compress about as text does.
fn words(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(format!("{:x} ", state % 4096).as_bytes());
    }
    bytes.truncate(len);
    bytes
}
