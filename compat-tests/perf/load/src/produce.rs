//! Produce requests of one batch each, at a rate or as fast as the answers come.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use ottla_protocol::ApiKey;
use ottla_protocol::messages::ProduceResponse;

use crate::client::{self, Receiver, Sender};
use crate::figures::Figures;
use crate::prepared::{Batch, Prepared, VERSION};

/// A broker so far behind the rate will not keep it.
const HOPELESS: Duration = Duration::from_secs(2);

#[derive(clap::Args, Clone)]
pub(crate) struct Produce {
    #[command(flatten)]
    pub(crate) batch: Batch,
    /// Partitions, shared among the connections
    #[arg(long, default_value_t = 1)]
    pub(crate) partitions: i32,
    #[arg(long, default_value_t = 1)]
    pub(crate) connections: i32,
    /// Requests under way on a connection
    #[arg(long, default_value_t = 5)]
    pub(crate) in_flight: usize,
    /// Megabytes a second; as fast as the answers come if not given. Latency counts from when a request was due
    #[arg(long)]
    pub(crate) rate: Option<f64>,
    #[arg(long, default_value_t = 10.0)]
    pub(crate) seconds: f64,
    /// Ends when so many megabytes were sent, if that is sooner
    #[arg(long, default_value_t = f64::INFINITY)]
    pub(crate) megabytes: f64,
}

/// A request that awaits its answer.
struct UnderWay {
    due: Instant,
    bytes: usize,
}

/// When the requests of a connection are due.
#[derive(Clone, Copy)]
pub(crate) struct Schedule {
    pub(crate) first: Instant,
    /// Seconds from one to the next; none if each is due when the last may be followed.
    pub(crate) interval: Option<f64>,
}

impl Schedule {
    pub(crate) fn due(&self, count: u64) -> Instant {
        match self.interval {
            Some(interval) => self.first + Duration::from_secs_f64(interval * count as f64),
            None => Instant::now(),
        }
    }
}

impl Produce {
    pub(crate) fn run(&self, address: &str, topic: &str) -> anyhow::Result<Figures> {
        anyhow::ensure!((1..=self.partitions).contains(&self.connections), "a connection needs a partition");
        let mut prepared = Vec::new();
        for n in 0..self.connections {
            let partitions = (n..self.partitions).step_by(self.connections as usize);
            let frames = partitions.map(|partition| self.batch.prepare(topic, partition));
            prepared.push((client::connect(address)?, frames.collect::<anyhow::Result<Vec<_>>>()?));
        }
        let begin = Instant::now();
        let mut workers = Vec::new();
        for (n, (connection, frames)) in prepared.into_iter().enumerate() {
            let this = self.clone();
            let interval = self.rate.map(|rate| bytes_of(&frames) as f64 * f64::from(self.connections) / (rate * 1e6));
            // Connections take turns.
            let offset = interval.unwrap_or(0.0) * n as f64 / f64::from(self.connections);
            let schedule = Schedule { first: begin + Duration::from_secs_f64(offset), interval };
            workers.push(thread::spawn(move || this.run_connection(schedule, connection, &frames)));
        }
        let mut all = Figures::new()?;
        for worker in workers {
            let figures = worker.join().map_err(|_| anyhow::anyhow!("a connection's thread panicked"))??;
            all.merge(&figures)?;
        }
        all.seconds = begin.elapsed().as_secs_f64();
        Ok(all)
    }

    pub(crate) fn run_connection(
        &self,
        schedule: Schedule,
        (mut sender, receiver): (Sender, Receiver),
        frames: &[Prepared],
    ) -> anyhow::Result<Figures> {
        let end = schedule.first + Duration::from_secs_f64(self.seconds);
        let records = frames.first().map_or(0, |frame| frame.records);
        let most = self.megabytes * 1e6 / f64::from(self.connections) / bytes_of(frames) as f64;
        let (sent, under_way) = mpsc::sync_channel::<UnderWay>(self.in_flight.max(1) - 1);
        let reader = thread::spawn(move || read(receiver, &under_way, records));
        let (mut count, mut keeps_up) = (0u64, true);
        while keeps_up && (count as f64) < most {
            let due = schedule.due(count);
            if due >= end {
                break;
            }
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let frame = &frames[count as usize % frames.len()];
            if sent.send(UnderWay { due, bytes: frame.batch_bytes }).is_err() {
                break;
            }
            sender.send(&frame.frame)?;
            count += 1;
            keeps_up = due.elapsed() < HOPELESS;
        }
        drop(sent);
        let mut figures = reader.join().map_err(|_| anyhow::anyhow!("a reader panicked"))??;
        figures.kept_up = keeps_up;
        Ok(figures)
    }
}

/// Of the first, as of all: what is compressed differs a little.
fn bytes_of(frames: &[Prepared]) -> usize {
    frames.first().map_or(0, |frame| frame.batch_bytes)
}

fn read(mut receiver: Receiver, under_way: &mpsc::Receiver<UnderWay>, records: u64) -> anyhow::Result<Figures> {
    let mut figures = Figures::new()?;
    while let Ok(UnderWay { due, bytes }) = under_way.recv() {
        let response: ProduceResponse = receiver.response(ApiKey::Produce, VERSION)?;
        let partition = response.responses.first().and_then(|topic| topic.partition_responses.first());
        let partition = partition.context("a response without a partition")?;
        anyhow::ensure!(partition.error_code == 0, "error {} in a produce response", partition.error_code);
        figures.add(due.elapsed(), bytes, records);
    }
    Ok(figures)
}
