//! The consumer group protocol (KIP-848): the coordinator assigns, and members follow step by step.

mod assignment;
mod assignor;
mod classic_join;
mod classic_member;
mod commit;
mod delete;
mod describe;
mod downgrade;
mod draft;
mod embedded;
mod group;
mod heartbeat;
mod leave;
mod member;
mod open;
mod re2;
mod reconcile;
mod record;
mod regex;
mod target;
mod timers;
mod topics;
mod upgrade;

pub use self::assignment::Assignment;
pub use self::assignor::Assignor;
pub use self::describe::{ConsumerGroupState, DescribedConsumerGroup, DescribedConsumerMember, DescribedPartitions};
pub use self::heartbeat::{ConsumerHeartbeat, ConsumerHeartbeatAnswer, Refused};
pub use self::record::ConsumerGroupRecord;

pub(crate) use self::classic_join::classic_join;
pub(crate) use self::classic_member::{classic_heartbeat, classic_leave, classic_sync};
pub(crate) use self::commit::{validate_commit, validate_fetch};
pub(crate) use self::delete::forget;
pub(crate) use self::describe::describe;
pub(crate) use self::group::ConsumerGroup;
pub(crate) use self::heartbeat::heartbeat;
pub(crate) use self::regex::{Resolved, resolve as resolve_regexes};
pub(crate) use self::timers::{classic_timed_out, loaded, rebalance_timed_out, session_expired};
pub(crate) use self::topics::Topics;
