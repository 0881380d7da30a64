//! DescribeQuorum, Fetch of the metadata log and FetchSnapshot, as a node asks that follows the log.

use super::Known;
use crate::differential::run::Run;
use m::{
    fetch_request::{FetchPartition, FetchTopic, ReplicaState},
    fetch_snapshot_request::{PartitionSnapshot, SnapshotId, TopicSnapshot},
};
use ottla_protocol::{ApiKey, Str, Uuid, any::AnyRequest, messages as m};

const LOG: &str = "__cluster_metadata";
/// Since this version a follower says who it is in a struct of its own (KIP-903).
const HAS_STATE: i16 = 15;

pub(super) fn describe() -> m::DescribeQuorumRequest {
    use m::describe_quorum_request::{PartitionData, TopicData};
    let topic = TopicData {
        topic_name: Str::from_static(LOG),
        partitions: vec![PartitionData::default()],
        ..Default::default()
    };
    m::DescribeQuorumRequest { topics: vec![topic], ..Default::default() }
}

pub(super) fn play(run: &mut Run, known: &Known) -> anyhow::Result<()> {
    run.each("describe-quorum", ApiKey::DescribeQuorum, |_| AnyRequest::DescribeQuorum(describe()))?;
    fetch(run, known)?;
    fetch_snapshot(run, known)
}

/// A fetch that finds nothing wrong but for what a case changes.
struct Case {
    cluster_id: Option<Str>,
    topic: (Str, Uuid),
    partitions: Vec<i32>,
    epoch: i32,
    offset: i64,
    last_epoch: i32,
    max_wait_ms: i32,
    replica_id: i32,
}

fn good(known: &Known) -> Case {
    Case {
        cluster_id: None,
        topic: (Str::from_static(LOG), Uuid::ONE),
        partitions: vec![0],
        epoch: known.epoch,
        offset: 0,
        last_epoch: 0,
        max_wait_ms: 0,
        replica_id: 50,
    }
}

fn fetch(run: &mut Run, known: &Known) -> anyhow::Result<()> {
    let good = || good(known);
    let other = Uuid::from_bytes([7; 16]);
    let cases = [
        ("fetch-other-cluster", Case { cluster_id: Some(Str::from_static("another")), ..good() }),
        ("fetch-other-topic", Case { topic: (Str::from_static("other"), other), ..good() }),
        ("fetch-two-partitions", Case { partitions: vec![0, 1], ..good() }),
        ("fetch-no-partition", Case { partitions: Vec::new(), ..good() }),
        ("fetch-partition-1", Case { partitions: vec![1], ..good() }),
        ("fetch-old-epoch", Case { epoch: known.epoch - 1, ..good() }),
        ("fetch-new-epoch", Case { epoch: known.epoch + 1, ..good() }),
        ("fetch-no-epoch", Case { epoch: -1, last_epoch: -1, ..good() }),
        ("fetch-negative-offset", Case { offset: -1, ..good() }),
        ("fetch-last-epoch-above", Case { last_epoch: known.epoch + 1, ..good() }),
        ("fetch-negative-wait", Case { max_wait_ms: -1, ..good() }),
        ("fetch-beyond-the-end", Case { offset: 1 << 40, last_epoch: known.epoch, ..good() }),
        ("fetch-before-the-first-epoch", Case { offset: 5, last_epoch: 0, ..good() }),
        ("fetch-as-the-leader", Case { replica_id: 1, ..good() }),
    ];
    for (step, case) in cases {
        run.each(step, ApiKey::Fetch, |version| AnyRequest::Fetch(fetch_request(version, &case)))?;
    }
    Ok(())
}

fn fetch_request(version: i16, case: &Case) -> m::FetchRequest {
    let partition = |partition: &i32| FetchPartition {
        partition: *partition,
        current_leader_epoch: case.epoch,
        fetch_offset: case.offset,
        last_fetched_epoch: if version >= 12 { case.last_epoch } else { -1 },
        partition_max_bytes: 1,
        ..Default::default()
    };
    let (name, topic_id) = case.topic.clone();
    let topic = FetchTopic {
        topic: if version < 13 { name } else { Str::default() },
        topic_id: if version < 13 { Uuid::ZERO } else { topic_id },
        partitions: case.partitions.iter().map(partition).collect(),
        ..Default::default()
    };
    let state = ReplicaState { replica_id: case.replica_id, ..Default::default() };
    m::FetchRequest {
        cluster_id: if version >= 12 { case.cluster_id.clone() } else { None },
        replica_id: if version < HAS_STATE { case.replica_id } else { -1 },
        replica_state: if version < HAS_STATE { ReplicaState::default() } else { state },
        max_wait_ms: case.max_wait_ms,
        max_bytes: 1,
        topics: vec![topic],
        ..Default::default()
    }
}

fn fetch_snapshot(run: &mut Run, known: &Known) -> anyhow::Result<()> {
    let epoch = known.epoch;
    // Cluster, topic, partition, epoch, end offset and epoch of the snapshot, position.
    type Case = (&'static str, Option<&'static str>, &'static str, i32, i32, (i64, i32), i64);
    let cases: [Case; 8] = [
        ("snapshot-other-cluster", Some("another"), LOG, 0, epoch, (1, 1), 0),
        ("snapshot-other-topic", None, "other", 0, epoch, (1, 1), 0),
        ("snapshot-partition-1", None, LOG, 1, epoch, (1, 1), 0),
        ("snapshot-old-epoch", None, LOG, 0, epoch - 1, (1, 1), 0),
        ("snapshot-new-epoch", None, LOG, 0, epoch + 1, (1, 1), 0),
        ("snapshot-unknown", None, LOG, 0, epoch, (1 << 40, 1), 0),
        ("snapshot-of-the-bootstrap", None, LOG, 0, epoch, (0, 0), 0),
        ("snapshot-unknown-far", None, LOG, 0, epoch, (2, 1), -5),
    ];
    for (step, cluster_id, topic, partition, current_leader_epoch, (end_offset, snapshot_epoch), position) in cases {
        let partition = PartitionSnapshot {
            partition,
            current_leader_epoch,
            snapshot_id: SnapshotId { end_offset, epoch: snapshot_epoch, ..Default::default() },
            position,
            ..Default::default()
        };
        let topic = TopicSnapshot { name: Str::from(topic), partitions: vec![partition], ..Default::default() };
        let request = m::FetchSnapshotRequest {
            cluster_id: cluster_id.map(Str::from),
            replica_id: 50,
            max_bytes: 1 << 20,
            topics: vec![topic],
            ..Default::default()
        };
        run.each(step, ApiKey::FetchSnapshot, |_| AnyRequest::FetchSnapshot(request.clone()))?;
    }
    Ok(())
}
