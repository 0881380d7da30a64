//! Metadata (3): brokers, topics and who leads their partitions; may create a topic that is not there.

use super::{Context, Pending, Refusal, plain, topics};
use ottla_metadata::{
    image::{Image, Topic},
    topic_name,
};
use ottla_protocol::{
    ErrorCode, Str, Uuid,
    frame::RequestFrame,
    messages::{
        MetadataRequest, MetadataResponse,
        metadata_request::MetadataRequestTopic,
        metadata_response::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic},
    },
};
use std::{collections::BTreeSet, pin::Pin};

/// Operations were not asked for.
const NO_OPERATIONS: i32 = i32::MIN;

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain(cx, request, handle)
}

async fn handle(cx: Context, request: MetadataRequest) -> MetadataResponse {
    let image = cx.broker.image();
    let wants = |flag| cx.version >= 8 && flag;
    let operations = if wants(request.include_topic_authorized_operations) { topics::ALL_OPERATIONS } else { NO_OPERATIONS };
    let found = match &request.topics {
        None => all(&cx, &image),
        // Version 0 has no null: there an empty list means all topics.
        Some(topics) if topics.is_empty() && cx.version == 0 => all(&cx, &image),
        Some(wanted) => {
            if let Some(error) = refused(cx.version, wanted) {
                return whole_failed(cx.version, wanted, error);
            }
            let (by_id, by_name): (Vec<_>, Vec<_>) = wanted.iter().partition(|t| !t.topic_id.is_zero());
            let ids: BTreeSet<Uuid> = by_id.iter().map(|t| t.topic_id).collect();
            let names: BTreeSet<Str> = by_name.iter().filter_map(|t| t.name.clone()).collect();
            let may_create = request.allow_auto_topic_creation || cx.version < 4;
            let mut found: Vec<_> = ids.into_iter().map(|id| of_id(&cx, &image, id)).collect();
            found.extend(of_names(&cx, &image, names, may_create).await);
            found
        }
    };
    let with_operations = |topic: MetadataResponseTopic| match ErrorCode::from_code(topic.error_code) {
        Some(ErrorCode::UnknownTopicId) => topic,
        _ => MetadataResponseTopic { topic_authorized_operations: operations, ..topic },
    };
    let topics = found.into_iter().map(with_operations);
    let cluster_operations = wants(request.include_cluster_authorized_operations) && cx.version <= 10;
    MetadataResponse {
        brokers: brokers(&cx, &image),
        cluster_id: Some(cx.broker.cluster_id.clone()).filter(|_| cx.version >= 2),
        controller_id: cx.broker.node_id,
        topics: topics.collect(),
        cluster_authorized_operations: if cluster_operations { topics::ALL_CLUSTER_OPERATIONS } else { NO_OPERATIONS },
        ..Default::default()
    }
}

/// Why the whole request fails: since version 10 it has topic ids, which Kafka takes since 12.
fn refused(version: i16, wanted: &[MetadataRequestTopic]) -> Option<ErrorCode> {
    let by_id = |t: &MetadataRequestTopic| t.name.is_none() || !t.topic_id.is_zero();
    let nameless = |t: &MetadataRequestTopic| t.name.is_none() && t.topic_id.is_zero();
    match version {
        10 | 11 if wanted.iter().any(by_id) => Some(ErrorCode::InvalidRequest),
        12.. if wanted.iter().any(nameless) => Some(ErrorCode::UnknownServerError),
        _ => None,
    }
}

/// The answer of a Kafka that gave the request up: every topic has the error, and nothing else is there.
fn whole_failed(version: i16, wanted: &[MetadataRequestTopic], error: ErrorCode) -> MetadataResponse {
    let topic = |t: &MetadataRequestTopic| MetadataResponseTopic {
        name: Some(t.name.clone().unwrap_or_default()),
        topic_id: t.topic_id,
        error_code: error.code(),
        ..Default::default()
    };
    MetadataResponse {
        topics: wanted.iter().map(topic).collect(),
        error_code: if version >= 13 { error.code() } else { 0 },
        ..Default::default()
    }
}

