//! All offsets of the partition's groups, and those in open transactions.

use super::offset::OffsetAndMetadata;
use ottla_protocol::Str;
use std::collections::{BTreeMap, BTreeSet};

/// Offsets by topic and partition.
pub(crate) type TopicOffsets = BTreeMap<Str, BTreeMap<i32, OffsetAndMetadata>>;

/// Offsets by group.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct OffsetStore {
    committed: Offsets,
    /// Offsets that count when the producer's transaction is committed.
    pending: BTreeMap<i64, Offsets>,
    /// Producers whose transactions hold an offset of the partition.
    open: BTreeMap<Str, BTreeMap<(Str, i32), BTreeSet<i64>>>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Offsets(BTreeMap<Str, TopicOffsets>);

impl Offsets {
    fn get(&self, group_id: &Str, topic: &Str, partition: i32) -> Option<&OffsetAndMetadata> {
        self.0.get(group_id)?.get(topic)?.get(&partition)
    }

    fn put(&mut self, group_id: &Str, topic: &Str, partition: i32, offset: OffsetAndMetadata) {
        if !self.0.contains_key(group_id) {
            self.0.insert(group_id.clone(), TopicOffsets::new());
        }
        let Some(topics) = self.0.get_mut(group_id) else {
            return;
        };
        match topics.get_mut(topic) {
            Some(partitions) => {
                partitions.insert(partition, offset);
            }
            None => {
                topics.insert(topic.clone(), BTreeMap::from([(partition, offset)]));
            }
        }
    }

    fn remove(&mut self, group_id: &Str, topic: &Str, partition: i32) {
        let Some(topics) = self.0.get_mut(group_id) else {
            return;
        };
        if let Some(partitions) = topics.get_mut(topic) {
            partitions.remove(&partition);
            if partitions.is_empty() {
                topics.remove(topic);
            }
        }
        if topics.is_empty() {
            self.0.remove(group_id);
        }
    }
}

impl OffsetStore {
    /// Takes an offset in, into the producer's transaction if there is a producer.
    pub(crate) fn put(
        &mut self,
        group_id: &Str,
        topic: &Str,
        partition: i32,
        offset: OffsetAndMetadata,
        producer_id: Option<i64>,
    ) {
        let Some(producer_id) = producer_id else {
            return self.committed.put(group_id, topic, partition, offset);
        };
        let pending = self.pending.entry(producer_id).or_default();
        pending.put(group_id, topic, partition, offset);
        let open = self.open.entry(group_id.clone()).or_default();
        let open = open.entry((topic.clone(), partition)).or_default();
        open.insert(producer_id);
    }

    /// Takes an offset out, also of open transactions.
    pub(crate) fn remove(&mut self, group_id: &Str, topic: &Str, partition: i32) {
        self.committed.remove(group_id, topic, partition);
        let Some(open) = self.open.get_mut(group_id) else {
            return;
        };
        let producers = open.remove(&(topic.clone(), partition)).unwrap_or_default();
        if open.is_empty() {
            self.open.remove(group_id);
        }
        for producer_id in producers {
            if let Some(pending) = self.pending.get_mut(&producer_id) {
                pending.remove(group_id, topic, partition);
            }
        }
    }

    /// Ends a transaction: its offsets count unless a later one was committed meanwhile, or are forgotten.
    pub(crate) fn end_transaction(&mut self, producer_id: i64, committed: bool) {
        let pending = self.pending.remove(&producer_id).unwrap_or_default();
        for (group_id, topics) in pending.0 {
            for (topic, partitions) in topics {
                for (partition, offset) in partitions {
                    self.close(&group_id, &topic, partition, producer_id);
                    let now = self.committed.get(&group_id, &topic, partition);
                    let is_later = now.is_none_or(|now| offset.record_offset > now.record_offset);
                    if committed && is_later {
                        self.committed.put(&group_id, &topic, partition, offset);
                    }
                }
            }
        }
    }

    fn close(&mut self, group_id: &Str, topic: &Str, partition: i32, producer_id: i64) {
        let Some(open) = self.open.get_mut(group_id) else {
            return;
        };
        let key = (topic.clone(), partition);
        if let Some(producers) = open.get_mut(&key) {
            producers.remove(&producer_id);
            if producers.is_empty() {
                open.remove(&key);
            }
        }
        if open.is_empty() {
            self.open.remove(group_id);
        }
    }

    /// A group's committed offsets.
    pub(crate) fn of_group(&self, group_id: &Str) -> Option<&TopicOffsets> {
        self.committed.0.get(group_id)
    }

    /// A partition's committed offset.
    pub(crate) fn get(&self, group_id: &Str, topic: &Str, partition: i32) -> Option<&OffsetAndMetadata> {
        self.committed.get(group_id, topic, partition)
    }

    /// Whether an open transaction holds an offset of the partition.
    pub(crate) fn is_open(&self, group_id: &Str, topic: &Str, partition: i32) -> bool {
        let open = self.open.get(group_id);
        open.is_some_and(|open| open.contains_key(&(topic.clone(), partition)))
    }

    /// Whether an open transaction holds any offset of the group.
    pub(crate) fn has_open(&self, group_id: &Str) -> bool {
        self.open.contains_key(group_id)
    }

    /// All partitions with an offset, committed or in a transaction.
    pub(crate) fn partitions_of(&self, group_id: &Str) -> BTreeSet<(Str, i32)> {
        let committed = self.of_group(group_id).into_iter().flatten();
        let committed = committed.flat_map(|(topic, partitions)| partitions.keys().map(|p| (topic.clone(), *p)));
        let open = self.open.get(group_id).into_iter().flatten();
        committed.chain(open.map(|(key, _)| key.clone())).collect()
    }

    /// All offsets that a group has in a topic, with those in transactions.
    pub(super) fn in_topic<'a>(
        &'a self,
        group_id: &'a Str,
        topic: &'a Str,
    ) -> impl Iterator<Item = (i32, &'a OffsetAndMetadata)> {
        let pending = self.pending.values();
        core::iter::once(&self.committed)
            .chain(pending)
            .filter_map(move |offsets| offsets.0.get(group_id)?.get(topic))
            .flat_map(|partitions| partitions.iter().map(|(p, offset)| (*p, offset)))
    }
}
