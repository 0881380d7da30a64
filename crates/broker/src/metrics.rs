//! What the broker counts, in Prometheus' text form.

mod cluster;
mod compaction;
mod groups;
mod replication;
mod transactions;

pub(crate) use cluster::{Elections, Overview as ClusterOverview};
pub(crate) use compaction::{Compaction, Overview};
pub(crate) use groups::{Rebalances, render_each};
pub(crate) use replication::{Replication, Standing};

use ottla_coordinator::{ListedGroup, transactions::State};
use ottla_protocol::ApiKey;
use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

const APIS: usize = 128;

/// Counters that handlers and connections move.
#[derive(Debug)]
pub(crate) struct Metrics {
    requests: [AtomicU64; APIS],
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    produced_bytes: AtomicU64,
    fetched_bytes: AtomicU64,
    failed_produces: AtomicU64,
    pub(crate) compaction: Compaction,
    pub(crate) replication: Replication,
    pub(crate) elections: Elections,
    rebalances: Arc<Rebalances>,
}

impl Metrics {
    /// `rebalances` are counted by the coordinators.
    pub(crate) fn new(rebalances: Arc<Rebalances>) -> Self {
        Self {
            requests: [const { AtomicU64::new(0) }; APIS],
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            produced_bytes: AtomicU64::new(0),
            fetched_bytes: AtomicU64::new(0),
            failed_produces: AtomicU64::new(0),
            compaction: Compaction::default(),
            replication: Replication::default(),
            elections: Elections::default(),
            rebalances,
        }
    }

    pub(crate) fn request(&self, api: ApiKey) {
        if let Some(counter) = usize::try_from(api.key()).ok().and_then(|key| self.requests.get(key)) {
            add(counter, 1);
        }
    }

    pub(crate) fn bytes_in(&self, n: usize) {
        add(&self.bytes_in, n);
    }

    pub(crate) fn bytes_out(&self, n: usize) {
        add(&self.bytes_out, n);
    }

    pub(crate) fn produced(&self, bytes: usize) {
        add(&self.produced_bytes, bytes);
    }

    pub(crate) fn fetched(&self, bytes: usize) {
        add(&self.fetched_bytes, bytes);
    }

    pub(crate) fn produce_failed(&self) {
        add(&self.failed_produces, 1);
    }

    /// The counters, and what is read at the time of the scrape: groups, ids, and `gauges` as (name, help, value). `now` is
    /// since the process began.
    pub(crate) fn render(
        &self,
        now: Duration,
        groups: &[ListedGroup],
        transactional_ids: &BTreeMap<State, usize>,
        gauges: &[(&str, &str, f64)],
    ) -> String {
        let mut out = String::new();
        heading(&mut out, "ottla_requests_total", "Requests begun, by API.", "counter");
        for api in ApiKey::ALL {
            let count = usize::try_from(api.key()).ok().and_then(|key| self.requests.get(key));
            if let Some(count) = count.map(|c| c.load(Ordering::Relaxed)).filter(|c| *c > 0) {
                let _ = writeln!(out, "ottla_requests_total{{api=\"{api}\"}} {count}");
            }
        }
        let counters = [
            ("ottla_network_received_bytes_total", "Bytes received from clients.", &self.bytes_in),
            ("ottla_network_sent_bytes_total", "Bytes of responses sent to clients.", &self.bytes_out),
            ("ottla_produced_bytes_total", "Record bytes appended for producers.", &self.produced_bytes),
            ("ottla_fetched_bytes_total", "Record bytes sent to consumers.", &self.fetched_bytes),
            ("ottla_failed_produces_total", "Partitions of produce requests that were refused.", &self.failed_produces),
        ];
        for (name, help, counter) in counters {
            heading(&mut out, name, help, "counter");
            let _ = writeln!(out, "{name} {}", counter.load(Ordering::Relaxed));
        }
        self.compaction.render(&mut out, now);
        self.rebalances.render(&mut out);
        groups::count(&mut out, groups);
        transactions::count(&mut out, transactional_ids);
        for (name, help, value) in gauges {
            heading(&mut out, name, help, "gauge");
            let _ = writeln!(out, "{name} {value}");
        }
        out
    }
}

fn add(counter: &AtomicU64, n: usize) {
    counter.fetch_add(n as u64, Ordering::Relaxed);
}

fn heading(out: &mut String, name: &str, help: &str, kind: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_and_gauges_are_in_prometheus_text_form() {
        let metrics = Metrics::new(Arc::default());
        metrics.request(ApiKey::Fetch);
        metrics.bytes_out(7);
        let text = metrics.render(Duration::ZERO, &[], &BTreeMap::new(), &[("ottla_partitions", "Partitions.", 3.0)]);
        assert!(text.contains("ottla_requests_total{api=\"Fetch\"} 1\n"));
        assert!(text.contains("# TYPE ottla_network_sent_bytes_total counter\nottla_network_sent_bytes_total 7\n"));
        assert!(text.ends_with("# TYPE ottla_partitions gauge\nottla_partitions 3\n"));
    }
}
