//! What a leader checks of the records before it accepts a batch, as Kafka's LogValidator does.
//!
//! What is accepted here Kafka 4.3.1 accepts too, with the same bytes. It is more lenient in what no client writes: in an
//! uncompressed batch it does not look at offset deltas (in a compressed one a gap makes it answer UNKNOWN_SERVER_ERROR), in
//! a compressed batch it does not compare a record's length with its fields, and a transactional batch needs no producer id.
//! Records that do not decompress are INVALID_RECORD here, which clients do not retry; Kafka says UNKNOWN_SERVER_ERROR.

use super::walk::Outline;
use super::{CheckedBatch, Error, ErrorKind, NO_TIMESTAMP, TimestampType};
use crate::compression::Limits;

/// Records that are listed as rejected; a batch may hold hundreds of thousands.
pub const MAX_RECORD_ERRORS: usize = 1000;

/// Who wrote a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A client, whose batches obey more rules.
    Client,
    /// This broker, in a coordinator's topic or in the metadata log.
    Broker,
}

/// What the topic asks of a record.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// Topic and partition, as messages name them.
    pub partition: (&'a str, i32),
    /// Who wrote the batch.
    pub origin: Origin,
    /// Whether `cleanup.policy` has compact, so that every record needs a key.
    pub compacted: bool,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`.
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`.
    pub timestamp_after_max_ms: i64,
    /// The time of the append.
    pub now_ms: i64,
    /// What may come out of a compressed batch.
    pub limits: Limits,
}

/// What the walk over the records found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validated {
    /// Number of records.
    pub records_count: i32,
    /// The largest timestamp, or the time of the append if that is what records get.
    pub max_timestamp: i64,
    /// Which record has it first, less the base offset.
    pub max_timestamp_offset_delta: i32,
    /// Bytes of the records, uncompressed.
    pub uncompressed_size: u64,
}

/// A record that breaks a rule, as ProduceResponse 8 lists it (KIP-467).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordError {
    /// Which record of the batch.
    pub batch_index: i32,
    /// What is wrong with it.
    pub message: String,
    /// InvalidTimestamp or InvalidRecord.
    pub kind: ErrorKind,
}

impl core::fmt::Display for RecordError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "RecordError(batchIndex={}, message='{}')", self.batch_index, self.message)
    }
}

/// Why a batch is not accepted. [`Rejected::kind`] is the partition's error code, the message goes beside it.
#[derive(Debug, thiserror::Error)]
pub enum Rejected {
    /// The batch as a whole is wrong.
    #[error(transparent)]
    Batch(#[from] Error),
    /// Records break rules; at most [`MAX_RECORD_ERRORS`] of them, at least one.
    #[error("{}", message_of(.0))]
    Records(Vec<RecordError>),
}

impl Rejected {
    /// One wrong timestamp among other errors makes it INVALID_TIMESTAMP.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Batch(error) => error.kind(),
            Self::Records(errors) => errors.iter().map(|error| error.kind).min().unwrap_or(ErrorKind::InvalidRecord),
        }
    }

    /// The records that are to blame, if single ones are.
    pub fn record_errors(&self) -> &[RecordError] {
        match self {
            Self::Batch(_) => &[],
            Self::Records(errors) => errors,
        }
    }
}

fn message_of(errors: &[RecordError]) -> String {
    if errors.iter().any(|error| error.kind == ErrorKind::InvalidTimestamp) {
        return "One or more records have been rejected due to invalid timestamp".into();
    }
    let shown: Vec<String> = errors.iter().take(3).map(RecordError::to_string).collect();
    format!(
        "One or more records have been rejected due to {} record errors in total, \
         and only showing the first three errors at most: [{}]",
        errors.len(),
        shown.join(", ")
    )
}

