//! What brokers ask of a controller in another node, as Kafka's requests.

use super::{channel::Channel, remote::ANOTHER};
use crate::client::Error;
use ottla_metadata::{
    ApiError,
    controller::{
        AllocateProducerIds, AlterPartition, AlteredPartitions, AssignReplicas, BrokerHeartbeat, BrokerStatus,
        CreateTopics, CreatedTopic, Event, IsrChange, ProducerIdBlock, RegisterBroker, RegisterController, Reply,
        TopicResult,
    },
    image::{Endpoint, Partition},
};
use ottla_protocol::{ApiKey, ErrorCode, Uuid, messages::*};
use std::collections::BTreeMap;

/// Why there is no reply.
pub(super) enum Unasked {
    NoAnswer(Error),
    /// Brokers do not ask this; requests of clients are forwarded as they are.
    NotForBrokers,
}

impl From<Error> for Unasked {
    fn from(error: Error) -> Self {
        Self::NoAnswer(error)
    }
}

/// Asks once.
pub(super) async fn ask(channel: &Channel, event: &Event) -> Result<Reply, Unasked> {
    Ok(match event {
        Event::RegisterBroker(_, event) => register(channel, event).await?,
        Event::BrokerHeartbeat(_, event) => heartbeat(channel, event).await?,
        Event::AlterPartition(_, event) => alter_partition(channel, event).await?,
        Event::AssignReplicas(_, event) => assign_replicas(channel, event).await?,
        Event::AllocateProducerIds(_, event) => allocate_producer_ids(channel, event).await?,
        Event::CreateTopics(_, event) => create_topics(channel, event).await?,
        Event::RegisterController(_, event) => register_controller(channel, event).await?,
        _ => return Err(Unasked::NotForBrokers),
    })
}

/// Whether a reply says that another controller is active.
pub(super) fn is_from_another(reply: &Reply) -> bool {
    let code = match reply {
        Reply::RegisterBroker(Err(error))
        | Reply::BrokerHeartbeat(Err(error))
        | Reply::AlterPartition(Err(error))
        | Reply::AssignReplicas(Err(error))
        | Reply::AllocateProducerIds(Err(error))
        | Reply::CreateTopics(Err(error))
        | Reply::RegisterController(Err(error)) => error.code,
        _ => ErrorCode::None,
    };
    code == ANOTHER
}

fn code(code: i16) -> ErrorCode {
    ErrorCode::from_code(code).unwrap_or(ErrorCode::UnknownServerError)
}

fn checked(error_code: i16) -> Result<(), ApiError> {
    ApiError::answered(error_code, None)
}

async fn register(channel: &Channel, event: &RegisterBroker) -> Result<Reply, Error> {
    let listener = |endpoint: &Endpoint| broker_registration_request::Listener {
        name: endpoint.name.clone(),
        host: endpoint.host.clone(),
        port: endpoint.port,
        security_protocol: endpoint.security_protocol,
        ..Default::default()
    };
    let feature = |feature: &ottla_metadata::image::BrokerFeature| broker_registration_request::Feature {
        name: feature.name.clone(),
        min_supported_version: feature.min_supported_version,
        max_supported_version: feature.max_supported_version,
        ..Default::default()
    };
    let request = BrokerRegistrationRequest {
        broker_id: event.broker_id,
        cluster_id: event.cluster_id.clone(),
        incarnation_id: event.incarnation_id,
        listeners: event.listeners.iter().map(listener).collect(),
        features: event.features.iter().map(feature).collect(),
        rack: event.rack.clone(),
        log_dirs: event.log_dirs.clone(),
        previous_broker_epoch: event.previous_broker_epoch,
        ..Default::default()
    };
    let answer: BrokerRegistrationResponse = channel.call(ApiKey::BrokerRegistration, &request).await?;
    Ok(Reply::RegisterBroker(checked(answer.error_code).map(|()| answer.broker_epoch)))
}

