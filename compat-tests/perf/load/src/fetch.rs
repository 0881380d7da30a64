//! Fetch requests of one partition each, from its start to its end, or following the end as consumers do.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use ottla_protocol::batch::Header;
use ottla_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use ottla_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use ottla_protocol::messages::{FetchRequest, FetchResponse, ListOffsetsRequest, ListOffsetsResponse};
use ottla_protocol::{ApiKey, Records, Str};

use crate::client::{self, Receiver, Sender};
use crate::figures::Figures;

/// The last ones that name topics.
const VERSION: i16 = 12;
const LIST_OFFSETS_VERSION: i16 = 7;
const LATEST: i64 = -1;

#[derive(clap::Args, Clone)]
pub(crate) struct Fetch {
    #[arg(long, default_value_t = 1)]
    partitions: i32,
    #[arg(long, default_value_t = 1)]
    connections: i32,
    /// Most bytes of a response
    #[arg(long, default_value_t = 1 << 20)]
    max_bytes: i32,
    /// Times that everything is read
    #[arg(long, default_value_t = 1)]
    rounds: u32,
    /// Each connection follows partition number CONNECTION modulo PARTITIONS from its end on, for so many seconds
    #[arg(long)]
    follow: Option<f64>,
}

/// A connection that reads a topic.
pub(crate) struct Consumer {
    topic: Str,
    max_bytes: i32,
    sender: Sender,
    receiver: Receiver,
}

/// What came with an answer; nothing of a batch that was cut.
pub(crate) struct Fetched {
    bytes: usize,
    records: u64,
    /// The offset after it.
    pub(crate) next: i64,
}

impl Fetch {
    pub(crate) fn run(&self, address: &str, topic: &str) -> anyhow::Result<Figures> {
        let begin = Instant::now();
        let mut workers = Vec::new();
        for n in 0..self.connections {
            let mut consumer = Consumer::new(address, topic, self.max_bytes)?;
            let this = self.clone();
            workers.push(thread::spawn(move || match this.follow {
                Some(seconds) => consumer.follow(n % this.partitions, begin + Duration::from_secs_f64(seconds)),
                None => this.read_all(n, &mut consumer),
            }));
        }
        let mut all = Figures::new()?;
        for worker in workers {
            let figures = worker.join().map_err(|_| anyhow::anyhow!("a connection's thread panicked"))??;
            all.merge(&figures)?;
        }
        all.seconds = begin.elapsed().as_secs_f64();
        Ok(all)
    }

    fn read_all(&self, n: i32, consumer: &mut Consumer) -> anyhow::Result<Figures> {
        let mut figures = Figures::new()?;
        for _ in 0..self.rounds {
            for partition in (n..self.partitions).step_by(self.connections as usize) {
                let (mut offset, end) = (0, consumer.end(partition)?);
                while offset < end {
                    offset = consumer.fetch_into(&mut figures, partition, offset)?;
                }
            }
        }
        Ok(figures)
    }
}

impl Consumer {
    pub(crate) fn new(address: &str, topic: &str, max_bytes: i32) -> anyhow::Result<Self> {
        let (sender, receiver) = client::connect(address)?;
        Ok(Self { topic: Str::from(topic), max_bytes, sender, receiver })
    }

    fn follow(&mut self, partition: i32, until: Instant) -> anyhow::Result<Figures> {
        let mut figures = Figures::new()?;
        let mut offset = self.end(partition)?;
        while Instant::now() < until {
            offset = self.fetch_into(&mut figures, partition, offset)?;
        }
        Ok(figures)
    }

    pub(crate) fn end(&mut self, partition: i32) -> anyhow::Result<i64> {
        let partitions = vec![ListOffsetsPartition {
            partition_index: partition,
            current_leader_epoch: -1,
            timestamp: LATEST,
            ..Default::default()
        }];
        let topics = vec![ListOffsetsTopic { name: self.topic.clone(), partitions, ..Default::default() }];
        let body = ListOffsetsRequest { replica_id: -1, topics, ..Default::default() };
        self.sender.send(&client::request(ApiKey::ListOffsets, LIST_OFFSETS_VERSION, &body)?)?;
        let response: ListOffsetsResponse = self.receiver.response(ApiKey::ListOffsets, LIST_OFFSETS_VERSION)?;
        let found = response.topics.first().and_then(|topic| topic.partitions.first());
        let found = found.context("an answer without a partition")?;
        anyhow::ensure!(found.error_code == 0, "error {} for the end of {partition}", found.error_code);
        Ok(found.offset)
    }

    /// The offset after what was read.
    fn fetch_into(&mut self, figures: &mut Figures, partition: i32, offset: i64) -> anyhow::Result<i64> {
        let began = Instant::now();
        let fetched = self.fetch(partition, offset)?;
        if fetched.records > 0 {
            figures.add(began.elapsed(), fetched.bytes, fetched.records);
        }
        Ok(fetched.next)
    }

    pub(crate) fn fetch(&mut self, partition: i32, offset: i64) -> anyhow::Result<Fetched> {
        let partitions = vec![FetchPartition {
            partition,
            current_leader_epoch: -1,
            fetch_offset: offset,
            last_fetched_epoch: -1,
            log_start_offset: -1,
            partition_max_bytes: self.max_bytes,
            ..Default::default()
        }];
        let body = FetchRequest {
            replica_id: -1,
            max_wait_ms: 500,
            min_bytes: 1,
            max_bytes: self.max_bytes,
            session_epoch: -1,
            topics: vec![FetchTopic { topic: self.topic.clone(), partitions, ..Default::default() }],
            ..Default::default()
        };
        self.sender.send(&client::request(ApiKey::Fetch, VERSION, &body)?)?;
        let response: FetchResponse = self.receiver.response(ApiKey::Fetch, VERSION)?;
        let found = response.responses.first().and_then(|topic| topic.partitions.first());
        let found = found.context("an answer without a partition")?;
        anyhow::ensure!(found.error_code == 0, "error {} in a fetch of {partition}", found.error_code);
        let mut fetched = Fetched { bytes: 0, records: 0, next: offset };
        let Some(Records::Bytes(bytes)) = &found.records else { return Ok(fetched) };
        // The last batch may be cut.
        while let Some(Ok(header)) = bytes.get(fetched.bytes..).filter(|rest| rest.len() >= 61).map(Header::parse)
            && fetched.bytes + header.size_in_bytes() <= bytes.len()
        {
            fetched.bytes += header.size_in_bytes();
            fetched.records += (header.next_offset() - fetched.next.max(header.base_offset)) as u64;
            fetched.next = header.next_offset();
        }
        Ok(fetched)
    }
}
