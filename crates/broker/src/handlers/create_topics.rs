//! CreateTopics (19): makes topics, or says what would come of it.

use super::{
    Context, Pending, Refusal,
    ask_controller::{ask, outcome},
    plain_within,
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
    plain_within(cx, request, named, handle)
}

fn named(request: &CreateTopicsRequest) -> usize {
    let brokers = |topic: &CreatableTopic| topic.assignments.iter().map(|a| 1 + a.broker_ids.len()).sum::<usize>();
    request.topics.iter().map(|topic| 1 + topic.configs.len() + brokers(topic)).sum()
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

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_config::Sources;
    use ottla_protocol::{Codec, ErrorCode, Uuid, codec::Encoder};

    const ID: Uuid = Uuid::from_bytes([7; 16]);

    fn made(name: &'static str) -> TopicResult {
        let created = CreatedTopic { topic_id: ID, num_partitions: 3, replication_factor: 1 };
        TopicResult { name: name.into(), result: Ok(created) }
    }

    fn answer(version: i16, result: &TopicResult) -> CreatableTopicResult {
        let config = Sources::standalone("/data").load().expect("the defaults are valid").config;
        let overrides = BTreeMap::from([("retention.ms".to_owned(), "5".to_owned())]);
        let topic = respond(version, result, Some(&overrides), &config);
        let response = CreateTopicsResponse { topics: vec![topic.clone()], ..Default::default() };
        assert_eq!(response.encode(&mut Encoder::new(), version), Ok(()), "version {version}");
        topic
    }

    #[test]
    fn what_was_made_is_told_since_version_5() {
        assert!((2..5).map(|version| answer(version, &made("t"))).all(|topic| topic.num_partitions == -1));
        for version in 5..=7 {
            let topic = answer(version, &made("t"));
            assert_eq!((topic.num_partitions, topic.replication_factor, topic.topic_id), (3, 1, ID));
            let configs = topic.configs.unwrap_or_default();
            let retention = configs.iter().find(|config| config.name == "retention.ms").expect("every config is told");
            assert_eq!((retention.value.as_deref(), retention.config_source), (Some("5"), 1));
        }
    }

    #[test]
    fn a_topic_that_was_not_made_has_nothing_but_its_error() {
        let refused = Err(ApiError::new(ErrorCode::InvalidPartitions, "too few"));
        for version in 2..=7 {
            let topic = answer(version, &TopicResult { name: "t".into(), result: refused.clone() });
            assert_eq!((topic.error_code, topic.error_message.as_deref()), (37, Some("too few")));
            assert_eq!((topic.num_partitions, topic.configs), (-1, Some(Vec::new())));
        }
    }

    #[test]
    fn the_metadata_log_is_answered_for_last() {
        let order = in_order(vec![made("b"), made("__cluster_metadata"), made("a")]);
        assert_eq!(order.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), ["b", "a", "__cluster_metadata"]);
    }
}
