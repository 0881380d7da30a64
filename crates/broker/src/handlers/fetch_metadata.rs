//! Fetch (1) on a controller's listener: the metadata log for the nodes that follow it (KIP-595, KIP-630, KIP-1166).

use super::{Answered, Context, fetch::MAX_WAIT};
use crate::{
    clock::wall_ms,
    metadata_quorum::{MetadataQuorum, ReplicaKey, Validity},
};
use ottla_metadata::topic_name::CLUSTER_METADATA_TOPIC_NAME;
use ottla_protocol::{
    ErrorCode, Records, Str, Uuid,
    messages::{
        FetchRequest, FetchResponse,
        fetch_request::FetchPartition,
        fetch_response::{
            EpochEndOffset, FetchableTopicResponse, LeaderIdAndEpoch, NodeEndpoint, PartitionData, SnapshotId,
        },
    },
};
use ottla_storage::Slice;
use std::{sync::Arc, time::Duration};
use tokio::{sync::Notify, time::Instant};

/// The first version whose answer tells where the leader listens (KIP-853).
const TELLS_ENDPOINTS: i16 = 17;

/// The one partition that may be asked for, and who asks.
struct Wanted {
    replica: ReplicaKey,
    partition: FetchPartition,
    max_bytes: usize,
    max_wait: Duration,
}

/// What a look at the log gave.
#[derive(Default)]
struct Look {
    error: ErrorCode,
    high_watermark: i64,
    validity: Option<Validity>,
    slices: Vec<Slice>,
}

impl Look {
    fn failed(error: ErrorCode) -> Self {
        Self { error, high_watermark: -1, ..Self::default() }
    }

    /// Whether the follower must hear of it now.
    fn is_news(&self, known_high_watermark: i64) -> bool {
        self.error != ErrorCode::None
            || !self.slices.is_empty()
            || matches!(self.validity, Some(Validity::Diverging(_) | Validity::Snapshot(_)))
            || known_high_watermark < self.high_watermark
    }
}

pub(super) async fn handle(cx: Context, request: FetchRequest) -> Answered {
    let quorum = cx.broker.quorum().clone();
    let other_cluster = request.cluster_id.as_ref().is_some_and(|id| *id != cx.broker.cluster_id);
    let max_wait_ms = request.max_wait_ms;
    let wanted = match other_cluster {
        true => Err(ErrorCode::InconsistentClusterId),
        false => wanted(request).ok_or(ErrorCode::InvalidRequest),
    };
    let wanted = match wanted {
        Ok(wanted) => wanted,
        Err(error) => return cx.respond(&FetchResponse { error_code: error.code(), ..Default::default() }).map(Some),
    };
    let partition = &wanted.partition;
    let senseless = max_wait_ms < 0
        || partition.fetch_offset < 0
        || partition.last_fetched_epoch < 0
        || partition.last_fetched_epoch > partition.current_leader_epoch;
    let looked = match senseless {
        true => Look::failed(ErrorCode::InvalidRequest),
        false => until_news(&cx, &quorum, &wanted).await,
    };
    answer(&cx, &quorum, looked)
}

/// Kafka takes the topic by its id alone, which requests before version 13 do not have.
fn wanted(mut request: FetchRequest) -> Option<Wanted> {
    let [topic] = request.topics.as_mut_slice() else { return None };
    if topic.topic_id != Uuid::ONE || topic.partitions.len() != 1 {
        return None;
    }
    let partition = topic.partitions.pop().filter(|partition| partition.partition == 0)?;
    let id = if request.replica_id == -1 { request.replica_state.replica_id } else { request.replica_id };
    Some(Wanted {
        replica: ReplicaKey { id, directory_id: partition.replica_directory_id },
        max_bytes: usize::try_from(request.max_bytes).unwrap_or(0),
        max_wait: Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0)).min(MAX_WAIT),
        partition,
    })
}

async fn until_news(cx: &Context, quorum: &MetadataQuorum, wanted: &Wanted) -> Look {
    let deadline = Instant::now() + wanted.max_wait;
    let grown = Arc::new(Notify::new());
    let known = wanted.partition.high_watermark;
    loop {
        // Registered before looking, so that a commit in between is not missed.
        if !wanted.max_wait.is_zero() {
            quorum.waiters.add(&grown);
        }
        let looked = look(cx, quorum, wanted);
        if wanted.max_wait.is_zero() || looked.is_news(known) {
            return looked;
        }
        tokio::select! {
            biased;
            () = grown.notified() => {}
            () = cx.broker.stopping.cancelled() => {}
            () = tokio::time::sleep_until(deadline) => return looked,
        }
    }
}

