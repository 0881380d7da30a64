//! What consumers of the classic protocol say in it: subscriptions and assignments, by topic names.

use super::assignment::Assignment;
use super::topics::Topics;
use ottla_protocol::codec::{DecodeError, Decoder, EncodeError};
use ottla_protocol::stored::{
    ConsumerProtocolAssignment, ConsumerProtocolSubscription, consumer_protocol_assignment,
    consumer_protocol_subscription,
};
use ottla_protocol::{Bytes, Message, Str, Uuid};

/// Newer versions begin with what this one has.
const HIGHEST_VERSION: i16 = 3;

/// Reads a message that its version is before.
fn read<M: Message>(bytes: &Bytes) -> Result<M, DecodeError> {
    let mut decoder = Decoder::new(Bytes::copy_from_slice(bytes));
    let version = decoder.int16()?;
    M::read(&mut decoder, version.clamp(0, HIGHEST_VERSION))
}

/// The version of a message.
pub(super) fn version(bytes: &Bytes) -> i16 {
    let version = Decoder::new(bytes.clone()).int16();
    version.map_or(0, |version| version.clamp(0, HIGHEST_VERSION))
}

/// A subscription.
pub(super) fn subscription(metadata: &Bytes) -> Result<ConsumerProtocolSubscription, DecodeError> {
    read(metadata)
}

/// What a subscription says that the member has; topics that are gone are left out.
pub(super) fn owned(subscription: &ConsumerProtocolSubscription, topics: &Topics) -> Assignment {
    let topic =
        |topic: &consumer_protocol_subscription::TopicPartition| (topic.topic.clone(), topic.partitions.clone());
    by_id(subscription.owned_partitions.iter().map(topic), topics)
}

/// An assignment of the classic protocol; none if a client's own assignor has put something into it that would be lost.
pub(super) fn assignment(bytes: &Bytes, topics: &Topics) -> Result<Option<Assignment>, DecodeError> {
    // A member that just joined and has not synced has none yet.
    if bytes.is_empty() {
        return Ok(Some(Assignment::new()));
    }
    let read: ConsumerProtocolAssignment = read(bytes)?;
    if read.user_data.as_ref().is_some_and(|data| !data.is_empty()) {
        return Ok(None);
    }
    let topic = |topic: consumer_protocol_assignment::TopicPartition| (topic.topic, topic.partitions);
    Ok(Some(by_id(read.assigned_partitions.into_iter().map(topic), topics)))
}

fn by_id(named: impl Iterator<Item = (Str, Vec<i32>)>, topics: &Topics) -> Assignment {
    let mut assignment = Assignment::new();
    for (name, partitions) in named {
        if let Some(id) = topics.id_of(&name).filter(|_| !partitions.is_empty()) {
            assignment.entry(id).or_default().extend(partitions);
        }
    }
    assignment
}

/// An assignment as the classic protocol has it.
pub(super) fn to_bytes(assignment: &Assignment, topics: &Topics, version: i16) -> Result<Bytes, EncodeError> {
    let topic = |(id, partitions): (&Uuid, &std::collections::BTreeSet<i32>)| {
        Some(consumer_protocol_assignment::TopicPartition {
            topic: topics.name_of(*id)?,
            partitions: partitions.iter().copied().collect(),
        })
    };
    let assigned_partitions = assignment.iter().filter_map(topic).collect();
    ConsumerProtocolAssignment { assigned_partitions, user_data: None }.to_versioned_bytes(version)
}
