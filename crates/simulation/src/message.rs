//! What nodes say to one another.

use crate::disk::Record;
use bytes::Bytes;
use ottla_metadata::MetadataRecord;
use ottla_metadata::controller::{AssignReplicas, BrokerHeartbeat, BrokerStatus, RegisterBroker};
use ottla_metadata::image::Partition;
use ottla_protocol::ErrorCode;
use ottla_quorum::SnapshotId;
use ottla_replication::Proposal;
use ottla_replication::follower::FetchAt;
use std::sync::Arc;

/// The first controller's address, the others' follow; brokers have their ids, which are lower.
pub(crate) const FIRST_CONTROLLER: i32 = 100;

/// Records that many hold.
pub(crate) type Records = Arc<[MetadataRecord]>;

/// A message on its way. An answer is for the run of the process that asked.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) from: i32,
    pub(crate) to: i32,
    /// The run of the process that asks, or that is answered.
    pub(crate) run: u64,
    pub(crate) body: Body,
}

#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// What the quorums of two controllers say.
    Raft(Bytes),
    /// Asks a controller for a snapshot of the metadata.
    FetchSnapshot {
        id: SnapshotId,
    },
    /// None where it is not there.
    Snapshot {
        id: SnapshotId,
        records: Option<Records>,
    },
    Register(RegisterBroker),
    Registered(Result<i64, ErrorCode>),
    Heartbeat(BrokerHeartbeat),
    Status(Result<BrokerStatus, ErrorCode>),
    /// Tells where a replica is.
    Assign(AssignReplicas),
    /// Asks for the metadata log from an offset on.
    Follow(i64),
    Metadata(News),
    AlterPartition {
        broker_epoch: i64,
        partition: i32,
        number: u64,
        proposal: Proposal,
    },
    AlteredPartition {
        partition: i32,
        number: u64,
        answer: Result<Partition, ErrorCode>,
    },
    /// Whoever was asked is not the active controller; which one is and in which epoch, as far as it knows; and what was asked, if it
    /// is tried again.
    NotController {
        active: Option<(i32, i32)>,
        altering: Option<(i32, u64)>,
    },
    Fetch {
        partition: i32,
        broker_epoch: i64,
        number: u64,
        at: FetchAt,
    },
    Fetched {
        partition: i32,
        number: u64,
        leader_epoch: i32,
        answer: FetchAnswer,
    },
}

/// What is committed of the metadata log.
#[derive(Clone, Debug)]
pub(crate) struct News {
    /// Where the records follow on; nothing where they stand for all that was before.
    pub(crate) from: Option<i64>,
    pub(crate) end: i64,
    pub(crate) records: Vec<Records>,
}

#[derive(Clone, Debug)]
pub(crate) enum FetchAnswer {
    Records { at: i64, records: Vec<Record>, high_watermark: i64 },
    Diverged(i32, i64),
    OutOfRange { leader_end: i64 },
    Refused,
}
