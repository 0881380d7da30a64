//! Tells partitions how transactions ended, for as long as it takes.
//!
//! What there is to tell is kept by destination; each broker is told of all there is at once, and of more when it has answered.
//! Before anything leaves, the coordinator is asked whether it still holds: an end that is told again after the next
//! transaction has begun would end that one, where both have the same epoch.

use super::{Outcome, Shard, write_markers};
use crate::{
    broker::Broker,
    client::{Address, Error, Pool},
    controllers::client_id,
    dialer::Setup,
    partition::Marker,
    settings::request_timeout,
};
use ottla_coordinator::transactions::{Event, Markers, Partitions, Producer};
use ottla_metadata::image::{Image, NO_LEADER};
use ottla_protocol::{
    ApiKey, ErrorCode, Str,
    messages::{
        WriteTxnMarkersRequest, WriteTxnMarkersResponse,
        write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic},
    },
};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::{sync::Notify, task::JoinSet};
use tracing::{debug, warn};

/// How long a partition that cannot be told is left alone.
const RETRY: Duration = Duration::from_millis(50);

/// What a coordinator wants done.
enum Letter {
    Tell(Markers),
    BringId(Producer),
}

/// A transactional id, by the partition of its coordinator.
type Key = (i32, Str);

/// Where coordinators put what they want done. It holds one letter for each transactional id at most: what a coordinator wants
/// last is all that it wants.
#[derive(Default)]
pub(super) struct Outbox {
    letters: Mutex<BTreeMap<Key, Letter>>,
    put: Notify,
}

impl Outbox {
    /// Takes out what there is, once there is something.
    async fn take(&self) -> BTreeMap<Key, Letter> {
        loop {
            let letters = std::mem::take(&mut *self.letters.lock());
            if !letters.is_empty() {
                return letters;
            }
            self.put.notified().await;
        }
    }
}

/// Where one coordinator puts its letters.
pub(crate) struct Post {
    partition: i32,
    outbox: Arc<Outbox>,
}

impl Post {
    pub(super) fn new(partition: i32, outbox: Arc<Outbox>) -> Self {
        Self { partition, outbox }
    }

    pub(super) fn tell(&self, markers: Markers) {
        self.put(markers.transactional_id.clone(), Letter::Tell(markers));
    }

    pub(super) fn bring_id(&self, transactional_id: Str, producer: Producer) {
        self.put(transactional_id, Letter::BringId(producer));
    }

    fn put(&self, transactional_id: Str, letter: Letter) {
        self.outbox.letters.lock().insert((self.partition, transactional_id), letter);
        self.outbox.put.notify_one();
    }
}

/// What a broker is to be told, by transactional id.
type Told = BTreeMap<Key, Partitions>;

/// What a broker said of each transaction that it was told of, and what that was.
struct Answer {
    broker_id: i32,
    asked: Vec<(Key, Markers, Partitions)>,
    said: Result<Vec<Vec<Outcome>>, Error>,
}

/// Sends what there is to tell.
pub(super) struct Sender {
    broker: Weak<Broker>,
    outbox: Arc<Outbox>,
    /// How the transactions ended of which not all partitions are known to have heard.
    ends: BTreeMap<Key, Markers>,
    /// Who is still to be told of what.
    waiting: BTreeMap<i32, Told>,
    /// Those that could not be told just now, whose leader may be another by now.
    failed: Told,
    busy: BTreeSet<i32>,
    under_way: JoinSet<Answer>,
    pool: Arc<Pool>,
}

impl Sender {
    pub(super) fn new(broker: &Arc<Broker>, outbox: Arc<Outbox>) -> Self {
        Self {
            broker: Arc::downgrade(broker),
            outbox,
            ends: BTreeMap::new(),
            waiting: BTreeMap::new(),
            failed: Told::new(),
            busy: BTreeSet::new(),
            under_way: JoinSet::new(),
            pool: Arc::new(Pool::new(client_id(broker.node_id, "txn-marker-sender"), Setup::new(&broker.config()))),
        }
    }

