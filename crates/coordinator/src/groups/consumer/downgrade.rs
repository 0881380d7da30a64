//! A group of the consumer protocol becomes one of the classic protocol when the last member of the former goes.

use super::assignment::without_epochs;
use super::draft::Draft;
use super::embedded;
use super::group::{ConsumerGroup, all_held, tombstones};
use super::member::Member;
use super::topics::Topics;
use crate::groups::cause::Why;
use crate::groups::classic::{self, ClassicGroup};
use crate::machine::Soft;
use crate::{GroupCoordinator, MigrationPolicy};
use ottla_protocol::{Bytes, Str};
use ottla_state_machine::{Now, Outcome};

/// Whether the group, that is without those who go, may become one of the classic protocol.
pub(super) fn may_downgrade(group: &ConsumerGroup, leaving: &[Str], soft: &Soft) -> bool {
    let leaving: Vec<&Member> = leaving.iter().filter_map(|member_id| group.members.get(member_id)).collect();
    let stay = group.members.size().saturating_sub(leaving.len());
    let classic_leaving = leaving.iter().filter(|member| member.is_classic()).count();
    let all_classic = group.classic_members.saturating_sub(classic_leaving) == stay;
    all_classic && stay > 0 && is_allowed(stay, soft)
}

/// Whether the group may become one of the classic protocol once a static member of that takes the place of another.
pub(super) fn may_replace(group: &ConsumerGroup, replaced: &Member, soft: &Soft) -> bool {
    let all_classic = !replaced.is_classic() && group.classic_members == group.members.size().saturating_sub(1);
    all_classic && is_allowed(group.members.size(), soft)
}

fn is_allowed(size: usize, soft: &Soft) -> bool {
    let policy = soft.settings.group_consumer_migration_policy;
    matches!(policy, MigrationPolicy::Downgrade | MigrationPolicy::Bidirectional)
        && i32::try_from(size).is_ok_and(|size| size <= soft.settings.group_max_size)
}

/// Makes a group of the classic protocol of what is left. With a reason, its members must join again.
pub(super) fn downgrade(
    mut draft: Draft<'_>,
    leaving: &[Str],
    why: Option<&Why>,
    soft: &mut Soft,
    now: Now,
    out: &mut Outcome<GroupCoordinator>,
) {
    let group_id = draft.group_id.clone();
    let mut classic = convert(&group_id, draft.group(), leaving, &soft.topics, now);
    let records = tombstones(draft.group());
    records.into_iter().for_each(|record| draft.write_last(record));
    let members: Vec<Str> = draft.group().members.keys().cloned().collect();
    let mut cx = soft.context(now, out);
    members.iter().for_each(|member_id| super::timers::cancel_timers(&mut cx, &group_id, member_id));
    draft.finish(&mut cx);
    cx.info(&group_id, "The group is one of the classic protocol again".to_owned());
    classic::begin(&mut classic, &mut cx, why);
    soft.groups.insert(group_id.clone(), Box::new(classic));
    soft.forget_consumer_group(&group_id);
}

fn convert(group_id: &Str, group: &ConsumerGroup, leaving: &[Str], topics: &Topics, now: Now) -> ClassicGroup {
    let staying = group.members.values().filter(|member| !leaving.contains(&member.member_id));
    let members = staying.filter_map(|member| classic_member(member, topics));
    ClassicGroup::converted(group_id.clone(), group.epoch, members, now.wall_ms)
}

fn classic_member(member: &Member, topics: &Topics) -> Option<classic::Member> {
    let classic = member.metadata.classic_member_metadata.as_ref()?;
    let protocols = classic.supported_protocols.iter();
    let version = classic.supported_protocols.first().map_or(0, |protocol| embedded::version(&protocol.metadata));
    // What it may still be reading. Its target would not do, as it would be taken for what the member has should the
    // group become one of the consumer protocol again before this member joined: another would get the rest too early.
    let held = without_epochs(&all_held(member));
    // Names and numbers that were read from such a message fit into one.
    let assignment = embedded::to_bytes(&held, topics, version).unwrap_or_else(|_| Bytes::new());
    Some(classic::Member::converted(
        member.member_id.clone(),
        &member.metadata,
        classic.session_timeout_ms,
        protocols.map(|p| classic::Protocol { name: p.name.clone(), metadata: p.metadata.clone() }).collect(),
        assignment,
    ))
}
