//! What a coordinator knows of the cluster's topics, and the hashes by which it sees that they changed.

use ottla_metadata::image::Topic;
use ottla_metadata::{ConfigResource, Image, ResourceType};
use ottla_protocol::{Str, Uuid};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher;
use std::ops::RangeInclusive;
use std::sync::Arc;
use twox_hash::XxHash3_64;

/// The first byte of what a topic's hash is of: the version of the form.
const TOPIC_HASH_MAGIC_BYTE: u8 = 0;

/// The topics, and what was found out about them.
#[derive(Debug, Default)]
pub(crate) struct Topics {
    image: Arc<Image>,
    /// Hashes of topics as they were when they were computed.
    hashes: BTreeMap<Str, (Arc<Topic>, i64)>,
    racks: BTreeMap<i32, Str>,
}

impl Topics {
    /// Takes the metadata in as it has become.
    pub(crate) fn update(&mut self, image: Arc<Image>) {
        let brokers = image.cluster().brokers().iter();
        let racks: BTreeMap<i32, Str> = brokers.filter_map(|(id, broker)| Some((*id, broker.rack.clone()?))).collect();
        if racks != self.racks {
            self.hashes.clear();
            self.racks = racks;
        }
        self.image = image;
    }

    /// The offset of the metadata that is known.
    pub(crate) fn version(&self) -> i64 {
        self.image.offset()
    }

    pub(crate) fn id_of(&self, name: &str) -> Option<Uuid> {
        self.image.topics().by_name(name).map(|topic| topic.id)
    }

    pub(crate) fn name_of(&self, id: Uuid) -> Option<Str> {
        self.image.topics().by_id(&id).map(|topic| topic.name.clone())
    }

    pub(crate) fn partitions_of(&self, id: Uuid) -> Option<i32> {
        let topic = self.image.topics().by_id(&id)?;
        i32::try_from(topic.partitions.len()).ok()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &Str> {
        self.image.topics().iter().map(|topic| &topic.name)
    }

    /// A config of the group itself, in milliseconds. The broker's limits may have become narrower since it was set: then
    /// it is brought within them, as in Kafka.
    pub(crate) fn group_config_ms(&self, group_id: &Str, name: &str, limits: &RangeInclusive<i32>) -> Option<i32> {
        let group = ConfigResource::new(ResourceType::Group, group_id.clone());
        let own: i32 = self.image.configs().value(&group, name)?.parse().ok()?;
        Some(own.min(*limits.end()).max(*limits.start()))
    }

    /// One number for all topics of a group that exist: another one means that there is something to assign anew. It is
    /// stored, so it is Kafka's.
    pub(crate) fn hash(&mut self, names: &BTreeSet<Str>) -> i64 {
        // Java orders texts by their UTF-16 units; topic names are ASCII.
        let hashes: Vec<i64> = names.iter().filter_map(|name| self.topic_hash(name)).collect();
        if hashes.is_empty() {
            return 0;
        }
        let mut hasher = XxHash3_64::new();
        hashes.iter().for_each(|hash| hasher.write(&hash.to_le_bytes()));
        hasher.finish().cast_signed()
    }

    fn topic_hash(&mut self, name: &Str) -> Option<i64> {
        let topic = self.image.topics().by_name(name)?;
        if let Some((known, hash)) = self.hashes.get(name)
            && Arc::ptr_eq(known, topic)
        {
            return Some(*hash);
        }
        let hash = topic_hash(topic, &self.racks);
        self.hashes.insert(name.clone(), (topic.clone(), hash));
        Some(hash)
    }
}

fn topic_hash(topic: &Topic, racks: &BTreeMap<i32, Str>) -> i64 {
    let mut hasher = XxHash3_64::new();
    hasher.write(&[TOPIC_HASH_MAGIC_BYTE]);
    let (most, least) = topic.id.as_bytes().split_at(8);
    for half in [most, least] {
        // Java's long of it, written with the lowest byte first.
        let reversed: Vec<u8> = half.iter().rev().copied().collect();
        hasher.write(&reversed);
    }
    write_text(&mut hasher, &topic.name);
    write_int(&mut hasher, topic.partitions.len());
    for (index, partition) in topic.partitions.values().enumerate() {
        write_int(&mut hasher, index);
        let mut racks: Vec<&Str> = partition.replicas.iter().filter_map(|replica| racks.get(replica)).collect();
        racks.sort();
        for rack in racks {
            write_int(&mut hasher, rack.encode_utf16().count());
            write_text(&mut hasher, rack);
        }
    }
    hasher.finish().cast_signed()
}

fn write_int(hasher: &mut XxHash3_64, value: usize) {
    hasher.write(&i32::try_from(value).unwrap_or(i32::MAX).to_le_bytes());
}

/// UTF-16 units, then how many.
fn write_text(hasher: &mut XxHash3_64, text: &str) {
    text.encode_utf16().for_each(|unit| hasher.write(&unit.to_le_bytes()));
    write_int(hasher, text.encode_utf16().count());
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::stored::{PartitionRecord, RegisterBrokerRecord, TopicRecord};

    fn topics() -> Topics {
        let mut image = Image::default();
        for (broker_id, rack) in [(1, Some("rack-y")), (2, Some("rack-x")), (3, None)] {
            let rack = rack.map(Str::from_static);
            let record = RegisterBrokerRecord { broker_id, rack, fenced: false, ..Default::default() };
            image.apply(&record.into()).unwrap();
        }
        let [mut topic, mut plain] = [[0; 16]; 2];
        topic.copy_from_slice(b"\x01\x02\x03\x04\x05\x06\x07\x08\xf9\x0a\x0b\x0c\x0d\x0e\x0f\x10");
        plain.copy_from_slice(b"\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02");
        let all: [(_, _, &[&[i32]]); 2] =
            [("topic", topic, &[&[1], &[1, 2, 3], &[3]]), ("plain", plain, &[&[3], &[3]])];
        for (name, id, partitions) in all {
            let topic_id = Uuid::from_bytes(id);
            image.apply(&TopicRecord { name: Str::from_static(name), topic_id, ..Default::default() }.into()).unwrap();
            for (partition_id, replicas) in (0..).zip(partitions) {
                let replicas = replicas.to_vec();
                let record = PartitionRecord { partition_id, topic_id, replicas, ..Default::default() };
                image.apply(&record.into()).unwrap();
            }
        }
        let mut topics = Topics::default();
        topics.update(Arc::new(image));
        topics
    }

    /// What `Utils.computeGroupHash` of Kafka 4.3.1's coordinator gives for the same topics.
    #[test]
    fn hashes_are_kafkas() {
        let mut topics = topics();
        let mut hash = |names: &[&'static str]| topics.hash(&names.iter().map(|name| Str::from_static(name)).collect());
        assert_eq!(hash(&["topic", "plain"]), 5579484823353506049);
        assert_eq!(hash(&["topic", "missing", "plain"]), 5579484823353506049);
        assert_eq!(hash(&["missing"]), 0);
        assert_eq!(topics.topic_hash(&Str::from_static("topic")), Some(7818040262406726265));
        assert_eq!(topics.topic_hash(&Str::from_static("plain")), Some(6179098154744304439));
    }
}
