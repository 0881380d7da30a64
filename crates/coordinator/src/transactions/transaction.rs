//! What the coordinator knows of a transactional id, and what becomes of it by each step.

use super::{Error, Partitions};
use core::fmt;

/// No producer, or none before or after.
pub(super) const NO_PRODUCER_ID: i64 = -1;
/// No producer has the id yet.
pub(super) const NO_PRODUCER_EPOCH: i16 = -1;
/// There is no transaction that could have begun.
pub(super) const NO_START: i64 = -1;
/// From this `transaction.version` on the end of a transaction gives the producer a new epoch (KIP-890).
pub(super) const BUMPS_EPOCH_SINCE: i16 = 2;

/// A producer's id and epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Producer {
    /// The id.
    pub id: i64,
    /// Which of those that had the id one after the other.
    pub epoch: i16,
}

impl fmt::Display for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} epoch {}", self.id, self.epoch)
    }
}

/// How it stands with the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// The producer has its id, and no transaction was begun with its epoch.
    Empty,
    /// Partitions were added.
    Ongoing,
    /// It is decided that it is committed.
    PrepareCommit,
    /// It is decided that it is aborted.
    PrepareAbort,
    /// All partitions know that it is committed.
    CompleteCommit,
    /// All partitions know that it is aborted.
    CompleteAbort,
}

impl State {
    /// All of them, in the order of their ids.
    pub const ALL: [Self; 6] = [
        Self::Empty,
        Self::Ongoing,
        Self::PrepareCommit,
        Self::PrepareAbort,
        Self::CompleteCommit,
        Self::CompleteAbort,
    ];

    /// The number that records have for it.
    pub fn id(self) -> i8 {
        self as i8
    }

    /// The state with this number.
    pub fn from_id(id: i8) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.id() == id)
    }

    /// The name that tools show.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Ongoing => "Ongoing",
            Self::PrepareCommit => "PrepareCommit",
            Self::PrepareAbort => "PrepareAbort",
            Self::CompleteCommit => "CompleteCommit",
            Self::CompleteAbort => "CompleteAbort",
        }
    }

    /// Whether it is decided how the transaction ends, and its partitions are being told.
    pub fn is_prepared(self) -> bool {
        matches!(self, Self::PrepareCommit | Self::PrepareAbort)
    }
}

/// A transactional id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// The producer that may write.
    pub producer: Producer,
    /// The producer id before the last change, which a request that is sent again may have. -1 if unknown.
    pub previous_producer_id: i64,
    /// The producer id that the end of this transaction gives, -1 for the same.
    pub next_producer_id: i64,
    /// How long a transaction may take; the largest number is without end (KIP-939).
    pub timeout_ms: i32,
    /// How it stands.
    pub state: State,
    /// The partitions in the transaction, all of them also while they are told of its end.
    pub partitions: Partitions,
    /// When the last transaction began, by the wall clock; -1 if there was none.
    pub start_ms: i64,
    /// When anything changed, by the wall clock.
    pub last_update_ms: i64,
    /// The `transaction.version` that the client went by.
    pub client_version: i16,
}

impl Transaction {
    /// A transactional id that nobody had.
    pub(super) fn new(producer_id: i64, timeout_ms: i32, now_ms: i64) -> Self {
        Self {
            producer: Producer { id: producer_id, epoch: 0 },
            previous_producer_id: producer_id,
            next_producer_id: NO_PRODUCER_ID,
            timeout_ms,
            state: State::Empty,
            partitions: Partitions::default(),
            start_ms: NO_START,
            last_update_ms: now_ms,
            client_version: 0,
        }
    }

    /// Whether the next epoch would be the last, which is kept for fencing.
    pub(super) fn is_epoch_exhausted(&self) -> bool {
        is_exhausted(self.producer.epoch)
    }

    /// Whether it lasts longer than its producer may take.
    pub(super) fn is_timed_out(&self, now_ms: i64) -> bool {
        self.state == State::Ongoing
            && self.timeout_ms != i32::MAX
            && self.start_ms.saturating_add(i64::from(self.timeout_ms)) < now_ms
    }

    fn entered(&self, state: State) -> Self {
        Self { state, previous_producer_id: self.producer.id, ..self.clone() }
    }

    /// Given to a producer that begins, with no transaction.
    pub(super) fn initialized(&self, producer: Producer, timeout_ms: i32, now_ms: i64) -> Self {
        Self {
            producer,
            timeout_ms,
            partitions: Partitions::default(),
            start_ms: NO_START,
            last_update_ms: now_ms,
            ..self.entered(State::Empty)
        }
    }

    /// With more partitions, and begun by them if it was not.
    pub(super) fn with(&self, partitions: &Partitions, client_version: i16, now_ms: i64) -> Self {
        let mut next = self.entered(State::Ongoing);
        partitions.iter().for_each(|(topic, partition)| next.partitions.insert(topic, partition));
        if self.state != State::Ongoing {
            next.start_ms = now_ms;
        }
        Self { client_version, last_update_ms: now_ms, ..next }
    }

    /// With its end decided.
    pub(super) fn prepared(&self, end: Prepare, now_ms: i64) -> Result<Self, Error> {
        let state = if end.committed { State::PrepareCommit } else { State::PrepareAbort };
        let mut next = self.entered(state);
        next.next_producer_id = NO_PRODUCER_ID;
        if end.client_version >= BUMPS_EPOCH_SINCE {
            if self.is_epoch_exhausted() {
                next.next_producer_id = end.new_producer_id.ok_or(Error::NeedsProducerId)?;
            }
            // The last of all epochs is reached by fencing alone, and then only an abort leads on.
            next.producer.epoch = self.producer.epoch.saturating_add(1);
        }
        if self.state != State::Ongoing {
            next.start_ms = now_ms;
        }
        Ok(Self { client_version: end.client_version, last_update_ms: now_ms, ..next })
    }

    /// With all partitions told of the end.
    pub(super) fn completed(&self, now_ms: i64) -> Self {
        let state = if self.state == State::PrepareCommit { State::CompleteCommit } else { State::CompleteAbort };
        let mut next = self.entered(state);
        if self.client_version >= BUMPS_EPOCH_SINCE && self.next_producer_id != NO_PRODUCER_ID {
            next.producer = Producer { id: self.next_producer_id, epoch: 0 };
        }
        next.next_producer_id = NO_PRODUCER_ID;
        next.partitions = Partitions::default();
        next.last_update_ms = now_ms;
        next
    }
}

/// Whether a producer must get another id rather than the epoch after this one.
pub(super) fn is_exhausted(epoch: i16) -> bool {
    epoch >= i16::MAX - 1
}

/// How a transaction is to end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prepare {
    pub(super) committed: bool,
    pub(super) client_version: i16,
    /// For a producer whose epochs are used up.
    pub(super) new_producer_id: Option<i64>,
}
