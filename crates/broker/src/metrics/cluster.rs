//! What controllers tell of the cluster. Each figure names the one that Apache Kafka's controllers show by JMX.

use super::heading;
use ottla_metadata::{
    Delta,
    image::{Image, NO_LEADER, Partition},
};
use std::{
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering},
};

/// The recovery state of a partition whose leader may lack what was committed.
const RECOVERING: i8 = 1;

/// Elections of leaders, as the metadata shows them.
#[derive(Debug, Default)]
pub(crate) struct Elections {
    all: AtomicU64,
    unclean: AtomicU64,
    of_eligible: AtomicU64,
}

impl Elections {
    /// Counts what a change of the metadata has brought.
    pub(crate) fn count(&self, before: &Image, after: &Image, delta: &Delta) {
        for (id, indexes) in &delta.partitions_changed {
            let (Some(old), Some(new)) = (before.topics().by_id(id), after.topics().by_id(id)) else { continue };
            for index in indexes {
                if let (Some(old), Some(new)) = (old.partitions.get(index), new.partitions.get(index)) {
                    self.count_one(old, new);
                }
            }
        }
    }

    fn count_one(&self, old: &Partition, new: &Partition) {
        if new.leader == old.leader || new.leader == NO_LEADER {
            return;
        }
        self.all.fetch_add(1, Ordering::Relaxed);
        if new.leader_recovery_state == RECOVERING {
            self.unclean.fetch_add(1, Ordering::Relaxed);
        }
        if old.elr.contains(&new.leader) {
            self.of_eligible.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn render(&self, out: &mut String) {
        let counters = [
            ("ottla_leader_elections_total", "Partitions that got another leader.", &self.all),
            (
                "ottla_unclean_leader_elections_total",
                "Leaders elected that may lack what was committed (UncleanLeaderElectionsPerSec).",
                &self.unclean,
            ),
            (
                "ottla_eligible_leader_elections_total",
                "Leaders elected that were eligible out of sync (ElectionFromEligibleLeaderReplicasPerSec).",
                &self.of_eligible,
            ),
        ];
        for (name, help, counter) in counters {
            heading(out, name, help, "counter");
            let _ = writeln!(out, "{name} {}", counter.load(Ordering::Relaxed));
        }
    }
}

/// The cluster at one time.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Overview {
    partitions: usize,
    offline: usize,
    imbalanced: usize,
    active_brokers: usize,
    fenced_brokers: usize,
    stopping_brokers: usize,
}

impl Overview {
    pub(crate) fn of(image: &Image) -> Self {
        let mut found = Self::default();
        for partition in image.topics().iter().flat_map(|topic| topic.partitions.values()) {
            found.partitions += 1;
            found.offline += usize::from(partition.leader == NO_LEADER);
            found.imbalanced += usize::from(partition.replicas.first() != Some(&partition.leader));
        }
        for broker in image.cluster().brokers().values() {
            found.active_brokers += usize::from(!broker.fenced);
            found.fenced_brokers += usize::from(broker.fenced);
            found.stopping_brokers += usize::from(broker.in_controlled_shutdown);
        }
        found
    }

    /// `is_active` says whether this controller decides.
    pub(crate) fn render(&self, out: &mut String, elections: &Elections, is_active: bool) {
        let gauges = [
            ("active_controller", "Whether this controller decides (ActiveControllerCount).", usize::from(is_active)),
            ("cluster_partitions", "Partitions of all topics (GlobalPartitionCount).", self.partitions),
            ("cluster_offline_partitions", "Partitions without a leader (OfflinePartitionsCount).", self.offline),
            (
                "cluster_imbalanced_partitions",
                "Partitions not led by their preferred replica (PreferredReplicaImbalanceCount).",
                self.imbalanced,
            ),
            ("cluster_active_brokers", "Brokers that may serve (ActiveBrokerCount).", self.active_brokers),
            ("cluster_fenced_brokers", "Brokers that may not (FencedBrokerCount).", self.fenced_brokers),
            (
                "cluster_stopping_brokers",
                "Brokers that hand their leaderships over (ControlledShutdownBrokerCount).",
                self.stopping_brokers,
            ),
        ];
        for (name, help, value) in gauges {
            heading(out, &format!("ottla_{name}"), help, "gauge");
            let _ = writeln!(out, "ottla_{name} {value}");
        }
        elections.render(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_metadata::MetadataRecord;
    use ottla_protocol::{
        Str, Uuid,
        stored::{PartitionChangeRecord, PartitionRecord, RegisterBrokerRecord, TopicRecord},
    };

    const TOPIC: Uuid = Uuid::from_bytes([7; 16]);

    fn image() -> Image {
        let mut image = Image::default();
        let broker = |broker_id, fenced| RegisterBrokerRecord { broker_id, fenced, ..Default::default() };
        let partition = |partition_id| PartitionRecord {
            topic_id: TOPIC,
            partition_id,
            replicas: vec![1, 2],
            isr: vec![1, 2],
            leader: 1,
            ..Default::default()
        };
        let records: [MetadataRecord; 5] = [
            broker(1, false).into(),
            broker(2, true).into(),
            TopicRecord { name: Str::from("t"), topic_id: TOPIC, ..Default::default() }.into(),
            partition(0).into(),
            partition(1).into(),
        ];
        records.iter().for_each(|record| image.apply(record).unwrap());
        image
    }

    fn change(image: &mut Image, elections: &Elections, leader: i32, leader_recovery_state: i8) {
        let before = image.clone();
        let mut delta = Delta::default();
        let record = PartitionChangeRecord {
            topic_id: TOPIC,
            partition_id: 0,
            leader,
            leader_recovery_state,
            ..Default::default()
        };
        image.apply_noting(&record.into(), &mut delta).unwrap();
        elections.count(&before, image, &delta);
    }

    #[test]
    fn figures_are_those_of_the_metadata() {
        let (mut image, elections) = (image(), Elections::default());
        let counted = || [&elections.all, &elections.unclean].map(|counter| counter.load(Ordering::Relaxed));
        change(&mut image, &elections, NO_LEADER, -1);
        assert_eq!(counted(), [0, 0]);
        let overview = Overview {
            partitions: 2,
            offline: 1,
            imbalanced: 1,
            active_brokers: 1,
            fenced_brokers: 1,
            stopping_brokers: 0,
        };
        assert_eq!(Overview::of(&image), overview);
        change(&mut image, &elections, 2, -1);
        assert_eq!(counted(), [1, 0]);
        change(&mut image, &elections, 1, RECOVERING);
        assert_eq!(counted(), [2, 1]);
        let mut out = String::new();
        Overview::of(&image).render(&mut out, &elections, true);
        for line in [
            "ottla_active_controller 1",
            "ottla_cluster_offline_partitions 0",
            "ottla_cluster_imbalanced_partitions 0",
            "ottla_unclean_leader_elections_total 1",
            "ottla_eligible_leader_elections_total 0",
        ] {
            assert!(out.lines().any(|found| found == line), "{line} is not in\n{out}");
        }
    }
}
