//! DeleteGroups.

use super::group::{ClassicGroup, GroupState};
use super::heartbeat::session_timer;
use super::rebalance::{join_timer, sync_timer};
use crate::context::Context;
use crate::machine::{Hard, Soft};
use crate::{CoordinatorRecord, Error, GroupCoordinator};
use ottla_protocol::Str;
use ottla_state_machine::{Now, Outcome};
use std::collections::BTreeSet;

/// What became of a group to delete.
#[derive(Clone, Debug, PartialEq)]
pub struct DeletedGroup {
    /// The group.
    pub group_id: Str,
    /// Whether it is gone.
    pub result: Result<(), Error>,
}

/// Decides the deletion of groups.
pub(crate) fn delete(
    hard: &Hard,
    soft: &mut Soft,
    now: Now,
    group_ids: Vec<Str>,
    out: &mut Outcome<GroupCoordinator>,
) -> Vec<DeletedGroup> {
    let mut gone = BTreeSet::new();
    let mut delete = |group_id: Str| {
        let result = match gone.contains(&group_id) {
            true => Err(Error::GroupIdNotFound),
            false => delete_one(hard, soft, now, &group_id, out),
        };
        if result.is_ok() {
            gone.insert(group_id.clone());
        }
        DeletedGroup { group_id, result }
    };
    group_ids.into_iter().map(&mut delete).collect()
}

fn delete_one(
    hard: &Hard,
    soft: &mut Soft,
    now: Now,
    group_id: &Str,
    out: &mut Outcome<GroupCoordinator>,
) -> Result<(), Error> {
    let (group, mut cx) = soft.group(hard, group_id, now, out);
    let group = group.ok_or(Error::GroupIdNotFound)?;
    if !group.is(GroupState::Empty) {
        return Err(Error::NonEmptyGroup);
    }
    for (topic, partition) in hard.offsets.partitions_of(group_id) {
        cx.record(CoordinatorRecord::offset_tombstone(group_id, &topic, partition));
    }
    cx.info(group_id, "The group was deleted".to_owned());
    forget(group, &mut cx);
    soft.groups.remove(group_id);
    Ok(())
}

/// Writes that an empty group is gone, and stops its timers. The caller takes it out of the live groups.
pub(crate) fn forget(group: &ClassicGroup, cx: &mut Context<'_>) {
    for member_id in group.pending() {
        cx.cancel_timer(session_timer(&group.group_id, member_id));
    }
    cx.cancel_timer(join_timer(group));
    cx.cancel_timer(sync_timer(group));
    cx.record(CoordinatorRecord::Group { group_id: group.group_id.clone(), value: None });
}
