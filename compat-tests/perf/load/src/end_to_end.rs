//! Single records at a rate and one consumer that waits for them: how long after a record was due it was there.

use std::thread;
use std::time::{Duration, Instant};

use crate::client;
use crate::fetch::Consumer;
use crate::figures::Figures;
use crate::prepared::Batch;
use crate::produce::{Produce, Schedule};

const PATIENCE: Duration = Duration::from_secs(10);

#[derive(clap::Args, Clone)]
pub(crate) struct EndToEnd {
    /// Records a second
    #[arg(long, default_value_t = 200.0)]
    rate: f64,
    /// Bytes of a record's value
    #[arg(long, default_value_t = 100)]
    record: usize,
    #[arg(long, default_value_t = -1, allow_negative_numbers = true)]
    acks: i16,
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
}

impl EndToEnd {
    /// Uses partition 0, which nobody else may write to.
    pub(crate) fn run(&self, address: &str, topic: &str) -> anyhow::Result<Figures> {
        let batch = Batch { batch: 0, record: self.record, acks: self.acks, compression: "none".to_owned() };
        let frames = vec![batch.prepare(topic, 0)?];
        let bytes = frames.first().map_or(0, |frame| frame.batch_bytes);
        let produce = Produce {
            batch,
            partitions: 1,
            connections: 1,
            in_flight: 5,
            rate: None,
            seconds: self.seconds,
            megabytes: f64::INFINITY,
        };
        let mut consumer = Consumer::new(address, topic, 1 << 20)?;
        let start = consumer.end(0)?;
        let connection = client::connect(address)?;
        let schedule = Schedule { first: Instant::now(), interval: Some(1.0 / self.rate) };
        let producer = thread::spawn(move || produce.run_connection(schedule, connection, &frames));
        let wanted = start + (self.rate * self.seconds).ceil() as i64;
        let last = schedule.due((wanted - start) as u64) + PATIENCE;
        let mut figures = Figures::new()?;
        let mut offset = start;
        while offset < wanted && Instant::now() < last {
            let next = consumer.fetch(0, offset)?.next;
            for n in offset..next {
                figures.add(schedule.due((n - start) as u64).elapsed(), bytes, 1);
            }
            offset = next;
        }
        let produced = producer.join().map_err(|_| anyhow::anyhow!("the producer panicked"))??;
        anyhow::ensure!(produced.records == figures.records, "of {} records {}", produced.records, figures.records);
        figures.kept_up = produced.kept_up;
        figures.seconds = schedule.first.elapsed().as_secs_f64();
        Ok(figures)
    }
}