    /// Sends until the broker begins to stop.
    pub(super) async fn run(mut self) {
        let Some(stopping) = self.broker.upgrade().map(|broker| broker.stopping.clone()) else { return };
        let outbox = self.outbox.clone();
        let mut retry = tokio::time::interval(RETRY);
        retry.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stopping.cancelled() => return,
                Some(answer) = self.under_way.join_next() => match answer {
                    Ok(answer) => self.take_answer(answer),
                    Err(panic) => warn!(%panic, "markers could not be written"),
                },
                letters = outbox.take() => {
                    for (key, letter) in letters {
                        self.take_letter(key, letter);
                    }
                }
                _now = retry.tick(), if !self.failed.is_empty() => {
                    for (key, partitions) in std::mem::take(&mut self.failed) {
                        self.direct(key, partitions);
                    }
                }
            }
            self.send();
        }
    }

    fn take_letter(&mut self, key: Key, letter: Letter) {
        match letter {
            Letter::Tell(markers) => {
                let partitions = markers.partitions.clone();
                self.ends.insert(key.clone(), markers);
                self.direct(key, partitions);
            }
            Letter::BringId(producer) => {
                let (partition, transactional_id) = key;
                let Some(broker) = self.broker.upgrade() else { return };
                tokio::spawn(async move {
                    let Ok(new_producer_id) = broker.producer_ids.next(&broker).await else { return };
                    if let Ok(shard) = broker.transactions.shard(partition) {
                        // Where that fails the id is asked for again.
                        let _ = shard.notify(Event::Abort { transactional_id, producer, new_producer_id });
                    }
                });
            }
        }
    }

    /// Puts partitions where their leaders are told. Those that are gone need not hear of it.
    fn direct(&mut self, key: Key, partitions: Partitions) {
        let Some(broker) = self.broker.upgrade() else { return };
        let image = broker.image();
        let mut gone = Partitions::default();
        for (topic, index) in partitions.iter() {
            match leader(&image, topic, index) {
                Some(NO_LEADER) => self.failed.entry(key.clone()).or_default().insert(topic, index),
                Some(leader) => {
                    self.waiting.entry(leader).or_default().entry(key.clone()).or_default().insert(topic, index);
                }
                None => gone.insert(topic, index),
            }
        }
        if !gone.is_empty() {
            self.note(&broker, &key, gone);
        }
    }

    /// Sends to each broker that is not being told something what waits for it.
    fn send(&mut self) {
        let Some(broker) = self.broker.upgrade() else { return };
        let free: Vec<i32> = self.waiting.keys().copied().filter(|id| !self.busy.contains(id)).collect();
        for broker_id in free {
            let told = self.waiting.remove(&broker_id).unwrap_or_default();
            let asked: Vec<_> =
                told.into_iter().filter_map(|(key, wanted)| self.still_wanted(&broker, key, wanted)).collect();
            if asked.is_empty() {
                continue;
            }
            self.busy.insert(broker_id);
            let (broker, pool) = (broker.clone(), self.pool.clone());
            self.under_way.spawn(async move {
                let said = tell(&broker, &pool, broker_id, &asked).await;
                Answer { broker_id, asked, said }
            });
        }
    }

    /// What the coordinator has not heard of yet of what is to be told, if it is still the coordinator.
    fn still_wanted(&mut self, broker: &Broker, key: Key, wanted: Partitions) -> Option<(Key, Markers, Partitions)> {
        let markers = self.ends.get(&key)?;
        let shard = broker.transactions.shard(key.0).ok();
        let untold = shard.and_then(|shard| {
            shard.look(|_, soft| soft.untold(&markers.transactional_id, markers.producer).cloned()).flatten()
        });
        let Some(untold) = untold else {
            self.ends.remove(&key);
            return None;
        };
        let left = wanted.iter().filter(|(topic, index)| untold.contains(topic, *index));
        let left: Partitions = left.map(|(topic, index)| (topic.clone(), index)).collect();
        (!left.is_empty()).then(|| (key, markers.clone(), left))
    }

    fn take_answer(&mut self, answer: Answer) {
        self.busy.remove(&answer.broker_id);
        let Some(broker) = self.broker.upgrade() else { return };
        let said = match answer.said {
            Ok(said) => said,
            Err(error) => {
                debug!(broker_id = answer.broker_id, %error, "cannot tell of the ends of transactions");
                for (key, _, partitions) in answer.asked {
                    self.fail(key, &partitions);
                }
                return;
            }
        };
        for ((key, markers, _), outcomes) in answer.asked.into_iter().zip(said) {
            let mut told = Partitions::default();
            for Outcome { topic, index, error } in outcomes {
                match error {
                    ErrorCode::None | ErrorCode::UnsupportedForMessageFormat => told.insert(&topic, index),
                    // Another coordinator has taken over, or the producer was given a newer epoch behind this one's back:
                    // who knows more is to end it.
                    ErrorCode::InvalidProducerEpoch | ErrorCode::TransactionCoordinatorFenced => warn!(
                        transactional_id = %markers.transactional_id, producer = %markers.producer, %error,
                        "{topic}-{index} does not take the end of a transaction"
                    ),
                    _ => self.failed.entry(key.clone()).or_default().insert(&topic, index),
                }
            }
            if !told.is_empty() {
                self.note(&broker, &key, told);
            }
        }
    }

    fn fail(&mut self, key: Key, partitions: &Partitions) {
        let failed = self.failed.entry(key).or_default();
        partitions.iter().for_each(|(topic, index)| failed.insert(topic, index));
    }

    /// Lets the coordinator know who has heard.
    fn note(&mut self, broker: &Broker, key: &Key, told: Partitions) {
        let Some(markers) = self.ends.get(key) else { return };
        let event = Event::MarkersWritten {
            transactional_id: markers.transactional_id.clone(),
            producer: markers.producer,
            partitions: told,
        };
        let (id, producer) = (&markers.transactional_id, markers.producer);
        let is_untold = |shard: Arc<Shard>| {
            // One that has failed or moved finds what is prepared in its log.
            shard.notify(event).is_ok() && shard.look(|_, soft| soft.untold(id, producer).is_some()) == Some(true)
        };
        if !broker.transactions.shard(key.0).is_ok_and(is_untold) {
            self.ends.remove(key);
        }
    }
}

