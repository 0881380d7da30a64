//! What a broker tells of its replicas and of replication. Each figure names the one that Apache Kafka shows by JMX.

use super::heading;
use crate::throttles::Throttles;
use ottla_replication::Proposal;
use std::{
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering},
};

/// What is counted.
#[derive(Debug, Default)]
pub(crate) struct Replication {
    received_bytes: AtomicU64,
    sent_bytes: AtomicU64,
    isr_expands: AtomicU64,
    isr_shrinks: AtomicU64,
    failed_isr_updates: AtomicU64,
}

/// The replicas of this broker at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) partitions: usize,
    pub(crate) led: usize,
    /// Not served, as their log dir is offline or their log could not be opened.
    pub(crate) offline: usize,
    pub(crate) under_replicated: usize,
    pub(crate) under_min_isr: usize,
    pub(crate) at_min_isr: usize,
    pub(crate) reassigning: usize,
    /// Offsets that a follower lacks of what its leader says is committed, at most.
    pub(crate) max_lag: i64,
}

impl Replication {
    /// Bytes came from a leader.
    pub(crate) fn received(&self, bytes: usize) {
        self.received_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Bytes went to followers.
    pub(crate) fn sent(&self, bytes: usize) {
        self.sent_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// The controller did what a leader asked for, or did not.
    pub(crate) fn isr_answered(&self, proposal: &Proposal, is_done: bool) {
        let counter = match (is_done, proposal.grows) {
            (true, true) => &self.isr_expands,
            (true, false) => &self.isr_shrinks,
            (false, _) => &self.failed_isr_updates,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn render(&self, out: &mut String, standing: &Standing, throttles: &Throttles) {
        let counters = [
            (
                "replication_received_bytes",
                "Record bytes fetched from leaders (ReplicationBytesInPerSec).",
                &self.received_bytes,
            ),
            ("replication_sent_bytes", "Record bytes sent to followers (ReplicationBytesOutPerSec).", &self.sent_bytes),
            ("isr_expands", "Replicas that came into sync (IsrExpandsPerSec).", &self.isr_expands),
            ("isr_shrinks", "Times that replicas fell out of sync (IsrShrinksPerSec).", &self.isr_shrinks),
            (
                "failed_isr_updates",
                "Changes of in-sync sets that the controller did not make (FailedIsrUpdatesPerSec).",
                &self.failed_isr_updates,
            ),
        ];
        for (name, help, counter) in counters {
            heading(out, &format!("ottla_{name}_total"), help, "counter");
            let _ = writeln!(out, "ottla_{name}_total {}", counter.load(Ordering::Relaxed));
        }
        let name = "ottla_replication_throttled_bytes_total";
        heading(out, name, "Record bytes of throttled replicas while there is a limit (byte-rate).", "counter");
        for (side, throttle) in [("leader", &throttles.leader), ("follower", &throttles.follower)] {
            let _ = writeln!(out, "{name}{{side=\"{side}\"}} {}", throttle.passed());
        }
        standing.render(out);
    }
}

impl Standing {
    fn render(&self, out: &mut String) {
        let gauges = [
            ("partitions", "Partitions that this broker has (PartitionCount).", self.partitions),
            ("led_partitions", "Partitions that this broker leads (LeaderCount).", self.led),
            (
                "offline_partitions",
                "Partitions that a disk or damage keeps from being served (OfflineReplicaCount).",
                self.offline,
            ),
            (
                "under_replicated_partitions",
                "Led partitions that have replicas out of sync (UnderReplicatedPartitions).",
                self.under_replicated,
            ),
            (
                "under_min_isr_partitions",
                "Led partitions with fewer in sync than min.insync.replicas (UnderMinIsrPartitionCount).",
                self.under_min_isr,
            ),
            (
                "at_min_isr_partitions",
                "Led partitions with just min.insync.replicas in sync (AtMinIsrPartitionCount).",
                self.at_min_isr,
            ),
            ("reassigning_partitions", "Led partitions on the move (ReassigningPartitions).", self.reassigning),
            (
                "replica_max_lag_records",
                "Offsets that a replica here lacks of what is committed, at most (MaxLag).",
                usize::try_from(self.max_lag).unwrap_or(0),
            ),
        ];
        for (name, help, value) in gauges {
            heading(out, &format!("ottla_{name}"), help, "gauge");
            let _ = writeln!(out, "ottla_{name} {value}");
        }
    }
}
