//! Who leads in place of this broker, told beside the refusal, so that clients need not ask for metadata first (KIP-951).

use super::Context;
use ottla_metadata::image::Image;
use ottla_protocol::{Str, Uuid};
use std::{collections::BTreeMap, sync::Arc};

/// Where the broker of a hint is reached by who asks.
pub(super) struct Node {
    pub(super) host: Str,
    pub(super) port: i32,
    pub(super) rack: Option<Str>,
}

/// The hints of one response.
pub(super) struct Hints<'a> {
    cx: &'a Context,
    image: Arc<Image>,
    nodes: BTreeMap<i32, Node>,
}

impl<'a> Hints<'a> {
    pub(super) fn new(cx: &'a Context) -> Self {
        Self { cx, image: cx.broker.image(), nodes: BTreeMap::new() }
    }

    /// The leader of a partition and its epoch, each -1 if unknown. The topic may be named by its id.
    pub(super) fn leader(&mut self, (topic, topic_id): (&Str, Uuid), index: i32) -> (i32, i32) {
        let topic = self.image.topics().by_id(&topic_id).map_or(topic, |topic| &topic.name);
        let in_image = || self.image.topics().partition(topic, index).map(|state| (state.leader, state.leader_epoch));
        let here = self.cx.broker.replicas.replica(topic, index).map(|replica| replica.leader());
        let (leader, epoch) = here.or_else(in_image).unwrap_or((-1, -1));
        let broker = self.image.cluster().broker(leader).filter(|broker| !broker.fenced);
        if let Some((broker, endpoint)) =
            broker.and_then(|broker| Some((broker, broker.listener(&self.cx.peer.listener)?)))
        {
            let node = Node { host: endpoint.host.clone(), port: endpoint.port.into(), rack: broker.rack.clone() };
            self.nodes.insert(leader, node);
        }
        (leader, epoch)
    }

    /// The brokers that were named, by their ids.
    pub(super) fn into_nodes(self) -> impl Iterator<Item = (i32, Node)> {
        self.nodes.into_iter()
    }
}
