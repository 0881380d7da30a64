//! FetchSnapshot (59): a snapshot of the metadata, piece by piece, for nodes that lag too far behind the log (KIP-630).

use super::{Answered, Context, Pending, Refusal, fetch_metadata::leader_error};
use crate::metadata_quorum::{self, MetadataQuorum};
use ottla_metadata::topic_name::CLUSTER_METADATA_TOPIC_NAME;
use ottla_protocol::{
    ErrorCode, Records, Str,
    frame::RequestFrame,
    messages::{
        FetchSnapshotRequest, FetchSnapshotResponse, fetch_snapshot_request,
        fetch_snapshot_response::{LeaderIdAndEpoch, NodeEndpoint, PartitionSnapshot, SnapshotId, TopicSnapshot},
    },
};
use ottla_storage::Slice;
use std::pin::Pin;

/// The first version whose answer tells where the leader listens (KIP-853).
const TELLS_ENDPOINTS: i16 = 1;

/// A piece of a snapshot.
struct Piece {
    size: u64,
    slice: Slice,
}

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    let request: FetchSnapshotRequest = super::read(&cx, request)?;
    Ok(Box::pin(handle(cx, request)))
}

async fn handle(cx: Context, request: FetchSnapshotRequest) -> Answered {
    let failed = |error: ErrorCode| FetchSnapshotResponse { error_code: error.code(), ..Default::default() };
    if request.cluster_id.as_ref().is_some_and(|id| *id != cx.broker.cluster_id) {
        return cx.respond(&failed(ErrorCode::InconsistentClusterId)).map(Some);
    }
    let first = request.topics.first().and_then(|topic| Some((topic, topic.partitions.first()?)));
    let Some((topic, partition)) = first else {
        return cx.respond(&failed(ErrorCode::InvalidRequest)).map(Some);
    };
    let of_log = request.topics.iter().filter(|topic| topic.name == CLUSTER_METADATA_TOPIC_NAME);
    let wanted = of_log.flat_map(|topic| &topic.partitions).find(|partition| partition.partition == 0);
    let quorum = cx.broker.quorum().clone();
    let Some(wanted) = wanted else {
        let unknown = PartitionSnapshot {
            index: partition.partition,
            error_code: ErrorCode::UnknownTopicOrPartition.code(),
            ..Default::default()
        };
        return answer(&cx, &quorum, topic.name.clone(), unknown, None);
    };
    let view = quorum.view();
    let mut data = PartitionSnapshot {
        current_leader: LeaderIdAndEpoch {
            leader_id: view.leader.unwrap_or(-1),
            leader_epoch: view.epoch,
            ..Default::default()
        },
        ..Default::default()
    };
    let piece = match piece(&cx, &quorum, wanted, request.max_bytes) {
        Ok(piece) => {
            data.snapshot_id = SnapshotId {
                end_offset: wanted.snapshot_id.end_offset,
                epoch: wanted.snapshot_id.epoch,
                ..Default::default()
            };
            data.size = i64::try_from(piece.size).unwrap_or(i64::MAX);
            data.position = wanted.position;
            Some(piece.slice)
        }
        Err(error) => {
            data.error_code = error.code();
            None
        }
    };
    answer(&cx, &quorum, Str::from_static(CLUSTER_METADATA_TOPIC_NAME), data, piece)
}

fn piece(
    cx: &Context,
    quorum: &MetadataQuorum,
    wanted: &fetch_snapshot_request::PartitionSnapshot,
    max_bytes: i32,
) -> Result<Piece, ErrorCode> {
    if let Some(error) = leader_error(cx, quorum, wanted.current_leader_epoch) {
        return Err(error);
    }
    let id = metadata_quorum::SnapshotId { end_offset: wanted.snapshot_id.end_offset, epoch: wanted.snapshot_id.epoch };
    // What the cluster was formatted with is in the log; it is not replicated (KIP-853).
    let known = Some(id).filter(|id| *id != metadata_quorum::SnapshotId::BOOTSTRAP);
    let size = known.and_then(|id| quorum.snapshots.size(id)).ok_or(ErrorCode::SnapshotNotFound)?;
    let position = u64::try_from(wanted.position).ok().filter(|position| *position < size);
    let position = position.ok_or(ErrorCode::PositionOutOfRange)?;
    let left = usize::try_from(size - position).unwrap_or(usize::MAX);
    let len = usize::try_from(max_bytes).unwrap_or(0).min(left);
    match quorum.snapshots.slice(id, position, len) {
        Ok(slice) => Ok(Piece { size, slice }),
        // It was deleted since.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(ErrorCode::SnapshotNotFound),
        Err(error) => {
            tracing::error!(%error, "cannot read a snapshot of the metadata for a follower");
            Err(ErrorCode::UnknownServerError)
        }
    }
}

fn answer(
    cx: &Context,
    quorum: &MetadataQuorum,
    name: Str,
    mut data: PartitionSnapshot,
    piece: Option<Slice>,
) -> Answered {
    let slices: Vec<Slice> = piece.into_iter().filter(|slice| !slice.is_empty()).collect();
    let size = slices.iter().map(Slice::len).sum();
    if size > 0 {
        data.unaligned_records = Records::External { id: 0, size };
    }
    let response = FetchSnapshotResponse {
        topics: vec![TopicSnapshot { name, partitions: vec![data], ..Default::default() }],
        node_endpoints: if cx.version >= TELLS_ENDPOINTS { endpoints(cx, quorum) } else { Vec::new() },
        ..Default::default()
    };
    let mut outgoing = cx.respond(&response)?;
    outgoing.records = vec![slices];
    Ok(Some(outgoing))
}

fn endpoints(cx: &Context, quorum: &MetadataQuorum) -> Vec<NodeEndpoint> {
    let endpoint = quorum.leader_endpoint(&cx.peer.listener).map(|(node_id, address)| NodeEndpoint {
        node_id,
        host: address.host,
        port: address.port,
        ..Default::default()
    });
    endpoint.into_iter().collect()
}
