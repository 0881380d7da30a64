//! Whether a producer may append a batch, and what its state is afterwards.

use ottla_protocol::batch::{Header, NO_PRODUCER_EPOCH, NO_SEQUENCE};

use super::entry::{BatchMetadata, ProducerEntry};

/// Who appends, which says how much is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A client's Produce request: everything is checked.
    Client,
    /// A coordinator on this broker, whose batches carry no sequences.
    Coordinator,
    /// A transaction coordinator's request to end a transaction in this partition.
    Marker {
        /// `transaction.version` by which the request was made: from 2 on the epoch must be newer than the last seen (KIP-890).
        transaction_version: i16,
    },
    /// The leader of the metadata quorum, whose batches have their offsets and epochs already.
    RaftLeader,
    /// A leader elsewhere, which has checked all.
    Replication,
}

/// Why a producer's batch is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// An older incarnation of the producer.
    #[error("epoch {epoch} of producer {producer_id} is behind the last seen epoch {current}")]
    InvalidEpoch {
        /// Whose.
        producer_id: i64,
        /// As the batch says.
        epoch: i16,
        /// As the partition remembers.
        current: i16,
    },
    /// A batch is missing before this one, or it came twice and too late.
    #[error("sequence {sequence} of producer {producer_id} is out of order: the last one is {last}")]
    OutOfOrderSequence {
        /// Whose.
        producer_id: i64,
        /// First sequence of the batch.
        sequence: i32,
        /// Last sequence of the last batch, -1 when the epoch is new.
        last: i32,
    },
    /// A batch outside of the producer's open transaction.
    #[error("producer {producer_id} has an open transaction and wrote outside of it")]
    InvalidTxnState {
        /// Whose.
        producer_id: i64,
    },
    /// A batch of a transaction that is not open here, and of which the coordinator was not asked.
    #[error("the transaction of producer {producer_id} is not known to be open")]
    NotInTransaction {
        /// Whose.
        producer_id: i64,
    },
    /// A marker of a coordinator that was replaced.
    #[error("marker for producer {producer_id} from coordinator epoch {epoch}, the last one seen is {current}")]
    CoordinatorFenced {
        /// Whose.
        producer_id: i64,
        /// As the marker says.
        epoch: i32,
        /// As the partition remembers.
        current: i32,
    },
}

/// The end of a transaction, as a control batch says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Marker {
    pub(crate) abort: bool,
    pub(crate) coordinator_epoch: i32,
}

/// A transaction that had data in this partition and is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CompletedTxn {
    pub(crate) producer_id: i64,
    pub(crate) first_offset: i64,
    pub(crate) last_offset: i64,
    pub(crate) abort: bool,
}

/// What an append of several batches does to one producer, kept apart until the batches are written.
#[derive(Debug)]
pub(crate) struct Update {
    pub(super) producer_id: i64,
    origin: Origin,
    /// Epoch and last sequence before the append.
    epoch_before: i16,
    last_sequence_before: i32,
    pub(super) entry: ProducerEntry,
    pub(super) started: Vec<i64>,
}

impl Update {
    pub(super) fn new(producer_id: i64, current: Option<&ProducerEntry>, origin: Origin) -> Self {
        Self {
            producer_id,
            origin,
            epoch_before: current.map_or(NO_PRODUCER_EPOCH, |entry| entry.epoch),
            last_sequence_before: current.map_or(NO_SEQUENCE, ProducerEntry::last_sequence),
            entry: current.map(ProducerEntry::without_batches).unwrap_or_default(),
            started: Vec::new(),
        }
    }

    /// Takes a data batch in, whose offsets are assigned.
    pub(super) fn data(&mut self, header: &Header) -> Result<(), Error> {
        self.check_epoch(header.producer_epoch, 0)?;
        if self.origin == Origin::Client {
            self.check_sequence(header.producer_epoch, header.base_sequence)?;
        }
        let transactional = header.attributes.is_transactional();
        if self.entry.current_txn_first_offset.is_some() && !transactional {
            return Err(Error::InvalidTxnState { producer_id: self.producer_id });
        }
        let batch = BatchMetadata {
            last_sequence: header.last_sequence(),
            last_offset: header.last_offset(),
            offset_delta: header.last_offset_delta,
            timestamp: header.max_timestamp,
        };
        self.entry.add_batch(header.producer_epoch, batch);
        if transactional && self.entry.current_txn_first_offset.is_none() {
            self.entry.current_txn_first_offset = Some(header.base_offset);
            self.started.push(header.base_offset);
        }
        Ok(())
    }

    /// Takes the marker of a control batch in. A transaction without data here completes nothing.
    pub(super) fn marker(&mut self, header: &Header, marker: Marker) -> Result<Option<CompletedTxn>, Error> {
        let transaction_version = match self.origin {
            Origin::Marker { transaction_version } => transaction_version,
            _ => 0,
        };
        self.check_epoch(header.producer_epoch, transaction_version)?;
        self.check_coordinator(marker.coordinator_epoch)?;
        let completed = self.entry.current_txn_first_offset.map(|first_offset| CompletedTxn {
            producer_id: self.producer_id,
            first_offset,
            last_offset: header.base_offset,
            abort: marker.abort,
        });
        self.entry.end_txn(header.producer_epoch, marker.coordinator_epoch, header.max_timestamp);
        Ok(completed)
    }

    fn check_epoch(&self, epoch: i16, transaction_version: i16) -> Result<(), Error> {
        let current = self.entry.epoch;
        let strict = transaction_version >= 2;
        if epoch > current || (epoch == current && !strict) || self.origin == Origin::Replication {
            return Ok(());
        }
        // A marker written again after its answer was lost: the transaction is over already (KAFKA-19999).
        let again = self.entry.current_txn_first_offset.is_none() || epoch == i16::MAX;
        if strict && epoch == current && again {
            return Ok(());
        }
        Err(Error::InvalidEpoch { producer_id: self.producer_id, epoch, current })
    }

    fn check_sequence(&self, epoch: i16, first: i32) -> Result<(), Error> {
        let out_of_order = |last| Error::OutOfOrderSequence { producer_id: self.producer_id, sequence: first, last };
        if epoch != self.entry.epoch {
            // An unknown producer may start anywhere: its records may have been deleted since.
            let starts = first == 0 || self.entry.epoch == NO_PRODUCER_EPOCH;
            return if starts { Ok(()) } else { Err(out_of_order(NO_SEQUENCE)) };
        }
        let last = match self.entry.batches.back() {
            Some(batch) => batch.last_sequence,
            None if epoch == self.epoch_before => self.last_sequence_before,
            None => NO_SEQUENCE,
        };
        let follows = i64::from(first) == i64::from(last) + 1 || (first == 0 && last == i32::MAX);
        if self.epoch_before == NO_PRODUCER_EPOCH || follows { Ok(()) } else { Err(out_of_order(last)) }
    }

    fn check_coordinator(&self, epoch: i32) -> Result<(), Error> {
        let current = self.entry.coordinator_epoch;
        if epoch >= current || self.origin == Origin::Replication {
            return Ok(());
        }
        Err(Error::CoordinatorFenced { producer_id: self.producer_id, epoch, current })
    }
}
