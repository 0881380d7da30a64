//! A member of a group of the consumer protocol: what it says of itself, and what it has.

use super::assignment::Held;
use super::record::ConsumerGroupRecord;
use ottla_protocol::Str;
use ottla_protocol::stored::{
    ConsumerGroupCurrentMemberAssignmentValue, ConsumerGroupMemberMetadataValue,
    consumer_group_current_member_assignment_value::TopicPartitions,
};
use std::sync::Arc;

/// The epoch of a member that left.
pub(crate) const LEAVE_GROUP_MEMBER_EPOCH: i32 = -1;
/// The epoch of a static member that left and means to come back.
pub(crate) const LEAVE_GROUP_STATIC_MEMBER_EPOCH: i32 = -2;
/// A member that never had another epoch before.
const NO_PREVIOUS_EPOCH: i32 = -1;

/// How far a member is on its way to its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemberState {
    /// It has what it is to have.
    Stable,
    /// It must give partitions away before it may go on.
    UnrevokedPartitions,
    /// It waits for partitions that others have not given away yet.
    UnreleasedPartitions,
    /// A state of a newer broker.
    Unknown,
}

impl MemberState {
    fn from_id(id: i8) -> Self {
        match id {
            0 => Self::Stable,
            1 => Self::UnrevokedPartitions,
            2 => Self::UnreleasedPartitions,
            _ => Self::Unknown,
        }
    }

    fn id(self) -> i8 {
        match self {
            Self::Stable => 0,
            Self::UnrevokedPartitions => 1,
            Self::UnreleasedPartitions => 2,
            Self::Unknown => 127,
        }
    }
}

/// What a member has.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Current {
    pub(crate) epoch: i32,
    pub(crate) previous_epoch: i32,
    pub(crate) state: MemberState,
    pub(crate) assigned: Held,
    pub(crate) pending_revocation: Held,
}

impl Default for Current {
    fn default() -> Self {
        Self {
            epoch: 0,
            previous_epoch: NO_PREVIOUS_EPOCH,
            state: MemberState::Stable,
            assigned: Held::new(),
            pending_revocation: Held::new(),
        }
    }
}

/// A member.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Member {
    pub(crate) member_id: Str,
    pub(crate) metadata: Arc<ConsumerGroupMemberMetadataValue>,
    pub(crate) current: Arc<Current>,
}

impl Member {
    /// A member of which nothing is known yet.
    pub(crate) fn new(member_id: Str) -> Self {
        let metadata = ConsumerGroupMemberMetadataValue {
            instance_id: None,
            rack_id: None,
            subscribed_topic_regex: Some(Str::default()),
            server_assignor: None,
            ..ConsumerGroupMemberMetadataValue::default()
        };
        Self { member_id, metadata: Arc::new(metadata), current: Arc::default() }
    }

    /// The regular expression it is subscribed to; an empty one is none.
    pub(crate) fn regex(&self) -> Option<&Str> {
        self.metadata.subscribed_topic_regex.as_ref().filter(|regex| !regex.is_empty())
    }

    pub(crate) fn instance_id(&self) -> Option<&Str> {
        self.metadata.instance_id.as_ref()
    }

    #[cfg(test)]
    pub(crate) fn epoch(&self) -> i32 {
        self.current.epoch
    }

    /// Whether it joined by the classic protocol, and takes part in the group by that.
    pub(crate) fn is_classic(&self) -> bool {
        self.metadata.classic_member_metadata.is_some()
    }

    /// Whether it has all that the target assignment of this epoch gives it.
    pub(crate) fn is_reconciled_to(&self, assignment_epoch: i32) -> bool {
        self.current.state == MemberState::Stable && self.current.epoch == assignment_epoch
    }

    pub(crate) fn metadata_record(&self) -> ConsumerGroupRecord {
        ConsumerGroupRecord::Member(self.member_id.clone(), Some(self.metadata.clone()))
    }

    pub(crate) fn current_record(&self) -> ConsumerGroupRecord {
        ConsumerGroupRecord::Current(self.member_id.clone(), Some(Arc::new(self.current.to_stored())))
    }
}

impl Current {
    pub(crate) fn from_stored(stored: &ConsumerGroupCurrentMemberAssignmentValue) -> Self {
        let held = |topics: &[TopicPartitions]| -> Held {
            topics.iter().map(|topic| read_topic(topic, stored.member_epoch)).collect()
        };
        Self {
            epoch: stored.member_epoch,
            previous_epoch: stored.previous_member_epoch,
            state: MemberState::from_id(stored.state),
            assigned: held(&stored.assigned_partitions),
            pending_revocation: held(&stored.partitions_pending_revocation),
        }
    }

    fn to_stored(&self) -> ConsumerGroupCurrentMemberAssignmentValue {
        ConsumerGroupCurrentMemberAssignmentValue {
            member_epoch: self.epoch,
            previous_member_epoch: self.previous_epoch,
            state: self.state.id(),
            assigned_partitions: write_topics(&self.assigned),
            partitions_pending_revocation: write_topics(&self.pending_revocation),
            ..ConsumerGroupCurrentMemberAssignmentValue::default()
        }
    }
}

type ReadTopic = (ottla_protocol::Uuid, std::collections::BTreeMap<i32, i32>);

/// Brokers before 4.3 did not write epochs: then the member's own must do, or that of a join if it is away.
fn read_topic(topic: &TopicPartitions, member_epoch: i32) -> ReadTopic {
    let partitions = topic.partitions.iter().copied();
    let epochs = topic.assignment_epochs.as_ref().filter(|epochs| epochs.len() == topic.partitions.len());
    let held = match epochs {
        Some(epochs) => partitions.zip(epochs.iter().copied()).collect(),
        None => partitions.map(|partition| (partition, member_epoch.max(0))).collect(),
    };
    (topic.topic_id, held)
}

fn write_topics(held: &Held) -> Vec<TopicPartitions> {
    let write =
        |(topic_id, partitions): (&ottla_protocol::Uuid, &std::collections::BTreeMap<i32, i32>)| TopicPartitions {
            topic_id: *topic_id,
            partitions: partitions.keys().copied().collect(),
            assignment_epochs: Some(partitions.values().copied().collect()),
            ..TopicPartitions::default()
        };
    held.iter().map(write).collect()
}
