//! How each record changes the image.

use super::cluster::{Broker, Controller};
use super::topics::Partition;
use super::{Error, Image};
use crate::{ConfigResource, Delta, MetadataRecord, MetadataVersion, ResourceType};
use ottla_protocol::stored::*;
use ottla_protocol::{Str, Uuid};
use std::sync::Arc;

type Result = core::result::Result<(), Error>;

pub(super) fn apply(image: &mut Image, record: &MetadataRecord, delta: &mut Delta) -> Result {
    use MetadataRecord as R;
    match record {
        R::RegisterBroker(r) => register_broker(image, r, delta),
        R::UnregisterBroker(r) => return unregister_broker(image, r, delta),
        R::FenceBroker(r) => {
            return set_fenced(image, record.name(), (r.id, r.epoch), true, delta);
        }
        R::UnfenceBroker(r) => {
            return set_fenced(image, record.name(), (r.id, r.epoch), false, delta);
        }
        R::BrokerRegistrationChange(r) => return change_broker(image, r, delta),
        R::RegisterController(r) => register_controller(image, r, delta),
        R::Topic(r) => return create_topic(image, r, delta),
        R::Partition(r) => return set_partition(image, r, delta),
        R::PartitionChange(r) => return change_partition(image, r, delta),
        R::RemoveTopic(r) => return remove_topic(image, r, delta),
        R::ClearElr(r) => return clear_elr(image, r, delta),
        R::Config(r) => return set_config(image, r, delta),
        R::FeatureLevel(r) => return set_feature(image, r, delta),
        R::ProducerIds(r) => return producer_ids(image, r, delta),
        R::BeginTransaction(_) => return begin(image, delta),
        R::EndTransaction(_) => return end(image, delta),
        R::AbortTransaction(_) => return abort(image, delta),
        _ => security(image, record, delta),
    }
    Ok(())
}

/// Records that are kept as they are, and those that say nothing any more.
fn security(image: &mut Image, record: &MetadataRecord, delta: &mut Delta) {
    use MetadataRecord as R;
    match record {
        R::ClientQuota(r) => Arc::make_mut(&mut image.client_quotas).apply(r),
        R::AccessControlEntry(r) => Arc::make_mut(&mut image.acls).insert(r),
        R::RemoveAccessControlEntry(r) => Arc::make_mut(&mut image.acls).remove(&r.id),
        R::UserScramCredential(r) => Arc::make_mut(&mut image.scram).insert(r),
        R::RemoveUserScramCredential(r) => {
            Arc::make_mut(&mut image.scram).remove(r.mechanism, &r.name);
        }
        R::DelegationToken(r) => Arc::make_mut(&mut image.delegation_tokens).insert(r),
        R::RemoveDelegationToken(r) => {
            Arc::make_mut(&mut image.delegation_tokens).remove(&r.token_id);
        }
        // Kafka 4 has no ZooKeeper to migrate from, so the state of a migration means nothing.
        _ => {}
    }
    match record {
        R::ClientQuota(_) => delta.client_quotas_changed = true,
        R::AccessControlEntry(_) | R::RemoveAccessControlEntry(_) => delta.acls_changed = true,
        R::UserScramCredential(_) | R::RemoveUserScramCredential(_) => delta.scram_changed = true,
        R::DelegationToken(_) | R::RemoveDelegationToken(_) => {
            delta.delegation_tokens_changed = true;
        }
        _ => {}
    }
}

fn register_broker(image: &mut Image, r: &RegisterBrokerRecord, delta: &mut Delta) {
    let cluster = Arc::make_mut(&mut image.cluster);
    let broker = Arc::new(Broker::from_record(r));
    cluster.brokers.insert(r.broker_id, broker);
    delta.brokers_changed.insert(r.broker_id);
}

fn unregister_broker(image: &mut Image, r: &UnregisterBrokerRecord, delta: &mut Delta) -> Result {
    check_broker(image, "UnregisterBrokerRecord", r.broker_id, r.broker_epoch)?;
    let cluster = Arc::make_mut(&mut image.cluster);
    cluster.brokers.remove(&r.broker_id);
    delta.brokers_changed.insert(r.broker_id);
    Ok(())
}

fn check_broker(image: &Image, record: &'static str, id: i32, epoch: i64) -> Result {
    match image.cluster.broker(id) {
        Some(broker) if broker.epoch == epoch => Ok(()),
        _ => Err(Error::UnknownBroker { record, broker_id: id, broker_epoch: epoch }),
    }
}

