//! Who produces, and who administers.

use crate::random::Random;
use ottla_config::keys;
use ottla_metadata::Image;
use ottla_metadata::controller::{
    CreatableTopic, CreateTopics, ElectLeaders, ElectionKind, Event, Reassign, Reassignment, ReplicaAssignment,
};
use ottla_protocol::{Str, Uuid};
use ottla_state_machine::Ticket;

pub(crate) fn topic() -> Str {
    Str::from_static("t")
}

/// The topic, its replicas on brokers of the seed's choice.
pub(crate) fn create(
    random: &mut Random,
    (brokers, partitions, replicas): (i32, i32, usize),
    min_insync_replicas: usize,
) -> CreateTopics {
    let name = Str::from_static(keys::MIN_INSYNC_REPLICAS.name());
    let assignments = (0..partitions).map(|partition_index| ReplicaAssignment {
        partition_index,
        broker_ids: some_brokers(random, brokers, replicas),
    });
    let created = CreatableTopic {
        name: topic(),
        topic_id: topic_id(),
        num_partitions: -1,
        replication_factor: -1,
        assignments: assignments.collect(),
        configs: vec![(name, Some(min_insync_replicas.to_string().into()))],
    };
    CreateTopics { topics: vec![created], validate_only: false, seed: 1 }
}

/// The id of the topic.
pub(crate) fn topic_id() -> Uuid {
    Uuid::from_bytes([5; 16])
}

fn some_brokers(random: &mut Random, brokers: i32, count: usize) -> Vec<i32> {
    let mut left: Vec<i32> = (1..=brokers).collect();
    let mut chosen = Vec::new();
    while chosen.len() < count {
        let Some(id) = random.pick(&left) else { break };
        left.retain(|other| *other != id);
        chosen.push(id);
    }
    chosen
}

/// An operator's request.
pub(crate) fn request(
    random: &mut Random,
    image: &Image,
    brokers: i32,
    replicas: usize,
) -> Option<impl FnOnce(Ticket) -> Event + use<>> {
    let partitions: Vec<i32> = image.topics().by_name(&topic())?.partitions.keys().copied().collect();
    let partition = random.pick(&partitions)?;
    let choice = random.below(10);
    let to = some_brokers(random, brokers, replicas);
    Some(move |ticket| match choice {
        0..5 => {
            let wanted = Reassignment { partition, replicas: Some(to) };
            let topics = vec![(topic(), vec![wanted])];
            Event::Reassign(ticket, Reassign { topics, allow_replication_factor_change: true })
        }
        5..7 => {
            let topics = vec![(topic(), vec![Reassignment { partition, replicas: None }])];
            Event::Reassign(ticket, Reassign { topics, allow_replication_factor_change: true })
        }
        _ => {
            let topics = Some(vec![(topic(), vec![partition])]);
            Event::ElectLeaders(ticket, ElectLeaders { kind: ElectionKind::Preferred, topics })
        }
    })
}
