//! What there is to measure of groups, for metrics.

use super::classic::{GroupType, ListGroups, ListedGroup, list};
use crate::machine::{Hard, Soft, StoredGroup};
use ottla_protocol::Str;

/// A group in figures.
#[derive(Clone, Debug, PartialEq)]
pub struct MeasuredGroup {
    /// The group.
    pub group_id: Str,
    /// Its type.
    pub group_type: GroupType,
    /// Kafka's name of its state.
    pub state: &'static str,
    /// Members that it has.
    pub members: usize,
    /// The committed offsets, by topic and partition.
    pub offsets: Vec<(Str, Vec<(i32, i64)>)>,
}

/// Measures all groups, by id.
pub(crate) fn measure(hard: &Hard, soft: &Soft) -> Vec<MeasuredGroup> {
    let groups = list(hard, soft, &ListGroups::default()).into_iter();
    groups.map(|group| measured(hard, soft, group)).collect()
}

fn measured(hard: &Hard, soft: &Soft, group: ListedGroup) -> MeasuredGroup {
    let ListedGroup { group_id, state, group_type, .. } = group;
    let members = match (soft.groups.get(&group_id), hard.groups.get(&group_id)) {
        (_, Some(StoredGroup::Consumer(group))) => group.members.size(),
        (Some(group), _) => group.members().len(),
        (None, Some(StoredGroup::Classic(stored))) => stored.members.len(),
        (None, Some(StoredGroup::Offsets) | None) => 0,
    };
    let topics = hard.offsets.of_group(&group_id).into_iter().flatten();
    let offsets = topics.map(|(topic, partitions)| {
        let offsets = partitions.iter().map(|(partition, offset)| (*partition, offset.committed_offset));
        (topic.clone(), offsets.collect())
    });
    let offsets = offsets.collect();
    MeasuredGroup { group_id, group_type, state, members, offsets }
}
