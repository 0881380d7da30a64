//! Coordinators as replicated state machines: of consumer groups and their offsets, and of [`transactions`].
//!
//! [`GroupCoordinator`] is one partition of `__consumer_offsets` with all groups in it; [`partition_for`] says which.
//! Each request is an [`Event`] with a `Ticket`, each answer a [`Reply`] to that ticket. The driver
//!
//! 1. replays the partition's log through [`CoordinatorRecord::read`], batch by batch;
//! 2. activates the shard and sends [`Event::Configure`] and [`Event::Metadata`], again whenever these change; with the
//!    first of the latter the sessions of members begin;
//! 3. appends the records of each decision in one batch ([`CoordinatorRecord::write`]), which is a transactional one of the
//!    producer if they are offsets of a transaction; they are at most [`Settings::max_batch_bytes`];
//! 4. writes [`Effect::Log`] to the broker's log;
//! 5. answers all tickets it still holds when the partition's leadership is lost, or an append has failed: joins and
//!    syncs that wait for others sit in soft state and die with it.
//!
//! Left to request handlers, for it depends on versions or on what only they know: the member id that JoinGroup 0 to 3
//! need not know (`require_known_member_id`), rebalance timeouts before version 1 (the session's), null against empty
//! protocol names, the single member of LeaveGroup 0 to 2, [`Error::GroupIdNotFound`] of an OffsetCommit before version 9
//! (ILLEGAL_GENERATION), `GROUP_ID_NOT_FOUND` in DescribeGroups before version 6 (no error), authorization, and whether
//! topics exist.
//!
//! Invariants: a ticket is answered exactly once while the shard lives, also when its caller's member is replaced,
//! removed, or asks again; a generation's assignment comes from one SyncGroup of its leader; hard state is what replay
//! of the log gives.
//!
//! Where Kafka leaves a caller without an answer, this crate gives one: a JoinGroup or SyncGroup that the same member
//! sends again while the first waits ends the first with REBALANCE_IN_PROGRESS, and a member removed while it waits for
//! its assignment gets UNKNOWN_MEMBER_ID. Limits that Kafka does not have: [`MAX_MEMBER_METADATA_BYTES`] (answered with
//! MESSAGE_TOO_LARGE), [`MAX_PENDING_MEMBERS`] (COORDINATOR_NOT_AVAILABLE, worth a retry), names of more than 32767
//! bytes, which its record format cannot hold (INVALID_REQUEST, for group ids INVALID_GROUP_ID).
//!
//! The crate does not know sockets, versions of requests, who may do what, clocks or randomness.

mod context;
mod error;
mod error_code;
mod event;
pub mod groups;
mod machine;
pub mod offsets;
mod partition;
mod record;
mod settings;
mod stored;
pub mod transactions;

pub use self::error::Error;
pub use self::event::{Effect, Event, Level, Reply, Timer};
pub use self::groups::MeasuredGroup;
pub use self::groups::cause::Cause;
pub use self::groups::classic::{
    DeletedGroup, DescribedGroup, DescribedMember, GroupAssignment, GroupState, GroupType, Heartbeat, JoinGroup,
    JoinRefused, Joined, JoinedMember, LeaveGroup, LeavingMember, LeftMember, ListGroups, ListedGroup,
    MAX_MEMBER_METADATA_BYTES, MAX_PENDING_MEMBERS, Protocol, SyncGroup, Synced,
};
pub use self::groups::consumer::{
    Assignment, Assignor, ConsumerGroupRecord, ConsumerGroupState, ConsumerHeartbeat, ConsumerHeartbeatAnswer,
    DescribedConsumerGroup, DescribedConsumerMember, DescribedPartitions, Refused,
};
pub use self::machine::{GroupCoordinator, Hard, Soft};
pub use self::offsets::{
    CommitPartition, CommitTopic, CommittedTopic, DeletedOffsetTopic, DeletedTopic, FetchTopic, FetchedPartition,
    FetchedTopic, OffsetAndMetadata, OffsetCommit, OffsetDelete, OffsetFetch, PartitionResult, TopicPartitions,
};
pub use self::partition::partition_for;
pub use self::record::{CoordinatorRecord, Decoded, RecordError};
pub use self::settings::{MigrationPolicy, Settings};

#[cfg(test)]
mod tests;
