//! OffsetDelete (KIP-496).

use super::commit::PartitionResult;
use crate::groups::classic::{GroupState, view};
use crate::machine::{Hard, Soft, StoredGroup};
use crate::{CoordinatorRecord, Error, GroupCoordinator};
use ottla_protocol::Str;
use ottla_state_machine::{Now, Outcome};

/// An operator deletes offsets of a group.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct OffsetDelete {
    /// The group.
    pub group_id: Str,
    /// The partitions.
    pub topics: Vec<TopicPartitions>,
}

/// Partitions of a topic.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct TopicPartitions {
    /// The topic.
    pub name: Str,
    /// Its partitions.
    pub partition_indexes: Vec<i32>,
}

/// What became of a topic's offsets.
#[derive(Clone, Debug, PartialEq)]
pub struct DeletedOffsetTopic {
    /// The topic.
    pub name: Str,
    /// Its partitions; one without an offset counts as done.
    pub partitions: Vec<PartitionResult>,
}

/// Decides a deletion of offsets.
pub(crate) fn delete(
    hard: &Hard,
    soft: &mut Soft,
    now: Now,
    request: OffsetDelete,
    out: &mut Outcome<GroupCoordinator>,
) -> Result<Vec<DeletedOffsetTopic>, Error> {
    let group_id = &request.group_id;
    if group_id.is_empty() {
        return Err(Error::InvalidGroupId);
    }
    let (group_id, is_subscribed_to) = subscriptions(hard, soft, group_id)?;
    let mut cx = soft.context(now, out);
    let mut records = Vec::new();
    let mut delete_topic = |topic: &TopicPartitions| {
        let is_subscribed = is_subscribed_to(&topic.name);
        let name = topic.name.detached();
        let mut delete_partition = |partition_index: i32| {
            let offset = hard.offsets.get(&group_id, &name, partition_index);
            let exists = offset.is_some() || hard.offsets.is_open(&group_id, &name, partition_index);
            if exists && !is_subscribed {
                records.push(CoordinatorRecord::offset_tombstone(&group_id, &name, partition_index));
            }
            let result = if is_subscribed { Err(Error::GroupSubscribedToTopic) } else { Ok(()) };
            PartitionResult { partition_index, result }
        };
        let partitions = topic.partition_indexes.iter().copied().map(&mut delete_partition).collect();
        DeletedOffsetTopic { name: topic.name.clone(), partitions }
    };
    let replies = request.topics.iter().map(&mut delete_topic).collect();
    cx.record_all(records)?;
    Ok(replies)
}

type Subscriptions<'a> = Box<dyn Fn(&Str) -> bool + 'a>;

/// The group, and which topics it reads.
fn subscriptions<'a>(hard: &'a Hard, soft: &Soft, group_id: &Str) -> Result<(Str, Subscriptions<'a>), Error> {
    if let Some((group_id, StoredGroup::Consumer(group))) = hard.groups.get_key_value(group_id) {
        return Ok((group_id.clone(), Box::new(|topic| group.is_subscribed_to(topic))));
    }
    let group = view(hard, soft, group_id).ok_or(Error::GroupIdNotFound)?.into_owned();
    if !group.is(GroupState::Empty) && !group.uses_consumer_protocol() {
        return Err(Error::NonEmptyGroup);
    }
    Ok((group.group_id.clone(), Box::new(move |topic| group.is_subscribed_to(topic))))
}
