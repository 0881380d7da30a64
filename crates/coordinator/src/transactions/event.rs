//! What can happen to a transaction coordinator, and what it answers.

use super::{ListTransactions, ListedTransaction, Partitions, Producer, Settings, Transaction};
use crate::Level;
use ottla_protocol::{ErrorCode, Str};
use ottla_state_machine::Ticket;

/// What can happen.
#[derive(Clone, Debug)]
pub enum Event {
    /// The settings are, or have become, these. The driver's first event after activation.
    Configure(Settings),
    /// A producer begins, or goes on after an error.
    InitProducerId(Ticket, InitProducerId),
    /// Partitions come into a transaction.
    AddPartitions(Ticket, AddPartitions),
    /// Somebody asks whether partitions are in a transaction.
    VerifyPartitions(Ticket, VerifyPartitions),
    /// A producer ends its transaction.
    EndTransaction(Ticket, EndTransaction),
    /// Somebody asks about an id.
    Describe(Ticket, Str),
    /// Somebody asks which ids there are.
    List(Ticket, ListTransactions),
    /// Markers are durable in partitions.
    MarkersWritten {
        /// The id.
        transactional_id: Str,
        /// The producer of the markers.
        producer: Producer,
        /// Where they are.
        partitions: Partitions,
    },
    /// A producer id was brought for a transaction that is to be aborted.
    Abort {
        /// The id.
        transactional_id: Str,
        /// Whose transaction it was when the id was asked for.
        producer: Producer,
        /// The producer id.
        new_producer_id: i64,
    },
    /// A timer ran out.
    Timeout(Timer),
}

/// What a timer is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// Transactions may have lasted too long.
    Abort,
    /// Ids may not have been used for long.
    Expiry,
    /// Partitions that are to be added to the next transaction of an id have waited for the end of the one before.
    Waiting(Str),
}

/// A producer begins with a transactional id.
#[derive(Clone, Debug)]
pub struct InitProducerId {
    /// The id.
    pub transactional_id: Str,
    /// How long its transactions may take.
    pub timeout_ms: i32,
    /// What the producer was before, if it goes on after an error (KIP-360).
    pub expected: Option<Producer>,
    /// A producer id that nobody has, if one was brought.
    pub new_producer_id: Option<i64>,
}

/// Partitions come into a producer's transaction.
#[derive(Clone, Debug)]
pub struct AddPartitions {
    /// The id.
    pub transactional_id: Str,
    /// Who says so.
    pub producer: Producer,
    /// The partitions.
    pub partitions: Partitions,
    /// The `transaction.version` that the client goes by.
    pub client_version: i16,
}

/// Whether partitions are in a producer's transaction.
#[derive(Clone, Debug)]
pub struct VerifyPartitions {
    /// The id.
    pub transactional_id: Str,
    /// Whose.
    pub producer: Producer,
    /// The partitions.
    pub partitions: Partitions,
}

/// A producer ends its transaction.
#[derive(Clone, Debug)]
pub struct EndTransaction {
    /// The id.
    pub transactional_id: Str,
    /// Who says so.
    pub producer: Producer,
    /// Whether it is to count.
    pub committed: bool,
    /// The `transaction.version` that the client goes by.
    pub client_version: i16,
    /// A producer id that nobody has, if one was brought.
    pub new_producer_id: Option<i64>,
}

/// What a caller is told. Each event that carries a ticket is answered once.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// Answers [`Event::InitProducerId`].
    InitProducerId(Result<Producer, Error>),
    /// Answers [`Event::AddPartitions`].
    AddPartitions(Result<(), Error>),
    /// Answers [`Event::VerifyPartitions`]: those that are not in the transaction.
    VerifyPartitions(Result<Partitions, Error>),
    /// Answers [`Event::EndTransaction`]: what the producer is from now on.
    EndTransaction(Result<Producer, Error>),
    /// Answers [`Event::Describe`]. Of partitions those that do not know the end yet.
    Describe(Option<Transaction>),
    /// Answers [`Event::List`].
    List(Vec<ListedTransaction>),
}

/// What the driver is asked to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Tell partitions how a transaction ended, until they have it.
    WriteMarkers(Markers),
    /// Bring a producer id with [`Event::Abort`].
    NeedProducerId {
        /// For which id.
        transactional_id: Str,
        /// Whose transaction it is.
        producer: Producer,
    },
    /// Write a line into the broker's log.
    Log {
        /// How much it matters.
        level: Level,
        /// The id it is about, empty if about the whole partition.
        transactional_id: Str,
        /// What happened and why.
        message: String,
    },
}

/// The end of a transaction, as its partitions are to be told.
#[derive(Clone, Debug, PartialEq)]
pub struct Markers {
    /// The id.
    pub transactional_id: Str,
    /// The producer, with the epoch that the markers have.
    pub producer: Producer,
    /// Whether it counts.
    pub committed: bool,
    /// Who is to be told.
    pub partitions: Partitions,
    /// The `transaction.version` that the client went by: how strict partitions are about the epoch.
    pub transaction_version: i16,
}

/// Why a transaction coordinator refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A producer id must be brought; told to no client.
    #[error("a producer id is needed")]
    NeedsProducerId,
    /// The id is too long to be stored.
    #[error("the transactional id is too long")]
    IdTooLong,
    /// What would have to be stored does not fit into one batch.
    #[error("the transaction has too many partitions")]
    TooManyPartitions,
    /// The timeout is not above 0, or above `transaction.max.timeout.ms`.
    #[error("the transaction timeout is not within the broker's limits")]
    InvalidTimeout,
    /// The last transaction is being ended; worth a retry.
    #[error("the last transaction is not done")]
    ConcurrentTransactions,
    /// Another producer took the id over.
    #[error("another producer has the transactional id")]
    ProducerFenced,
    /// The producer id is not that of the transactional id, which may be unknown.
    #[error("the producer id is not that of the transactional id")]
    InvalidProducerIdMapping,
    /// The transaction cannot end like that.
    #[error("the transaction is in a state in which it cannot end so")]
    InvalidTxnState,
}

impl Error {
    /// Kafka's code for it.
    pub fn code(self) -> ErrorCode {
        match self {
            Self::NeedsProducerId | Self::TooManyPartitions => ErrorCode::UnknownServerError,
            Self::IdTooLong => ErrorCode::InvalidRequest,
            Self::InvalidTimeout => ErrorCode::InvalidTransactionTimeout,
            Self::ConcurrentTransactions => ErrorCode::ConcurrentTransactions,
            Self::ProducerFenced => ErrorCode::ProducerFenced,
            Self::InvalidProducerIdMapping => ErrorCode::InvalidProducerIdMapping,
            Self::InvalidTxnState => ErrorCode::InvalidTxnState,
        }
    }
}
