//! What the cleaner tells of its work. Each figure names the one that Apache Kafka shows by JMX.

use super::heading;
use ottla_storage::compaction::Stats;
use parking_lot::Mutex;
use std::{collections::BTreeMap, fmt::Write, time::Duration};

/// What the last look over all compacted logs found.
#[derive(Debug, Default)]
pub(crate) struct Overview {
    /// The largest share of a log that is dirty, from 0 to 1.
    pub(crate) max_dirty_ratio: f64,
    /// For how long the log that waited longest has been due by `max.compaction.lag.ms`.
    pub(crate) max_overdue_ms: i64,
    /// By log dir, how many logs cannot be cleaned, and how many of their bytes ought to be.
    pub(crate) uncleanable: BTreeMap<String, (u64, u64)>,
}

/// Figures of compaction.
#[derive(Debug, Default)]
pub(crate) struct Compaction(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    overview: Overview,
    read_bytes: u64,
    written_bytes: u64,
    runs: u64,
    time: Duration,
    last: Stats,
    last_time: Duration,
    /// Since the process began.
    last_ended: Option<Duration>,
}

impl Compaction {
    pub(crate) fn looked(&self, overview: Overview) {
        self.0.lock().overview = overview;
    }

    /// A log was cleaned, which took so long and ended at this time since the process began.
    pub(crate) fn cleaned(&self, stats: &Stats, took: Duration, ended: Duration) {
        let mut state = self.0.lock();
        state.read_bytes += stats.map_bytes_read + stats.bytes_read;
        state.written_bytes += stats.bytes_written;
        state.runs += 1;
        state.time += took;
        state.last = *stats;
        state.last_time = took;
        state.last_ended = Some(ended);
    }

    /// `now` is since the process began.
    pub(super) fn render(&self, out: &mut String, now: Duration) {
        let state = self.0.lock();
        let mut figure = |name: &str, kind: &str, help: &str, value: f64| {
            heading(out, name, help, kind);
            let _ = writeln!(out, "{name} {value}");
        };
        let mut counter = |name: &str, help: &str, value: f64| figure(name, "counter", help, value);
        counter("ottla_compaction_read_bytes_total", "Bytes of logs read to compact them.", state.read_bytes as f64);
        let help = "Bytes that compaction wrote in place of what it read.";
        counter("ottla_compaction_written_bytes_total", help, state.written_bytes as f64);
        counter("ottla_compaction_runs_total", "Passes of compaction over a log.", state.runs as f64);
        counter("ottla_compaction_seconds_total", "Time spent compacting.", state.time.as_secs_f64());
        let mut gauge = |name: &str, help: &str, value: f64| figure(name, "gauge", help, value);
        let help = "Largest share of a compacted log that is dirty (max-dirty-percent).";
        gauge("ottla_compaction_max_dirty_percent", help, state.overview.max_dirty_ratio * 100.0);
        let help = "Longest time that a log is overdue by max.compaction.lag.ms (max-compaction-delay-secs).";
        gauge("ottla_compaction_max_delay_seconds", help, (state.overview.max_overdue_ms / 1000) as f64);
        let help = "What the last pass wrote of what it read (cleaner-recopy-percent).";
        gauge("ottla_compaction_recopy_percent", help, recopied(&state.last) * 100.0);
        let help = "How full the table of keys was in the last pass (max-buffer-utilization-percent).";
        gauge("ottla_compaction_buffer_utilization_percent", help, state.last.map_utilization * 100.0);
        let help = "How long the last pass took (max-clean-time-secs).";
        gauge("ottla_compaction_last_run_seconds", help, state.last_time.as_secs_f64());
        if let Some(ended) = state.last_ended {
            let since = now.saturating_sub(ended).as_secs_f64();
            let help = "Time since the last pass ended (time-since-last-run-ms).";
            gauge("ottla_compaction_since_last_run_seconds", help, since);
        }
        render_uncleanable(out, &state.overview.uncleanable);
    }
}

fn render_uncleanable(out: &mut String, uncleanable: &BTreeMap<String, (u64, u64)>) {
    let mut gauge = |name: &str, help: &str, figure: fn(&(u64, u64)) -> u64| {
        heading(out, name, help, "gauge");
        for (dir, found) in uncleanable {
            let dir = dir.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = writeln!(out, "{name}{{log_dir=\"{dir}\"}} {}", figure(found));
        }
    };
    let help = "Logs that cannot be compacted until the broker is restarted (uncleanable-partitions-count).";
    gauge("ottla_compaction_uncleanable_partitions", help, |found| found.0);
    let help = "Bytes of these logs that ought to be compacted (uncleanable-bytes).";
    gauge("ottla_compaction_uncleanable_bytes", help, |found| found.1);
}

fn recopied(stats: &Stats) -> f64 {
    match stats.bytes_read {
        0 => 0.0,
        read => stats.bytes_written as f64 / read as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_follow_the_last_look_and_the_last_pass() {
        let compaction = Compaction::default();
        let uncleanable = BTreeMap::from([("/data \"1\"".to_owned(), (2, 700)), ("/data2".to_owned(), (0, 0))]);
        compaction.looked(Overview { max_dirty_ratio: 0.25, max_overdue_ms: 3_500, uncleanable });
        let stats =
            Stats { map_bytes_read: 50, map_utilization: 0.5, bytes_read: 100, bytes_written: 40, ..Stats::default() };
        compaction.cleaned(&stats, Duration::from_millis(1500), Duration::from_secs(10));
        compaction.cleaned(&stats, Duration::from_millis(500), Duration::from_secs(20));
        let mut out = String::new();
        compaction.render(&mut out, Duration::from_secs(25));
        for line in [
            "ottla_compaction_read_bytes_total 300",
            "ottla_compaction_written_bytes_total 80",
            "ottla_compaction_runs_total 2",
            "ottla_compaction_seconds_total 2",
            "ottla_compaction_max_dirty_percent 25",
            "ottla_compaction_max_delay_seconds 3",
            "ottla_compaction_recopy_percent 40",
            "ottla_compaction_buffer_utilization_percent 50",
            "ottla_compaction_last_run_seconds 0.5",
            "ottla_compaction_since_last_run_seconds 5",
            "ottla_compaction_uncleanable_partitions{log_dir=\"/data \\\"1\\\"\"} 2",
            "ottla_compaction_uncleanable_bytes{log_dir=\"/data2\"} 0",
        ] {
            assert!(out.lines().any(|found| found == line), "{line} is not in\n{out}");
        }
    }
}