fn brokers(cx: &Context, image: &Image) -> Vec<MetadataResponseBroker> {
    topics::active_brokers(image, &cx.peer.listener)
        .map(|(broker, endpoint)| MetadataResponseBroker {
            node_id: broker.id,
            host: endpoint.host.clone(),
            port: i32::from(endpoint.port),
            rack: broker.rack.clone(),
            ..Default::default()
        })
        .collect()
}

fn all(cx: &Context, image: &Image) -> Vec<MetadataResponseTopic> {
    image.topics().iter().map(|topic| describe(cx, image, topic)).collect()
}

fn of_id(cx: &Context, image: &Image, id: Uuid) -> MetadataResponseTopic {
    match image.topics().by_id(&id) {
        Some(topic) => describe(cx, image, topic),
        None => failed(None, id, ErrorCode::UnknownTopicId),
    }
}

async fn of_names(cx: &Context, image: &Image, names: BTreeSet<Str>, may_create: bool) -> Vec<MetadataResponseTopic> {
    let mut found = Vec::new();
    let mut missing = Vec::new();
    for name in names {
        match image.topics().by_name(&name) {
            Some(topic) => found.push(describe(cx, image, topic)),
            None => missing.push(name),
        }
    }
    let may_create = may_create && cx.broker.auto_create_topics();
    for name in missing {
        let error = match may_create {
            true => topics::auto_create(&cx.broker, &name).await,
            false if topic_name::validate(&name).is_err() => ErrorCode::InvalidTopicException,
            false => ErrorCode::UnknownTopicOrPartition,
        };
        found.push(failed(Some(name), Uuid::ZERO, error));
    }
    found
}

fn failed(name: Option<Str>, topic_id: Uuid, error: ErrorCode) -> MetadataResponseTopic {
    MetadataResponseTopic {
        error_code: error.code(),
        is_internal: name.as_ref().is_some_and(|name| topic_name::is_internal(name)),
        name,
        topic_id,
        ..Default::default()
    }
}

/// Those of a partition's brokers that the client is told: in version 0 the ones that are there.
fn told(cx: &Context, image: &Image, brokers: &[i32]) -> Vec<i32> {
    let is_there = |id: &i32| topics::is_active(image, &cx.peer.listener, *id);
    brokers.iter().copied().filter(|id| cx.version > 0 || is_there(id)).collect()
}

fn describe(cx: &Context, image: &Image, topic: &Topic) -> MetadataResponseTopic {
    let partitions = topic.partitions.iter().map(|(index, partition)| {
        let offline = topics::offline_replicas(image, &cx.peer.listener, partition);
        let leader_error = match topics::leader_error(image, partition, &cx.peer.listener, cx.version >= 6) {
            ErrorCode::None if cx.broker.suspects.has(image, partition.leader) => ErrorCode::LeaderNotAvailable,
            error => error,
        };
        let (replica_nodes, isr_nodes) = (told(cx, image, &partition.replicas), told(cx, image, &partition.isr));
        let is_whole = replica_nodes.len() == partition.replicas.len() && isr_nodes.len() == partition.isr.len();
        let error = match leader_error {
            ErrorCode::None if !is_whole => ErrorCode::ReplicaNotAvailable,
            error => error,
        };
        MetadataResponsePartition {
            error_code: error.code(),
            partition_index: *index,
            leader_id: if leader_error.is_none() { partition.leader } else { -1 },
            leader_epoch: partition.leader_epoch,
            replica_nodes,
            isr_nodes,
            offline_replicas: offline,
            ..Default::default()
        }
    });
    MetadataResponseTopic {
        name: Some(topic.name.clone()),
        topic_id: topic.id,
        is_internal: topic_name::is_internal(&topic.name),
        partitions: partitions.collect(),
        ..Default::default()
    }
}