async fn register_controller(channel: &Channel, event: &RegisterController) -> Result<Reply, Error> {
    let listener = |endpoint: &Endpoint| controller_registration_request::Listener {
        name: endpoint.name.clone(),
        host: endpoint.host.clone(),
        port: endpoint.port,
        security_protocol: endpoint.security_protocol,
        ..Default::default()
    };
    let feature = |feature: &ottla_metadata::image::BrokerFeature| controller_registration_request::Feature {
        name: feature.name.clone(),
        min_supported_version: feature.min_supported_version,
        max_supported_version: feature.max_supported_version,
        ..Default::default()
    };
    let request = ControllerRegistrationRequest {
        controller_id: event.controller_id,
        incarnation_id: event.incarnation_id,
        listeners: event.listeners.iter().map(listener).collect(),
        features: event.features.iter().map(feature).collect(),
        ..Default::default()
    };
    let answer: ControllerRegistrationResponse = channel.call(ApiKey::ControllerRegistration, &request).await?;
    Ok(Reply::RegisterController(ApiError::answered(answer.error_code, answer.error_message.as_ref())))
}

async fn heartbeat(channel: &Channel, event: &BrokerHeartbeat) -> Result<Reply, Error> {
    let request = BrokerHeartbeatRequest {
        broker_id: event.broker_id,
        broker_epoch: event.broker_epoch,
        current_metadata_offset: event.current_metadata_offset,
        want_fence: event.want_fence,
        want_shut_down: event.want_shut_down,
        offline_log_dirs: event.offline_log_dirs.clone(),
        cordoned_log_dirs: event.cordoned_log_dirs.clone(),
        ..Default::default()
    };
    let answer: BrokerHeartbeatResponse = channel.call(ApiKey::BrokerHeartbeat, &request).await?;
    Ok(Reply::BrokerHeartbeat(checked(answer.error_code).map(|()| BrokerStatus {
        is_caught_up: answer.is_caught_up,
        is_fenced: answer.is_fenced,
        should_shut_down: answer.should_shut_down,
    })))
}

async fn alter_partition(channel: &Channel, event: &AlterPartition) -> Result<Reply, Error> {
    use alter_partition_request::{BrokerState, PartitionData, TopicData};
    let partition = |change: &IsrChange| PartitionData {
        partition_index: change.partition,
        leader_epoch: change.leader_epoch,
        new_isr_with_epochs: change
            .isr
            .iter()
            .map(|member| BrokerState {
                broker_id: member.broker_id,
                broker_epoch: member.broker_epoch,
                ..Default::default()
            })
            .collect(),
        leader_recovery_state: change.leader_recovery_state,
        partition_epoch: change.partition_epoch,
        ..Default::default()
    };
    let mut topics: BTreeMap<Uuid, TopicData> = BTreeMap::new();
    for change in &event.partitions {
        let topic = topics.entry(change.topic_id).or_default();
        topic.topic_id = change.topic_id;
        topic.partitions.push(partition(change));
    }
    let request = AlterPartitionRequest {
        broker_id: event.broker_id,
        broker_epoch: event.broker_epoch,
        topics: topics.into_values().collect(),
        ..Default::default()
    };
    let answer: AlterPartitionResponse = channel.call(ApiKey::AlterPartition, &request).await?;
    let altered = checked(answer.error_code).map(|()| altered_partitions(event, &answer));
    Ok(Reply::AlterPartition(altered))
}

/// In the order of the event.
fn altered_partitions(event: &AlterPartition, answer: &AlterPartitionResponse) -> AlteredPartitions {
    let one = |p: &alter_partition_response::PartitionData| match code(p.error_code) {
        ErrorCode::None => Ok(Partition {
            leader: p.leader_id,
            leader_epoch: p.leader_epoch,
            isr: p.isr.clone(),
            leader_recovery_state: p.leader_recovery_state,
            partition_epoch: p.partition_epoch,
            ..Partition::default()
        }),
        code => Err(code),
    };
    let topics = answer.topics.iter();
    let by_key: BTreeMap<(Uuid, i32), _> = topics
        .flat_map(|topic| topic.partitions.iter().map(|p| ((topic.topic_id, p.partition_index), one(p))))
        .collect();
    let answered = |change: &IsrChange| {
        let found = by_key.get(&(change.topic_id, change.partition)).cloned();
        found.unwrap_or(Err(ErrorCode::UnknownServerError))
    };
    event.partitions.iter().map(answered).collect()
}

