//! Gives topics more partitions.

use super::context::{Context, Decision, excessively_large};
use super::{MAX_RECORDS_PER_USER_OP, TopicError};
use crate::image::{Partition, Topic};
use crate::{ApiError, MetadataRecord};
use ottla_protocol::{ErrorCode, Str};
use std::collections::BTreeSet;

/// See [`super::Event::CreatePartitions`].
#[derive(Clone, Debug, Default)]
pub struct CreatePartitions {
    /// The topics.
    pub topics: Vec<GrowingTopic>,
    /// Whether to say only what would be.
    pub validate_only: bool,
    /// Random, for the placement of replicas.
    pub seed: u64,
}

/// A topic to give more partitions.
#[derive(Clone, Debug)]
pub struct GrowingTopic {
    /// Its name.
    pub name: Str,
    /// How many partitions it is to have in all.
    pub count: i32,
    /// The brokers of each new partition, if the caller chooses them.
    pub assignments: Option<Vec<Vec<i32>>>,
}

pub(super) fn decide(c: &Context<'_>, event: CreatePartitions) -> Result<Decision<Vec<TopicError>>, ApiError> {
    let mut seen = BTreeSet::new();
    let names = event.topics.iter().map(|t| &t.name);
    let repeated: BTreeSet<&Str> = names.filter(|name| !seen.insert(*name)).collect();
    let mut records = Vec::new();
    let duplicate = |name: &&Str| TopicError {
        name: (*name).clone(),
        result: Err(ApiError::invalid_request("Duplicate topic name.")),
    };
    let mut reply: Vec<TopicError> = repeated.iter().map(duplicate).collect();
    for topic in event.topics.iter().filter(|t| !repeated.contains(&t.name)) {
        let result = grow(c, topic, event.seed, MAX_RECORDS_PER_USER_OP - records.len())?;
        reply.push(TopicError { name: topic.name.clone(), result: result.map(|new| records.extend(new)) });
    }
    if event.validate_only {
        records.clear();
    }
    Ok(Decision { records, reply })
}

/// The outer error is the whole request's, the inner one the topic's.
fn grow(
    c: &Context<'_>,
    wanted: &GrowingTopic,
    seed: u64,
    room: usize,
) -> Result<Result<Vec<MetadataRecord>, ApiError>, ApiError> {
    let (topic, additional) = match additional(c, wanted) {
        Ok(found) => found,
        Err(error) => return Ok(Err(error)),
    };
    if additional > room {
        return Err(excessively_large());
    }
    let numbers = (0..).skip(topic.partitions.len()).take(additional);
    let record = |(number, partition): (i32, &Partition)| c.partition_record(topic.id, number, partition);
    Ok(place(c, topic, wanted, additional, seed).map(|partitions| numbers.zip(&partitions).map(record).collect()))
}

fn additional<'a>(c: &Context<'a>, wanted: &GrowingTopic) -> Result<(&'a Topic, usize), ApiError> {
    let topic = c.hard.image.topics().by_name(&wanted.name);
    let topic = topic.ok_or(ApiError::bare(ErrorCode::UnknownTopicOrPartition))?;
    let has = topic.partitions.len();
    let invalid = |message| ApiError::new(ErrorCode::InvalidPartitions, message);
    let count = usize::try_from(wanted.count).ok();
    let additional = match count.and_then(|count| count.checked_sub(has)) {
        Some(0) => Err(invalid(format!("Topic already has {has} partition(s)."))),
        Some(additional) => Ok(additional),
        None => Err(invalid(format!(
            "The topic {} currently has {has} partition(s); {} would not be an increase.",
            wanted.name, wanted.count
        ))),
    }?;
    match &wanted.assignments {
        Some(assignments) if assignments.len() != additional => Err(ApiError::new(
            ErrorCode::InvalidReplicaAssignment,
            format!(
                "Attempted to add {additional} additional partition(s), but only {} assignment(s) were specified.",
                assignments.len()
            ),
        )),
        _ => Ok((topic, additional)),
    }
}

fn place(
    c: &Context<'_>,
    topic: &Topic,
    wanted: &GrowingTopic,
    additional: usize,
    seed: u64,
) -> Result<Vec<Partition>, ApiError> {
    let first = topic.partitions.values().next();
    let replicas = first.map(|p| p.replicas.len()).ok_or_else(|| {
        ApiError::new(
            ErrorCode::UnknownServerError,
            format!("Invalid state: topic {} appears to have no partitions.", wanted.name),
        )
    })?;
    let Some(assignments) = &wanted.assignments else {
        let factor = i16::try_from(replicas).unwrap_or(i16::MAX);
        return c.place(additional, factor, seed);
    };
    let numbers = (0..).skip(topic.partitions.len());
    let placed = numbers.zip(assignments);
    placed.map(|(number, brokers)| c.place_manually(number, brokers, Some(replicas))).collect()
}
