//! What changed from one image to the next, for those who act on it.

use crate::ConfigResource;
use crate::image::Topic;
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