impl CheckedBatch {
    /// Checks the records against `rules`, then sets the batch's timestamp type and max timestamp as the topic has them.
    pub fn validate_records(&mut self, rules: &Rules<'_>) -> Result<Validated, Rejected> {
        if rules.origin == Origin::Client {
            self.check_client_rules()?;
        }
        let mut found =
            Found { errors: Vec::new(), max_timestamp: NO_TIMESTAMP, max_timestamp_offset_delta: 0, gap: None };
        let uncompressed_size = self.walk(&rules.limits, |record| found.visit(self, rules, record))?;
        if !found.errors.is_empty() {
            return Err(Rejected::Records(found.errors));
        }
        if let Some(index) = found.gap {
            return Err(Error::Record { index, reason: "its offset does not follow the one before" }.into());
        }
        if rules.timestamp_type == TimestampType::LogAppendTime {
            found.max_timestamp = rules.now_ms;
            found.max_timestamp_offset_delta = 0;
        }
        self.set_max_timestamp(rules.timestamp_type, found.max_timestamp);
        Ok(Validated {
            records_count: self.header().records_count,
            max_timestamp: found.max_timestamp,
            max_timestamp_offset_delta: found.max_timestamp_offset_delta,
            uncompressed_size,
        })
    }

    /// What is forbidden to clients though a log may hold it.
    fn check_client_rules(&self) -> Result<(), Error> {
        let header = self.header();
        let range = i64::from(header.last_offset_delta) + 1;
        if header.records_count <= 0 || i64::from(header.records_count) != range {
            return Err(Error::Count { count: header.records_count, range });
        }
        if header.attributes.is_control() {
            return Err(Error::ControlFromClient);
        }
        if header.has_producer_id() && header.base_sequence < 0 {
            return Err(Error::Sequence { base_sequence: header.base_sequence, producer_id: header.producer_id });
        }
        if header.attributes.is_transactional() && !header.has_producer_id() {
            return Err(Error::TransactionalWithoutProducer);
        }
        Ok(())
    }
}

struct Found {
    errors: Vec<RecordError>,
    max_timestamp: i64,
    max_timestamp_offset_delta: i32,
    gap: Option<u32>,
}

impl Found {
    fn visit(&mut self, batch: &CheckedBatch, rules: &Rules<'_>, record: Outline) {
        if i64::from(record.offset_delta) != i64::from(record.index) {
            self.gap = self.gap.or(Some(record.index));
        }
        if record.timestamp > self.max_timestamp {
            self.max_timestamp = record.timestamp;
            self.max_timestamp_offset_delta = record.offset_delta;
        }
        if let Some((kind, message)) = broken_rule(batch, rules, record)
            && self.errors.len() < MAX_RECORD_ERRORS
        {
            let batch_index = i32::try_from(record.index).unwrap_or(i32::MAX);
            self.errors.push(RecordError { batch_index, message, kind });
        }
    }
}

fn broken_rule(batch: &CheckedBatch, rules: &Rules<'_>, record: Outline) -> Option<(ErrorKind, String)> {
    if rules.compacted && !record.has_key {
        let (topic, index) = rules.partition;
        let message = format!("Compacted topic cannot accept message without key in topic partition {topic}-{index}");
        return Some((ErrorKind::InvalidRecord, message));
    }
    if rules.timestamp_type == TimestampType::CreateTime && record.timestamp != NO_TIMESTAMP {
        return is_out_of_range(rules, record.timestamp)
            .then(|| (ErrorKind::InvalidTimestamp, out_of_range(rules, record)));
    }
    (batch.header().attributes.timestamp_type() == TimestampType::LogAppendTime)
        .then(|| (ErrorKind::InvalidTimestamp, "Producer should not set timestamp type to LogAppendTime".into()))
}

fn out_of_range(rules: &Rules<'_>, record: Outline) -> String {
    let Outline { timestamp, offset_delta, .. } = record;
    let earliest = rules.now_ms.wrapping_sub(rules.timestamp_before_max_ms);
    let latest = rules.now_ms.wrapping_add(rules.timestamp_after_max_ms);
    format!(
        "Timestamp {timestamp} of message with offset {offset_delta} is out of range. \
         The timestamp should be within [{earliest}, {latest}]"
    )
}

/// Wraps as Java does, so that extremes are judged as Kafka judges them.
fn is_out_of_range(rules: &Rules<'_>, timestamp: i64) -> bool {
    let age = rules.now_ms.wrapping_sub(timestamp);
    age > rules.timestamp_before_max_ms || age.wrapping_neg() > rules.timestamp_after_max_ms
}
