//! The transaction coordinators of this broker: one for each partition of `__transaction_state` that it leads.

mod ask;
mod hanging;
mod markers;
mod news;
mod sender;
mod stored;
mod verify;

pub(crate) use self::ask::{submit, submit_bringing_id};
pub(crate) use self::hanging::watch as watch_hanging;
pub(crate) use self::markers::{Outcome, write_markers};
pub(crate) use self::verify::{Lookup, look_up};

use self::{
    news::Newsroom,
    sender::{Outbox, Post, Sender},
};
use crate::{
    broker::Broker,
    client::Pool,
    clock::Clock,
    controllers::client_id,
    dialer::Setup,
    replica::Replica,
    replicas::Changes,
    settings,
    shards::{Coordinators, ShardDriver},
};
use ottla_config::{ServerConfig, keys};
use ottla_coordinator::{
    partition_for,
    transactions::{Event, ListTransactions, Reply, State, TransactionCoordinator},
};
use ottla_metadata::{image::Image, topic_name::TRANSACTION_STATE_TOPIC_NAME};
use ottla_protocol::{ErrorCode, compression::Compression};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// A coordinator that serves the transactional ids of one partition.
pub(crate) type Shard = ShardDriver<TransactionCoordinator>;

/// All transaction coordinators of this broker.
pub(crate) struct Transactions {
    clock: Clock,
    request_timeout: Duration,
    news: Newsroom,
    coordinators: Coordinators<TransactionCoordinator>,
    outbox: Arc<Outbox>,
    /// To the coordinators in other brokers.
    lookups: Pool,
    /// Transactions that nobody is going to end, as they were counted last.
    hanging: AtomicUsize,
}

impl Transactions {
    /// No coordinators yet. To be called where the runtime is.
    pub(crate) fn new(clock: Clock, config: &ServerConfig, stopping: CancellationToken) -> Self {
        Self {
            clock,
            request_timeout: settings::request_timeout(config),
            news: Newsroom::new(settings::transaction_settings(config)),
            coordinators: Coordinators::new(TRANSACTION_STATE_TOPIC_NAME, stopping),
            outbox: Arc::default(),
            hanging: AtomicUsize::new(0),
            lookups: Pool::new(client_id(config.node_id(), "add-partitions-to-txn"), Setup::new(config)),
        }
    }

    /// Begins to tell partitions how transactions end; ends by itself when the broker begins to stop.
    pub(crate) fn start(&self, broker: &Arc<Broker>) {
        self.coordinators.spawn(Sender::new(broker, self.outbox.clone()).run());
    }

    /// Begins and ends to coordinate as this broker leads partitions.
    pub(crate) fn follow(&self, changes: &Changes) {
        self.coordinators.follow(changes, |partition| {
            let observer = Post::new(partition.index, self.outbox.clone());
            // Kafka's TransactionLog: what is stored is not compressed.
            let shard = ShardDriver::new(partition, self.clock, Compression::None, self.request_timeout, observer);
            (shard, self.news.subscribe())
        });
    }

    /// See [`Coordinators::take_unopened`].
    pub(crate) fn take_unopened(&self) -> Vec<Arc<Replica>> {
        self.coordinators.take_unopened()
    }

    /// Takes new settings in.
    pub(crate) fn configure(&self, config: &ServerConfig) {
        self.news.configure(settings::transaction_settings(config));
    }

    /// Takes the metadata in: the level of `transaction.version`.
    pub(crate) fn publish(&self, image: &Image) {
        self.news.publish(image);
    }

    /// The ids of every coordinator that serves; why not all are known, if so.
    pub(crate) async fn list(&self, request: &ListTransactions) -> Result<Vec<Reply>, ErrorCode> {
        let mut replies = Vec::new();
        for shard in self.coordinators.all() {
            let reply = shard.submit(|ticket| Event::List(ticket, request.clone())).await;
            match reply.map_err(|unavailable| unavailable.code()) {
                Ok(reply) => replies.push(reply),
                // Another broker tells of these, now or soon.
                Err(ErrorCode::NotCoordinator) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(replies)
    }

    /// How many ids of this broker's coordinators are in each state.
    pub(crate) fn count_ids(&self) -> BTreeMap<State, usize> {
        let mut counts = BTreeMap::from(State::ALL.map(|state| (state, 0)));
        for shard in self.coordinators.all() {
            let states = shard.look(|hard, _| hard.count_by_state()).unwrap_or_default();
            states.into_iter().for_each(|(state, count)| *counts.entry(state).or_default() += count);
        }
        counts
    }

    /// Transactions in this broker's partitions that nobody is going to end.
    pub(crate) fn hanging(&self) -> usize {
        self.hanging.load(Ordering::Relaxed)
    }

    /// The partition of `__transaction_state` that an id belongs to. Who is not its leader, or has no such topic, is not the
    /// coordinator; FindCoordinator is what makes the topic.
    pub(crate) fn partition_for(image: &Image, transactional_id: &str) -> Result<i32, ErrorCode> {
        let topic = image.topics().by_name(TRANSACTION_STATE_TOPIC_NAME).ok_or(ErrorCode::NotCoordinator)?;
        let count = i32::try_from(topic.partitions.len()).map_err(|_| ErrorCode::NotCoordinator)?;
        Ok(partition_for(transactional_id, count))
    }

    /// The coordinator of a partition.
    pub(crate) fn shard(&self, partition: i32) -> Result<Arc<Shard>, ErrorCode> {
        self.coordinators.shard(partition)
    }

    /// The coordinator of an id.
    pub(crate) fn shard_for(&self, image: &Image, transactional_id: &str) -> Result<Arc<Shard>, ErrorCode> {
        self.shard(Self::partition_for(image, transactional_id)?)
    }

    /// Waits until no coordinator writes any more.
    pub(crate) async fn stopped(&self) {
        self.coordinators.stopped().await;
    }
}

/// How long the broker tries by itself to add a partition to a transaction while the one before is being ended, and how long it
/// pauses in between.
pub(crate) fn retry(config: &ServerConfig) -> (Duration, Duration) {
    let millis = |key| Duration::from_millis(u64::try_from(config.get(key)).unwrap_or(0));
    let longest = millis(keys::ADD_PARTITIONS_TO_TXN_RETRY_BACKOFF_MAX_MS).min(settings::request_timeout(config));
    (longest, millis(keys::ADD_PARTITIONS_TO_TXN_RETRY_BACKOFF_MS))
}
