//! Why a partition does not take records, and what its client is told.

use super::Gone;
use crate::error_code;
use ottla_protocol::{ErrorCode, batch::Rejected};

/// Why records were not appended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AppendError {
    #[error(transparent)]
    Rejected(#[from] Rejected),
    #[error("{0}")]
    NotEnoughReplicas(String),
    #[error("another broker leads the partition")]
    NotLeader,
    #[error(transparent)]
    Gone(#[from] Gone),
    #[error("the log dir is offline")]
    Offline,
    #[error("the log dir is short of room")]
    NoRoom,
    #[error(transparent)]
    Log(#[from] ottla_storage::AppendError),
}

impl AppendError {
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::Rejected(rejected) => error_code::of_kind(rejected.kind()),
            Self::NotEnoughReplicas(_) => ErrorCode::NotEnoughReplicas,
            Self::NotLeader | Self::Gone(_) => ErrorCode::NotLeaderOrFollower,
            // Kafka's code for a full disk. Of all clients each tries again after it, with fresh metadata and without
            // counting that for a failure of the producer; so they go on by themselves when there is room.
            Self::Offline | Self::NoRoom => ErrorCode::KafkaStorageError,
            Self::Log(error) => error_code::of_append(error),
        }
    }

    /// What Kafka puts beside the code: the text, but for errors whose code says it all.
    pub(crate) fn message(&self) -> Option<String> {
        match self {
            Self::NoRoom => Some(self.to_string()),
            error if error.code() == ErrorCode::KafkaStorageError => None,
            error => Some(error.to_string()),
        }
    }

    pub(crate) fn record_errors(&self) -> Vec<(i32, String)> {
        match self {
            Self::Rejected(rejected) => {
                rejected.record_errors().iter().map(|e| (e.batch_index, e.message.clone())).collect()
            }
            _ => Vec::new(),
        }
    }
}
