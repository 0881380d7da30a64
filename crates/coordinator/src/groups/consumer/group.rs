//! A group of the consumer protocol as its records say.

use super::assignment::{Assignment, Held};
use super::member::{Current, LEAVE_GROUP_MEMBER_EPOCH, Member};
use super::record::ConsumerGroupRecord;
use ottla_protocol::stored::{
    ConsumerGroupMetadataValue, ConsumerGroupRegularExpressionValue, ConsumerGroupTargetAssignmentMemberValue,
    consumer_group_target_assignment_member_value::TopicPartition,
};
use ottla_protocol::{Str, Uuid};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The epoch of a target assignment that is gone.
const NO_ASSIGNMENT_EPOCH: i32 = -1;
/// The epoch of a new group; that nobody has anything is its assignment, until there is something to assign.
const FIRST_GROUP_EPOCH: i32 = 1;

/// A map of which a copy costs nothing, and a change of the copy little: a draft of a group of thousands is one.
pub(crate) type Map<K, V> = rpds::RedBlackTreeMapSync<K, V>;

/// A group.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ConsumerGroup {
    pub(crate) epoch: i32,
    pub(crate) metadata_hash: i64,
    pub(crate) assignment_epoch: i32,
    pub(crate) assignment_timestamp_ms: i64,
    /// A record of brokers before 4.1 is there, to be deleted.
    pub(crate) has_partition_metadata: bool,
    pub(crate) members: Map<Str, Member>,
    pub(crate) targets: Map<Str, Arc<Assignment>>,
    /// The member of each instance id.
    pub(crate) instances: Map<Str, Str>,
    pub(crate) regexes: BTreeMap<Str, Arc<ConsumerGroupRegularExpressionValue>>,
    /// How many members name each topic.
    pub(crate) topics: BTreeMap<Str, usize>,
    /// How many members name each regular expression.
    pub(crate) regex_subscribers: BTreeMap<Str, usize>,
    /// How many members have each partition, or have not given it away yet: one while all goes well.
    pub(crate) holders: Map<(Uuid, i32), usize>,
    pub(crate) classic_members: usize,
}

impl Default for ConsumerGroup {
    fn default() -> Self {
        Self {
            epoch: FIRST_GROUP_EPOCH,
            metadata_hash: 0,
            assignment_epoch: FIRST_GROUP_EPOCH,
            assignment_timestamp_ms: 0,
            has_partition_metadata: false,
            members: Map::default(),
            targets: Map::default(),
            instances: Map::default(),
            regexes: BTreeMap::new(),
            topics: BTreeMap::new(),
            regex_subscribers: BTreeMap::new(),
            holders: Map::default(),
            classic_members: 0,
        }
    }
}

impl ConsumerGroup {
    /// Takes a record in. That of the group itself without a value means that there is no group any more, which is
    /// the caller's to see to.
    pub(crate) fn apply(&mut self, record: &ConsumerGroupRecord) {
        match record {
            ConsumerGroupRecord::Group(value) => self.set_epoch(value.as_ref()),
            ConsumerGroupRecord::PartitionMetadata { exists } => self.has_partition_metadata = *exists,
            ConsumerGroupRecord::Member(member_id, Some(metadata)) => {
                let member = self.member_or_new(member_id);
                self.put(Member { metadata: metadata.clone(), ..member });
            }
            ConsumerGroupRecord::Member(member_id, None) => self.remove(member_id),
            ConsumerGroupRecord::Target(value) => {
                let (epoch, timestamp_ms) = match value {
                    Some(value) => (value.assignment_epoch, value.assignment_timestamp),
                    None => (NO_ASSIGNMENT_EPOCH, 0),
                };
                (self.assignment_epoch, self.assignment_timestamp_ms) = (epoch, timestamp_ms);
            }
            ConsumerGroupRecord::TargetMember(member_id, Some(value)) => {
                self.targets.insert_mut(member_id.clone(), Arc::new(read_target(value)));
            }
            ConsumerGroupRecord::TargetMember(member_id, None) => {
                self.targets.remove_mut(member_id);
            }
            ConsumerGroupRecord::Current(member_id, Some(value)) => {
                let member = self.member_or_new(member_id);
                self.put(Member { current: Arc::new(Current::from_stored(value)), ..member });
            }
            ConsumerGroupRecord::Current(member_id, None) => self.leave(member_id),
            ConsumerGroupRecord::Regex(regex, Some(value)) => {
                self.regexes.insert(regex.clone(), value.clone());
            }
            ConsumerGroupRecord::Regex(regex, None) => {
                self.regexes.remove(regex);
            }
        }
    }

    fn set_epoch(&mut self, value: Option<&ConsumerGroupMetadataValue>) {
        if let Some(value) = value {
            self.epoch = value.epoch;
            self.metadata_hash = value.metadata_hash;
        }
    }

    /// A member, or one that is new to the group.
    pub(crate) fn member_or_new(&self, member_id: &Str) -> Member {
        self.members.get(member_id).cloned().unwrap_or_else(|| Member::new(member_id.clone()))
    }

    /// The member of an instance id.
    pub(crate) fn static_member(&self, instance_id: &Str) -> Option<&Member> {
        self.members.get(self.instances.get(instance_id)?)
    }

    /// What a member is to have.
    pub(crate) fn target(&self, member_id: &Str) -> Arc<Assignment> {
        self.targets.get(member_id).cloned().unwrap_or_default()
    }

    /// Whether anybody has the partition, or has not given it away yet.
    pub(crate) fn is_held(&self, topic_id: Uuid, partition: i32) -> bool {
        self.holders.contains_key(&(topic_id, partition))
    }

