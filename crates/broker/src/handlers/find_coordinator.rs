//! FindCoordinator (10): which broker coordinates a group, or a transactional id. Share groups are not served yet: who asks for
//! their coordinators is told that there is none.

use super::{Context, Pending, Refusal, plain_within, topics};
use crate::{groups::Groups, transactions::Transactions};
use ottla_metadata::{
    image::{Endpoint, Image},
    topic_name::{GROUP_METADATA_TOPIC_NAME, TRANSACTION_STATE_TOPIC_NAME},
};
use ottla_protocol::{
    ErrorCode, Str, Uuid,
    frame::RequestFrame,
    messages::{FindCoordinatorRequest, FindCoordinatorResponse, find_coordinator_response::Coordinator},
};
use std::pin::Pin;

/// Since this version several coordinators are asked for at once (KIP-699).
const BATCHED_SINCE: i16 = 4;
/// Since this version there are coordinators of share groups (KIP-932).
const SHARE_SINCE: i16 = 6;

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
const SHARE: i8 = 2;

/// Where there is no broker to name.
const NO_NODE: Node = Node { id: -1, host: Str::from_static(""), port: -1 };

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain_within(cx, request, named, handle)
}

fn named(request: &FindCoordinatorRequest) -> usize {
    request.coordinator_keys.len()
}

async fn handle(cx: Context, request: FindCoordinatorRequest) -> FindCoordinatorResponse {
    if cx.version < BATCHED_SINCE {
        let found = find(&cx, request.key_type, &request.key).await;
        return one(found);
    }
    let mut coordinators = Vec::with_capacity(request.coordinator_keys.len());
    for key in request.coordinator_keys {
        let found = find(&cx, request.key_type, &key).await;
        coordinators.push(coordinator(key, found));
    }
    FindCoordinatorResponse { coordinators, ..Default::default() }
}

/// A broker and where the client reaches it.
#[derive(Clone, Debug, PartialEq)]
struct Node {
    id: i32,
    host: Str,
    port: i32,
}

/// Why there is no coordinator to name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct NotFound {
    code: ErrorCode,
    /// What is said where Kafka has nothing to say.
    message: Option<&'static str>,
}

impl From<ErrorCode> for NotFound {
    fn from(code: ErrorCode) -> Self {
        Self { code, message: None }
    }
}

const NO_SHARE_GROUPS: NotFound =
    NotFound { code: ErrorCode::CoordinatorNotAvailable, message: Some("Share groups are not served yet.") };
const UNKNOWN_TYPE: NotFound = NotFound { code: ErrorCode::InvalidRequest, message: Some(INVALID_REQUEST_TEXT) };

async fn find(cx: &Context, key_type: i8, key: &Str) -> Result<Node, NotFound> {
    match key_type {
        GROUP => coordinator_in(cx, GROUP_METADATA_TOPIC_NAME, |image| Groups::partition_for(image, key)).await,
        TRANSACTION => {
            coordinator_in(cx, TRANSACTION_STATE_TOPIC_NAME, |image| Transactions::partition_for(image, key)).await
        }
        SHARE if cx.version < SHARE_SINCE || !is_share_key(key) => Err(ErrorCode::InvalidRequest.into()),
        SHARE => Err(NO_SHARE_GROUPS),
        _ => Err(UNKNOWN_TYPE),
    }
}

/// The leader of the partition of a topic that a key belongs to. The first to ask has the topic made; until that is done
/// nobody coordinates.
async fn coordinator_in(
    cx: &Context,
    topic: &'static str,
    partition_for: impl Fn(&Image) -> Result<i32, ErrorCode>,
) -> Result<Node, NotFound> {
    let none = ErrorCode::CoordinatorNotAvailable;
    match topics::ensure_internal(&cx.broker, topic).await {
        ErrorCode::None => {
            let image = cx.broker.image();
            let partition = partition_for(&image).map_err(|_| none)?;
            let leader = leader(&image, &cx.peer.listener, topic, partition).ok_or(none)?;
            if cx.broker.suspects.has(&image, leader.id) { Err(none.into()) } else { Ok(leader) }
        }
        _ => Err(none.into()),
    }
}

/// The leader of a partition, as a client of this listener reaches it.
fn leader(image: &Image, listener: &str, topic: &str, partition: i32) -> Option<Node> {
    let leader = image.topics().partition(topic, partition)?.leader;
    let (broker, endpoint) = topics::active_brokers(image, listener).find(|(broker, _)| broker.id == leader)?;
    let Endpoint { host, port, .. } = endpoint;
    Some(Node { id: broker.id, host: host.clone(), port: i32::from(*port) })
}

/// A share partition: group, topic id and partition, with colons between.
fn is_share_key(key: &str) -> bool {
    let mut parts = key.split(':');
    let (Some(group_id), Some(topic_id), Some(partition), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    !group_id.trim().is_empty() && topic_id.parse::<Uuid>().is_ok() && partition.parse::<i32>().is_ok()
}

/// The answer of versions 0 to 3, which always says its error in words.
fn one(found: Result<Node, NotFound>) -> FindCoordinatorResponse {
    let (node, error) = apart(found);
    FindCoordinatorResponse {
        error_code: error.code.code(),
        error_message: Some(Str::from_static(error.message.unwrap_or_else(|| text(error.code)))),
        node_id: node.id,
        host: node.host,
        port: node.port,
        ..Default::default()
    }
}

/// One of the answers since version 4; Kafka says in words only that it does not know the type of the key.
fn coordinator(key: Str, found: Result<Node, NotFound>) -> Coordinator {
    let (node, error) = apart(found);
    Coordinator {
        key,
        node_id: node.id,
        host: node.host,
        port: node.port,
        error_code: error.code.code(),
        error_message: Some(Str::from_static(error.message.unwrap_or_default())),
        ..Default::default()
    }
}

fn apart(found: Result<Node, NotFound>) -> (Node, NotFound) {
    match found {
        Ok(node) => (node, ErrorCode::None.into()),
        Err(error) => (NO_NODE, error),
    }
}

/// What clients of Kafka are told with these codes.
fn text(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::CoordinatorNotAvailable => "The coordinator is not available.",
        ErrorCode::InvalidRequest => INVALID_REQUEST_TEXT,
        code => code.name(),
    }
}

const INVALID_REQUEST_TEXT: &str = "This most likely occurs because of a request being malformed by the client library or \
     the message was sent to an incompatible broker. See the broker logs for more details.";

#[cfg(test)]
mod tests;
