//! Which of Kafka's error codes says what went wrong in a log.

use ottla_protocol::{ErrorCode, batch::Error};
pub(crate) use ottla_storage::error_code::{is_disk_failure, of_append, of_kind, of_read};

/// The code of a batch that is wrong as a whole.
pub(crate) fn of_batch(error: &Error) -> ErrorCode {
    of_kind(error.kind())
}