    /// Whether anybody reads the topic, by its name or by an expression that is resolved.
    pub(crate) fn is_subscribed_to(&self, topic: &str) -> bool {
        self.topics.contains_key(topic)
            || self.regexes.values().any(|resolved| resolved.topics.iter().any(|each| &**each == topic))
    }

    fn put(&mut self, member: Member) {
        if let Some(before) = self.members.get(&member.member_id).cloned() {
            self.uncount(&before);
        }
        self.count(&member);
        self.members.insert_mut(member.member_id.clone(), member);
    }

    fn remove(&mut self, member_id: &Str) {
        if let Some(member) = self.members.get(member_id).cloned() {
            self.uncount(&member);
            self.members.remove_mut(member_id);
        }
    }

    /// It has nothing any more; that it is gone is said by another record.
    fn leave(&mut self, member_id: &Str) {
        if let Some(member) = self.members.get(member_id).cloned() {
            let current = Current {
                epoch: LEAVE_GROUP_MEMBER_EPOCH,
                previous_epoch: LEAVE_GROUP_MEMBER_EPOCH,
                ..Current::default()
            };
            self.put(Member { current: Arc::new(current), ..member });
        }
    }

    fn count(&mut self, member: &Member) {
        for topic in &member.metadata.subscribed_topic_names {
            *self.topics.entry(topic.clone()).or_default() += 1;
        }
        if let Some(regex) = member.regex() {
            *self.regex_subscribers.entry(regex.clone()).or_default() += 1;
        }
        if let Some(instance_id) = member.instance_id() {
            self.instances.insert_mut(instance_id.clone(), member.member_id.clone());
        }
        self.classic_members += usize::from(member.is_classic());
        for held in held(member) {
            let holders = self.holders.get(&held).map_or(1, |holders| *holders + 1);
            self.holders.insert_mut(held, holders);
        }
    }

    fn uncount(&mut self, member: &Member) {
        member.metadata.subscribed_topic_names.iter().for_each(|topic| decrement(&mut self.topics, topic));
        if let Some(regex) = member.regex() {
            decrement(&mut self.regex_subscribers, regex);
        }
        if let Some(instance_id) = member.instance_id()
            && self.instances.get(instance_id) == Some(&member.member_id)
        {
            self.instances.remove_mut(instance_id);
        }
        self.classic_members -= usize::from(member.is_classic());
        for held in held(member) {
            match self.holders.get(&held) {
                Some(holders) if *holders > 1 => self.holders.insert_mut(held, *holders - 1),
                _ => {
                    self.holders.remove_mut(&held);
                }
            }
        }
    }
}

fn held(member: &Member) -> impl Iterator<Item = (Uuid, i32)> {
    let current = &member.current;
    let topics = current.assigned.iter().chain(&current.pending_revocation);
    topics.flat_map(|(topic_id, partitions)| partitions.keys().map(|partition| (*topic_id, *partition)))
}

fn decrement<K: Ord>(counts: &mut BTreeMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

fn read_target(value: &ConsumerGroupTargetAssignmentMemberValue) -> Assignment {
    let topic = |topic: &TopicPartition| (topic.topic_id, topic.partitions.iter().copied().collect());
    value.topic_partitions.iter().map(topic).collect()
}

/// The record of what a member is to have.
pub(crate) fn target_record(member_id: &Str, assignment: &Assignment) -> ConsumerGroupRecord {
    let topics = assignment.iter().map(|(topic_id, partitions)| TopicPartition {
        topic_id: *topic_id,
        partitions: partitions.iter().copied().collect(),
        ..TopicPartition::default()
    });
    let value = ConsumerGroupTargetAssignmentMemberValue {
        topic_partitions: topics.collect(),
        ..ConsumerGroupTargetAssignmentMemberValue::default()
    };
    ConsumerGroupRecord::TargetMember(member_id.clone(), Some(Arc::new(value)))
}

/// The records by which a member leaves. A replay of some of them alone must not bring it back, so their order matters.
pub(crate) fn removal_records(member_id: &Str) -> [ConsumerGroupRecord; 3] {
    [
        ConsumerGroupRecord::Current(member_id.clone(), None),
        ConsumerGroupRecord::TargetMember(member_id.clone(), None),
        ConsumerGroupRecord::Member(member_id.clone(), None),
    ]
}

/// The records by which a whole group goes.
pub(crate) fn tombstones(group: &ConsumerGroup) -> Vec<ConsumerGroupRecord> {
    let members = || group.members.keys();
    let mut records: Vec<_> =
        members().map(|member_id| ConsumerGroupRecord::Current(member_id.clone(), None)).collect();
    records.extend(members().map(|member_id| ConsumerGroupRecord::TargetMember(member_id.clone(), None)));
    records.push(ConsumerGroupRecord::Target(None));
    records.extend(members().map(|member_id| ConsumerGroupRecord::Member(member_id.clone(), None)));
    records.extend(group.regexes.keys().map(|regex| ConsumerGroupRecord::Regex(regex.clone(), None)));
    records.push(ConsumerGroupRecord::PartitionMetadata { exists: false });
    records.push(ConsumerGroupRecord::Group(None));
    records
}

/// What a member holds, in the form it is compared in.
pub(crate) fn all_held(member: &Member) -> Held {
    let mut all = member.current.assigned.clone();
    for (topic_id, partitions) in &member.current.pending_revocation {
        all.entry(*topic_id).or_default().extend(partitions);
    }
    all
}
