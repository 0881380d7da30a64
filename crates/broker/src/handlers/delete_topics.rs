//! DeleteTopics (20): deletes topics by name, and since version 6 by id (KIP-516).

use super::{
    Context, Pending, Refusal,
    ask_controller::{ask, outcome},
    plain_within,
};
use ottla_config::keys;
use ottla_metadata::{
    ApiError,
    controller::{DeleteTopics, DeletedTopic, Event, Reply, TopicRef},
};
use ottla_protocol::{
    ErrorCode, Str,
    frame::RequestFrame,
    messages::{DeleteTopicsRequest, DeleteTopicsResponse, delete_topics_response::DeletableTopicResult},
};
use std::pin::Pin;

/// The first version whose clients know that deletion may be switched off.
const KNOWS_DISABLED: i16 = 3;
/// The first version that names topics by id too.
const NAMES_IDS: i16 = 6;

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain_within(cx, request, named, handle)
}

fn named(request: &DeleteTopicsRequest) -> usize {
    request.topics.len() + request.topic_names.len()
}

async fn handle(cx: Context, request: DeleteTopicsRequest) -> DeleteTopicsResponse {
    let topics = wanted(cx.version, &request);
    let results = match delete(&cx, &topics, request.timeout_ms).await {
        Ok(results) => results,
        Err(error) => failed(topics, &error),
    };
    let responses = results.into_iter().map(|topic| {
        if topic.result.is_ok() {
            tracing::info!(topic = topic.name.as_deref(), "topic deleted");
        }
        respond(cx.version, topic)
    });
    DeleteTopicsResponse { responses: responses.collect(), ..Default::default() }
}

fn wanted(version: i16, request: &DeleteTopicsRequest) -> Vec<TopicRef> {
    if version < NAMES_IDS {
        let named = |name: &Str| TopicRef { name: Some(name.detached()), ..Default::default() };
        return request.topic_names.iter().map(named).collect();
    }
    let topics = request.topics.iter();
    topics.map(|t| TopicRef { name: t.name.as_ref().map(Str::detached), topic_id: t.topic_id }).collect()
}

async fn delete(cx: &Context, topics: &[TopicRef], timeout_ms: i32) -> Result<Vec<DeletedTopic>, ApiError> {
    if !cx.broker.config().get(keys::DELETE_TOPIC_ENABLE) {
        return Err(ApiError::bare(match cx.version >= KNOWS_DISABLED {
            true => ErrorCode::TopicDeletionDisabled,
            false => ErrorCode::InvalidRequest,
        }));
    }
    let event = DeleteTopics { topics: topics.to_vec() };
    let pick = |reply| match reply {
        Reply::DeleteTopics(answer) => Some(answer),
        _ => None,
    };
    ask(cx, timeout_ms, |ticket| Event::DeleteTopics(ticket, event), pick).await
}

/// An error of the whole request goes to every topic, without a message as in Kafka.
fn failed(topics: Vec<TopicRef>, error: &ApiError) -> Vec<DeletedTopic> {
    let failed = |topic: TopicRef| DeletedTopic {
        name: topic.name,
        topic_id: topic.topic_id,
        result: Err(ApiError::bare(error.code)),
    };
    topics.into_iter().map(failed).collect()
}

fn respond(version: i16, topic: DeletedTopic) -> DeletableTopicResult {
    let (error_code, error_message) = outcome(&topic.result);
    let name = match version < NAMES_IDS {
        true => Some(topic.name.unwrap_or_default()),
        false => topic.name,
    };
    DeletableTopicResult { name, topic_id: topic.topic_id, error_code, error_message, ..Default::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::{Codec, Uuid, codec::Encoder, messages::delete_topics_request::DeleteTopicState};

    const ID: Uuid = Uuid::from_bytes([7; 16]);

    #[test]
    fn topics_have_names_before_version_6_and_ids_since() {
        let by_id = DeleteTopicState { name: None, topic_id: ID, ..Default::default() };
        let request = DeleteTopicsRequest { topics: vec![by_id], topic_names: vec!["t".into()], ..Default::default() };
        let shown = |version| {
            let topics = wanted(version, &request).into_iter();
            topics.map(|t| (t.name.map(|n| n.to_string()), t.topic_id)).collect::<Vec<_>>()
        };
        assert_eq!(shown(5), [(Some("t".to_owned()), Uuid::ZERO)]);
        assert_eq!(shown(6), [(None, ID)]);
    }

    #[test]
    fn every_version_can_be_written() {
        for version in 1..=6 {
            let topics = vec![TopicRef { name: Some("t".into()), topic_id: ID }];
            let error = ApiError::new(ErrorCode::RequestTimedOut, "too late");
            let responses: Vec<_> = failed(topics, &error).into_iter().map(|topic| respond(version, topic)).collect();
            assert_eq!((responses[0].error_code, responses[0].error_message.as_ref()), (7, None));
            let response = DeleteTopicsResponse { responses, ..Default::default() };
            assert_eq!(response.encode(&mut Encoder::new(), version), Ok(()), "version {version}");
        }
    }
}
