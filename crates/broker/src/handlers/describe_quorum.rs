//! DescribeQuorum (55): who votes on the metadata and who follows it (KIP-595, KIP-836, KIP-853).

use super::{Context, Pending, Refusal, plain_within};
use crate::{
    clock::wall_ms,
    metadata_quorum::{Observer, ReplicaKey},
};
use ottla_metadata::topic_name::CLUSTER_METADATA_TOPIC_NAME;
use ottla_protocol::{
    ErrorCode, Str, Uuid,
    frame::RequestFrame,
    messages::{
        DescribeQuorumRequest, DescribeQuorumResponse,
        describe_quorum_request::TopicData as Asked,
        describe_quorum_response::{Listener, Node, PartitionData, ReplicaState, TopicData},
    },
    stored::voters_record::Voter,
};
use std::pin::Pin;

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain_within(cx, request, named, handle)
}

fn named(request: &DescribeQuorumRequest) -> usize {
    request.topics.iter().map(|topic| 1 + topic.partitions.len()).sum()
}

async fn handle(cx: Context, request: DescribeQuorumRequest) -> DescribeQuorumResponse {
    match request.topics.as_slice() {
        [Asked { topic_name, partitions, .. }] if *topic_name == CLUSTER_METADATA_TOPIC_NAME => match partitions.as_slice() {
            [only] if only.partition_index == 0 => quorum(&cx),
            _ => unknown(&cx, request.topics),
        },
        _ => unknown(&cx, request.topics),
    }
}

/// This node is the only voter, and leads.
fn quorum(cx: &Context) -> DescribeQuorumResponse {
    let (broker, followed, now_ms) = (&cx.broker, cx.broker.quorum(), wall_ms());
    let (id, high_watermark) = (broker.node_id, followed.high_watermark());
    let voter = broker.voters.iter().flat_map(|record| &record.voters).find(|voter| voter.voter_id == id);
    let mut leader = ReplicaState { replica_id: id, log_end_offset: high_watermark, ..Default::default() };
    if cx.version >= 1 {
        (leader.last_fetch_timestamp, leader.last_caught_up_timestamp) = (now_ms, now_ms);
    }
    // Where voters do not come and go they have no directories.
    if cx.version >= 2 && broker.kraft_version > 0 {
        leader.replica_directory_id = voter.map_or(Uuid::ZERO, |voter| voter.voter_directory_id);
    }
    let partition = PartitionData {
        leader_id: id,
        leader_epoch: followed.epoch,
        high_watermark,
        current_voters: vec![leader],
        observers: followed.observers(now_ms).into_iter().map(|(key, seen)| observer(cx.version, key, seen)).collect(),
        ..Default::default()
    };
    let node = Node { node_id: id, listeners: voter.map(listeners).unwrap_or_default(), ..Default::default() };
    DescribeQuorumResponse {
        topics: vec![TopicData {
            topic_name: Str::from_static(CLUSTER_METADATA_TOPIC_NAME),
            partitions: vec![partition],
            ..Default::default()
        }],
        nodes: if cx.version >= 2 { vec![node] } else { Vec::new() },
        ..Default::default()
    }
}

/// One that follows without a vote; what a version has no place for is left out.
fn observer(version: i16, key: ReplicaKey, seen: Observer) -> ReplicaState {
    let mut state =
        ReplicaState { replica_id: key.id, log_end_offset: seen.end_offset, ..Default::default() };
    if version >= 1 {
        (state.last_fetch_timestamp, state.last_caught_up_timestamp) = (seen.last_fetch_ms, seen.last_caught_up_ms);
    }
    if version >= 2 {
        state.replica_directory_id = key.directory_id;
    }
    state
}

fn listeners(voter: &Voter) -> Vec<Listener> {
    let listener = |endpoint: &ottla_protocol::stored::voters_record::Endpoint| Listener {
        name: endpoint.name.clone(),
        host: endpoint.host.clone(),
        port: endpoint.port,
        ..Default::default()
    };
    voter.endpoints.iter().map(listener).collect()
}

fn unknown(cx: &Context, topics: Vec<Asked>) -> DescribeQuorumResponse {
    let message = (cx.version >= 2).then(|| Str::from_static("This server does not host this topic-partition."));
    let partition = |partition_index| PartitionData {
        partition_index,
        error_code: ErrorCode::UnknownTopicOrPartition.code(),
        error_message: message.clone(),
        ..Default::default()
    };
    let topic = |topic: Asked| TopicData {
        topic_name: topic.topic_name,
        partitions: topic.partitions.iter().map(|asked| partition(asked.partition_index)).collect(),
        ..Default::default()
    };
    DescribeQuorumResponse { topics: topics.into_iter().map(topic).collect(), ..Default::default() }
}
