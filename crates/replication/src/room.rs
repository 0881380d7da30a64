//! What a broker whose disk is short of room tells the controller of a replica, so that another one leads.

use ottla_metadata::image::{Cluster, DIRECTORY_LOST, NO_LEADER, Partition};
use ottla_protocol::Uuid;

/// The log dir that the controller is to be told of for a replica that is in `dir`, if it is to be told one.
///
/// That is `dir`; or that the disk is lost ([`DIRECTORY_LOST`]) where it is short of room and another replica in sync leads, or can.
/// The controller has another lead then, and does not elect this one (KIP-858); it may follow, and be in sync. Where nobody else
/// can lead it does, though it takes nothing from producers. A controller elects by what it was told before, so it is told again
/// where nobody leads though this replica could.
///
/// Where leaders are elected uncleanly `is_short` is to be false: if all others in sync go, one that is not would be elected
/// before this one is told of again.
pub fn directory_to_tell(
    dir: Uuid,
    is_short: bool,
    partition: &Partition,
    cluster: &Cluster,
    node_id: i32,
) -> Option<Uuid> {
    let known = partition.directory(node_id)?;
    let can_lead = |id: i32| {
        let on_a_disk = partition.directory(id).is_some_and(|dir| cluster.has_online_dir(id, dir));
        id != node_id && cluster.is_active(id) && on_a_disk
    };
    let another_leads = match partition.leader {
        NO_LEADER => false,
        leader if leader == node_id => partition.isr.iter().any(|id| can_lead(*id)),
        _ => known == DIRECTORY_LOST,
    };
    let wanted = match is_short && another_leads {
        true => DIRECTORY_LOST,
        false => dir,
    };
    let mut eligible = partition.isr.iter().chain(&partition.elr).chain(&partition.last_known_elr);
    let could_lead = cluster.is_active(node_id) && eligible.any(|id| *id == node_id);
    (wanted != known || (partition.leader == NO_LEADER && could_lead)).then_some(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_metadata::{Image, MetadataRecord};
    use ottla_protocol::stored::{PartitionRecord, RegisterBrokerRecord, TopicRecord};

    const DISK: Uuid = Uuid::from_bytes([7; 16]);
    const TOPIC: Uuid = Uuid::from_bytes([1; 16]);
    const ME: i32 = 1;

    fn brokers(fenced: &[i32]) -> impl Iterator<Item = MetadataRecord> {
        let broker = |broker_id| {
            let (fenced, log_dirs) = (fenced.contains(&broker_id), vec![DISK]);
            RegisterBrokerRecord { broker_id, fenced, log_dirs, ..Default::default() }.into()
        };
        [1, 2, 3].map(broker).into_iter()
    }

    /// What is told of a replica of brokers 1, 2 and 3; those of `lost` were told to be on a lost disk.
    #[track_caller]
    fn check(is_short: bool, leader: i32, isr: &[i32], lost: &[i32], fenced: &[i32], expected: Option<Uuid>) {
        let mut image = Image::default();
        let replicas = vec![1, 2, 3];
        let directory = |id| if lost.contains(id) { DIRECTORY_LOST } else { DISK };
        let directories = replicas.iter().map(directory).collect();
        let isr = isr.to_vec();
        let whole = PartitionRecord { replicas, isr, leader, directories, ..Default::default() };
        let partition = PartitionRecord { topic_id: TOPIC, partition_id: 0, ..whole };
        let topic = TopicRecord { name: "a".into(), topic_id: TOPIC, ..Default::default() };
        for record in brokers(fenced).chain([topic.into(), partition.into()]) {
            image.apply(&record).unwrap();
        }
        let partition = image.topics().partition("a", 0).unwrap();
        assert_eq!(directory_to_tell(DISK, is_short, partition, image.cluster(), ME), expected);
    }

    #[test]
    fn who_is_short_of_room_has_another_lead_if_one_can() {
        check(true, ME, &[1, 2], &[], &[], Some(DIRECTORY_LOST));
        check(false, ME, &[1, 2], &[], &[], None);
        check(true, ME, &[1], &[], &[], None);
        check(true, ME, &[1, 2], &[], &[2], None);
    }

    #[test]
    fn where_all_are_short_of_room_the_last_leads_on() {
        check(true, ME, &[1, 2, 3], &[2], &[], Some(DIRECTORY_LOST));
        check(true, ME, &[1, 2, 3], &[2, 3], &[], None);
        check(true, ME, &[1, 2, 3], &[2], &[3], None);
    }

    #[test]
    fn who_handed_over_follows_until_there_is_room() {
        check(true, 2, &[1, 2], &[1], &[], None);
        check(false, 2, &[1, 2], &[1], &[], Some(DISK));
        // Nothing is to be handed over.
        check(true, 2, &[1, 2], &[], &[], None);
    }

    #[test]
    fn rather_a_leader_that_is_short_of_room_than_none() {
        check(true, NO_LEADER, &[1, 2], &[1], &[2], Some(DISK));
        // It is not elected before it is told again.
        check(true, NO_LEADER, &[1, 2], &[], &[2], Some(DISK));
        check(true, NO_LEADER, &[1, 2], &[], &[1, 2], None);
        check(true, NO_LEADER, &[2], &[], &[2], None);
    }
}
