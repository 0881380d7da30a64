//! Configs that were set while the cluster ran.

use super::shared_map::SharedMap;
use crate::{ConfigResource, ResourceType};
use ottla_protocol::Str;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The configs of each resource that has any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configs {
    by_resource: SharedMap<ConfigResource, Arc<BTreeMap<Str, Str>>>,
}

impl Configs {
    /// The configs of a resource, if it has any.
    pub fn of(&self, resource: &ConfigResource) -> Option<&Arc<BTreeMap<Str, Str>>> {
        self.by_resource.get(resource)
    }

    /// The configs of a topic, if it has any.
    pub fn of_topic(&self, name: &Str) -> Option<&Arc<BTreeMap<Str, Str>>> {
        self.of(&ConfigResource::topic(name.clone()))
    }

    /// One config of a resource.
    pub fn value(&self, resource: &ConfigResource, name: &str) -> Option<&Str> {
        self.of(resource)?.get(name)
    }

    /// All resources that have configs.
    pub fn iter(&self) -> impl Iterator<Item = (&ConfigResource, &Arc<BTreeMap<Str, Str>>)> {
        self.by_resource.iter()
    }

    /// The resources of a kind that have configs.
    pub fn resources(&self, kind: ResourceType) -> impl Iterator<Item = &ConfigResource> {
        self.by_resource.iter().map(|(resource, _)| resource).filter(move |r| r.kind == kind)
    }

    pub(super) fn set(&mut self, resource: ConfigResource, name: &Str, value: &Str) {
        let (name, value) = (name.detached(), value.detached());
        match self.by_resource.get_mut(&resource) {
            Some(configs) => {
                Arc::make_mut(configs).insert(name, value);
            }
            None => self.by_resource.insert(resource, Arc::new(BTreeMap::from([(name, value)]))),
        }
    }

    pub(super) fn unset(&mut self, resource: &ConfigResource, name: &str) {
        let Some(configs) = self.by_resource.get_mut(resource) else {
            return;
        };
        Arc::make_mut(configs).remove(name);
        if configs.is_empty() {
            self.by_resource.remove(resource);
        }
    }

    pub(super) fn remove(&mut self, resource: &ConfigResource) -> bool {
        self.by_resource.remove(resource).is_some()
    }
}
