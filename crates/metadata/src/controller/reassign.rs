//! Partitions move to other brokers (KIP-455, KIP-860).
//!
//! The brokers that are to get a partition join its replicas first; once they are in sync, those that are to lose it
//! leave. The change of the in-sync set that makes the end possible is what ends it: see `change.rs`.

use super::change::{Change, Rules};
use super::context::{Context, Decision};
use super::{PartitionError, PartitionErrors};
use crate::image::{Partition, Topic};
use crate::{ApiError, MetadataRecord};
use ottla_protocol::{ErrorCode, Str};
use std::collections::BTreeSet;

/// See [`super::Event::Reassign`].
#[derive(Clone, Debug)]
pub struct Reassign {
    /// The partitions by topic.
    pub topics: Vec<(Str, Vec<Reassignment>)>,
    /// Whether a partition may get more or fewer replicas than it has.
    pub allow_replication_factor_change: bool,
}

/// Where one partition is to be.
#[derive(Clone, Debug)]
pub struct Reassignment {
    /// The partition's number.
    pub partition: i32,
    /// The brokers, the preferred leader first; none cancels what is under way.
    pub replicas: Option<Vec<i32>>,
}

pub(super) fn decide(c: &Context<'_>, event: Reassign) -> Result<Decision<PartitionErrors>, ApiError> {
    let mut records = Vec::new();
    let mut reply = Vec::new();
    // A change is of what is now, and not of what another change of this request makes of it.
    let mut moved = BTreeSet::new();
    for (name, wanted) in &event.topics {
        let mut partitions = Vec::new();
        for wanted in wanted {
            let partition = wanted.partition;
            let result = match moved.contains(&(name, partition)) {
                true => Err(ApiError::invalid_request(format!("{name}:{partition} is moved twice."))),
                false => reassign(c, name, wanted, event.allow_replication_factor_change),
            };
            let result = result.map(|record| {
                if let Some(record) = record {
                    records.push(record);
                    moved.insert((name, partition));
                }
            });
            partitions.push(PartitionError { partition, result });
        }
        reply.push((name.clone(), partitions));
    }
    Ok(Decision { records, reply })
}

fn reassign(
    c: &Context<'_>,
    name: &Str,
    wanted: &Reassignment,
    allow_replication_factor_change: bool,
) -> Result<Option<MetadataRecord>, ApiError> {
    let unknown = |message| ApiError::new(ErrorCode::UnknownTopicOrPartition, message);
    let topic = c.topics().by_name(name).ok_or_else(|| unknown(format!("Unable to find a topic named {name}.")))?;
    let partition = topic.partitions.get(&wanted.partition);
    let partition =
        partition.ok_or_else(|| unknown(format!("Unable to find partition {name}:{}.", wanted.partition)))?;
    let rules = Rules::of(c, topic);
    let mut change = Change::new(c, &rules, partition);
    match &wanted.replicas {
        None => {
            change.election = rules.election();
            revert(c, topic, wanted.partition, partition, &mut change)?;
        }
        Some(replicas) => {
            let invalid = |message| ApiError::new(ErrorCode::InvalidReplicaAssignment, message);
            c.check_assignment(replicas, None).map_err(invalid)?;
            if !allow_replication_factor_change {
                check_replication_factor(partition, replicas.len())?;
            }
            move_to(partition, replicas, &mut change);
        }
    }
    Ok(change.record(topic.id, wanted.partition))
}

/// How many replicas a partition has, or will have once what is under way is done.
fn check_replication_factor(partition: &Partition, wanted: usize) -> Result<(), ApiError> {
    let stays = partition.replicas.iter().filter(|id| !partition.removing_replicas.contains(id));
    let current = stays.count();
    match current == wanted {
        true => Ok(()),
        false => Err(ApiError::new(
            ErrorCode::InvalidReplicationFactor,
            format!("The replication factor is changed from {current} to {wanted}"),
        )),
    }
}

/// In place of a reassignment under way too. Kafka 4.3 keeps that one's lists where its own are empty: a move back then never
/// ends, and who is to stay after all is removed.
fn move_to(partition: &Partition, replicas: &[i32], change: &mut Change<'_>) {
    let sorted = |ids: &[i32], which: &dyn Fn(&i32) -> bool| {
        let mut ids: Vec<i32> = ids.iter().copied().filter(which).collect();
        ids.sort_unstable();
        ids
    };
    let (old, adding) = (&partition.replicas, &partition.adding_replicas);
    change.removing = sorted(old, &|id| !replicas.contains(id));
    change.adding = sorted(replicas, &|id| !old.contains(id) || adding.contains(id));
    change.replicas = replicas.iter().chain(&change.removing).copied().collect();
}

/// The partition as it was before the reassignment, without those whom that added.
fn revert(
    c: &Context<'_>,
    topic: &Topic,
    number: i32,
    partition: &Partition,
    change: &mut Change<'_>,
) -> Result<(), ApiError> {
    if !partition.is_reassigning() {
        // A text that is the code's own is left out here, unlike with elections.
        return Err(ApiError::bare(ErrorCode::NoReassignmentInProgress));
    }
    let without_added =
        |ids: &[i32]| Vec::from_iter(ids.iter().copied().filter(|id| !partition.adding_replicas.contains(id)));
    let (replicas, mut isr) = (without_added(&partition.replicas), without_added(&partition.isr));
    let unclean = c.unclean_leader_election(&topic.name);
    if isr.is_empty() {
        let first = *replicas.first().ok_or_else(|| {
            let message = "Invalid replica assignment: addingReplicas contains all replicas.";
            ApiError::new(ErrorCode::InvalidReplicaAssignment, message)
        })?;
        if !unclean {
            return Err(ApiError::new(
                ErrorCode::InvalidReplicaAssignment,
                format!(
                    "Unable to revert partition assignment for {}:{number} because it would require an unclean leader election.",
                    topic.name
                ),
            ));
        }
        isr.push(first);
    }
    (change.replicas, change.isr) = (replicas, isr);
    change.adding.clear();
    change.removing.clear();
    Ok(())
}

/// The reassignments under way, of all topics or of some partitions.
pub(super) fn under_way(c: &Context<'_>, wanted: Option<&[(Str, Vec<i32>)]>) -> Reassigning {
    let of = |topic: &Topic, wanted: &mut dyn Iterator<Item = i32>| {
        let partition = |number| {
            let partition = topic.partitions.get(&number).filter(|p| p.is_reassigning())?;
            Some((number, (**partition).clone()))
        };
        (topic.name.clone(), wanted.filter_map(partition).collect::<Vec<_>>())
    };
    let found: Reassigning = match wanted {
        None => c.topics().iter().map(|topic| of(topic, &mut topic.partitions.keys().copied())).collect(),
        Some(wanted) => {
            let known = wanted.iter().filter_map(|(name, numbers)| Some((c.topics().by_name(name)?, numbers)));
            known.map(|(topic, numbers)| of(topic, &mut numbers.iter().copied())).collect()
        }
    };
    found.into_iter().filter(|(_, partitions)| !partitions.is_empty()).collect()
}

/// Partitions by topic that are being moved, as they are.
pub type Reassigning = Vec<(Str, Vec<(i32, Partition)>)>;
