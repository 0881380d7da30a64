//! Records as they are in batches; in those of `__consumer_offsets` ends of transactions are control records.

use crate::{CoordinatorRecord, Decoded, RecordError};
use ottla_protocol::Bytes;
use ottla_protocol::batch::{Builder, Header, NewRecord, Record, control::ControlType};

impl CoordinatorRecord {
    /// A batch of records that no producer wrote.
    pub fn write(records: &[Self], timestamp_ms: i64) -> Result<Builder, RecordError> {
        batch(records.iter().map(Self::encode), timestamp_ms)
    }

    /// Reads a record of a batch that has this header.
    pub fn read(header: &Header, record: Record) -> Result<Decoded, RecordError> {
        let key = record.key.ok_or(RecordError::NoKey)?;
        let producer_id = header.producer_id;
        if header.attributes.is_control() {
            let control = ControlType::decode_key(&key).map_err(|error| RecordError::ControlKey(error.to_string()))?;
            return Ok(transaction_end(control, producer_id));
        }
        let producer_id = header.attributes.is_transactional().then_some(producer_id);
        Self::decode(key, record.value, producer_id)
    }
}

/// A batch of keys and values.
pub(crate) fn batch<E>(
    records: impl Iterator<Item = Result<(Bytes, Option<Bytes>), E>>,
    timestamp_ms: i64,
) -> Result<Builder, E> {
    let mut builder = Builder::new();
    for record in records {
        let (key, value) = record?;
        builder.push(NewRecord { timestamp: timestamp_ms, key: Some(&key), value: value.as_deref(), headers: &[] });
    }
    Ok(builder)
}

fn transaction_end(control: ControlType, producer_id: i64) -> Decoded {
    let end = |committed| Decoded::Record(CoordinatorRecord::TransactionEnd { producer_id, committed });
    match control {
        ControlType::Commit => end(true),
        ControlType::Abort => end(false),
        other => Decoded::Ignored { record_type: other.id() },
    }
}