async fn assign_replicas(channel: &Channel, event: &AssignReplicas) -> Result<Reply, Error> {
    use assign_replicas_to_dirs_request::{DirectoryData, PartitionData, TopicData};
    let mut directories: BTreeMap<Uuid, BTreeMap<Uuid, Vec<PartitionData>>> = BTreeMap::new();
    for assignment in &event.assignments {
        let topics = directories.entry(assignment.directory).or_default();
        let partition = PartitionData { partition_index: assignment.partition, ..Default::default() };
        topics.entry(assignment.topic_id).or_default().push(partition);
    }
    let topic = |(topic_id, partitions)| TopicData { topic_id, partitions, ..Default::default() };
    let directory = |(id, topics): (Uuid, BTreeMap<Uuid, Vec<PartitionData>>)| DirectoryData {
        id,
        topics: topics.into_iter().map(topic).collect(),
        ..Default::default()
    };
    let request = AssignReplicasToDirsRequest {
        broker_id: event.broker_id,
        broker_epoch: event.broker_epoch,
        directories: directories.into_iter().map(directory).collect(),
        ..Default::default()
    };
    let answer: AssignReplicasToDirsResponse = channel.call(ApiKey::AssignReplicasToDirs, &request).await?;
    let mut by_key = BTreeMap::new();
    for directory in &answer.directories {
        for topic in &directory.topics {
            let codes = topic.partitions.iter().map(|p| ((topic.topic_id, p.partition_index), code(p.error_code)));
            by_key.extend(codes);
        }
    }
    let of = |topic_id, partition| by_key.get(&(topic_id, partition)).copied().unwrap_or(ErrorCode::UnknownServerError);
    let codes = || event.assignments.iter().map(|a| of(a.topic_id, a.partition)).collect();
    Ok(Reply::AssignReplicas(checked(answer.error_code).map(|()| codes())))
}

async fn allocate_producer_ids(channel: &Channel, event: &AllocateProducerIds) -> Result<Reply, Error> {
    let request = AllocateProducerIdsRequest {
        broker_id: event.broker_id,
        broker_epoch: event.broker_epoch,
        ..Default::default()
    };
    let answer: AllocateProducerIdsResponse = channel.call(ApiKey::AllocateProducerIds, &request).await?;
    let block = ProducerIdBlock { first_producer_id: answer.producer_id_start, size: answer.producer_id_len };
    Ok(Reply::AllocateProducerIds(checked(answer.error_code).map(|()| block)))
}

async fn create_topics(channel: &Channel, event: &CreateTopics) -> Result<Reply, Error> {
    use create_topics_request::{CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig};
    let topic = |topic: &ottla_metadata::controller::CreatableTopic| CreatableTopic {
        name: topic.name.clone(),
        num_partitions: topic.num_partitions,
        replication_factor: topic.replication_factor,
        assignments: topic
            .assignments
            .iter()
            .map(|a| CreatableReplicaAssignment {
                partition_index: a.partition_index,
                broker_ids: a.broker_ids.clone(),
                ..Default::default()
            })
            .collect(),
        configs: topic
            .configs
            .iter()
            .map(|(name, value)| CreatableTopicConfig {
                name: name.clone(),
                value: value.clone(),
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    };
    let request = CreateTopicsRequest {
        topics: event.topics.iter().map(topic).collect(),
        timeout_ms: i32::try_from(channel.patience().as_millis()).unwrap_or(i32::MAX),
        validate_only: event.validate_only,
        ..Default::default()
    };
    let answer: CreateTopicsResponse = channel.call(ApiKey::CreateTopics, &request).await?;
    let result = |topic: &create_topics_response::CreatableTopicResult| TopicResult {
        name: topic.name.clone(),
        result: ApiError::answered(topic.error_code, topic.error_message.as_ref()).map(|()| CreatedTopic {
            topic_id: topic.topic_id,
            num_partitions: topic.num_partitions,
            replication_factor: topic.replication_factor,
        }),
    };
    let results: Vec<_> = answer.topics.iter().map(result).collect();
    Ok(Reply::CreateTopics(whole(results, |topic| &topic.result)))
}

/// A controller that is not active says so of each item.
fn whole<T, R>(items: Vec<T>, result: impl Fn(&T) -> &Result<R, ApiError>) -> Result<Vec<T>, ApiError> {
    let refused = items.iter().find_map(|item| result(item).as_ref().err().filter(|error| error.code == ANOTHER));
    match refused {
        Some(error) => Err(error.clone()),
        None => Ok(items),
    }
}
