//! A broker whose disk is short of room has others lead.

use super::registration::log_dir;
use super::{Broker, Process};
use core::time::Duration;
use ottla_metadata::controller::{AssignReplicas, Assignment};
use ottla_replication::directory_to_tell;

/// How often the controller is told, if it does not know.
pub(super) const EVERY: Duration = Duration::from_millis(1_000);

impl Broker {
    pub(crate) fn set_short(&mut self, short: bool) {
        self.short = short;
        self.disks.values_mut().for_each(|disk| disk.set_full(short));
    }
}

impl Process {
    /// What the controller is to be told of where replicas are.
    pub(super) fn assignments(&self, id: i32, is_short: bool) -> Option<AssignReplicas> {
        let broker_epoch = self.epoch.filter(|_| self.serves)?;
        let mut assignments = Vec::new();
        for topic in self.image.topics().iter() {
            for (number, partition) in &topic.partitions {
                let directory = directory_to_tell(log_dir(id), is_short, partition, self.image.cluster(), id);
                let assignment = |directory| Assignment { directory, topic_id: topic.id, partition: *number };
                assignments.extend(directory.map(assignment));
            }
        }
        (!assignments.is_empty()).then_some(AssignReplicas { broker_id: id, broker_epoch, assignments })
    }
}
