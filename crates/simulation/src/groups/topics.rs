//! What there is to read, and how assignments are written.

use ottla_coordinator::Assignment;
use ottla_metadata::Image;
use ottla_protocol::codec::Decoder;
use ottla_protocol::stored::consumer_protocol_assignment::TopicPartition;
use ottla_protocol::stored::{ConsumerProtocolAssignment, ConsumerProtocolSubscription, PartitionRecord, TopicRecord};
use ottla_protocol::{Bytes, Message, Str, Uuid};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A partition: the number of its topic, and its own.
pub(crate) type Part = (usize, i32);

pub(super) const NAMES: [&str; 2] = ["a", "b"];

pub(crate) fn name(topic: usize) -> Str {
    Str::from_static(NAMES.get(topic).copied().unwrap_or_default())
}

pub(super) fn id(topic: usize) -> Uuid {
    Uuid::from_bytes([u8::try_from(topic + 1).unwrap_or(u8::MAX); 16])
}

pub(crate) fn number_of(id_or_name: impl Fn(usize) -> bool) -> Option<usize> {
    (0..NAMES.len()).find(|topic| id_or_name(*topic))
}

/// How many partitions each topic has; they only become more.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Topics {
    pub(crate) partitions: [i32; NAMES.len()],
    /// How often they have changed.
    pub(crate) changes: i64,
}

impl Topics {
    pub(crate) fn image(&self) -> Arc<Image> {
        let mut image = Image::default();
        for (topic, count) in self.partitions.iter().enumerate().filter(|(_, count)| **count > 0) {
            let topic_id = id(topic);
            let mut apply = |record| image.apply(&record).expect("a record of a new topic");
            apply(TopicRecord { name: name(topic), topic_id, ..Default::default() }.into());
            for partition_id in 0..*count {
                let partition =
                    PartitionRecord { partition_id, topic_id, replicas: vec![1], isr: vec![1], ..Default::default() };
                apply(partition.into());
            }
        }
        image.advance(self.changes + 1, 1);
        Arc::new(image)
    }

    /// All partitions of some topics.
    pub(crate) fn of(&self, topics: &BTreeSet<usize>) -> BTreeSet<Part> {
        let count = |topic: usize| self.partitions.get(topic).copied().unwrap_or(0);
        topics.iter().flat_map(|topic| (0..count(*topic)).map(|partition| (*topic, partition))).collect()
    }
}

pub(super) fn to_assignment(parts: &BTreeSet<Part>) -> Assignment {
    let mut assignment = Assignment::new();
    for (topic, partition) in parts {
        assignment.entry(id(*topic)).or_default().insert(*partition);
    }
    assignment
}

pub(super) fn from_assignment(assignment: &Assignment) -> BTreeSet<Part> {
    let topics = assignment.iter().filter_map(|(each, numbers)| Some((number_of(|it| id(it) == *each)?, numbers)));
    topics.flat_map(|(topic, numbers)| numbers.iter().map(move |number| (topic, *number))).collect()
}

/// An assignment, as a consumer that leads a classic group writes it.
pub(super) fn to_bytes(parts: &BTreeSet<Part>) -> Bytes {
    let assigned =
        parts.iter().map(|(topic, number)| TopicPartition { topic: name(*topic), partitions: vec![*number] });
    let assignment = ConsumerProtocolAssignment { assigned_partitions: assigned.collect(), ..Default::default() };
    assignment.to_versioned_bytes(0).expect("an assignment can be written")
}

/// The same, read; what cannot be read is nothing.
pub(super) fn from_bytes(bytes: &Bytes) -> BTreeSet<Part> {
    let mut decoder = Decoder::new(bytes.clone());
    let read = decoder.int16().and_then(|version| ConsumerProtocolAssignment::read(&mut decoder, version));
    let topics = read.map(|read| read.assigned_partitions).unwrap_or_default();
    let numbered =
        topics.into_iter().filter_map(|it| Some((number_of(|topic| name(topic) == it.topic)?, it.partitions)));
    numbered.flat_map(|(topic, numbers)| numbers.into_iter().map(move |number| (topic, number))).collect()
}

/// A subscription, as a consumer of the classic protocol writes it.
pub(super) fn subscription(topics: &BTreeSet<usize>) -> Bytes {
    let subscription = ConsumerProtocolSubscription {
        topics: topics.iter().map(|topic| name(*topic)).collect(),
        ..Default::default()
    };
    subscription.to_versioned_bytes(0).expect("a subscription can be written")
}

pub(super) fn subscribed(bytes: &Bytes) -> BTreeSet<usize> {
    let mut decoder = Decoder::new(bytes.clone());
    let read = decoder.int16().and_then(|version| ConsumerProtocolSubscription::read(&mut decoder, version));
    let topics = read.map(|read| read.topics).unwrap_or_default();
    topics.into_iter().filter_map(|each| number_of(|topic| name(topic) == each)).collect()
}
