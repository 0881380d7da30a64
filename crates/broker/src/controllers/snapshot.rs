//! Fetches a snapshot of the metadata from the active controller, piece by piece (KIP-630).

use crate::{
    client::{Client, Error},
    metadata_quorum::SnapshotId,
};
use anyhow::ensure;
use bytes::BytesMut;
use ottla_metadata::topic_name::CLUSTER_METADATA_TOPIC_NAME;
use ottla_protocol::{
    ApiKey, Bytes, Str, Uuid,
    messages::{
        FetchSnapshotRequest, FetchSnapshotResponse,
        fetch_snapshot_request::{self, PartitionSnapshot, TopicSnapshot},
    },
};
use std::time::Duration;
use tokio::time::timeout;

/// The largest snapshot that is taken.
const MAX_BYTES: i64 = 1 << 30;

/// Who asks, and how.
pub(crate) struct SnapshotSource {
    pub(crate) node_id: i32,
    pub(crate) cluster_id: Str,
    pub(crate) directory_id: Uuid,
    /// The epoch in which the other one leads.
    pub(crate) epoch: i32,
    pub(crate) timeout: Duration,
    /// Bytes of a piece.
    pub(crate) max_bytes: i32,
}

/// The snapshot's file.
pub(crate) async fn fetch_snapshot(
    client: &mut Client,
    source: &SnapshotSource,
    id: SnapshotId,
) -> anyhow::Result<Bytes> {
    let mut bytes = BytesMut::new();
    loop {
        let position = i64::try_from(bytes.len())?;
        let request = request(source, id, position);
        let asked = timeout(source.timeout, client.call(ApiKey::FetchSnapshot, &request)).await;
        let mut answer: FetchSnapshotResponse = asked.map_err(|_elapsed| Error::TimedOut)??;
        let part = answer.topics.pop().and_then(|mut topic| topic.partitions.pop());
        // It may be deleted, or another controller active.
        let part = part.filter(|part| answer.error_code == 0 && part.error_code == 0).ok_or(Error::Closed)?;
        ensure!(part.size <= MAX_BYTES, "a metadata snapshot has {} bytes", part.size);
        let piece = part.unaligned_records.bytes().cloned().unwrap_or_default();
        if piece.is_empty() || part.position != position {
            return Err(Error::Closed.into());
        }
        bytes.extend_from_slice(&piece);
        if i64::try_from(bytes.len())? >= part.size {
            return Ok(bytes.freeze());
        }
    }
}

fn request(source: &SnapshotSource, id: SnapshotId, position: i64) -> FetchSnapshotRequest {
    let SnapshotId { end_offset, epoch } = id;
    let partition = PartitionSnapshot {
        partition: 0,
        current_leader_epoch: source.epoch,
        snapshot_id: fetch_snapshot_request::SnapshotId { end_offset, epoch, ..Default::default() },
        position,
        replica_directory_id: source.directory_id,
        ..Default::default()
    };
    FetchSnapshotRequest {
        cluster_id: Some(source.cluster_id.clone()),
        replica_id: source.node_id,
        max_bytes: source.max_bytes,
        topics: vec![TopicSnapshot {
            name: Str::from_static(CLUSTER_METADATA_TOPIC_NAME),
            partitions: vec![partition],
            ..Default::default()
        }],
        ..Default::default()
    }
}
