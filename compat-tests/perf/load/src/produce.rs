//! Produce requests of one batch each, at a rate or as fast as the answers come.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use ottla_protocol::batch::{Builder, NewRecord};
use ottla_protocol::compression::{Compression, Level};
use ottla_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use ottla_protocol::messages::{ProduceRequest, ProduceResponse};
use ottla_protocol::{ApiKey, Records, Str};

use crate::client::{self, Receiver, Sender};
use crate::figures::Figures;

/// The last one that names topics.
const VERSION: i16 = 12;

#[derive(clap::Args, Clone)]
pub(crate) struct Produce {
    /// Partitions, shared among the connections
    #[arg(long, default_value_t = 1)]
    partitions: i32,
    #[arg(long, default_value_t = 1)]
    connections: i32,
    /// Requests under way on a connection
    #[arg(long, default_value_t = 5)]
    in_flight: usize,
    /// Bytes of a batch, about
    #[arg(long, default_value_t = 16384)]
    batch: usize,
    /// Bytes of a record's value
    #[arg(long, default_value_t = 1000)]
    record: usize,
    #[arg(long, default_value_t = -1, allow_negative_numbers = true)]
    acks: i16,
    /// Megabytes a second; as fast as the answers come if not given. Latency counts from when a request was due
    #[arg(long)]
    rate: Option<f64>,
    /// Codec of the batches: none, gzip, snappy, lz4 or zstd
    #[arg(long, default_value = "none")]
    compression: String,
    /// Not measured at first
    #[arg(long, default_value_t = 0.0)]
    warm_up: f64,
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
}

/// A request that can be sent any number of times.
struct Prepared {
    frame: Vec<u8>,
    batch_bytes: usize,
    records: u64,
}

impl Produce {
    pub(crate) fn run(&self, address: &str, topic: &str) -> anyhow::Result<Figures> {
        anyhow::ensure!((1..=self.partitions).contains(&self.connections), "a connection needs a partition");
        let begin = Instant::now();
        let mut workers = Vec::new();
        for n in 0..self.connections {
            let frames: Vec<Prepared> = (n..self.partitions)
                .step_by(self.connections as usize)
                .map(|partition| self.prepare(topic, partition))
                .collect::<anyhow::Result<_>>()?;
            let connection = client::connect(address)?;
            let this = self.clone();
            workers.push(thread::spawn(move || this.run_connection(n, begin, connection, &frames)));
        }
        let mut all = Figures::new()?;
        for worker in workers {
            let figures = worker.join().map_err(|_| anyhow::anyhow!("a connection's thread panicked"))??;
            all.merge(&figures)?;
        }
        all.seconds = self.seconds;
        Ok(all)
    }

    fn prepare(&self, topic: &str, partition: i32) -> anyhow::Result<Prepared> {
        let compression = match self.compression.as_str() {
            "none" => Compression::None,
            "gzip" => Compression::Gzip,
            "snappy" => Compression::Snappy,
            "lz4" => Compression::Lz4,
            "zstd" => Compression::Zstd,
            other => anyhow::bail!("no such codec: {other}"),
        };
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
        let count = (self.batch.saturating_sub(61) / (self.record + 10)).max(1);
        let mut builder = Builder::new().compression(compression, Level::Default);
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

    fn run_connection(
        &self,
        n: i32,
        begin: Instant,
        (mut sender, receiver): (Sender, Receiver),
        frames: &[Prepared],
    ) -> anyhow::Result<Figures> {
        let measured = begin + Duration::from_secs_f64(self.warm_up);
        let end = measured + Duration::from_secs_f64(self.seconds);
        let bytes = frames.first().map_or(0, |frame| frame.batch_bytes);
        let records = frames.first().map_or(0, |frame| frame.records);
        let (sent, due_times) = mpsc::sync_channel::<Instant>(self.in_flight.max(1) - 1);
        let reader = thread::spawn(move || read(receiver, &due_times, (measured, end), (bytes, records)));
        let interval = self.rate.map(|rate| bytes as f64 * f64::from(self.connections) / (rate * 1e6));
        let mut count = 0u64;
        loop {
            let due = match interval {
                // Connections take turns.
                Some(interval) => {
                    begin
                        + Duration::from_secs_f64(
                            interval * (count as f64 + f64::from(n) / f64::from(self.connections)),
                        )
                }
                None => Instant::now(),
            };
            if due >= end {
                break;
            }
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if sent.send(due).is_err() {
                break;
            }
            let frame = &frames[count as usize % frames.len()];
            sender.send(&frame.frame)?;
            count += 1;
        }
        drop(sent);
        reader.join().map_err(|_| anyhow::anyhow!("a reader panicked"))?
    }
}

fn read(
    mut receiver: Receiver,
    due_times: &mpsc::Receiver<Instant>,
    (measured, end): (Instant, Instant),
    (bytes, records): (usize, u64),
) -> anyhow::Result<Figures> {
    let mut figures = Figures::new()?;
    while let Ok(due) = due_times.recv() {
        let response: ProduceResponse = receiver.response(ApiKey::Produce, VERSION)?;
        let partition = response.responses.first().and_then(|topic| topic.partition_responses.first());
        let partition = partition.context("a response without a partition")?;
        anyhow::ensure!(partition.error_code == 0, "error {} in a produce response", partition.error_code);
        let now = Instant::now();
        if due >= measured && now < end + Duration::from_secs(10) {
            figures.add(now - due, bytes, records);
        }
    }
    Ok(figures)
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
