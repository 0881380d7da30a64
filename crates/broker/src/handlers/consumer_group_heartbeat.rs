//! ConsumerGroupHeartbeat (68): a member of a consumer group joins, lives on, says what it holds, or leaves (KIP-848).

use super::{Context, Pending, Refusal, client_host::client_host, consumer_groups, plain};
use crate::{
    entropy,
    groups::{reply, submit},
};
use ottla_coordinator::{Assignment, Assignor, ConsumerHeartbeat, ConsumerHeartbeatAnswer, Event, Refused};
use ottla_protocol::{
    ErrorCode, Str,
    frame::RequestFrame,
    messages::{
        ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, consumer_group_heartbeat_request,
        consumer_group_heartbeat_response::{self, TopicPartitions},
    },
};
use std::pin::Pin;

/// Since this version members make their ids themselves (KIP-1082).
const MEMBER_ID_SINCE: i16 = 1;
/// The epoch of a member that joins.
const JOIN: i32 = 0;
/// The epoch of a member that leaves.
const LEAVE: i32 = -1;
/// The epoch of a static member that leaves for a while.
const LEAVE_FOR_A_WHILE: i32 = -2;
/// The client does not say how long it may take to let go of partitions.
const NO_REBALANCE_TIMEOUT: i32 = -1;

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain(cx, request, handle)
}

async fn handle(cx: Context, request: ConsumerGroupHeartbeatRequest) -> ConsumerGroupHeartbeatResponse {
    respond(heartbeat(&cx, request).await)
}

/// Kafka's code, and words where it has any.
type Failure = (ErrorCode, Option<String>);

async fn heartbeat(cx: &Context, request: ConsumerGroupHeartbeatRequest) -> Result<ConsumerHeartbeatAnswer, Failure> {
    if !consumer_groups::are_offered(cx) {
        return Err((ErrorCode::UnsupportedVersion, None));
    }
    let assignors = || cx.broker.groups.settings().group_consumer_assignors;
    validate(cx.version, &request, assignors).map_err(|(error, message)| (error, Some(message)))?;
    let heartbeat = plan(cx, request);
    let group_id = heartbeat.group_id.clone();
    let answer = submit(&cx.broker, &group_id, |ticket| Event::ConsumerGroupHeartbeat(ticket, heartbeat)).await;
    let answer = reply!(answer, ConsumerGroupHeartbeat).map_err(|error| (error, None))?;
    answer.map_err(failure)
}

/// What is wrong whatever the group is; Kafka's checks in its order and words.
fn validate(
    version: i16,
    request: &ConsumerGroupHeartbeatRequest,
    assignors: impl FnOnce() -> Vec<Assignor>,
) -> Result<(), (ErrorCode, String)> {
    let invalid = |message: &str| Err((ErrorCode::InvalidRequest, message.to_owned()));
    let is_blank = |text: Option<&Str>| text.is_some_and(|text| text.trim_matches(|c: char| c <= ' ').is_empty());
    let epoch = request.member_epoch;
    if (version >= MEMBER_ID_SINCE || epoch > JOIN || epoch == LEAVE) && is_blank(Some(&request.member_id)) {
        return invalid("MemberId can't be empty.");
    }
    if is_blank(Some(&request.group_id)) {
        return invalid("GroupId can't be empty.");
    }
    if is_blank(request.instance_id.as_ref()) {
        return invalid("InstanceId can't be empty.");
    }
    if is_blank(request.rack_id.as_ref()) {
        return invalid("RackId can't be empty.");
    }
    validate_epoch(request).or_else(invalid)?;
    validate_assignor(request.server_assignor.as_ref(), assignors)
}

