//! What changed from one image to the next, for those who act on it.

use crate::ConfigResource;
use crate::image::{Image, Topic};
use ottla_protocol::{Str, Uuid};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The parts of an image that records changed; what they hold now is in the image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    /// Topics that are new and still there.
    pub topics_created: BTreeSet<Uuid>,
    /// Partitions that are new or changed, those of new topics among them; none of deleted topics.
    pub partitions_changed: BTreeMap<Uuid, BTreeSet<i32>>,
    /// Topics that are gone, as they were last; a topic made and deleted within one delta is in neither set.
    pub topics_deleted: BTreeMap<Uuid, Arc<Topic>>,
    /// Resources whose configs changed, deleted topics among them.
    pub configs_changed: BTreeSet<ConfigResource>,
    /// Brokers that registered, changed or left.
    pub brokers_changed: BTreeSet<i32>,
    /// Controllers that registered.
    pub controllers_changed: BTreeSet<i32>,
    /// Features whose level was set.
    pub features_changed: BTreeSet<Str>,
    /// Whether producer ids were given out.
    pub producer_ids_changed: bool,
    /// Whether client quotas changed.
    pub client_quotas_changed: bool,
    /// Whether access control entries changed.
    pub acls_changed: bool,
    /// Whether SCRAM credentials changed.
    pub scram_changed: bool,
    /// Whether delegation tokens changed.
    pub delegation_tokens_changed: bool,
    /// The delta before the transaction that is open.
    pub(crate) before_transaction: Option<Box<Delta>>,
}

impl Delta {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn partition(&mut self, topic_id: Uuid, partition: i32) {
        let partitions = self.partitions_changed.entry(topic_id).or_default();
        partitions.insert(partition);
    }

    pub(crate) fn topic_deleted(&mut self, topic: Arc<Topic>) {
        self.partitions_changed.remove(&topic.id);
        if !self.topics_created.remove(&topic.id) {
            self.topics_deleted.insert(topic.id, topic);
        }
    }
}

/// What differs between two images, for who was given the later one whole.
impl Delta {
    /// What changed from one image to another.
    pub fn between(old: &Image, new: &Image) -> Self {
        let mut delta = Self::default();
        for topic in old.topics().iter().filter(|topic| new.topics().by_id(&topic.id).is_none()) {
            delta.topics_deleted.insert(topic.id, topic.clone());
        }
        for topic in new.topics().iter() {
            let before = old.topics().by_id(&topic.id);
            if before.is_none() {
                delta.topics_created.insert(topic.id);
            }
            let is_new = |index: &i32| before.and_then(|t| t.partitions.get(index)) != topic.partitions.get(index);
            topic.partitions.keys().filter(|index| is_new(index)).for_each(|index| delta.partition(topic.id, *index));
        }
        let configs = |image: &Image| -> BTreeMap<_, _> {
            image.configs().iter().map(|(resource, values)| (resource.clone(), values.clone())).collect()
        };
        delta.configs_changed = differing(&configs(old), &configs(new));
        delta.brokers_changed = differing(old.cluster().brokers(), new.cluster().brokers());
        delta.controllers_changed = differing(old.cluster().controllers(), new.cluster().controllers());
        delta.features_changed = differing(&old.features().all(), &new.features().all());
        delta.producer_ids_changed = old.next_producer_id() != new.next_producer_id();
        delta.client_quotas_changed = old.client_quotas() != new.client_quotas();
        delta.acls_changed = old.acls() != new.acls();
        delta.scram_changed = old.scram() != new.scram();
        delta.delegation_tokens_changed = old.delegation_tokens() != new.delegation_tokens();
        delta
    }
}

/// The keys that one map has and the other has not, or with another value.
fn differing<K: Ord + Clone, V: PartialEq>(old: &BTreeMap<K, V>, new: &BTreeMap<K, V>) -> BTreeSet<K> {
    let keys = old.keys().chain(new.keys());
    keys.filter(|key| old.get(key) != new.get(key)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MetadataRecord;
    use ottla_protocol::stored::{
        ConfigRecord, FeatureLevelRecord, PartitionChangeRecord, PartitionRecord, RegisterBrokerRecord,
        RemoveTopicRecord, TopicRecord,
    };

    /// Applies records one by one to two images: one notes what they change, of the other the images are compared.
    #[test]
    fn what_differs_is_what_records_said() {
        let topic = |name: &'static str, id| {
            let name = Str::from_static(name);
            MetadataRecord::from(TopicRecord { name, topic_id: id, ..Default::default() })
        };
        let partition = |topic_id, partition_id| {
            let replicas = vec![1];
            let isr = vec![1];
            MetadataRecord::from(PartitionRecord { topic_id, partition_id, replicas, isr, ..Default::default() })
        };
        let config = |name: &'static str| {
            let (resource_name, value) = (Str::from_static("a"), Some(Str::from_static("1")));
            let name = Str::from_static(name);
            MetadataRecord::from(ConfigRecord { resource_type: 2, resource_name, name, value, ..Default::default() })
        };
        let (a, b) = (Uuid::from_bytes([1; 16]), Uuid::from_bytes([2; 16]));
        let before = [topic("a", a), partition(a, 0), partition(a, 1), config("x")];
        let after: [MetadataRecord; 6] = [
            topic("b", b),
            partition(b, 0),
            PartitionChangeRecord { topic_id: a, partition_id: 1, leader: 2, ..Default::default() }.into(),
            RegisterBrokerRecord { broker_id: 1, ..Default::default() }.into(),
            FeatureLevelRecord { name: Str::from_static("group.version"), feature_level: 1, ..Default::default() }
                .into(),
            config("y"),
        ];
        let mut image = Image::default();
        before.iter().for_each(|record| image.apply(record).unwrap());
        let old = image.clone();
        let mut noted = Delta::default();
        after.iter().for_each(|record| image.apply_noting(record, &mut noted).unwrap());
        assert_eq!(Delta::between(&old, &image), noted);
        let mut deleted = Delta::default();
        let with_b = image.clone();
        let remove = RemoveTopicRecord { topic_id: b, ..Default::default() };
        image.apply_noting(&remove.into(), &mut deleted).unwrap();
        deleted.configs_changed.clear();
        assert_eq!(Delta::between(&with_b, &image), deleted);
        assert!(Delta::between(&image, &image).is_empty());
    }
}
