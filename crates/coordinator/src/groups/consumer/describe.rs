//! ConsumerGroupDescribe, and the states that it and ListGroups tell.

use super::assignment::{Assignment, without_epochs};
use super::group::{ConsumerGroup, all_held};
use super::heartbeat::Refused;
use super::member::Member;
use super::target::preferred_assignor;
use super::topics::Topics;
use crate::Error;
use crate::groups::classic;
use crate::machine::{Hard, Soft, StoredGroup};
use ottla_protocol::{Str, Uuid};

/// The state of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsumerGroupState {
    /// It has no members.
    Empty,
    /// Its target assignment is to be made.
    Assigning,
    /// Some members do not have yet what they are to have.
    Reconciling,
    /// All members have what they are to have.
    Stable,
    /// There is no such group.
    Dead,
}

impl ConsumerGroupState {
    /// Kafka's name of the state.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Assigning => "Assigning",
            Self::Reconciling => "Reconciling",
            Self::Stable => "Stable",
            Self::Dead => "Dead",
        }
    }
}

impl ConsumerGroup {
    /// Its state.
    pub(crate) fn state(&self) -> ConsumerGroupState {
        let is_reconciled = |member: &Member| member.is_reconciled_to(self.assignment_epoch);
        match () {
            () if self.members.is_empty() => ConsumerGroupState::Empty,
            () if self.epoch > self.assignment_epoch => ConsumerGroupState::Assigning,
            () if self.members.values().all(is_reconciled) => ConsumerGroupState::Stable,
            () => ConsumerGroupState::Reconciling,
        }
    }
}

/// A group as operators see it.
#[derive(Clone, Debug, PartialEq)]
pub struct DescribedConsumerGroup {
    /// The group.
    pub group_id: Str,
    /// Why there is nothing to tell.
    pub refused: Option<Refused>,
    /// Its state.
    pub state: ConsumerGroupState,
    /// Its epoch.
    pub group_epoch: i32,
    /// The epoch of its target assignment.
    pub assignment_epoch: i32,
    /// The assignor its members prefer.
    pub assignor_name: Str,
    /// Its members.
    pub members: Vec<DescribedConsumerMember>,
}

/// A member as operators see it.
#[derive(Clone, Debug, PartialEq)]
pub struct DescribedConsumerMember {
    /// Its id.
    pub member_id: Str,
    /// Its name over restarts.
    pub instance_id: Option<Str>,
    /// Its rack.
    pub rack_id: Option<Str>,
    /// Its epoch.
    pub member_epoch: i32,
    /// Its client's id.
    pub client_id: Str,
    /// Its client's address.
    pub client_host: Str,
    /// The topics it names.
    pub subscribed_topic_names: Vec<Str>,
    /// The expression it names.
    pub subscribed_topic_regex: Option<Str>,
    /// What it has, with what it has not given away yet.
    pub assignment: Vec<DescribedPartitions>,
    /// What it is to have.
    pub target_assignment: Vec<DescribedPartitions>,
    /// 0 for a member of the classic protocol, 1 for one of this.
    pub member_type: i8,
}

/// Partitions of a topic that exists.
#[derive(Clone, Debug, PartialEq)]
pub struct DescribedPartitions {
    /// Its id.
    pub topic_id: Uuid,
    /// Its name.
    pub topic_name: Str,
    /// Its partitions.
    pub partitions: Vec<i32>,
}

/// Describes groups.
pub(crate) fn describe(hard: &Hard, soft: &Soft, group_ids: Vec<Str>) -> Vec<DescribedConsumerGroup> {
    let describe = |group_id: Str| match hard.groups.get(&group_id) {
        Some(StoredGroup::Consumer(group)) => existing(group_id, group, soft),
        _ if classic::view(hard, soft, &group_id).is_some() => {
            let message = format!("Group {group_id} is not a consumer group.");
            unknown(group_id, message)
        }
        _ => {
            let message = format!("Group {group_id} not found.");
            unknown(group_id, message)
        }
    };
    group_ids.into_iter().map(describe).collect()
}

fn existing(group_id: Str, group: &ConsumerGroup, soft: &Soft) -> DescribedConsumerGroup {
    let assignor = preferred_assignor(group, &soft.settings.group_consumer_assignors);
    DescribedConsumerGroup {
        group_id,
        refused: None,
        state: group.state(),
        group_epoch: group.epoch,
        assignment_epoch: group.assignment_epoch,
        assignor_name: Str::from_static(assignor.name()),
        members: group.members.values().map(|member| describe_member(group, member, &soft.topics)).collect(),
    }
}

fn describe_member(group: &ConsumerGroup, member: &Member, topics: &Topics) -> DescribedConsumerMember {
    let metadata = &member.metadata;
    DescribedConsumerMember {
        member_id: member.member_id.clone(),
        instance_id: metadata.instance_id.clone(),
        rack_id: metadata.rack_id.clone(),
        member_epoch: member.current.epoch,
        client_id: metadata.client_id.clone(),
        client_host: metadata.client_host.clone(),
        subscribed_topic_names: metadata.subscribed_topic_names.clone(),
        subscribed_topic_regex: metadata.subscribed_topic_regex.clone(),
        assignment: named(&without_epochs(&all_held(member)), topics),
        target_assignment: named(&group.target(&member.member_id), topics),
        member_type: if member.is_classic() { 0 } else { 1 },
    }
}

/// Topics that are gone are left out.
fn named(assignment: &Assignment, topics: &Topics) -> Vec<DescribedPartitions> {
    let name = |(topic_id, partitions): (&Uuid, &std::collections::BTreeSet<i32>)| {
        Some(DescribedPartitions {
            topic_id: *topic_id,
            topic_name: topics.name_of(*topic_id)?,
            partitions: partitions.iter().copied().collect(),
        })
    };
    assignment.iter().filter_map(name).collect()
}

fn unknown(group_id: Str, message: String) -> DescribedConsumerGroup {
    DescribedConsumerGroup {
        group_id,
        refused: Some(Refused::new(Error::GroupIdNotFound, message)),
        state: ConsumerGroupState::Dead,
        group_epoch: 0,
        assignment_epoch: 0,
        assignor_name: Str::default(),
        members: Vec::new(),
    }
}
