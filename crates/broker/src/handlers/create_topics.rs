//! CreateTopics (19): makes topics, or says what would come of it.

use super::{
    Context, Pending, Refusal,
    ask_controller::{ask, outcome},
    plain,
};
use crate::entropy;
use ottla_config::{ServerConfig, describe};
use ottla_metadata::{
    ApiError,
    controller::{self, CreateTopics, CreatedTopic, Event, ReplicaAssignment, Reply, TopicResult},
    topic_name::CLUSTER_METADATA_TOPIC_NAME,
};
use ottla_protocol::{
    Str,
    frame::RequestFrame,
    messages::{
        CreateTopicsRequest, CreateTopicsResponse,
        create_topics_request::CreatableTopic,
        create_topics_response::{CreatableTopicConfigs, CreatableTopicResult},
    },
};
use std::{collections::BTreeMap, pin::Pin};

/// The first version that tells what was made.
const TELLS_TOPIC: i16 = 5;

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain(cx, request, handle)
}

async fn handle(cx: Context, request: CreateTopicsRequest) -> CreateTopicsResponse {
    let event = CreateTopics {
        topics: request.topics.iter().map(creatable).collect(),
        validate_only: request.validate_only,
        seed: entropy::u64(),
    };
    let answer = ask(
        &cx,
        request.timeout_ms,
        |ticket| Event::CreateTopics(ticket, event),
        |reply| match reply {
            Reply::CreateTopics(answer) => Some(answer),
            _ => None,
        },
    );
    let results = match answer.await {
        Ok(results) => in_order(results),
        Err(error) => failed(&request.topics, &error),
    };
    let config = cx.broker.config();
    let configs: BTreeMap<&Str, _> = request.topics.iter().map(|topic| (&topic.name, overrides(topic))).collect();
    let topics = results.into_iter().map(|result| {
        if result.result.is_ok() && !request.validate_only {
            tracing::info!(topic = %result.name, "topic created");
        }
        respond(cx.version, &result, configs.get(&result.name), &config)
    });
    CreateTopicsResponse { topics: topics.collect(), ..Default::default() }
}

fn creatable(topic: &CreatableTopic) -> controller::CreatableTopic {
    let assignments = topic.assignments.iter();
    let configs = topic.configs.iter();
    controller::CreatableTopic {
        name: topic.name.detached(),
        topic_id: entropy::uuid(),
        num_partitions: topic.num_partitions,
        replication_factor: topic.replication_factor,
        assignments: assignments
            .map(|a| ReplicaAssignment { partition_index: a.partition_index, broker_ids: a.broker_ids.clone() })
            .collect(),
        configs: configs.map(|c| (c.name.detached(), c.value.as_ref().map(Str::detached))).collect(),
    }
}

/// Kafka answers for the metadata log last, as it never asks its controller about it.
fn in_order(results: Vec<TopicResult>) -> Vec<TopicResult> {
    let (internal, mut rest): (Vec<_>, Vec<_>) =
        results.into_iter().partition(|result| result.name == CLUSTER_METADATA_TOPIC_NAME);
    rest.extend(internal);
    rest
}

fn failed(topics: &[CreatableTopic], error: &ApiError) -> Vec<TopicResult> {
    topics.iter().map(|topic| TopicResult { name: topic.name.clone(), result: Err(error.clone()) }).collect()
}

/// Of a config that is named twice, the last counts.
fn overrides(topic: &CreatableTopic) -> BTreeMap<String, String> {
    let set = topic.configs.iter().filter_map(|c| Some((c.name.to_string(), c.value.as_ref()?.to_string())));
    set.collect()
}

fn respond(
    version: i16,
    result: &TopicResult,
    overrides: Option<&BTreeMap<String, String>>,
    config: &ServerConfig,
) -> CreatableTopicResult {
    let (error_code, error_message) = outcome(&result.result);
    let base = CreatableTopicResult { name: result.name.clone(), error_code, error_message, ..Default::default() };
    match &result.result {
        Ok(CreatedTopic { topic_id, num_partitions, replication_factor }) if version >= TELLS_TOPIC => {
            let configs = overrides.map(|overrides| configs(overrides, config)).unwrap_or_default();
            CreatableTopicResult {
                topic_id: *topic_id,
                num_partitions: *num_partitions,
                replication_factor: *replication_factor,
                configs: Some(configs),
                ..base
            }
        }
        _ => base,
    }
}

fn configs(overrides: &BTreeMap<String, String>, config: &ServerConfig) -> Vec<CreatableTopicConfigs> {
    let entries = describe::created_topic(overrides, config).into_iter();
    let config = |entry: describe::Entry| CreatableTopicConfigs {
        name: entry.name.into(),
        value: entry.value.map(Str::from),
        read_only: entry.read_only,
        config_source: entry.source.id(),
        is_sensitive: entry.is_sensitive,
        ..Default::default()
    };
    entries.map(config).collect()
}
