//! A broker tells which of its log directories its replicas are in (KIP-858).

use super::change::{Change, Rules};
use super::context::{Context, Decision};
use super::leadership::BrokerNews;
use crate::image::{Broker, Partition, Topic};
use crate::{ApiError, MetadataRecord, MetadataVersion};
use ottla_protocol::{ErrorCode, Uuid};

/// See [`super::Event::AssignReplicas`].
#[derive(Clone, Debug)]
pub struct AssignReplicas {
    /// The broker.
    pub broker_id: i32,
    /// The epoch it registered with.
    pub broker_epoch: i64,
    /// Where its replicas are.
    pub assignments: Vec<Assignment>,
}

/// A replica in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Assignment {
    /// The directory.
    pub directory: Uuid,
    /// The topic.
    pub topic_id: Uuid,
    /// The partition's number.
    pub partition: i32,
}

/// Decides; the reply says of each assignment, in order, whether it holds.
pub(super) fn decide(c: &Context<'_>, event: AssignReplicas) -> Result<Decision<Vec<ErrorCode>>, ApiError> {
    if c.hard.metadata_version() < MetadataVersion::DIRECTORIES {
        return Err(ApiError::new(ErrorCode::UnsupportedVersion, "Directory assignment is not supported yet."));
    }
    let broker = c.check_broker_epoch(event.broker_id, event.broker_epoch)?;
    let mut records = Vec::new();
    let reply = event.assignments.iter().map(|assignment| match find(c, broker, assignment) {
        Ok((topic, partition)) => {
            records.extend(changes(c, broker, assignment, topic, partition));
            ErrorCode::None
        }
        Err(error) => error,
    });
    let reply = reply.collect();
    Ok(Decision { records, reply })
}

fn find<'a>(
    c: &'a Context<'_>,
    broker: &Broker,
    assignment: &Assignment,
) -> Result<(&'a Topic, &'a Partition), ErrorCode> {
    let topic = c.topics().by_id(&assignment.topic_id).ok_or(ErrorCode::UnknownTopicId)?;
    let partition = topic.partitions.get(&assignment.partition).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    match partition.replicas.contains(&broker.id) {
        true => Ok((topic, partition)),
        false => Err(ErrorCode::NotLeaderOrFollower),
    }
}

/// The replica's new directory; on one that failed it neither leads nor is in sync.
fn changes(
    c: &Context<'_>,
    broker: &Broker,
    assignment: &Assignment,
    topic: &Topic,
    partition: &Partition,
) -> impl Iterator<Item = MetadataRecord> {
    let Assignment { directory, topic_id, partition: number } = *assignment;
    let rules = Rules::of(c, topic);
    let mut change = Change::new(c, &rules, partition);
    change.directories.insert(broker.id, directory);
    let moved = change.record(topic_id, number);
    let lost = (!broker.has_online_dir(directory))
        .then(|| c.partition_change(BrokerNews::Leaves(broker.id), topic_id, number))
        .flatten();
    moved.into_iter().chain(lost)
}
