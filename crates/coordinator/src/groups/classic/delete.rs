//! DeleteGroups.

use super::describe::view;
use super::group::{ClassicGroup, GroupState};
use super::heartbeat::session_timer;
use super::rebalance::{join_timer, sync_timer};
use crate::context::Context;
use crate::groups::consumer::{self, ConsumerGroup};
use crate::machine::{Hard, Soft, StoredGroup};
use crate::offsets::{TOMBSTONE_OVERHEAD_BYTES, is_full};
use crate::{CoordinatorRecord, Error, GroupCoordinator, Reply, Timer};
use ottla_protocol::Str;
use ottla_state_machine::{Now, Outcome, Ticket};
use std::collections::{BTreeSet, VecDeque};

/// What became of a group to delete.
#[derive(Clone, Debug, PartialEq)]
pub struct DeletedGroup {
    /// The group.
    pub group_id: Str,
    /// Whether it is gone.
    pub result: Result<(), Error>,
}

/// A deletion that takes more than one batch.
#[derive(Debug)]
pub(crate) struct Deletion {
    ticket: Ticket,
    left: VecDeque<Str>,
    results: Vec<DeletedGroup>,
}

/// Decides the deletion of groups. Their offsets may be more than a batch can hold: then it goes on in a next decision,
/// after other events, and the caller is answered at the end.
pub(crate) fn delete(
    hard: &Hard,
    soft: &mut Soft,
    now: Now,
    ticket: Ticket,
    group_ids: Vec<Str>,
    out: &mut Outcome<GroupCoordinator>,
) {
    let is_first = soft.deletions.is_empty();
    soft.deletions.push_back(Deletion { ticket, left: group_ids.into(), results: Vec::new() });
    if is_first {
        go_on(hard, soft, now, out);
    }
}

/// Goes on with the deletions there are, as far as the batch holds.
pub(crate) fn go_on(hard: &Hard, soft: &mut Soft, now: Now, out: &mut Outcome<GroupCoordinator>) {
    let mut batch = Batch::default();
    while let Some(mut deletion) = soft.deletions.pop_front() {
        while let Some(group_id) = deletion.left.pop_front() {
            match delete_one(hard, soft, now, &group_id, &mut batch, out) {
                Step::Done(result) => deletion.results.push(DeletedGroup { group_id, result }),
                Step::BatchFull => {
                    deletion.left.push_front(group_id);
                    soft.deletions.push_front(deletion);
                    return soft.context(now, out).set_timer(Timer::DeleteGroups, 0);
                }
            }
        }
        out.reply(deletion.ticket, Reply::DeleteGroups(deletion.results));
    }
}

/// What a decision deletes.
#[derive(Default)]
struct Batch {
    bytes: usize,
    groups: BTreeSet<Str>,
}

enum Step {
    Done(Result<(), Error>),
    BatchFull,
}

fn delete_one(
    hard: &Hard,
    soft: &mut Soft,
    now: Now,
    group_id: &Str,
    batch: &mut Batch,
    out: &mut Outcome<GroupCoordinator>,
) -> Step {
    if batch.groups.contains(group_id) {
        return Step::Done(Err(Error::GroupIdNotFound));
    }
    let group = match Empty::of(hard, soft, group_id) {
        Ok(group) => group,
        Err(error) => return Step::Done(Err(error)),
    };
    let mut cx = soft.context(now, out);
    for (topic, partition) in hard.offsets.partitions_of(group_id) {
        if is_full(&cx, batch.bytes) {
            return Step::BatchFull;
        }
        let tombstone = CoordinatorRecord::offset_tombstone(group_id, &topic, partition);
        batch.bytes += tombstone.max_bytes();
        cx.record(tombstone);
    }
    batch.bytes += group_id.len() + TOMBSTONE_OVERHEAD_BYTES;
    batch.groups.insert(group_id.clone());
    cx.info(group_id, "The group was deleted".to_owned());
    match group {
        Empty::Classic(group) => forget(&group, &mut cx),
        Empty::Consumer(group) => consumer::forget(group_id, group, &mut cx),
    }
    soft.groups.remove(group_id);
    soft.forget_consumer_group(group_id);
    Step::Done(Ok(()))
}

/// A group without members.
enum Empty<'a> {
    Classic(Box<ClassicGroup>),
    Consumer(&'a ConsumerGroup),
}

impl<'a> Empty<'a> {
    fn of(hard: &'a Hard, soft: &Soft, group_id: &Str) -> Result<Self, Error> {
        if let Some(StoredGroup::Consumer(group)) = hard.groups.get(group_id) {
            return if group.members.is_empty() { Ok(Self::Consumer(group)) } else { Err(Error::NonEmptyGroup) };
        }
        let group = view(hard, soft, group_id).ok_or(Error::GroupIdNotFound)?;
        match group.is(GroupState::Empty) {
            true => Ok(Self::Classic(Box::new(group.into_owned()))),
            false => Err(Error::NonEmptyGroup),
        }
    }
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
