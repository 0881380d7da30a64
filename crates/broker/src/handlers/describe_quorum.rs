//! DescribeQuorum (55): who votes on the metadata and who follows it (KIP-595, KIP-836, KIP-853).

use super::{Context, Pending, Refusal, plain_within};
use crate::{
    client::Address,
    clock::wall_ms,
    controllers::parse_voters,
    metadata_quorum::{Observer, ReplicaKey, VoterState},
};
use ottla_config::keys;
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
use std::{pin::Pin, sync::atomic::Ordering};

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain_within(cx, request, named, handle)
}

fn named(request: &DescribeQuorumRequest) -> usize {
    request.topics.iter().map(|topic| 1 + topic.partitions.len()).sum()
}

async fn handle(cx: Context, request: DescribeQuorumRequest) -> DescribeQuorumResponse {
    match request.topics.as_slice() {
        [Asked { topic_name, partitions, .. }] if *topic_name == CLUSTER_METADATA_TOPIC_NAME => match partitions.as_slice() {
            [only] if only.partition_index == 0 => match cx.broker.controller().local() {
                // A broker whose controller did not answer.
                None => {
                    DescribeQuorumResponse { error_code: ErrorCode::RequestTimedOut.code(), ..Default::default() }
                }
                Some(_) if !cx.broker.quorum().view().serves => not_leader(&cx),
                Some(_) => quorum(&cx),
            },
            _ => unknown(&cx, request.topics),
        },
        _ => unknown(&cx, request.topics),
    }
}

/// Who does not lead knows little of the others.
fn not_leader(cx: &Context) -> DescribeQuorumResponse {
    if let Some(forwarded) = &cx.forwarded {
        forwarded.not_controller.store(true, Ordering::Release);
    }
    let message = Str::from_static(
        "For requests intended only for the leader, this error indicates that the broker is not the current leader. For requests \
         intended for any replica, this error indicates that the broker is not a replica of the topic partition.",
    );
    let partition = PartitionData {
        error_code: ErrorCode::NotLeaderOrFollower.code(),
        error_message: (cx.version >= 2).then_some(message),
        ..Default::default()
    };
    let topic_name = Str::from_static(CLUSTER_METADATA_TOPIC_NAME);
    let topic = TopicData { topic_name, partitions: vec![partition], ..Default::default() };
    DescribeQuorumResponse { topics: vec![topic], ..Default::default() }
}

/// As this node sees it, which leads.
fn quorum(cx: &Context) -> DescribeQuorumResponse {
    let (broker, followed, now_ms) = (&cx.broker, cx.broker.quorum(), wall_ms());
    let (view, state, high_watermark) = (followed.view(), followed.state(), followed.high_watermark());
    let known = |id: i32| state.voter(id);
    let mut current_voters: Vec<_> = view.voters.iter().map(|voter| voter_state(cx, voter)).collect();
    if current_voters.is_empty() && view.leader == Some(broker.node_id) {
        // The only voter, which leads.
        let directory_id = known(broker.node_id).map_or(Uuid::ZERO, |voter| voter.voter_directory_id);
        let (id, end_offset) = (broker.node_id, high_watermark);
        let own = VoterState { id, directory_id, end_offset, last_fetch_ms: now_ms, last_caught_up_ms: now_ms };
        current_voters.push(voter_state(cx, &own));
    }
    let observers = followed.observers(now_ms).into_iter();
    // Where disks are known an observer may have a voter's id: its disk was replaced.
    let is_voter = |key: &ReplicaKey, voter: &VoterState| {
        voter.id == key.id && (voter.directory_id.is_zero() || voter.directory_id == key.directory_id)
    };
    let observers = observers.filter(|(key, _)| !view.voters.iter().any(|voter| is_voter(key, voter)));
    let partition = PartitionData {
        leader_id: view.leader.unwrap_or(-1),
        leader_epoch: view.epoch,
        high_watermark,
        observers: observers.map(|(key, seen)| observer(cx.version, key, seen)).collect(),
        current_voters,
        ..Default::default()
    };
    let node = |voter: &ReplicaState| Node {
        node_id: voter.replica_id,
        listeners: known(voter.replica_id).map_or_else(|| configured(cx, voter.replica_id), listeners),
        ..Default::default()
    };
    let nodes = partition.current_voters.iter().map(node).collect();
    DescribeQuorumResponse {
        topics: vec![TopicData {
            topic_name: Str::from_static(CLUSTER_METADATA_TOPIC_NAME),
            partitions: vec![partition],
            ..Default::default()
        }],
        nodes: if cx.version >= 2 { nodes } else { Vec::new() },
        ..Default::default()
    }
}

/// What a version has no place for is left out; where voters do not come and go they have no directories.
fn voter_state(cx: &Context, voter: &VoterState) -> ReplicaState {
    let mut state = ReplicaState { replica_id: voter.id, log_end_offset: voter.end_offset, ..Default::default() };
    if cx.version >= 1 {
        (state.last_fetch_timestamp, state.last_caught_up_timestamp) = (voter.last_fetch_ms, voter.last_caught_up_ms);
    }
    if cx.version >= 2 && cx.broker.kraft_version() > 0 {
        state.replica_directory_id = voter.directory_id;
    }
    state
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

/// Where `controller.quorum.voters` has a voter listen.
fn configured(cx: &Context, id: i32) -> Vec<Listener> {
    let config = cx.broker.config();
    let name = config.get(keys::CONTROLLER_LISTENER_NAMES).first().map(|name| Str::from(name.as_str()));
    let voters = parse_voters(&config).into_iter().filter(|(voter, _)| *voter == id);
    let listener = |(_, at): (i32, Address)| Listener {
        name: name.clone().unwrap_or_default(),
        host: at.host,
        port: at.port,
        ..Default::default()
    };
    voters.map(listener).collect()
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
