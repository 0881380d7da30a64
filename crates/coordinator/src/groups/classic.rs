//! The classic group protocol: members elect a leader among themselves, and the leader assigns.

mod converted;
mod delete;
mod describe;
mod expire;
mod group;
mod heartbeat;
mod join;
mod join_existing;
mod join_static;
mod leave;
mod list;
mod member;
mod rebalance;
mod stored;
mod subscription;
mod sync;

pub use self::delete::DeletedGroup;
pub use self::describe::{DescribedGroup, DescribedMember};
pub use self::group::GroupState;
pub use self::heartbeat::Heartbeat;
pub use self::join::{JoinGroup, JoinRefused, Joined, JoinedMember, MAX_MEMBER_METADATA_BYTES, MAX_PENDING_MEMBERS};
pub use self::leave::{LeaveGroup, LeavingMember, LeftMember};
pub use self::list::{GroupType, ListGroups, ListedGroup};
pub use self::member::Protocol;
pub use self::sync::{GroupAssignment, SyncGroup, Synced};

pub(crate) use self::converted::{begin, end, resume_downgrades};
pub(crate) use self::delete::{Deletion, delete, forget, go_on as go_on_deleting};
pub(crate) use self::describe::{describe, view};
pub(crate) use self::expire::session_expired;
pub(crate) use self::group::{CONSUMER_PROTOCOL_TYPE, ClassicGroup};
pub(crate) use self::heartbeat::{heartbeat, session_timer};
pub(crate) use self::join::join;
pub(crate) use self::leave::leave;
pub(crate) use self::list::list;
pub(crate) use self::member::Member;
pub(crate) use self::rebalance::{join_timed_out, name_some, rebalance_oversized};
pub(crate) use self::stored::loaded;
pub(crate) use self::sync::{sync, sync_timed_out};
