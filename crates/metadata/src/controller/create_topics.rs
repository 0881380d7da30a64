//! Makes topics.

use super::context::{Context, Decision, excessively_large};
use super::partitions::while_creating;
use super::{Hard, MAX_RECORDS_PER_USER_OP, alter_configs};
use crate::image::Partition;
use crate::{ApiError, ConfigResource, MetadataRecord, topic_name};
use ottla_protocol::stored::TopicRecord;
use ottla_protocol::{ErrorCode, Str, Uuid};
use std::collections::{BTreeMap, BTreeSet};

/// The most partitions that one request may make.
const MAX_PARTITIONS_PER_REQUEST: i64 = 10_000;

/// See [`super::Event::CreateTopics`].
#[derive(Clone, Debug, Default)]
pub struct CreateTopics {
    /// The topics.
    pub topics: Vec<CreatableTopic>,
    /// Whether to say only what would be.
    pub validate_only: bool,
    /// Random, for the placement of replicas.
    pub seed: u64,
}

/// A topic to make.
#[derive(Clone, Debug)]
pub struct CreatableTopic {
    /// Its name.
    pub name: Str,
    /// Its id: random, and so never used before.
    pub topic_id: Uuid,
    /// The number of partitions; -1 for the default, or if there are assignments.
    pub num_partitions: i32,
    /// The number of replicas; -1 for the default, or if there are assignments.
    pub replication_factor: i16,
    /// The brokers of each partition, if the caller chooses them.
    pub assignments: Vec<ReplicaAssignment>,
    /// Configs to set, in the request's order.
    pub configs: Vec<(Str, Option<Str>)>,
}

/// The brokers of a partition.
#[derive(Clone, Debug)]
pub struct ReplicaAssignment {
    /// The partition.
    pub partition_index: i32,
    /// Its brokers, the preferred leader first.
    pub broker_ids: Vec<i32>,
}

/// A topic that was made, or would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedTopic {
    /// Its id.
    pub topic_id: Uuid,
    /// How many partitions it has.
    pub num_partitions: i32,
    /// How many replicas each has.
    pub replication_factor: i16,
}

/// What became of one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicResult {
    /// The topic's name.
    pub name: Str,
    /// What became of it.
    pub result: Result<CreatedTopic, ApiError>,
}

pub(super) fn decide(c: &Context<'_>, event: CreateTopics) -> Result<Decision<Vec<TopicResult>>, ApiError> {
    let (once, repeated) = by_repetition(&event.topics);
    check_partition_count(&once, c.settings.num_partitions)?;
    let mut records = Vec::new();
    let mut reply = Vec::with_capacity(once.len() + repeated.len());
    for topic in once {
        let result = create(c, topic, &mut records, event.seed);
        // Kafka counts the records of a request that only asks, too.
        if records.len() > MAX_RECORDS_PER_USER_OP {
            return Err(excessively_large());
        }
        reply.push(TopicResult { name: topic.name.clone(), result });
    }
    let duplicate = || ApiError::invalid_request("Duplicate topic name.");
    reply.extend(repeated.into_iter().map(|name| TopicResult { name: name.clone(), result: Err(duplicate()) }));
    if event.validate_only {
        records.clear();
    }
    Ok(Decision { records, reply })
}

/// The topics named once, and the names of the others.
fn by_repetition(topics: &[CreatableTopic]) -> (Vec<&CreatableTopic>, BTreeSet<&Str>) {
    let mut seen = BTreeSet::new();
    let mut repeated = BTreeSet::new();
    for topic in topics {
        if !seen.insert(&topic.name) {
            repeated.insert(&topic.name);
        }
    }
    let once = topics.iter().filter(|t| !repeated.contains(&t.name));
    (once.collect(), repeated)
}

fn check_partition_count(topics: &[&CreatableTopic], default: i32) -> Result<(), ApiError> {
    let count = |topic: &&CreatableTopic| match (topic.assignments.len(), topic.num_partitions) {
        (0, -1) => i64::from(default),
        (0, count) => i64::from(count.max(0)),
        (assigned, _) => i64::try_from(assigned).unwrap_or(i64::MAX),
    };
    let total = topics.iter().map(count).fold(0, i64::saturating_add);
    match total > MAX_PARTITIONS_PER_REQUEST {
        true => Err(ApiError::new(ErrorCode::PolicyViolation, "Excessively large number of partitions per request.")),
        false => Ok(()),
    }
}

