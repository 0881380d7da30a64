//! The end of a group.

use super::group::{ConsumerGroup, tombstones};
use super::timers::cancel_timers;
use crate::CoordinatorRecord;
use crate::context::Context;
use ottla_protocol::Str;

/// Writes that a group is gone, and stops its members' timers.
pub(crate) fn forget(group_id: &Str, group: &ConsumerGroup, cx: &mut Context<'_>) {
    for record in tombstones(group) {
        cx.record(CoordinatorRecord::Consumer { group_id: group_id.clone(), record });
    }
    group.members.keys().for_each(|member_id| cancel_timers(cx, group_id, member_id));
}
