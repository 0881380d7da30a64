//! The group coordinators of this broker: one for each partition of `__consumer_offsets` that it leads.

mod answers;
mod ask;
mod news;
mod serve;
mod stored;

pub(crate) use self::answers::Answers;
pub(crate) use self::ask::{by_coordinator, reply, submit, submit_to};

use self::news::Newsroom;
use self::serve::{Served, run};
use crate::{
    clock::Clock,
    metrics::Rebalances,
    partition::Partition,
    replicas::Changes,
    settings::{group_settings, offsets_commit_timeout, offsets_topic_codec},
    shards::ShardDriver,
};
use ottla_config::ServerConfig;
use ottla_coordinator::{
    DeletedTopic, Event, GroupCoordinator, ListGroups, ListedGroup, MeasuredGroup, Reply, Settings, partition_for,
};
use ottla_metadata::{Delta, image::Image, topic_name::GROUP_METADATA_TOPIC_NAME};
use ottla_protocol::{ErrorCode, compression::Compression};
use ottla_state_machine::Ticket;
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{runtime::Handle, sync::Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// A coordinator that serves the groups of one partition.
pub(crate) type Shard = ShardDriver<GroupCoordinator>;

/// Partitions whose logs are read at a time: a broker that starts loads all it has.
const LOADS_AT_A_TIME: usize = 4;

/// All group coordinators of this broker.
pub(crate) struct Groups {
    clock: Clock,
    codec: Compression,
    commit_timeout: Duration,
    rebalances: Arc<Rebalances>,
    news: Newsroom,
    stopping: CancellationToken,
    shards: Mutex<BTreeMap<i32, Arc<Served>>>,
    loads: Arc<Semaphore>,
    /// Changes of the metadata come on a thread that is none of the runtime's.
    runtime: Handle,
    tasks: TaskTracker,
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
            stopping,
            shards: Mutex::default(),
            loads: Arc::new(Semaphore::new(LOADS_AT_A_TIME)),
            runtime: Handle::current(),
            tasks: TaskTracker::new(),
        }
    }

    /// Begins and ends to coordinate as this broker leads partitions, and forgets the offsets of topics that are gone.
    pub(crate) fn follow(&self, changes: &Changes, delta: &Delta) {
        let removed = changes.removed.iter().chain(&changes.resigned);
        let removed = removed.filter(|replica| replica.topic == GROUP_METADATA_TOPIC_NAME);
        removed.filter_map(|replica| replica.opened()).for_each(|partition| self.remove(partition));
        let led = changes.led.iter().filter(|replica| replica.topic == GROUP_METADATA_TOPIC_NAME);
        led.filter_map(|replica| replica.opened()).for_each(|partition| self.add(partition.clone()));
        let deleted = delta.topics_deleted.values();
        let deleted = deleted.map(|topic| DeletedTopic { name: topic.name.clone(), topic_id: topic.id });
        self.topics_deleted(deleted.collect());
    }

    /// Coordinates the groups of a partition, once its log is read.
    fn add(&self, partition: Arc<Partition>) {
        let index = partition.index;
        let shard = ShardDriver::new(partition, self.clock, self.codec, self.commit_timeout, self.rebalances.clone());
        let served = Arc::new(Served::new(shard, self.stopping.child_token()));
        let before = self.shards.lock().insert(index, served.clone());
        if let Some(before) = before {
            before.stop();
        }
        let task = run(served, self.news.subscribe(), self.loads.clone());
        self.tasks.spawn_on(task, &self.runtime);
    }

    /// Leaves the groups of a partition to others.
    fn remove(&self, partition: &Arc<Partition>) {
        let mut shards = self.shards.lock();
        let same = |served: &Arc<Served>| Arc::ptr_eq(&served.shard.partition, partition);
        if shards.get(&partition.index).is_some_and(same)
            && let Some(served) = shards.remove(&partition.index)
        {
            served.stop();
        }
    }

    fn topics_deleted(&self, topics: Vec<DeletedTopic>) {
        if !topics.is_empty() {
            self.tell_all(&Event::TopicsDeleted(topics));
        }
    }

    /// An append may need the runtime's threads and takes its time, so it is done there.
    fn tell_all(&self, event: &Event) {
        for served in self.shards.lock().values() {
            let (served, event) = (served.clone(), event.clone());
            self.tasks.spawn_on(async move { served.tell(event) }, &self.runtime);
        }
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
        self.shards.lock().values().map(|served| served.shard.clone()).collect()
    }

    /// Every group of every coordinator that serves.
    pub(crate) async fn list(&self) -> Vec<ListedGroup> {
        let replies = self.ask_all(|ticket| Event::ListGroups(ticket, ListGroups::default())).await;
        let groups =
            replies.into_iter().filter_map(|reply| if let Reply::ListGroups(it) = reply { Some(it) } else { None });
        groups.flatten().collect()
    }

    /// The same with members and offsets.
    pub(crate) async fn measure(&self) -> Vec<MeasuredGroup> {
        let replies = self.ask_all(Event::MeasureGroups).await;
        let groups =
            replies.into_iter().filter_map(|reply| if let Reply::MeasureGroups(it) = reply { Some(it) } else { None });
        groups.flatten().collect()
    }

    async fn ask_all(&self, event: impl Fn(Ticket) -> Event) -> Vec<Reply> {
        let mut replies = Vec::new();
        for shard in self.all() {
            replies.extend(shard.submit(&event).await);
        }
        replies
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
        let shards = self.shards.lock();
        shards.get(&partition).map(|served| served.shard.clone()).ok_or(ErrorCode::NotCoordinator)
    }

    /// The coordinator of a group.
    pub(crate) fn shard_for(&self, image: &Image, group_id: &str) -> Result<Arc<Shard>, ErrorCode> {
        self.shard(Self::partition_for(image, group_id)?)
    }

    /// Waits until no coordinator writes any more; they end by themselves when the broker begins to stop.
    pub(crate) async fn stopped(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}
