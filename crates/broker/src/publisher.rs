//! Follows the metadata log as a broker: builds the image, lets the replicas act on what changed, then shows it to all.

use crate::{broker::Broker, config_schema::resource_type, replica::Replica};
use arc_swap::ArcSwap;
use ottla_config::alter;
use ottla_metadata::{
    Delta, MetadataRecord,
    image::{DIRECTORY_LOST, Image},
};
use parking_lot::Mutex;
use std::sync::Arc;
use tracing::warn;

/// The image everyone reads.
pub(crate) struct Published {
    image: ArcSwap<Image>,
    failure: Mutex<Option<String>>,
}

impl Published {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { image: ArcSwap::from_pointee(Image::default()), failure: Mutex::default() })
    }

    pub(crate) fn image(&self) -> Arc<Image> {
        self.image.load_full()
    }

    pub(crate) fn set(&self, image: Arc<Image>) {
        self.image.store(image);
    }

    /// Why metadata can no longer change, if so.
    pub(crate) fn failure(&self) -> Option<String> {
        self.failure.lock().clone()
    }
}

/// Whether coordinators must be told: of topics, their racks, configs and features.
fn concerns_groups(delta: &Delta) -> bool {
    !(delta.topics_created.is_empty()
        && delta.partitions_changed.is_empty()
        && delta.topics_deleted.is_empty()
        && delta.configs_changed.is_empty()
        && delta.brokers_changed.is_empty()
        && delta.features_changed.is_empty())
}

/// Takes committed records in.
pub(crate) struct Publisher {
    broker: Arc<Broker>,
    /// Appended, not yet committed.
    pending: Vec<MetadataRecord>,
    image: Image,
    /// What changed and nobody heard of: a transaction may end in a later commit than it begins.
    delta: Delta,
}

impl Publisher {
    pub(crate) fn new(broker: Arc<Broker>, image: Image) -> Self {
        Self { broker, pending: Vec::new(), image, delta: Delta::default() }
    }

    pub(crate) fn broker(&self) -> &Arc<Broker> {
        &self.broker
    }

    /// The metadata as it is committed.
    pub(crate) fn image(&self) -> &Image {
        &self.image
    }

    /// Remembers what was appended until it is committed.
    pub(crate) fn note(&mut self, records: Vec<MetadataRecord>) {
        self.pending.extend(records);
    }

    /// Everything up to `end` is committed.
    pub(crate) fn publish(&mut self, end: i64, epoch: i32) -> Result<(), String> {
        for record in self.pending.drain(..) {
            self.image.apply_noting(&record, &mut self.delta).map_err(|e| e.to_string())?;
        }
        self.image.advance(end, epoch);
        if !self.image.in_transaction() {
            let delta = std::mem::take(&mut self.delta);
            self.act(&delta);
        }
        Ok(())
    }

    /// The metadata is that of a snapshot now.
    pub(crate) fn replace(&mut self, image: Image) {
        let delta = Delta::between(&self.broker.image(), &image);
        (self.image, self.delta) = (image, Delta::default());
        self.act(&delta);
    }

    /// Lets everybody know.
    fn act(&self, delta: &Delta) {
        self.broker.metrics.elections.count(&self.broker.image(), &self.image, delta);
        let changes = self.broker.replicas.apply(&self.image, delta);
        if !delta.configs_changed.is_empty() {
            self.warn_of_no_effect(delta);
            self.broker.take_config(self.broker.replicas.config());
        }
        let image = Arc::new(self.image.clone());
        self.broker.published.set(image.clone());
        self.broker.replicas.assignments().add(changes.added.iter().cloned().chain(self.lost(delta)));
        if !delta.features_changed.is_empty() {
            self.broker.transactions.publish(&image);
        }
        if concerns_groups(delta) {
            self.broker.groups.publish(image);
        }
        self.broker.groups.follow(&changes, delta);
        self.broker.transactions.follow(&changes);
        self.broker.fetchers.follow(&changes);
        if !delta.brokers_changed.is_empty() {
            self.broker.replicas.move_high_watermarks();
        }
    }

    /// The replicas among those that changed of which the metadata says that their disk is lost: what was said last may have come
    /// late, and nobody may lead now.
    fn lost(&self, delta: &Delta) -> Vec<Arc<Replica>> {
        let mut lost = Vec::new();
        for (id, numbers) in &delta.partitions_changed {
            let Some(topic) = self.image.topics().by_id(id) else { continue };
            let directory = |number: &i32| topic.partitions.get(number)?.directory(self.broker.node_id);
            let numbers = numbers.iter().filter(|number| directory(number) == Some(DIRECTORY_LOST));
            lost.extend(numbers.filter_map(|number| self.broker.replicas.replica(&topic.name, *number)));
        }
        lost
    }

    /// Says which of the altered configs do nothing.
    fn warn_of_no_effect(&self, delta: &Delta) {
        for resource in &delta.configs_changed {
            let Some(configs) = self.image.configs().of(resource) else { continue };
            let configs = configs.iter().map(|(name, value)| (&**name, &**value));
            for message in alter::without_effect(resource_type(resource.kind), configs) {
                warn!(resource = %resource.name, "{message}");
            }
        }
    }

    /// The metadata log failed.
    pub(crate) fn failed(&self, reason: &str) {
        *self.broker.published.failure.lock() = Some(format!("the metadata log failed: {reason}"));
    }
}