/// Who leads a partition; none where there is no such partition.
fn leader(image: &Image, topic: &str, index: i32) -> Option<i32> {
    image.topics().partition(topic, index).map(|partition| partition.leader)
}

/// Tells a broker, which may be this one.
async fn tell(
    broker: &Arc<Broker>,
    pool: &Pool,
    broker_id: i32,
    asked: &[(Key, Markers, Partitions)],
) -> Result<Vec<Vec<Outcome>>, Error> {
    let coordinator_epoch =
        |key: &Key| broker.transactions.shard(key.0).map_or(-1, |shard| shard.partition.leader_epoch());
    if broker_id == broker.node_id {
        let markers = asked.iter().map(|(key, markers, partitions)| {
            let marker = Marker {
                producer_id: markers.producer.id,
                producer_epoch: markers.producer.epoch,
                coordinator_epoch: coordinator_epoch(key),
                committed: markers.committed,
                transaction_version: markers.transaction_version,
            };
            (marker, partitions.iter().map(|(topic, index)| (topic.clone(), index)).collect())
        });
        return Ok(write_markers(broker, markers.collect()).await);
    }
    let address = address(broker, broker_id).ok_or(Error::Refused(ErrorCode::BrokerNotAvailable))?;
    let markers = asked.iter().map(|(key, markers, partitions)| WritableTxnMarker {
        producer_id: markers.producer.id,
        producer_epoch: markers.producer.epoch,
        transaction_result: markers.committed,
        topics: partitions
            .topics()
            .map(|(topic, partitions)| WritableTxnMarkerTopic {
                name: topic.clone(),
                partition_indexes: partitions.iter().copied().collect(),
                ..Default::default()
            })
            .collect(),
        coordinator_epoch: coordinator_epoch(key),
        transaction_version: i8::try_from(markers.transaction_version).unwrap_or(0),
        ..Default::default()
    });
    let request = WriteTxnMarkersRequest { markers: markers.collect(), ..Default::default() };
    let asking = pool.call::<WriteTxnMarkersResponse>(&address, ApiKey::WriteTxnMarkers, &request);
    let limit = request_timeout(&broker.config()) + RETRY;
    let answer = tokio::time::timeout(limit, asking).await.map_err(|_elapsed| Error::TimedOut)??;
    Ok(asked.iter().map(|(_, markers, partitions)| outcomes(&answer, markers, partitions)).collect())
}

/// What the answer says of each partition; what it says nothing of is to be told again.
fn outcomes(answer: &WriteTxnMarkersResponse, markers: &Markers, partitions: &Partitions) -> Vec<Outcome> {
    let of_producer = answer.markers.iter().filter(|it| it.producer_id == markers.producer.id);
    let topics = of_producer.flat_map(|it| &it.topics);
    let said: BTreeMap<(&Str, i32), i16> = topics
        .flat_map(|topic| topic.partitions.iter().map(move |it| ((&topic.name, it.partition_index), it.error_code)))
        .collect();
    let outcome = |(topic, index): (&Str, i32)| {
        let error = said.get(&(topic, index)).and_then(|code| ErrorCode::from_code(*code));
        Outcome { topic: topic.clone(), index, error: error.unwrap_or(ErrorCode::UnknownServerError) }
    };
    partitions.iter().map(outcome).collect()
}

/// Where other brokers reach a broker.
pub(super) fn address(broker: &Broker, broker_id: i32) -> Option<Address> {
    let config = broker.config();
    let image = broker.image();
    let endpoint = image.cluster().broker(broker_id)?.listener(config.inter_broker_listener_name().as_str())?;
    Some(Address { host: endpoint.host.clone(), port: endpoint.port })
}