fn update_broker(
    image: &mut Image,
    record: &'static str,
    (id, epoch): (i32, i64),
    delta: &mut Delta,
    update: impl FnOnce(&mut Broker),
) -> Result {
    check_broker(image, record, id, epoch)?;
    let cluster = Arc::make_mut(&mut image.cluster);
    if let Some(broker) = cluster.brokers.get_mut(&id) {
        update(Arc::make_mut(broker));
        delta.brokers_changed.insert(id);
    }
    Ok(())
}

fn set_fenced(image: &mut Image, record: &'static str, broker: (i32, i64), fenced: bool, delta: &mut Delta) -> Result {
    update_broker(image, record, broker, delta, |b| b.fenced = fenced)
}

fn change_broker(image: &mut Image, r: &BrokerRegistrationChangeRecord, delta: &mut Delta) -> Result {
    let record = "BrokerRegistrationChangeRecord";
    let unknown = |field, value: i8| Error::UnknownValue { record, field, value: i64::from(value) };
    if !(-1..=1).contains(&r.fenced) {
        return Err(unknown("Fenced", r.fenced));
    }
    if !(0..=1).contains(&r.in_controlled_shutdown) {
        return Err(unknown("InControlledShutdown", r.in_controlled_shutdown));
    }
    let broker = (r.broker_id, r.broker_epoch);
    update_broker(image, record, broker, delta, |b| b.merge(r))
}

fn register_controller(image: &mut Image, r: &RegisterControllerRecord, delta: &mut Delta) {
    let cluster = Arc::make_mut(&mut image.cluster);
    let controller = Arc::new(Controller::from_record(r));
    cluster.controllers.insert(r.controller_id, controller);
    delta.controllers_changed.insert(r.controller_id);
}

fn create_topic(image: &mut Image, r: &TopicRecord, delta: &mut Delta) -> Result {
    let topics = &image.topics;
    if topics.by_name(&r.name).is_some() || topics.by_id(&r.topic_id).is_some() {
        return Err(Error::DuplicateTopic { name: r.name.clone(), topic_id: r.topic_id });
    }
    Arc::make_mut(&mut image.topics).insert(&r.name, r.topic_id);
    delta.topics_created.insert(r.topic_id);
    Ok(())
}

fn check_directories(record: &'static str, directories: &[Uuid], replicas: &[i32]) -> Result {
    match directories.is_empty() || directories.len() == replicas.len() {
        true => Ok(()),
        false => Err(Error::Directories { record, directories: directories.len(), replicas: replicas.len() }),
    }
}

fn set_partition(image: &mut Image, r: &PartitionRecord, delta: &mut Delta) -> Result {
    check_directories("PartitionRecord", &r.directories, &r.replicas)?;
    let partition = Arc::new(Partition::from_record(r));
    let unknown = Error::UnknownTopicId { record: "PartitionRecord", topic_id: r.topic_id };
    if image.topics.by_id(&r.topic_id).is_none() {
        return Err(unknown);
    }
    let topics = Arc::make_mut(&mut image.topics);
    let topic = topics.topic_mut(&r.topic_id).ok_or(unknown)?;
    topic.partitions.insert(r.partition_id, partition);
    delta.partition(r.topic_id, r.partition_id);
    Ok(())
}

fn change_partition(image: &mut Image, r: &PartitionChangeRecord, delta: &mut Delta) -> Result {
    let record = "PartitionChangeRecord";
    let old = image.topics.by_id(&r.topic_id);
    let old = old.ok_or(Error::UnknownTopicId { record, topic_id: r.topic_id })?;
    let old = old.partitions.get(&r.partition_id);
    let old = old.ok_or(Error::UnknownPartition { topic_id: r.topic_id, partition: r.partition_id })?;
    let new = old.merge(r);
    check_directories(record, &new.directories, &new.replicas)?;
    let topics = Arc::make_mut(&mut image.topics);
    if let Some(topic) = topics.topic_mut(&r.topic_id) {
        topic.partitions.insert(r.partition_id, Arc::new(new));
        delta.partition(r.topic_id, r.partition_id);
    }
    Ok(())
}

fn remove_topic(image: &mut Image, r: &RemoveTopicRecord, delta: &mut Delta) -> Result {
    let unknown = Error::UnknownTopicId { record: "RemoveTopicRecord", topic_id: r.topic_id };
    if image.topics.by_id(&r.topic_id).is_none() {
        return Err(unknown);
    }
    let topics = Arc::make_mut(&mut image.topics);
    let topic = topics.remove(&r.topic_id).ok_or(unknown)?;
    let resource = ConfigResource::topic(topic.name.clone());
    if image.configs.of(&resource).is_some() {
        Arc::make_mut(&mut image.configs).remove(&resource);
        delta.configs_changed.insert(resource);
    }
    delta.topic_deleted(topic);
    Ok(())
}

