//! Which of Kafka's error codes says what went wrong in a log.

use ottla_protocol::{
    ErrorCode,
    batch::{Error, ErrorKind},
};
use ottla_storage::AppendError;
pub(crate) use ottla_storage::error_code::{of_append, of_read};

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

/// Whether the disk failed in a way after which nobody knows what it holds; a full disk is not such a way.
pub(crate) fn is_disk_failure(error: &AppendError) -> bool {
    matches!(error, AppendError::Epochs(_) | AppendError::Segment(_))
}
