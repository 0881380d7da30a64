//! Topics that are gone take their offsets with them.

use super::expire::{Sweep, is_full, step};
use crate::machine::{Hard, Soft};
use crate::{CoordinatorRecord, GroupCoordinator, Timer};
use ottla_protocol::{Str, Uuid};
use ottla_state_machine::{Now, Outcome};
use std::collections::BTreeSet;

/// A topic that is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedTopic {
    /// Its name; a new topic may have it already.
    pub name: Str,
    /// Its id.
    pub topic_id: Uuid,
}

/// Takes topics into the sweep, and looks at some groups; at the others soon after.
pub(crate) fn topics_deleted(
    hard: &Hard,
    soft: &mut Soft,
    now: Now,
    topics: Vec<DeletedTopic>,
    out: &mut Outcome<GroupCoordinator>,
) {
    if !topics.is_empty() {
        soft.deleted_topics.extend(topics);
        soft.deleted_topics_cursor = None;
    }
    let topics = core::mem::take(&mut soft.deleted_topics);
    let (ids, mut next) = step(hard, soft.deleted_topics_cursor.take());
    let mut cx = soft.context(now, out);
    let mut bytes = 0;
    'groups: for group_id in ids {
        for (topic, partition) in gone(hard, &group_id, &topics) {
            if is_full(&cx, bytes) {
                next = Sweep::Next(group_id);
                break 'groups;
            }
            let tombstone = CoordinatorRecord::offset_tombstone(&group_id, &topic, partition);
            bytes += tombstone.max_bytes();
            cx.record(tombstone);
        }
    }
    if let Sweep::Next(group_id) = next {
        cx.set_timer(Timer::TopicsDeleted, 0);
        soft.deleted_topics = topics;
        soft.deleted_topics_cursor = Some(group_id);
    }
}

/// The group's offsets in the topics; those without an id are from before topics had one.
fn gone(hard: &Hard, group_id: &Str, topics: &[DeletedTopic]) -> BTreeSet<(Str, i32)> {
    let in_topic = |topic: &DeletedTopic| {
        let offsets = hard.offsets.in_topic(group_id, &topic.name);
        let gone = offsets.filter(|(_, o)| o.topic_id.is_zero() || o.topic_id == topic.topic_id);
        let gone: Vec<_> = gone.map(|(partition, _)| (topic.name.clone(), partition)).collect();
        gone
    };
    topics.iter().flat_map(in_topic).collect()
}
