//! From the groups there are to the one a decision is about, and back.

use super::draft::Draft;
use super::heartbeat::Refused;
use super::timers::keep_session;
use super::upgrade::upgrade;
use crate::groups::classic::{self, GroupState};
use crate::machine::{Hard, Soft, StoredGroup};
use crate::{Error, GroupCoordinator};
use ottla_protocol::Str;
use ottla_state_machine::{Now, Outcome};
use std::borrow::Cow;

/// The group; a new one, if the caller joins and there is none, or one of the classic protocol, which it is made of.
pub(super) fn open<'a>(hard: &'a Hard, soft: &mut Soft, group_id: &Str, joins: bool) -> Result<Draft<'a>, Refused> {
    if let Some((group_id, StoredGroup::Consumer(group))) = hard.groups.get_key_value(group_id) {
        return Ok(Draft::of(group_id.clone(), group));
    }
    let classic = classic::view(hard, soft, group_id).map(Cow::into_owned);
    match classic {
        None if joins => Ok(Draft::new(group_id.detached())),
        None => Err(not_found(format!("Consumer group {group_id} not found."))),
        Some(group) if joins && group.is(GroupState::Empty) => Ok(Draft::new(group_id.detached())),
        Some(group) if joins => upgrade(&group, soft),
        Some(_) => Err(not_found(format!("Group {group_id} is not a consumer group."))),
    }
}

/// The group of a member that leaves.
pub(super) fn existing<'a>(hard: &'a Hard, soft: &mut Soft, group_id: &Str) -> Result<Draft<'a>, Refused> {
    match hard.groups.contains_key(group_id) {
        true => open(hard, soft, group_id, false),
        false => Err(not_found(format!("Group {group_id} not found."))),
    }
}

fn not_found(message: String) -> Refused {
    Refused::new(Error::GroupIdNotFound, message)
}

/// Writes what the decision changed; a group of the classic protocol that was in its place goes first.
pub(super) fn close(
    draft: Draft<'_>,
    hard: &Hard,
    soft: &mut Soft,
    now: Now,
    out: &mut Outcome<GroupCoordinator>,
) -> Result<(), Refused> {
    let group_id = draft.group_id.clone();
    let mut classic = classic::view(hard, soft, &group_id).map(Cow::into_owned);
    let mut cx = soft.context(now, out);
    if !draft.fits(&cx) {
        return Err(Error::RecordsTooLarge.into());
    }
    if let Some(group) = &mut classic {
        classic::end(group, &mut cx);
        // Those that were in it before have their whole sessions from now on.
        let members = draft.group().members.values().filter(|member| member.is_classic());
        members.for_each(|member| keep_session(&mut cx, &soft.topics, &group_id, member));
    }
    draft.finish(&mut cx);
    soft.groups.remove(&group_id);
    Ok(())
}
