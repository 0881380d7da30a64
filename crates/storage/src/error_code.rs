//! Kafka's error code for each of this crate's errors.

use ottla_protocol::ErrorCode;
use ottla_protocol::batch::ErrorKind;

use crate::log::{AppendError, DeleteError, OpenError};
use crate::producers;
use crate::read;

/// The code of an append that was refused.
pub fn of_append(error: &AppendError) -> ErrorCode {
    match error {
        AppendError::MessageTooLarge { .. } => ErrorCode::MessageTooLarge,
        AppendError::RecordListTooLarge { .. } => ErrorCode::RecordListTooLarge,
        AppendError::BaseOffset(_) | AppendError::LeaderEpoch { .. } => ErrorCode::InvalidRecord,
        AppendError::ControlBatch(error) => of_kind(error.kind()),
        AppendError::Producer(error) => of_producer(error),
        // Kafka has exceptions without a code for these: a replica's fetcher meets them, not a client.
        AppendError::OffsetsExhausted(_)
        | AppendError::OffsetsOutOfOrder { .. }
        | AppendError::UnexpectedOffset { .. } => ErrorCode::UnknownServerError,
        AppendError::Epochs(_) | AppendError::DiskFull(_) | AppendError::Segment(_) | AppendError::Failed => {
            ErrorCode::KafkaStorageError
        }
    }
}

/// The code of a producer's batch that was refused.
pub fn of_producer(error: &producers::Error) -> ErrorCode {
    match error {
        producers::Error::InvalidEpoch { .. } => ErrorCode::InvalidProducerEpoch,
        producers::Error::OutOfOrderSequence { .. } => ErrorCode::OutOfOrderSequenceNumber,
        producers::Error::InvalidTxnState { .. } | producers::Error::NotInTransaction { .. } => {
            ErrorCode::InvalidTxnState
        }
        producers::Error::CoordinatorFenced { .. } => ErrorCode::TransactionCoordinatorFenced,
    }
}

/// The code of a read that failed.
pub fn of_read(error: &read::Error) -> ErrorCode {
    match error {
        read::Error::OffsetOutOfRange { .. } => ErrorCode::OffsetOutOfRange,
        read::Error::Segment(_) => ErrorCode::KafkaStorageError,
    }
}

/// The code of records that were not deleted.
pub fn of_delete(error: &DeleteError) -> ErrorCode {
    match error {
        DeleteError::OffsetOutOfRange { .. } => ErrorCode::OffsetOutOfRange,
        DeleteError::Segment(_) | DeleteError::Epochs(_) | DeleteError::Io { .. } => ErrorCode::KafkaStorageError,
    }
}

/// The code of a log that cannot be opened or truncated.
pub fn of_open(error: &OpenError) -> ErrorCode {
    match error {
        OpenError::InconsistentTopicId { .. } => ErrorCode::InconsistentTopicId,
        OpenError::Io { .. } | OpenError::Segment(_) | OpenError::Epochs(_) => ErrorCode::KafkaStorageError,
    }
}

/// Whether the append failed for the disk, so that its log dir must go offline. A full disk may have room again.
pub fn is_disk_failure(error: &AppendError) -> bool {
    matches!(error, AppendError::Epochs(_) | AppendError::Segment(_) | AppendError::Failed)
}

/// The code of a kind of error in a batch.
pub fn of_kind(kind: ErrorKind) -> ErrorCode {
    match kind {
        ErrorKind::CorruptMessage => ErrorCode::CorruptMessage,
        ErrorKind::InvalidTimestamp => ErrorCode::InvalidTimestamp,
        ErrorKind::UnsupportedCompressionType => ErrorCode::UnsupportedCompressionType,
        ErrorKind::InvalidRecord => ErrorCode::InvalidRecord,
    }
}
