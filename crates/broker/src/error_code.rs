//! Which of Kafka's error codes says what went wrong in a log.

use ottla_protocol::{
    ErrorCode,
    batch::{Error, ErrorKind},
};
use ottla_storage::{AppendError, ProducerError, ReadError};

/// The code of a batch that is wrong as a whole.
pub(crate) fn of_batch(error: &Error) -> ErrorCode {
    of_kind(error.kind())
}

/// The code of a kind of error.
pub(crate) fn of_kind(kind: ErrorKind) -> ErrorCode {
    match kind {
        ErrorKind::CorruptMessage => ErrorCode::CorruptMessage,
        ErrorKind::InvalidRecord => ErrorCode::InvalidRecord,
        ErrorKind::InvalidTimestamp => ErrorCode::InvalidTimestamp,
        ErrorKind::UnsupportedCompressionType => ErrorCode::UnsupportedCompressionType,
    }
}

/// The code of an append that the log refused.
pub(crate) fn of_append(error: &AppendError) -> ErrorCode {
    match error {
        AppendError::MessageTooLarge { .. } => ErrorCode::MessageTooLarge,
        AppendError::RecordListTooLarge { .. } => ErrorCode::RecordListTooLarge,
        AppendError::BaseOffset(_) => ErrorCode::InvalidRecord,
        AppendError::ControlBatch(error) => of_batch(error),
        AppendError::Producer(error) => of_producer(error),
        AppendError::OffsetsExhausted(_)
        | AppendError::OffsetsOutOfOrder { .. }
        | AppendError::UnexpectedOffset { .. }
        | AppendError::LeaderEpoch { .. } => ErrorCode::UnknownServerError,
        AppendError::Epochs(_) | AppendError::DiskFull(_) | AppendError::Segment(_) | AppendError::Failed => {
            ErrorCode::KafkaStorageError
        }
    }
}

fn of_producer(error: &ProducerError) -> ErrorCode {
    match error {
        ProducerError::InvalidEpoch { .. } => ErrorCode::InvalidProducerEpoch,
        ProducerError::OutOfOrderSequence { .. } => ErrorCode::OutOfOrderSequenceNumber,
        ProducerError::InvalidTxnState { .. } => ErrorCode::InvalidTxnState,
        ProducerError::CoordinatorFenced { .. } => ErrorCode::TransactionCoordinatorFenced,
    }
}

/// Whether the disk failed in a way after which nobody knows what it holds; a full disk is not such a way.
pub(crate) fn is_disk_failure(error: &AppendError) -> bool {
    matches!(error, AppendError::Epochs(_) | AppendError::Segment(_))
}

/// The code of a read that found nothing.
pub(crate) fn of_read(error: &ReadError) -> ErrorCode {
    match error {
        ReadError::OffsetOutOfRange { .. } => ErrorCode::OffsetOutOfRange,
        ReadError::Segment(_) => ErrorCode::KafkaStorageError,
    }
}
