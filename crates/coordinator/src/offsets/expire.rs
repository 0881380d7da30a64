//! Offsets that nobody used for long, and groups without any (KIP-211).

use super::offset::OffsetAndMetadata;
use crate::context::Context;
use crate::groups::classic::{ClassicGroup, GroupState, forget, name_some, view};
use crate::groups::consumer::{self, ConsumerGroup};
use crate::machine::{Hard, Soft, StoredGroup};
use crate::{CoordinatorRecord, GroupCoordinator, Level, Settings, Timer};
use core::ops::Bound;
use ottla_protocol::Str;
use ottla_state_machine::{Now, Outcome};

/// Groups one decision looks at, so that a partition of many groups goes on serving meanwhile.
const MAX_GROUPS: usize = 1_000;
/// Room that a decision leaves in its batch, for a tombstone of the longest names.
const SPARE_BYTES: usize = 2 * 32 * 1024 + 1024;
/// What a group's tombstone takes in a batch besides the group id.
pub(crate) const TOMBSTONE_OVERHEAD_BYTES: usize = 64;

/// A warning comes when this part of the retention time is left.
const WARNED_OF_SHARE: i64 = 10;

/// How a sweep over groups stands.
pub(super) enum Sweep {
    /// All groups were looked at.
    Done,
    /// The sweep goes on with this group.
    Next(Str),
}

/// The ids of groups for one step of a sweep, with the one after.
pub(super) fn step(hard: &Hard, from: Option<Str>) -> (Vec<Str>, Sweep) {
    let from = from.map_or(Bound::Unbounded, Bound::Included);
    let ids = hard.groups.range((from, Bound::Unbounded));
    let mut ids: Vec<Str> = ids.map(|(id, _)| id.clone()).take(MAX_GROUPS + 1).collect();
    let next = match ids.len() > MAX_GROUPS {
        true => ids.pop().map_or(Sweep::Done, Sweep::Next),
        false => Sweep::Done,
    };
    (ids, next)
}

/// Whether the batch has room for no more tombstones.
pub(crate) fn is_full(cx: &Context<'_>, bytes: usize) -> bool {
    bytes > 0 && !cx.fits(bytes.saturating_add(SPARE_BYTES))
}

/// Looks at some groups, and at the others soon after.
pub(crate) fn expire(hard: &Hard, soft: &mut Soft, now: Now, out: &mut Outcome<GroupCoordinator>) {
    let (ids, mut next) = step(hard, soft.expiry_cursor.take());
    let mut bytes = 0;
    for group_id in ids {
        let Some(group) = Group::look(hard, soft, &group_id) else {
            continue;
        };
        warn(hard, (&group_id, &group), soft, now, out);
        let mut cx = soft.context(now, out);
        match expire_group(hard, (&group_id, &group), &mut cx, &mut bytes) {
            Expired::All => {
                cx.info(&group_id, "The group expired".to_owned());
                match group {
                    Group::Classic(group) => forget(&group, &mut cx),
                    Group::Consumer(group) => consumer::forget(&group_id, group, &mut cx),
                }
                soft.groups.remove(&group_id);
                soft.warned.remove(&group_id);
                soft.forget_consumer_group(&group_id);
            }
            Expired::Some => {}
            Expired::BatchFull => {
                next = Sweep::Next(group_id);
                break;
            }
        }
    }
    let after_ms = match &next {
        Sweep::Done => soft.settings.offsets_retention_check_interval_ms,
        Sweep::Next(_) => 0,
    };
    soft.context(now, out).set_timer(Timer::Expiry, after_ms);
    if let Sweep::Next(group_id) = next {
        soft.expiry_cursor = Some(group_id);
    }
}

enum Expired {
    /// The group has no offsets left and no members.
    All,
    /// Something stays.
    Some,
    /// There is more, but no room for it.
    BatchFull,
}

