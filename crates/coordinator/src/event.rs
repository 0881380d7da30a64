//! What can happen to a group coordinator, and what it answers.

use crate::groups::MeasuredGroup;
use crate::groups::cause::Cause;
use crate::groups::classic::{
    DeletedGroup, DescribedGroup, GroupType, Heartbeat, JoinGroup, JoinRefused, Joined, LeaveGroup, LeftMember,
    ListGroups, ListedGroup, SyncGroup, Synced,
};
use crate::groups::consumer::{ConsumerHeartbeat, ConsumerHeartbeatAnswer, DescribedConsumerGroup, Refused};
use crate::offsets::{
    CommittedTopic, DeletedOffsetTopic, DeletedTopic, FetchedTopic, OffsetCommit, OffsetDelete, OffsetFetch,
};
use crate::{Error, Settings};
use ottla_metadata::Image;
use ottla_protocol::Str;
use ottla_state_machine::Ticket;
use std::sync::Arc;

/// What can happen. Requests hold what is the same in all versions; what a version changes is said by flags or is the
/// handler's to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The settings are, or have become, these. The driver's first event after activation.
    Configure(Settings),
    /// The metadata is, or has become, this: groups need to know topics, racks and the configs of groups. The driver's
    /// second event after activation.
    Metadata(Arc<Image>),
    /// A member of the consumer protocol joins, lives or leaves (KIP-848).
    ConsumerGroupHeartbeat(Ticket, ConsumerHeartbeat),
    /// Groups of the consumer protocol are described.
    ConsumerGroupDescribe(Ticket, Vec<Str>),
    /// A member joins or rejoins; the answer comes when the others have joined too.
    JoinGroup(Ticket, JoinGroup),
    /// A member asks for its assignment; the answer comes when the leader has sent it.
    SyncGroup(Ticket, SyncGroup),
    /// A member lives.
    Heartbeat(Ticket, Heartbeat),
    /// Members leave, or are removed by an administrator.
    LeaveGroup(Ticket, LeaveGroup),
    /// Groups are described.
    DescribeGroups(Ticket, Vec<Str>),
    /// The groups of this partition are listed.
    ListGroups(Ticket, ListGroups),
    /// What there is to measure of the groups of this partition, for metrics.
    MeasureGroups(Ticket),
    /// Groups are deleted with their offsets.
    DeleteGroups(Ticket, Vec<Str>),
    /// A group commits offsets.
    OffsetCommit(Ticket, OffsetCommit),
    /// A group asks for its offsets.
    OffsetFetch(Ticket, OffsetFetch),
    /// Offsets of a group are deleted.
    OffsetDelete(Ticket, OffsetDelete),
    /// Topics are gone, so the offsets in them go too.
    TopicsDeleted(Vec<DeletedTopic>),
    /// A timer ran out.
    Timeout(Timer),
}

/// What a timer is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// A member, pending or not, was silent for too long.
    Session {
        /// The group.
        group_id: Str,
        /// The member.
        member_id: Str,
    },
    /// The time to join is over.
    Join {
        /// The group.
        group_id: Str,
    },
    /// The time to ask for the assignment is over.
    Sync {
        /// The group.
        group_id: Str,
    },
    /// A member of the consumer protocol is to have given partitions away.
    Rebalance {
        /// The group.
        group_id: Str,
        /// The member.
        member_id: Str,
    },
    /// A member of the classic protocol, in a group of the consumer protocol, is to have joined again.
    ClassicJoin {
        /// The group.
        group_id: Str,
        /// The member.
        member_id: Str,
    },
    /// The same is to have asked for its assignment.
    ClassicSync {
        /// The group.
        group_id: Str,
        /// The member.
        member_id: Str,
    },
    /// A group's regular expressions are to be resolved.
    Regexes {
        /// The group.
        group_id: Str,
    },
    /// Offsets may have expired.
    Expiry,
    /// Groups are left of a deletion.
    DeleteGroups,
    /// Offsets of deleted topics are left.
    TopicsDeleted,
}

/// What a caller is told. Each event that carries a ticket is answered once, with the variant of its name.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// Answers [`Event::ConsumerGroupHeartbeat`].
    ConsumerGroupHeartbeat(Result<ConsumerHeartbeatAnswer, Refused>),
    /// Answers [`Event::ConsumerGroupDescribe`], in the request's order.
    ConsumerGroupDescribe(Vec<DescribedConsumerGroup>),
    /// Answers [`Event::JoinGroup`].
    JoinGroup(Result<Joined, JoinRefused>),
    /// Answers [`Event::SyncGroup`].
    SyncGroup(Result<Synced, Error>),
    /// Answers [`Event::Heartbeat`].
    Heartbeat(Result<(), Error>),
    /// Answers [`Event::LeaveGroup`], members in the request's order.
    LeaveGroup(Result<Vec<LeftMember>, Error>),
    /// Answers [`Event::DescribeGroups`], in the request's order.
    DescribeGroups(Vec<DescribedGroup>),
    /// Answers [`Event::ListGroups`].
    ListGroups(Vec<ListedGroup>),
    /// Answers [`Event::MeasureGroups`].
    MeasureGroups(Vec<MeasuredGroup>),
    /// Answers [`Event::DeleteGroups`], in the request's order.
    DeleteGroups(Vec<DeletedGroup>),
    /// Answers [`Event::OffsetCommit`], in the request's order.
    OffsetCommit(Result<Vec<CommittedTopic>, Error>),
    /// Answers [`Event::OffsetFetch`].
    OffsetFetch(Result<Vec<FetchedTopic>, Error>),
    /// Answers [`Event::OffsetDelete`], in the request's order.
    OffsetDelete(Result<Vec<DeletedOffsetTopic>, Error>),
}

/// What the driver is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Write a line into the broker's log.
    Log {
        /// How much it matters.
        level: Level,
        /// The group it is about, empty if about the whole partition.
        group_id: Str,
        /// What happened and why. May hold text that clients chose.
        message: String,
    },
    /// Count that a group began to rebalance.
    Rebalance {
        /// The group's protocol.
        group_type: GroupType,
        /// Why it did.
        cause: Cause,
    },
}

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For those who look for something.
    Debug,
    /// What operators want to know.
    Info,
    /// What should not happen.
    Warn,
}
