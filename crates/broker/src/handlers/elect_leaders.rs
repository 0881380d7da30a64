//! ElectLeaders (43): elects leaders on request, the preferred ones or whoever lives (KIP-183, KIP-460).

use super::{
    Context, Pending, Refusal,
    ask_controller::{ask, outcome},
    plain_within,
};
use ottla_metadata::{
    ApiError,
    controller::{ElectLeaders, ElectionKind, Event, PartitionError, PartitionErrors, Reply},
};
use ottla_protocol::{
    ErrorCode, Str,
    frame::RequestFrame,
    messages::{
        ElectLeadersRequest, ElectLeadersResponse,
        elect_leaders_response::{PartitionResult, ReplicaElectionResult},
    },
};
use std::pin::Pin;

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain_within(cx, request, named, handle)
}

fn named(request: &ElectLeadersRequest) -> usize {
    let topics = request.topic_partitions.as_deref().unwrap_or_default();
    topics.iter().map(|topic| 1 + topic.partitions.len()).sum()
}

async fn handle(cx: Context, request: ElectLeadersRequest) -> ElectLeadersResponse {
    let asked = request.topic_partitions.as_ref();
    if asked.is_some_and(Vec::is_empty) {
        return ElectLeadersResponse::default();
    }
    let topics: Option<Vec<(Str, Vec<i32>)>> =
        asked.map(|topics| topics.iter().map(|t| (t.topic.detached(), t.partitions.clone())).collect());
    let answer = elect(&cx, &request, topics.clone()).await;
    // Version 0 has no place for it: there the partitions alone tell.
    let error_code = if cx.version == 0 { 0 } else { outcome(&answer).0 };
    let topics = match answer {
        Ok(topics) => topics,
        Err(error) => {
            let failed = |partition| PartitionError { partition, result: Err(error.clone()) };
            let one = |(name, partitions): (Str, Vec<i32>)| (name, partitions.into_iter().map(failed).collect());
            topics.unwrap_or_default().into_iter().map(one).collect()
        }
    };
    let replica_election_results = topics.into_iter().map(respond).collect();
    ElectLeadersResponse { error_code, replica_election_results, ..Default::default() }
}

async fn elect(
    cx: &Context,
    request: &ElectLeadersRequest,
    topics: Option<Vec<(Str, Vec<i32>)>>,
) -> Result<PartitionErrors, ApiError> {
    let kind = match request.election_type {
        0 => ElectionKind::Preferred,
        1 => ElectionKind::Unclean,
        other => {
            return Err(ApiError::new(ErrorCode::InvalidRequest, format!("Unknown election type {other}")));
        }
    };
    let event = ElectLeaders { kind, topics };
    let pick = |reply| match reply {
        Reply::ElectLeaders(answer) => Some(answer),
        _ => None,
    };
    ask(cx, request.timeout_ms, |ticket| Event::ElectLeaders(ticket, event), pick).await
}

fn respond((topic, partitions): (Str, Vec<PartitionError>)) -> ReplicaElectionResult {
    let partition = |p: PartitionError| {
        let (error_code, error_message) = outcome(&p.result);
        PartitionResult { partition_id: p.partition, error_code, error_message, ..Default::default() }
    };
    ReplicaElectionResult {
        topic,
        partition_result: partitions.into_iter().map(partition).collect(),
        ..Default::default()
    }
}