fn create(
    c: &Context<'_>,
    topic: &CreatableTopic,
    records: &mut Vec<MetadataRecord>,
    seed: u64,
) -> Result<CreatedTopic, ApiError> {
    check_name(c.hard, &topic.name)?;
    let configs = config_records(c, topic)?;
    let partitions = partitions(c, topic, seed)?;
    let replicas = partitions.first().map_or(0, |p| p.replicas.len());
    let created = CreatedTopic {
        topic_id: topic.topic_id,
        num_partitions: i32::try_from(partitions.len()).unwrap_or(i32::MAX),
        replication_factor: i16::try_from(replicas).unwrap_or(i16::MAX),
    };
    records.push(TopicRecord { name: topic.name.clone(), topic_id: topic.topic_id, ..Default::default() }.into());
    // Configs go between the topic and its partitions, so that whoever makes a partition knows them.
    records.extend(configs);
    let numbered = (0..).zip(&partitions);
    records.extend(numbered.map(|(number, p)| c.partition_record(topic.topic_id, number, p)));
    Ok(created)
}

fn check_name(hard: &Hard, name: &Str) -> Result<(), ApiError> {
    if *name == topic_name::CLUSTER_METADATA_TOPIC_NAME {
        return Err(ApiError::invalid_request(format!("Creation of internal topic {name} is prohibited.")));
    }
    if hard.image.topics().by_name(name).is_some() {
        return Err(ApiError::new(ErrorCode::TopicAlreadyExists, format!("Topic '{name}' already exists.")));
    }
    let same_in_metrics =
        topic_name::unified(name).and_then(|unified| hard.unified_names.get(&unified)).and_then(BTreeSet::first);
    if let Some(existing) = same_in_metrics {
        return Err(ApiError::new(
            ErrorCode::InvalidTopicException,
            format!("Topic '{name}' collides with existing topic: {existing}"),
        ));
    }
    topic_name::validate(name)
}

fn config_records(c: &Context<'_>, topic: &CreatableTopic) -> Result<Vec<MetadataRecord>, ApiError> {
    let without = topic.configs.iter().filter(|(_, value)| value.is_none());
    let without: Vec<&str> = without.map(|(name, _)| name.as_str()).collect();
    if !without.is_empty() {
        return Err(ApiError::invalid_config(format!(
            "Null value not supported for topic configs: {}",
            without.join(",")
        )));
    }
    // Of a config that is named twice, the last counts.
    let named = topic.configs.iter().cloned();
    let configs: BTreeMap<Str, Option<Str>> = named.collect();
    let resource = ConfigResource::topic(topic.name.clone());
    alter_configs::for_new_resource(c, &resource, configs)
}

fn partitions(c: &Context<'_>, topic: &CreatableTopic, seed: u64) -> Result<Vec<Partition>, ApiError> {
    if !topic.assignments.is_empty() {
        return assigned(c, topic);
    }
    let replication_factor = match topic.replication_factor {
        -1 => c.settings.default_replication_factor,
        factor if factor > 0 => factor,
        _ => {
            return Err(ApiError::new(
                ErrorCode::InvalidReplicationFactor,
                "Replication factor must be larger than 0, or -1 to use the default value.",
            ));
        }
    };
    let count = match topic.num_partitions {
        -1 => c.settings.num_partitions,
        count if count > 0 => count,
        _ => {
            return Err(ApiError::new(
                ErrorCode::InvalidPartitions,
                "Number of partitions was set to an invalid non-positive value.",
            ));
        }
    };
    let count = usize::try_from(count).unwrap_or(0);
    // Topics of one request are not to have their leaders on one broker.
    let [high, low] = halves(&topic.topic_id);
    c.place(count, replication_factor, seed ^ high ^ low).map_err(|error| while_creating(replication_factor, error))
}

fn halves(id: &Uuid) -> [u64; 2] {
    let (high, low) = id.as_bytes().split_at(8);
    [high, low].map(|half| half.iter().fold(0, |n, byte| (n << 8) | u64::from(*byte)))
}

fn assigned(c: &Context<'_>, topic: &CreatableTopic) -> Result<Vec<Partition>, ApiError> {
    let not_default = |what| {
        ApiError::invalid_request(format!("A manual partition assignment was specified, but {what} was not set to -1."))
    };
    if topic.replication_factor != -1 {
        return Err(not_default("replication factor"));
    }
    if topic.num_partitions != -1 {
        return Err(not_default("numPartitions"));
    }
    let invalid = |message: String| ApiError::new(ErrorCode::InvalidReplicaAssignment, message);
    let mut partitions = BTreeMap::new();
    let mut replication_factor = None;
    for ReplicaAssignment { partition_index, broker_ids } in &topic.assignments {
        if partitions.contains_key(partition_index) {
            return Err(invalid(format!(
                "Found multiple manual partition assignments for partition {partition_index}"
            )));
        }
        let partition = c.place_manually(*partition_index, broker_ids, replication_factor)?;
        replication_factor = Some(broker_ids.len());
        partitions.insert(*partition_index, partition);
    }
    if (0..).zip(partitions.keys()).any(|(n, number)| n != *number) {
        return Err(invalid("partitions should be a consecutive 0-based integer sequence".to_owned()));
    }
    Ok(partitions.into_values().collect())
}