/// Forgets the eligible leader replicas of a topic, or with no name of all topics (KIP-966).
fn clear_elr(image: &mut Image, r: &ClearElrRecord, delta: &mut Delta) -> Result {
    let has_elr = |p: &Partition| !p.elr.is_empty() || !p.last_known_elr.is_empty();
    let ids: Vec<Uuid> = match r.topic_name.is_empty() {
        true => image.topics.iter().map(|t| t.id).collect(),
        false => {
            let topic = image.topics.by_name(&r.topic_name);
            let topic =
                topic.ok_or_else(|| Error::UnknownTopic { record: "ClearElrRecord", name: r.topic_name.clone() })?;
            vec![topic.id]
        }
    };
    for id in ids {
        let topic = image.topics.by_id(&id);
        if !topic.is_some_and(|t| t.partitions.values().any(|p| has_elr(p))) {
            continue;
        }
        let Some(topic) = Arc::make_mut(&mut image.topics).topic_mut(&id) else {
            continue;
        };
        let affected = topic.partitions.iter_mut().filter(|(_, p)| has_elr(p));
        for (number, partition) in affected {
            let change = PartitionChangeRecord {
                eligible_leader_replicas: Some(Vec::new()),
                last_known_elr: Some(Vec::new()),
                ..Default::default()
            };
            *partition = Arc::new(partition.merge(&change));
            delta.partition(id, *number);
        }
    }
    Ok(())
}

fn set_config(image: &mut Image, r: &ConfigRecord, delta: &mut Delta) -> Result {
    let kind = ResourceType::from_id(r.resource_type).ok_or(Error::UnknownValue {
        record: "ConfigRecord",
        field: "ResourceType",
        value: i64::from(r.resource_type),
    })?;
    let resource = ConfigResource::new(kind, r.resource_name.detached());
    let configs = Arc::make_mut(&mut image.configs);
    match &r.value {
        Some(value) => configs.set(resource.clone(), &r.name, value),
        None => configs.unset(&resource, &r.name),
    }
    delta.configs_changed.insert(resource);
    Ok(())
}

fn set_feature(image: &mut Image, r: &FeatureLevelRecord, delta: &mut Delta) -> Result {
    let features = Arc::make_mut(&mut image.features);
    if r.name == MetadataVersion::FEATURE_NAME {
        let version = MetadataVersion::from_level(r.feature_level);
        features.set_metadata_version(version.ok_or(Error::UnknownValue {
            record: "FeatureLevelRecord",
            field: MetadataVersion::FEATURE_NAME,
            value: i64::from(r.feature_level),
        })?);
    } else {
        features.set(&r.name, r.feature_level);
    }
    delta.features_changed.insert(Str::detached(&r.name));
    Ok(())
}

fn producer_ids(image: &mut Image, r: &ProducerIdsRecord, delta: &mut Delta) -> Result {
    match image.next_producer_id {
        Some(from) if r.next_producer_id <= from => Err(Error::ProducerIds { from, to: r.next_producer_id }),
        _ => {
            image.next_producer_id = Some(r.next_producer_id);
            delta.producer_ids_changed = true;
            Ok(())
        }
    }
}

fn begin(image: &mut Image, delta: &mut Delta) -> Result {
    if image.in_transaction() {
        return Err(Error::Transaction("BeginTransactionRecord"));
    }
    delta.before_transaction = Some(Box::new(delta.clone()));
    image.before_transaction = Some(Arc::new(image.clone()));
    Ok(())
}

fn end(image: &mut Image, delta: &mut Delta) -> Result {
    if image.before_transaction.take().is_none() {
        return Err(Error::Transaction("EndTransactionRecord"));
    }
    delta.before_transaction = None;
    Ok(())
}

fn abort(image: &mut Image, delta: &mut Delta) -> Result {
    let before = image.before_transaction.take();
    let before = before.ok_or(Error::Transaction("AbortTransactionRecord"))?;
    let (offset, epoch) = (image.offset, image.epoch);
    *image = Arc::unwrap_or_clone(before);
    image.advance(offset, epoch);
    *delta = delta.before_transaction.take().map_or_else(Delta::default, |d| *d);
    Ok(())
}