/// What a member must say, and must not, at its epoch.
fn validate_epoch(request: &ConsumerGroupHeartbeatRequest) -> Result<(), &'static str> {
    match request.member_epoch {
        JOIN if request.rebalance_timeout_ms == NO_REBALANCE_TIMEOUT => {
            Err("RebalanceTimeoutMs must be provided in first request.")
        }
        JOIN if request.topic_partitions.as_ref().is_none_or(|owned| !owned.is_empty()) => {
            Err("TopicPartitions must be empty when (re-)joining.")
        }
        // An empty list and an empty expression are subscriptions too: to nothing.
        JOIN if request.subscribed_topic_names.is_none() && request.subscribed_topic_regex.is_none() => {
            Err("Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.")
        }
        LEAVE_FOR_A_WHILE if request.instance_id.is_none() => Err("InstanceId can't be null."),
        epoch if epoch < LEAVE_FOR_A_WHILE => Err("MemberEpoch is invalid."),
        _ => Ok(()),
    }
}

fn validate_assignor(
    wanted: Option<&Str>,
    assignors: impl FnOnce() -> Vec<Assignor>,
) -> Result<(), (ErrorCode, String)> {
    let Some(wanted) = wanted else { return Ok(()) };
    let assignors = assignors();
    if assignors.iter().any(|assignor| *wanted == assignor.name()) {
        return Ok(());
    }
    // Kafka names them in the order of its hash set, whatever the order in the config.
    let offered = Assignor::ALL.iter().filter(|assignor| assignors.contains(assignor)).map(|assignor| assignor.name());
    let offered: Vec<&str> = offered.collect();
    let message = format!("ServerAssignor {wanted} is not supported. Supported assignors: {}.", offered.join(", "));
    Err((ErrorCode::UnsupportedAssignor, message))
}

fn plan(cx: &Context, request: ConsumerGroupHeartbeatRequest) -> ConsumerHeartbeat {
    ConsumerHeartbeat {
        group_id: request.group_id,
        new_member_id: match request.member_id.is_empty() {
            true => entropy::uuid().to_string().into(),
            false => Str::default(),
        },
        member_id: request.member_id,
        member_epoch: request.member_epoch,
        instance_id: request.instance_id,
        rack_id: request.rack_id,
        client_id: cx.client_id(),
        client_host: client_host(cx.peer.address),
        rebalance_timeout_ms: request.rebalance_timeout_ms,
        subscribed_topic_names: request.subscribed_topic_names,
        subscribed_topic_regex: request.subscribed_topic_regex,
        server_assignor: request.server_assignor,
        topic_partitions: request.topic_partitions.map(assignment),
    }
}

fn assignment(topics: Vec<consumer_group_heartbeat_request::TopicPartitions>) -> Assignment {
    let mut assignment = Assignment::new();
    for topic in topics.into_iter().filter(|topic| !topic.partitions.is_empty()) {
        assignment.entry(topic.topic_id).or_default().extend(topic.partitions);
    }
    assignment
}

fn failure(refused: Refused) -> Failure {
    let Refused { error, message } = refused;
    (error.code(), Some(message))
}

fn respond(answer: Result<ConsumerHeartbeatAnswer, Failure>) -> ConsumerGroupHeartbeatResponse {
    match answer {
        Ok(answer) => ConsumerGroupHeartbeatResponse {
            member_id: Some(answer.member_id),
            member_epoch: answer.member_epoch,
            heartbeat_interval_ms: answer.heartbeat_interval_ms,
            assignment: answer.assignment.map(assigned).map(Box::new),
            ..Default::default()
        },
        Err((error, message)) => ConsumerGroupHeartbeatResponse {
            error_code: error.code(),
            error_message: consumer_groups::words(error, message),
            ..Default::default()
        },
    }
}

fn assigned(assignment: Assignment) -> consumer_group_heartbeat_response::Assignment {
    let topic_partitions = assignment.into_iter().map(|(topic_id, partitions)| TopicPartitions {
        topic_id,
        partitions: partitions.into_iter().collect(),
        ..Default::default()
    });
    consumer_group_heartbeat_response::Assignment { topic_partitions: topic_partitions.collect(), ..Default::default() }
}

#[cfg(test)]
mod tests;