fn expire_group(
    hard: &Hard,
    (group_id, group): (&Str, &Group<'_>),
    cx: &mut Context<'_>,
    bytes: &mut usize,
) -> Expired {
    if is_full(cx, *bytes) {
        return Expired::BatchFull;
    }
    let mut all_expired = !hard.offsets.has_open(group_id);
    for (topic, partitions) in hard.offsets.of_group(group_id).into_iter().flatten() {
        if group.is_subscribed_to(topic) {
            all_expired = false;
            continue;
        }
        for (partition, offset) in partitions {
            let is_held = hard.offsets.is_open(group_id, topic, *partition);
            let is_expired = expires_ms(group, offset, cx.settings).is_some_and(|at_ms| at_ms <= cx.now.wall_ms);
            if is_held || !is_expired {
                all_expired = false;
                continue;
            }
            if is_full(cx, *bytes) {
                return Expired::BatchFull;
            }
            let tombstone = CoordinatorRecord::offset_tombstone(group_id, topic, *partition);
            *bytes += tombstone.max_bytes();
            cx.record(tombstone);
        }
    }
    match all_expired && group.is_empty() {
        true => {
            *bytes += group_id.len() + TOMBSTONE_OVERHEAD_BYTES;
            Expired::All
        }
        false => Expired::Some,
    }
}

/// Tells once of a group whose offsets will soon be forgotten: whoever still needs them can commit or read in time.
fn warn(
    hard: &Hard,
    (group_id, group): (&Str, &Group<'_>),
    soft: &mut Soft,
    now: Now,
    out: &mut Outcome<GroupCoordinator>,
) {
    let settings = &soft.settings;
    // Each check comes early enough to warn of what the one after the next will find.
    let check_ms = settings.offsets_retention_check_interval_ms.saturating_mul(2);
    let soon_ms = (settings.offsets_retention_ms / WARNED_OF_SHARE).max(check_ms);
    let then_ms = now.wall_ms.saturating_add(soon_ms);
    let topics = hard.offsets.of_group(group_id).into_iter().flatten();
    let unread = topics.filter(|(topic, _)| !group.is_subscribed_to(topic));
    let all = unread.flat_map(|(topic, partitions)| partitions.iter().map(move |(p, offset)| (topic, *p, offset)));
    let soon: Vec<(&Str, i32)> = all
        .filter(|(_, _, offset)| {
            expires_ms(group, offset, settings).is_some_and(|at_ms| now.wall_ms < at_ms && at_ms <= then_ms)
        })
        .map(|(topic, partition, _)| (topic, partition))
        .collect();
    if soon.is_empty() {
        soft.warned.remove(group_id);
        return;
    }
    if soft.warned.contains(group_id) {
        return;
    }
    let names: Vec<Str> = soon.iter().map(|(topic, partition)| Str::from(format!("{topic}-{partition}"))).collect();
    let message = format!(
        "Offsets of {} partitions expire within {} minutes (offsets.retention.minutes) unless the group commits them or \
         reads these topics: {}",
        names.len(),
        soon_ms.div_euclid(60_000).max(1),
        name_some(&names)
    );
    soft.context(now, out).log(Level::Warn, group_id, message);
    soft.warned.insert(group_id.clone());
}

/// When the offset is to be forgotten, as things are; none if the group may yet have a use for it.
fn expires_ms(group: &Group<'_>, offset: &OffsetAndMetadata, settings: &Settings) -> Option<i64> {
    let since_ms = group.unused_since_ms(offset)?;
    Some(offset.expire_timestamp_ms.unwrap_or(since_ms.saturating_add(settings.offsets_retention_ms)))
}

/// A group that is only looked at: a sweep must not make live groups of all there are.
enum Group<'a> {
    Classic(Box<ClassicGroup>),
    Consumer(&'a ConsumerGroup),
}

impl<'a> Group<'a> {
    fn look(hard: &'a Hard, soft: &Soft, group_id: &Str) -> Option<Self> {
        match hard.groups.get(group_id) {
            Some(StoredGroup::Consumer(group)) => Some(Self::Consumer(group)),
            _ => Some(Self::Classic(Box::new(view(hard, soft, group_id)?.into_owned()))),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Classic(group) => group.is(GroupState::Empty),
            Self::Consumer(group) => group.members.is_empty(),
        }
    }

    fn is_subscribed_to(&self, topic: &Str) -> bool {
        match self {
            Self::Classic(group) => group.is_subscribed_to(topic),
            Self::Consumer(group) => group.is_subscribed_to(topic),
        }
    }

    fn unused_since_ms(&self, offset: &OffsetAndMetadata) -> Option<i64> {
        match self {
            Self::Classic(group) => group.unused_since_ms(offset),
            Self::Consumer(_) => Some(offset.commit_timestamp_ms),
        }
    }
}

impl ClassicGroup {
    /// Since when the group has no use for the offset, as far as it is not subscribed to the topic; none while it may
    /// yet have.
    fn unused_since_ms(&self, offset: &OffsetAndMetadata) -> Option<i64> {
        let committed_ms = offset.commit_timestamp_ms;
        let never_had_members = !self.has_protocol_type();
        if never_had_members {
            return Some(committed_ms);
        }
        match self.state() {
            // Old records do not tell since when the group is empty.
            GroupState::Empty => Some(self.state_timestamp_ms().unwrap_or(committed_ms)),
            GroupState::Stable if self.knows_subscribed_topics() => Some(committed_ms),
            _ => None,
        }
    }
}
