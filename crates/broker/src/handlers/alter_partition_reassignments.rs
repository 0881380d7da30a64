//! AlterPartitionReassignments (45): moves partitions to other brokers, or leaves them where they were (KIP-455, KIP-860).

use super::{
    Context, Pending, Refusal,
    ask_controller::{ask, outcome},
    plain_within,
};
use ottla_metadata::controller::{Event, PartitionError, Reassign, Reassignment, Reply};
use ottla_protocol::{
    Str,
    frame::RequestFrame,
    messages::{
        AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
        alter_partition_reassignments_request::ReassignableTopic,
        alter_partition_reassignments_response::{ReassignablePartitionResponse, ReassignableTopicResponse},
    },
};
use std::pin::Pin;

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain_within(cx, request, named, handle)
}

fn named(request: &AlterPartitionReassignmentsRequest) -> usize {
    let partitions = request.topics.iter().flat_map(|topic| &topic.partitions);
    let replicas = |replicas: &Option<Vec<i32>>| replicas.as_ref().map_or(0, Vec::len);
    request.topics.len() + partitions.map(|p| 1 + replicas(&p.replicas)).sum::<usize>()
}

async fn handle(cx: Context, request: AlterPartitionReassignmentsRequest) -> AlterPartitionReassignmentsResponse {
    if request.topics.is_empty() {
        return AlterPartitionReassignmentsResponse::default();
    }
    let event = Reassign {
        topics: request.topics.iter().map(wanted).collect(),
        allow_replication_factor_change: request.allow_replication_factor_change,
    };
    let pick = |reply| match reply {
        Reply::Reassign(answer) => Some(answer),
        _ => None,
    };
    let answer = ask(&cx, request.timeout_ms, |ticket| Event::Reassign(ticket, event), pick).await;
    let (error_code, error_message) = outcome(&answer);
    let allow_replication_factor_change = answer.is_err() || request.allow_replication_factor_change;
    let topics = answer.unwrap_or_else(|error| {
        let failed = |partition| PartitionError { partition, result: Err(error.clone()) };
        let one = |topic: &ReassignableTopic| {
            let partitions = topic.partitions.iter().map(|p| failed(p.partition_index));
            (topic.name.clone(), partitions.collect())
        };
        request.topics.iter().map(one).collect()
    });
    AlterPartitionReassignmentsResponse {
        allow_replication_factor_change,
        error_code,
        error_message,
        responses: topics.into_iter().map(respond).collect(),
        ..Default::default()
    }
}

fn wanted(topic: &ReassignableTopic) -> (Str, Vec<Reassignment>) {
    let partitions = topic.partitions.iter();
    let partitions = partitions.map(|p| Reassignment { partition: p.partition_index, replicas: p.replicas.clone() });
    (topic.name.detached(), partitions.collect())
}

fn respond((name, partitions): (Str, Vec<PartitionError>)) -> ReassignableTopicResponse {
    let partition = |p: PartitionError| {
        let (error_code, error_message) = outcome(&p.result);
        ReassignablePartitionResponse { partition_index: p.partition, error_code, error_message, ..Default::default() }
    };
    ReassignableTopicResponse { name, partitions: partitions.into_iter().map(partition).collect(), ..Default::default() }
}
