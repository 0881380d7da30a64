//! AssignReplicasToDirs (73): a broker tells the controller which log dirs its replicas are in (KIP-858).

use super::{
    Context, Pending, Refusal,
    ask_controller::{NO_TIMEOUT_MS, ask, outcome},
    plain_within,
};
use ottla_metadata::controller::{AssignReplicas, Assignment, Event, Reply};
use ottla_protocol::{
    ErrorCode,
    frame::RequestFrame,
    messages::{
        AssignReplicasToDirsRequest, AssignReplicasToDirsResponse,
        assign_replicas_to_dirs_request::{DirectoryData as Assigned, PartitionData as AssignedPartition},
        assign_replicas_to_dirs_response::{DirectoryData, PartitionData, TopicData},
    },
};
use std::pin::Pin;

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    plain_within(cx, request, named, handle)
}

fn named(request: &AssignReplicasToDirsRequest) -> usize {
    let topics = |dir: &Assigned| dir.topics.iter().map(|topic| 1 + topic.partitions.len()).sum::<usize>();
    request.directories.iter().map(|dir| 1 + topics(dir)).sum()
}

async fn handle(cx: Context, request: AssignReplicasToDirsRequest) -> AssignReplicasToDirsResponse {
    let event = AssignReplicas {
        broker_id: request.broker_id,
        broker_epoch: request.broker_epoch,
        assignments: request.directories.iter().flat_map(assignments).collect(),
    };
    let pick = |reply| match reply {
        Reply::AssignReplicas(answer) => Some(answer),
        _ => None,
    };
    let answer = ask(&cx, NO_TIMEOUT_MS, |ticket| Event::AssignReplicas(ticket, event), pick).await;
    let error_code = outcome(&answer).0;
    match answer {
        Ok(codes) => {
            AssignReplicasToDirsResponse { directories: respond(&request.directories, codes), ..Default::default() }
        }
        Err(_) => AssignReplicasToDirsResponse { error_code, ..Default::default() },
    }
}

fn assignments(dir: &Assigned) -> impl Iterator<Item = Assignment> {
    let topics = dir.topics.iter();
    let partitions = topics.flat_map(|topic| topic.partitions.iter().map(|p| (topic.topic_id, p.partition_index)));
    partitions.map(|(topic_id, partition)| Assignment { directory: dir.id, topic_id, partition })
}

/// The codes are in the order of the request, directory by directory and topic by topic.
fn respond(directories: &[Assigned], codes: Vec<ErrorCode>) -> Vec<DirectoryData> {
    let mut codes = codes.into_iter();
    let mut partition = |p: &AssignedPartition| PartitionData {
        partition_index: p.partition_index,
        error_code: codes.next().unwrap_or(ErrorCode::UnknownServerError).code(),
        ..Default::default()
    };
    let mut out = Vec::with_capacity(directories.len());
    for dir in directories {
        let mut topics = Vec::with_capacity(dir.topics.len());
        for topic in &dir.topics {
            let partitions = topic.partitions.iter().map(&mut partition).collect();
            topics.push(TopicData { topic_id: topic.topic_id, partitions, ..Default::default() });
        }
        out.push(DirectoryData { id: dir.id, topics, ..Default::default() });
    }
    out
}
