//! A broker leads or follows as the metadata says.

use super::{Act, Broker, Replica, Role};
use crate::disk::Disk;
use core::time::Duration;
use ottla_metadata::Delta;
use ottla_metadata::image::Partition;
use ottla_replication::follower::LogView as _;
use ottla_replication::{Ends, Leader};

impl Broker {
    /// Takes up what the metadata says of the partitions that changed, or of all.
    pub(super) fn change_roles(&mut self, changed: Option<&Delta>, now: Duration, acts: &mut Vec<Act>) {
        let Some(process) = &self.process else { return };
        let concerned = |topic, number| {
            let partitions = changed.map(|delta| delta.partitions_changed.get(topic));
            partitions.is_none_or(|partitions| partitions.is_some_and(|numbers| numbers.contains(number)))
        };
        let topics = process.image.topics().iter();
        let all = topics.flat_map(|topic| topic.partitions.iter().map(move |partition| (&topic.id, partition)));
        let all = all.filter(|(topic, (number, _))| concerned(topic, number));
        let all: Vec<_> = all.map(|(_, (number, partition))| (*number, partition.clone())).collect();
        for (number, partition) in all {
            self.change_role(number, &partition, now, acts);
        }
    }

    fn change_role(&mut self, number: i32, partition: &Partition, now: Duration, acts: &mut Vec<Act>) {
        let Some(process) = &mut self.process else { return };
        if !partition.replicas.contains(&self.id) {
            process.replicas.remove(&number);
            self.disks.remove(&number);
            return;
        }
        let Some(broker_epoch) = process.epoch else { return };
        let seed = self.disk_seed.map(|seed| seed.wrapping_add(number.unsigned_abs().into()));
        let disk = self.disks.entry(number).or_insert_with(|| Disk::new(seed));
        let known = process.replicas.get_mut(&number).map(|replica| &mut replica.role);
        match known {
            Some(Role::Leader { leader, .. }) if partition.leader == self.id => {
                let before = leader.leader_epoch();
                leader.update(partition, now);
                if leader.leader_epoch() != before {
                    disk.begin_epoch(partition.leader_epoch);
                    acts.push(Act::Leads { partition: number, leader_epoch: partition.leader_epoch });
                }
            }
            _ if partition.leader == self.id => {
                disk.begin_epoch(partition.leader_epoch);
                let ends = Ends {
                    log_end_offset: disk.log_end_offset(),
                    synced: disk.synced(),
                    high_watermark: disk.high_watermark(),
                };
                let leader = Leader::new((self.id, broker_epoch), partition, ends, now);
                let (end, generation) = (disk.log_end_offset(), disk.generation);
                acts.push(Act::Sync { partition: number, end, generation });
                let role = Role::Leader { leader, waiting: Vec::new(), asked: None };
                process.replicas.insert(number, Replica { role });
                acts.push(Act::Leads { partition: number, leader_epoch: partition.leader_epoch });
            }
            Some(Role::Follower { epoch, leader, .. }) if *epoch == partition.leader_epoch => {
                *leader = partition.leader
            }
            _ => {
                let (end, generation) = (disk.log_end_offset(), disk.generation);
                acts.push(Act::Sync { partition: number, end, generation });
                process.replicas.insert(number, Replica { role: follower_of(partition, now) });
            }
        }
    }
}

fn follower_of(partition: &Partition, now: Duration) -> Role {
    Role::Follower { leader: partition.leader, epoch: partition.leader_epoch, fetch: None, not_before: now }
}
