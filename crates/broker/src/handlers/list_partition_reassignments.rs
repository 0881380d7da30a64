//! ListPartitionReassignments (46): which partitions are on their way to other brokers (KIP-455).

use super::{
    Context, Pending, Refusal,
    ask_controller::{NO_TIMEOUT_MS, ask, outcome},
    plain_within,
};
use ottla_metadata::controller::{Event, Reply};
use ottla_metadata::image::Partition;
use ottla_protocol::{
    Str,
    frame::RequestFrame,
    messages::{
        ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
        list_partition_reassignments_response::{OngoingPartitionReassignment, OngoingTopicReassignment},
    },
};
use std::pin::Pin;

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain_within(cx, request, named, handle)
}

fn named(request: &ListPartitionReassignmentsRequest) -> usize {
    let topics = request.topics.as_deref().unwrap_or_default();
    topics.iter().map(|topic| 1 + topic.partition_indexes.len()).sum()
}

async fn handle(cx: Context, request: ListPartitionReassignmentsRequest) -> ListPartitionReassignmentsResponse {
    let asked = request.topics.as_ref();
    let wanted = asked.map(|topics| topics.iter().map(|t| (t.name.detached(), t.partition_indexes.clone())).collect());
    let pick = |reply| match reply {
        Reply::ListReassignments(answer) => Some(answer),
        _ => None,
    };
    // Whatever time the client gives, Kafka's controller takes its own.
    let answer = ask(&cx, NO_TIMEOUT_MS, |ticket| Event::ListReassignments(ticket, wanted), pick).await;
    let (error_code, error_message) = outcome(&answer);
    let topics = answer.unwrap_or_default().into_iter().map(respond).collect();
    ListPartitionReassignmentsResponse { error_code, error_message, topics, ..Default::default() }
}

fn respond((name, partitions): (Str, Vec<(i32, Partition)>)) -> OngoingTopicReassignment {
    let partition = |(partition_index, p): (i32, Partition)| OngoingPartitionReassignment {
        partition_index,
        replicas: p.replicas,
        adding_replicas: p.adding_replicas,
        removing_replicas: p.removing_replicas,
        ..Default::default()
    };
    OngoingTopicReassignment { name, partitions: partitions.into_iter().map(partition).collect(), ..Default::default() }
}
