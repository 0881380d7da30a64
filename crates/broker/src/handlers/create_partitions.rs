//! CreatePartitions (37): gives topics more partitions (KIP-195).

use super::{
    Context, Pending, Refusal,
    ask_controller::{ask, outcome},
    plain_within,
};
use crate::entropy;
use ottla_metadata::controller::{CreatePartitions, Event, GrowingTopic, Reply, TopicError};
use ottla_protocol::{
    frame::RequestFrame,
    messages::{
        CreatePartitionsRequest, CreatePartitionsResponse, create_partitions_request::CreatePartitionsTopic,
        create_partitions_response::CreatePartitionsTopicResult,
    },
};
use std::pin::Pin;

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain_within(cx, request, named, handle)
}

fn named(request: &CreatePartitionsRequest) -> usize {
    let assignments = request.topics.iter().map(|topic| topic.assignments.as_deref().unwrap_or_default());
    request.topics.len() + assignments.flatten().map(|a| 1 + a.broker_ids.len()).sum::<usize>()
}

async fn handle(cx: Context, request: CreatePartitionsRequest) -> CreatePartitionsResponse {
    let event = CreatePartitions {
        topics: request.topics.iter().map(growing).collect(),
        validate_only: request.validate_only,
        seed: entropy::u64(),
    };
    let pick = |reply| match reply {
        Reply::CreatePartitions(answer) => Some(answer),
        _ => None,
    };
    let answer = ask(&cx, request.timeout_ms, |ticket| Event::CreatePartitions(ticket, event), pick).await;
    let results = match answer {
        Ok(topics) => topics,
        Err(error) => {
            let failed = |t: &CreatePartitionsTopic| TopicError { name: t.name.clone(), result: Err(error.clone()) };
            request.topics.iter().map(failed).collect()
        }
    };
    CreatePartitionsResponse { results: results.into_iter().map(respond).collect(), ..Default::default() }
}

fn growing(topic: &CreatePartitionsTopic) -> GrowingTopic {
    let assignments = topic.assignments.as_ref();
    GrowingTopic {
        name: topic.name.detached(),
        count: topic.count,
        assignments: assignments.map(|given| given.iter().map(|a| a.broker_ids.clone()).collect()),
    }
}

fn respond(topic: TopicError) -> CreatePartitionsTopicResult {
    let (error_code, error_message) = outcome(&topic.result);
    CreatePartitionsTopicResult { name: topic.name, error_code, error_message, ..Default::default() }
}