fn look(cx: &Context, quorum: &MetadataQuorum, wanted: &Wanted) -> Look {
    let Wanted { replica, partition, max_bytes, .. } = wanted;
    if let Some(error) = leader_error(cx, quorum, partition.current_leader_epoch) {
        return Look::failed(error);
    }
    let validity = quorum.validate(partition.fetch_offset, partition.last_fetched_epoch);
    let mut looked = Look { high_watermark: quorum.high_watermark(), validity: Some(validity), ..Look::default() };
    if validity != Validity::Valid {
        return looked;
    }
    if replica.id == quorum.node_id {
        tracing::error!(node = replica.id, "a follower of the metadata log claims to be this node");
        return Look::failed(ErrorCode::UnknownServerError);
    }
    match quorum.read(partition.fetch_offset, *max_bytes) {
        Ok(read) => {
            quorum.note(*replica, partition.fetch_offset, wall_ms());
            looked.high_watermark = read.offsets.high_watermark;
            looked.slices = read.slices;
            looked
        }
        Err(error) => {
            tracing::error!(%error, "cannot read the metadata log for a follower");
            Look::failed(ErrorCode::UnknownServerError)
        }
    }
}

/// Why a follower that takes this node for the leader of an epoch is not served.
pub(super) fn leader_error(cx: &Context, quorum: &MetadataQuorum, epoch: i32) -> Option<ErrorCode> {
    let view = quorum.view();
    match epoch.cmp(&view.epoch) {
        std::cmp::Ordering::Less => Some(ErrorCode::FencedLeaderEpoch),
        std::cmp::Ordering::Greater => Some(ErrorCode::UnknownLeaderEpoch),
        std::cmp::Ordering::Equal if !view.serves => Some(ErrorCode::NotLeaderOrFollower),
        std::cmp::Ordering::Equal => cx.broker.stopping.is_cancelled().then_some(ErrorCode::BrokerNotAvailable),
    }
}

fn answer(cx: &Context, quorum: &MetadataQuorum, looked: Look) -> Answered {
    let view = quorum.view();
    let mut data = PartitionData {
        error_code: looked.error.code(),
        high_watermark: looked.high_watermark,
        log_start_offset: quorum.log_start_offset(),
        current_leader: LeaderIdAndEpoch {
            leader_id: view.leader.unwrap_or(-1),
            leader_epoch: view.epoch,
            ..Default::default()
        },
        records: Some(Records::default()),
        ..Default::default()
    };
    match looked.validity {
        Some(Validity::Diverging(end)) => {
            data.diverging_epoch =
                EpochEndOffset { epoch: end.epoch, end_offset: end.end_offset, ..Default::default() };
        }
        Some(Validity::Snapshot(id)) => {
            data.snapshot_id = SnapshotId { end_offset: id.end_offset, epoch: id.epoch, ..Default::default() };
        }
        Some(Validity::Valid) | None => {}
    }
    let size = looked.slices.iter().map(Slice::len).sum();
    if size > 0 {
        data.records = Some(Records::External { id: 0, size });
    }
    cx.broker.metrics.fetched(size);
    let response = FetchResponse {
        responses: vec![FetchableTopicResponse {
            topic: Str::from_static(CLUSTER_METADATA_TOPIC_NAME),
            topic_id: Uuid::ONE,
            partitions: vec![data],
            ..Default::default()
        }],
        node_endpoints: if cx.version >= TELLS_ENDPOINTS { endpoints(cx, quorum) } else { Vec::new() },
        ..Default::default()
    };
    let mut outgoing = cx.respond(&response)?;
    outgoing.records = vec![looked.slices];
    Ok(Some(outgoing))
}

fn endpoints(cx: &Context, quorum: &MetadataQuorum) -> Vec<NodeEndpoint> {
    let endpoint = quorum.leader_endpoint(&cx.peer.listener).map(|(node_id, address)| NodeEndpoint {
        node_id,
        host: address.host,
        port: i32::from(address.port),
        ..Default::default()
    });
    endpoint.into_iter().collect()
}
