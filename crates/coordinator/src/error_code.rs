//! Kafka's code for each refusal.

use crate::Error;
use ottla_protocol::ErrorCode;

impl Error {
    /// The code that goes to the client.
    pub fn code(self) -> ErrorCode {
        match self {
            Self::InvalidGroupId => ErrorCode::InvalidGroupId,
            Self::InvalidSessionTimeout => ErrorCode::InvalidSessionTimeout,
            Self::NameTooLong => ErrorCode::InvalidRequest,
            Self::MemberMetadataTooLarge => ErrorCode::MessageTooLarge,
            Self::MemberIdRequired => ErrorCode::MemberIdRequired,
            Self::UnknownMemberId => ErrorCode::UnknownMemberId,
            Self::FencedInstanceId => ErrorCode::FencedInstanceId,
            Self::IllegalGeneration => ErrorCode::IllegalGeneration,
            Self::RebalanceInProgress => ErrorCode::RebalanceInProgress,
            Self::InconsistentGroupProtocol => ErrorCode::InconsistentGroupProtocol,
            Self::GroupMaxSizeReached => ErrorCode::GroupMaxSizeReached,
            Self::TooManyPendingMembers => ErrorCode::CoordinatorNotAvailable,
            Self::GroupIdNotFound => ErrorCode::GroupIdNotFound,
            Self::NonEmptyGroup => ErrorCode::NonEmptyGroup,
            Self::GroupSubscribedToTopic => ErrorCode::GroupSubscribedToTopic,
            Self::OffsetMetadataTooLarge => ErrorCode::OffsetMetadataTooLarge,
            Self::UnstableOffsetCommit => ErrorCode::UnstableOffsetCommit,
            Self::FencedMemberEpoch => ErrorCode::FencedMemberEpoch,
            Self::StaleMemberEpoch => ErrorCode::StaleMemberEpoch,
            Self::UnreleasedInstanceId => ErrorCode::UnreleasedInstanceId,
            Self::InvalidRegularExpression => ErrorCode::InvalidRegularExpression,
            Self::UnsupportedVersion => ErrorCode::UnsupportedVersion,
            // As Kafka answers when a coordinator's append is too large.
            Self::RecordsTooLarge => ErrorCode::UnknownServerError,
        }
    }
}

impl From<Error> for ErrorCode {
    fn from(error: Error) -> Self {
        error.code()
    }
}
