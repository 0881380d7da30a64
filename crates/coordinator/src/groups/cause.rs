//! Why groups rebalance.

use core::fmt;

/// Why a group began to assign its partitions anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// A member joined.
    MemberJoined,
    /// A member left, or was removed by an administrator.
    MemberLeft,
    /// A member was silent for its whole session.
    SessionExpired,
    /// A member did not rejoin, sync or give its partitions away within the rebalance timeout.
    RebalanceTimedOut,
    /// A member reads other topics, or brings another assignor or user data.
    SubscriptionChanged,
    /// Topics came or went, or have other partitions, or other racks.
    TopicsChanged,
    /// The leader of a classic group joined again, which clients do when topics changed.
    LeaderRejoined,
    /// A static member of the classic protocol came back while its group was assigning.
    StaticMemberReplaced,
    /// The group is larger than it may be by now.
    GroupTooLarge,
    /// The leader's assignment cannot be stored.
    AssignmentTooLarge,
    /// The last member of the consumer protocol gave its place to one of the classic protocol.
    Downgraded,
}

impl Cause {
    /// All there are.
    pub const ALL: [Self; 11] = [
        Self::MemberJoined,
        Self::MemberLeft,
        Self::SessionExpired,
        Self::RebalanceTimedOut,
        Self::SubscriptionChanged,
        Self::TopicsChanged,
        Self::LeaderRejoined,
        Self::StaticMemberReplaced,
        Self::GroupTooLarge,
        Self::AssignmentTooLarge,
        Self::Downgraded,
    ];

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::MemberJoined => "member_joined",
            Self::MemberLeft => "member_left",
            Self::SessionExpired => "session_expired",
            Self::RebalanceTimedOut => "rebalance_timed_out",
            Self::SubscriptionChanged => "subscription_changed",
            Self::TopicsChanged => "topics_changed",
            Self::LeaderRejoined => "leader_rejoined",
            Self::StaticMemberReplaced => "static_member_replaced",
            Self::GroupTooLarge => "group_too_large",
            Self::AssignmentTooLarge => "assignment_too_large",
            Self::Downgraded => "downgraded",
        }
    }
}

/// A cause, and who or what it was, in words.
#[derive(Clone, Debug)]
pub(crate) struct Why {
    pub(crate) cause: Cause,
    words: String,
}

impl Why {
    pub(crate) fn new(cause: Cause, words: impl Into<String>) -> Self {
        Self { cause, words: words.into() }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}
