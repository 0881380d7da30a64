//! Why a group coordinator refuses.

/// A refusal; `error_code.rs` gives Kafka's number for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Error {
    /// The group id is empty, or too long to be stored.
    #[error("the group id is invalid")]
    InvalidGroupId,
    /// The session timeout is outside of the broker's limits.
    #[error("the session timeout is not within the broker's limits")]
    InvalidSessionTimeout,
    /// A name in the request is too long to be stored.
    #[error("a name in the request is too long to be stored")]
    NameTooLong,
    /// The member's metadata is larger than [`MAX_MEMBER_METADATA_BYTES`](crate::MAX_MEMBER_METADATA_BYTES).
    #[error("the member's metadata is too large")]
    MemberMetadataTooLarge,
    /// The member must join again with the id in the reply (KIP-394).
    #[error("the member must join again with the id it was given")]
    MemberIdRequired,
    /// No such member.
    #[error("the group has no such member")]
    UnknownMemberId,
    /// Another member took over the instance id (KIP-345).
    #[error("another member has taken the instance id")]
    FencedInstanceId,
    /// The caller's generation is not the group's.
    #[error("the generation is not the group's")]
    IllegalGeneration,
    /// The group rebalances: the member must join again.
    #[error("the group is rebalancing")]
    RebalanceInProgress,
    /// The caller's protocols do not go with the group's.
    #[error("the group has members with other protocols")]
    InconsistentGroupProtocol,
    /// The group has as many members as it may.
    #[error("the group is full")]
    GroupMaxSizeReached,
    /// More members than can be served are on their way into the group; worth a retry.
    #[error("too many members are joining at once")]
    TooManyPendingMembers,
    /// No such group.
    #[error("the group does not exist")]
    GroupIdNotFound,
    /// The group has members.
    #[error("the group is not empty")]
    NonEmptyGroup,
    /// The group consumes the topic.
    #[error("the group is subscribed to the topic")]
    GroupSubscribedToTopic,
    /// The metadata of a committed offset is too long.
    #[error("the offset's metadata is too large")]
    OffsetMetadataTooLarge,
    /// A transaction that would change the offset is open (KIP-447).
    #[error("a transaction on the offset is open")]
    UnstableOffsetCommit,
    /// The member's epoch is not the one it was given last (KIP-848): it must give up all and join again.
    #[error("the member epoch is not the member's")]
    FencedMemberEpoch,
    /// The member's epoch is not, or not any more, good for the offset (KIP-848): it must be heard of first.
    #[error("the member epoch is stale")]
    StaleMemberEpoch,
    /// Another member that has not left has the instance id (KIP-848).
    #[error("the instance id is still in use")]
    UnreleasedInstanceId,
    /// The regular expression is none (KIP-848).
    #[error("the regular expression is invalid")]
    InvalidRegularExpression,
    /// Members of the consumer protocol must use requests that know of member epochs.
    #[error("this version does not know of member epochs")]
    UnsupportedVersion,
    /// What would have to be stored does not fit into one batch.
    #[error("the records do not fit into one batch")]
    RecordsTooLarge,
}
