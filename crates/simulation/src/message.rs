//! What nodes say to one another.

use crate::disk::Record;
use ottla_metadata::MetadataRecord;
use ottla_metadata::controller::{BrokerHeartbeat, BrokerStatus, RegisterBroker};
use ottla_metadata::image::Partition;
use ottla_protocol::ErrorCode;
use ottla_replication::Proposal;
use ottla_replication::follower::FetchAt;

/// The controller's address; brokers have their ids.
pub(crate) const CONTROLLER: i32 = 0;

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
    Register(RegisterBroker),
    Registered(Result<i64, ErrorCode>),
    Heartbeat(BrokerHeartbeat),
    Status(Result<BrokerStatus, ErrorCode>),
    /// Asks for the metadata log from an offset on.
    Follow(i64),
    Metadata {
        from: i64,
        records: Vec<MetadataRecord>,
    },
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

#[derive(Clone, Debug)]
pub(crate) enum FetchAnswer {
    Records { at: i64, records: Vec<Record>, high_watermark: i64 },
    Diverged(i32, i64),
    OutOfRange { leader_end: i64 },
    Refused,
}
