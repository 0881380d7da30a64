//! Sets of partitions, by topic.

use ottla_protocol::Str;
use std::collections::{BTreeMap, BTreeSet};

/// Partitions by topic. A topic without partitions is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Partitions(BTreeMap<Str, BTreeSet<i32>>);

impl Partitions {
    /// Adds one.
    pub fn insert(&mut self, topic: &Str, partition: i32) {
        match self.0.get_mut(topic) {
            Some(partitions) => {
                partitions.insert(partition);
            }
            None => {
                self.0.insert(topic.clone(), BTreeSet::from([partition]));
            }
        }
    }

    /// Takes one out.
    pub fn remove(&mut self, topic: &Str, partition: i32) {
        if let Some(partitions) = self.0.get_mut(topic) {
            partitions.remove(&partition);
            if partitions.is_empty() {
                self.0.remove(topic);
            }
        }
    }

    /// Whether it is there.
    pub fn contains(&self, topic: &Str, partition: i32) -> bool {
        self.0.get(topic).is_some_and(|partitions| partitions.contains(&partition))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.values().map(BTreeSet::len).sum()
    }

    /// The topics with their partitions.
    pub fn topics(&self) -> impl Iterator<Item = (&Str, &BTreeSet<i32>)> {
        self.0.iter()
    }

    /// Each partition with its topic.
    pub fn iter(&self) -> impl Iterator<Item = (&Str, i32)> {
        self.0.iter().flat_map(|(topic, partitions)| partitions.iter().map(move |partition| (topic, *partition)))
    }
}

impl FromIterator<(Str, i32)> for Partitions {
    fn from_iter<I: IntoIterator<Item = (Str, i32)>>(partitions: I) -> Self {
        let mut set = Self::default();
        partitions.into_iter().for_each(|(topic, partition)| set.insert(&topic, partition));
        set
    }
}
