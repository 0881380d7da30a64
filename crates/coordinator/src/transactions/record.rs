//! What the coordinator remembers, as keys and values of `__transaction_state`.

use super::transaction::NO_PRODUCER_ID;
use super::{Partitions, Producer, State, Transaction};
use ottla_protocol::batch::Builder;
use ottla_protocol::codec::{DecodeError, Decoder, EncodeError};
use ottla_protocol::stored::transaction_log_value::PartitionsSchema;
use ottla_protocol::stored::{TransactionLogKey, TransactionLogValue};
use ottla_protocol::{Bytes, Message, Str};

const KEY_VERSION: i16 = 0;
/// From this `transaction.version` on values have fields for what KIP-890 adds.
const FLEXIBLE_SINCE: i16 = 1;
/// What a record takes in a batch besides its key and value, with the fields of a value that have a fixed size, at most.
const RECORD_OVERHEAD: usize = 128;
/// What a topic takes besides its name, at most.
const TOPIC_OVERHEAD: usize = 8;

/// What is known of a transactional id; without a transaction it is forgotten.
#[derive(Clone, Debug, PartialEq)]
pub struct TransactionRecord {
    /// The id.
    pub transactional_id: Str,
    /// All there is to know.
    pub transaction: Option<Transaction>,
    /// The version of the value.
    value_version: i16,
}

/// A record cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Its bytes are not what its type says.
    #[error("a record of __transaction_state does not decode: {0}")]
    Decode(#[from] DecodeError),
    /// A value does not fit its schema.
    #[error("a record of __transaction_state does not encode: {0}")]
    Encode(#[from] EncodeError),
    /// No state has this number.
    #[error("a record of __transaction_state has the unknown state {0}")]
    UnknownState(i8),
}

impl TransactionRecord {
    /// The record of a transaction in a cluster at a level of `transaction.version`. What its value has no field for is
    /// forgotten at once, as it would be by whoever reads the log.
    pub(super) fn new(transactional_id: Str, transaction: Transaction, transaction_version: i16) -> Self {
        if transaction_version >= FLEXIBLE_SINCE {
            return Self { transactional_id, transaction: Some(transaction), value_version: 1 };
        }
        let kept = Transaction {
            previous_producer_id: NO_PRODUCER_ID,
            next_producer_id: NO_PRODUCER_ID,
            client_version: 0,
            ..transaction
        };
        Self { transactional_id, transaction: Some(kept), value_version: 0 }
    }

    /// An id is forgotten.
    pub(super) fn tombstone(transactional_id: Str) -> Self {
        Self { transactional_id, transaction: None, value_version: 0 }
    }

    /// Reads a record; none for a kind that is not known, which stays in the log.
    pub fn decode(key: Bytes, value: Option<Bytes>) -> Result<Option<Self>, RecordError> {
        let mut key = Decoder::new(key);
        if key.int16()? != KEY_VERSION {
            return Ok(None);
        }
        let transactional_id = TransactionLogKey::read(&mut key, KEY_VERSION)?.transactional_id.detached();
        let Some(value) = value else { return Ok(Some(Self::tombstone(transactional_id))) };
        let mut value = Decoder::new(value);
        let value_version = value.int16()?;
        if !(0..=1).contains(&value_version) {
            return Ok(None);
        }
        let transaction = Some(read(TransactionLogValue::read(&mut value, value_version)?)?);
        Ok(Some(Self { transactional_id, transaction, value_version }))
    }

    /// The key, and the value or none for a tombstone.
    pub fn encode(&self) -> Result<(Bytes, Option<Bytes>), RecordError> {
        let key = TransactionLogKey { transactional_id: self.transactional_id.clone() };
        let value = self.transaction.as_ref().map(|it| written(it).to_versioned_bytes(self.value_version));
        Ok((key.to_versioned_bytes(KEY_VERSION)?, value.transpose()?))
    }

    /// A batch of records.
    pub fn write(records: &[Self], timestamp_ms: i64) -> Result<Builder, RecordError> {
        crate::stored::batch(records.iter().map(Self::encode), timestamp_ms)
    }

    /// An upper bound of what the record adds to a batch.
    pub(super) fn max_bytes(&self) -> usize {
        let topics = self.transaction.iter().flat_map(|it| it.partitions.topics());
        let partitions = topics.map(|(topic, partitions)| TOPIC_OVERHEAD + topic.len() + 4 * partitions.len());
        RECORD_OVERHEAD + self.transactional_id.len() + partitions.sum::<usize>()
    }
}

fn read(value: TransactionLogValue) -> Result<Transaction, RecordError> {
    let state = State::from_id(value.transaction_status).ok_or(RecordError::UnknownState(value.transaction_status))?;
    let topics = value.transaction_partitions.unwrap_or_default().into_iter().filter(|_| state != State::Empty);
    let partitions = topics.flat_map(|topic| {
        let name = topic.topic.detached();
        topic.partition_ids.into_iter().map(move |partition| (name.clone(), partition))
    });
    Ok(Transaction {
        producer: Producer { id: value.producer_id, epoch: value.producer_epoch },
        previous_producer_id: value.previous_producer_id,
        next_producer_id: value.next_producer_id,
        timeout_ms: value.transaction_timeout_ms,
        state,
        partitions: partitions.collect::<Partitions>(),
        start_ms: value.transaction_start_timestamp_ms,
        last_update_ms: value.transaction_last_update_timestamp_ms,
        client_version: value.client_transaction_version,
    })
}

fn written(transaction: &Transaction) -> TransactionLogValue {
    let topics = transaction.partitions.topics().map(|(topic, partitions)| PartitionsSchema {
        topic: topic.clone(),
        partition_ids: partitions.iter().copied().collect(),
        ..Default::default()
    });
    TransactionLogValue {
        producer_id: transaction.producer.id,
        producer_epoch: transaction.producer.epoch,
        previous_producer_id: transaction.previous_producer_id,
        next_producer_id: transaction.next_producer_id,
        transaction_timeout_ms: transaction.timeout_ms,
        transaction_status: transaction.state.id(),
        transaction_partitions: (transaction.state != State::Empty).then(|| topics.collect()),
        transaction_last_update_timestamp_ms: transaction.last_update_ms,
        transaction_start_timestamp_ms: transaction.start_ms,
        client_transaction_version: transaction.client_version,
        ..Default::default()
    }
}
