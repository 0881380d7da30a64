//! What producers, coordinator and partitions say to each other.

use crate::groups;
use ottla_coordinator::OffsetCommit;
use ottla_coordinator::transactions::{Error, Partitions, Producer};
use ottla_protocol::Str;

/// A producer that runs; each start is another.
pub(super) type Client = usize;
/// A request of a producer, which tells an answer that is late.
pub(super) type Attempt = u64;

/// What a producer has written in its transaction, as one batch.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    pub(super) producer: Producer,
    pub(super) sequence: i32,
    pub(super) content: Content,
}

/// What is in a batch.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// Records with these values.
    Values(Vec<u64>),
    /// Offsets of a group, which its coordinator writes: the message is a TxnOffsetCommit.
    Offsets(OffsetCommit),
}

/// The end of a transaction in a partition.
#[derive(Clone, Debug)]
pub(super) struct End {
    pub(super) transactional_id: Str,
    pub(super) producer: Producer,
    pub(super) committed: bool,
    pub(super) coordinator_epoch: i32,
    pub(super) transaction_version: i16,
}

/// A message on the network.
#[derive(Clone, Debug)]
pub(super) enum Message {
    Init {
        client: Client,
        attempt: Attempt,
        transactional_id: Str,
    },
    Add {
        client: Client,
        attempt: Attempt,
        transactional_id: Str,
        producer: Producer,
        partitions: Partitions,
    },
    EndTxn {
        client: Client,
        attempt: Attempt,
        transactional_id: Str,
        producer: Producer,
        committed: bool,
        version: i16,
    },
    /// Of the coordinator to a producer.
    Told {
        client: Client,
        attempt: Attempt,
        answer: Answer,
    },
    Produce {
        client: Client,
        attempt: Attempt,
        transactional_id: Str,
        partition: usize,
        batch: Batch,
        version: i16,
    },
    Produced {
        client: Client,
        attempt: Attempt,
        answer: Result<(), Refusal>,
    },
    /// Of a partition's leader, which adds the partition or asks whether it was added.
    LookUp {
        partition: usize,
        token: u64,
        transactional_id: Str,
        producer: Producer,
        adds: bool,
    },
    LookedUp {
        partition: usize,
        token: u64,
        answer: Result<(), Refusal>,
    },
    /// Between members of the group, and whoever looks at its offsets, and its coordinator.
    Group(groups::Message),
    Marker {
        partition: usize,
        end: End,
    },
    Marked {
        partition: usize,
        transactional_id: Str,
        producer: Producer,
        answer: Result<(), Refusal>,
    },
}

/// What the coordinator says to a producer.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Producer(Result<Producer, Error>),
    Added(Result<(), Error>),
}

/// Why something is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Worth a retry.
    Retry,
    /// The transaction can but be aborted.
    Abort,
    /// Another producer has taken over.
    Fenced,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::ConcurrentTransactions | Error::NeedsProducerId => Self::Retry,
            Error::TooManyPartitions | Error::IdTooLong | Error::InvalidTimeout => Self::Abort,
            Error::ProducerFenced | Error::InvalidProducerIdMapping | Error::InvalidTxnState => Self::Fenced,
        }
    }
}
