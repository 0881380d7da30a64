//! What came of a load.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::json;

/// Counted by one connection, then by all.
pub(crate) struct Figures {
    pub(crate) requests: u64,
    pub(crate) bytes: u64,
    pub(crate) records: u64,
    pub(crate) seconds: f64,
    /// Whether the rate that was asked for was kept.
    pub(crate) kept_up: bool,
    latencies_us: Histogram<u64>,
}

impl Figures {
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self {
            requests: 0,
            bytes: 0,
            records: 0,
            seconds: 0.0,
            kept_up: true,
            latencies_us: Histogram::new_with_bounds(1, 3_600_000_000, 3)?,
        })
    }

    pub(crate) fn add(&mut self, latency: Duration, bytes: usize, records: u64) {
        self.requests += 1;
        self.bytes += bytes as u64;
        self.records += records;
        self.latencies_us.saturating_record(latency.as_micros() as u64);
    }

    pub(crate) fn merge(&mut self, other: &Self) -> anyhow::Result<()> {
        self.requests += other.requests;
        self.bytes += other.bytes;
        self.records += other.records;
        self.kept_up &= other.kept_up;
        self.latencies_us.add(&other.latencies_us)?;
        Ok(())
    }

    /// Bytes are those of record batches, latencies milliseconds.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        let ms = |quantile| self.latencies_us.value_at_quantile(quantile) as f64 / 1e3;
        json!({
            "requests": self.requests,
            "bytes": self.bytes,
            "records": self.records,
            "seconds": self.seconds,
            "MB/s": self.bytes as f64 / self.seconds / 1e6,
            "kept up": self.kept_up,
            "p50": ms(0.5),
            "p99": ms(0.99),
            "p99.9": ms(0.999),
            "max": self.latencies_us.max() as f64 / 1e3,
        })
    }
}
