//! The group coordinators of this broker: one for each partition of `__consumer_offsets` that it leads.

mod answers;
mod ask;
mod news;
mod stored;

pub(crate) use self::answers::Answers;
pub(crate) use self::ask::{by_coordinator, reply, submit, submit_to};

use self::news::Newsroom;
use crate::{
    clock::Clock,
    metrics::Rebalances,
    replica::Replica,
    replicas::Changes,
    settings::{group_settings, offsets_commit_timeout, offsets_topic_codec},
    shards::{Coordinators, ShardDriver},
};
use ottla_config::ServerConfig;
use ottla_coordinator::{
    DeletedTopic, Event, GroupCoordinator, ListGroups, ListedGroup, MeasuredGroup, Reply, Settings, partition_for,
};
use ottla_metadata::{Delta, image::Image, topic_name::GROUP_METADATA_TOPIC_NAME};
use ottla_protocol::{ErrorCode, compression::Compression};
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// A coordinator that serves the groups of one partition.
pub(crate) type Shard = ShardDriver<GroupCoordinator>;

/// All group coordinators of this broker.
pub(crate) struct Groups {
    clock: Clock,
    codec: Compression,
    commit_timeout: Duration,
    rebalances: Arc<Rebalances>,
    news: Newsroom,
    coordinators: Coordinators<GroupCoordinator>,
}

impl Groups {
    /// No coordinators yet. To be called where the runtime is.
    pub(crate) fn new(
        clock: Clock,
        config: &ServerConfig,
        rebalances: Arc<Rebalances>,
        stopping: CancellationToken,
    ) -> Self {
        Self {
            clock,
            codec: offsets_topic_codec(config),
            commit_timeout: offsets_commit_timeout(config),
            rebalances,
            news: Newsroom::new(group_settings(config)),
            coordinators: Coordinators::new(GROUP_METADATA_TOPIC_NAME, stopping),
        }
    }

    /// Begins and ends to coordinate as this broker leads partitions, and forgets the offsets of topics that are gone.
    pub(crate) fn follow(&self, changes: &Changes, delta: &Delta) {
        self.coordinators.follow(changes, |partition| {
            let rebalances = self.rebalances.clone();
            let shard = ShardDriver::new(partition, self.clock, self.codec, self.commit_timeout, rebalances);
            (shard, self.news.subscribe())
        });
        let deleted = delta.topics_deleted.values();
        let deleted = deleted.map(|topic| DeletedTopic { name: topic.name.clone(), topic_id: topic.id });
        let deleted: Vec<DeletedTopic> = deleted.collect();
        if !deleted.is_empty() {
            self.coordinators.tell_all(&Event::TopicsDeleted(deleted));
        }
    }

    /// See [`Coordinators::take_unopened`].
    pub(crate) fn take_unopened(&self) -> Vec<Arc<Replica>> {
        self.coordinators.take_unopened()
    }

    /// Takes new settings in.
    pub(crate) fn configure(&self, settings: Settings) {
        self.news.configure(settings);
    }

    /// Takes the metadata in: what topics there are, and the configs of groups.
    pub(crate) fn publish(&self, image: Arc<Image>) {
        self.news.publish(image);
    }

    /// The settings as they are now.
    pub(crate) fn settings(&self) -> Settings {
        self.news.settings()
    }

    /// Every coordinator, by partition.
    pub(crate) fn all(&self) -> Vec<Arc<Shard>> {
        self.coordinators.all()
    }

    /// Every group of every coordinator that serves.
    pub(crate) async fn list(&self) -> Vec<ListedGroup> {
        let replies = self.coordinators.ask_all(|ticket| Event::ListGroups(ticket, ListGroups::default())).await;
        let groups =
            replies.into_iter().filter_map(|reply| if let Reply::ListGroups(it) = reply { Some(it) } else { None });
        groups.flatten().collect()
    }

    /// The same with members and offsets.
    pub(crate) async fn measure(&self) -> Vec<MeasuredGroup> {
        let replies = self.coordinators.ask_all(Event::MeasureGroups).await;
        let groups =
            replies.into_iter().filter_map(|reply| if let Reply::MeasureGroups(it) = reply { Some(it) } else { None });
        groups.flatten().collect()
    }

    /// The partition of `__consumer_offsets` that a group belongs to. As in Kafka, who is not its leader, or has no such
    /// topic, is not the coordinator; FindCoordinator is what makes the topic.
    pub(crate) fn partition_for(image: &Image, group_id: &str) -> Result<i32, ErrorCode> {
        let topic = image.topics().by_name(GROUP_METADATA_TOPIC_NAME).ok_or(ErrorCode::NotCoordinator)?;
        let count = i32::try_from(topic.partitions.len()).map_err(|_| ErrorCode::NotCoordinator)?;
        Ok(partition_for(group_id, count))
    }

    /// The coordinator of a partition.
    pub(crate) fn shard(&self, partition: i32) -> Result<Arc<Shard>, ErrorCode> {
        self.coordinators.shard(partition)
    }

    /// The coordinator of a group.
    pub(crate) fn shard_for(&self, image: &Image, group_id: &str) -> Result<Arc<Shard>, ErrorCode> {
        self.shard(Self::partition_for(image, group_id)?)
    }

    /// Waits until no coordinator writes any more; they end by themselves when the broker begins to stop.
    pub(crate) async fn stopped(&self) {
        self.coordinators.stopped().await;
    }
}
