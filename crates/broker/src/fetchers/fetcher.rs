//! One fetcher: what it follows of a broker, round by round.

use super::{Change, Inbox, requests, unopened::Unopened};
use crate::{
    broker::Broker,
    client::{Address, Client, Error},
    controllers::client_id,
    dialer::{Dialer, Setup},
    partition::{LeaderOffsets, MirrorError, Partition},
    replica::Replica,
};
use ottla_protocol::{
    ApiKey, ErrorCode, Records,
    batch::CheckedBatches,
    messages::{FetchResponse, fetch_response::PartitionData},
};
use ottla_replication::follower::{FetchAt, Mend};
use ottla_storage::journal::PartitionKey;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, info, warn};

/// How long to pause when the leader cannot be reached.
const RECONNECT: Duration = Duration::from_millis(100);
/// How long a partition that cannot be fetched is left alone for the first time.
const FIRST_BACKOFF: Duration = Duration::from_millis(5);
/// How long a partition that is throttled is left alone, at least and at most: the limit may be lifted meanwhile.
const LEAST_HOLD: Duration = Duration::from_millis(5);
const MOST_HOLD: Duration = Duration::from_secs(1);
/// A fetch that waits is given up for the sake of new partitions so often at most.
const INTERRUPT_EVERY: Duration = Duration::from_secs(1);

/// A partition that is fetched.
pub(super) struct Followed {
    pub(super) partition: Arc<Partition>,
    /// The leader and the epoch in which it leads.
    followed: (i32, i32),
    /// Where it was fetched last.
    at: FetchAt,
    /// Whether the session at the leader has it.
    in_session: bool,
    /// Whether it had all that was committed when the leader answered last.
    caught_up: bool,
    /// Not before then.
    retry_at: Option<Instant>,
    /// How often in a row it was left alone.
    retries: u32,
}

impl Followed {
    fn new(partition: Arc<Partition>, followed: (i32, i32), at: FetchAt) -> Self {
        Self { partition, followed, at, in_session: false, caught_up: false, retry_at: None, retries: 0 }
    }
}

/// The fetch session at the leader (KIP-227).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Session {
    pub(super) id: i32,
    pub(super) epoch: i32,
}

pub(super) struct Fetcher {
    broker: Arc<Broker>,
    leader: i32,
    inbox: Arc<Inbox>,
    followed: HashMap<PartitionKey, Followed>,
    unopened: Unopened,
    dialer: Dialer,
    client: Option<(Address, Client)>,
    session: Session,
    /// Those that the leader is to be told of anew.
    changed: Vec<PartitionKey>,
    /// Those that the leader is to forget.
    forgotten: Vec<PartitionKey>,
    interrupted: Instant,
}

/// What came of waiting for an answer.
enum Heard {
    Answer(Box<FetchResponse>),
    /// There are new partitions, or the broker stops.
    Interrupted,
}

impl Fetcher {
    pub(super) fn new(broker: Arc<Broker>, leader: i32, inbox: Arc<Inbox>) -> Self {
        Self {
            dialer: Dialer::new(Setup::of_follower(&broker.config())),
            unopened: Unopened::new(broker.replica_fetch.backoff),
            broker,
            leader,
            inbox,
            followed: HashMap::new(),
            client: None,
            session: Session::default(),
            changed: Vec::new(),
            forgotten: Vec::new(),
            interrupted: Instant::now(),
        }
    }

    /// Fetches until the broker stops.
    pub(super) async fn run(mut self) {
        while !self.broker.stopping.is_cancelled() {
            self.take_changes();
            self.take_retries();
            self.hold_back();
            if !self.followed.values().any(|followed| followed.retry_at.is_none()) {
                self.rest().await;
                continue;
            }
            if let Err(error) = self.round().await {
                debug!(leader = self.leader, %error, "cannot fetch");
                if matches!(error, Error::Io(_) | Error::Closed) {
                    self.broker.suspects.add(&self.broker.image(), self.leader);
                }
                self.disconnect();
                self.pause(RECONNECT).await;
            }
        }
    }

    fn take_changes(&mut self) {
        for change in self.inbox.take() {
            match change {
                Change::Leave(key) => self.leave(key),
                Change::Follow(replica) => self.follow(&replica),
            }
        }
    }

    fn leave(&mut self, key: PartitionKey) {
        self.unopened.remove(key);
        if self.followed.remove(&key).is_some_and(|followed| followed.in_session) {
            self.forgotten.push(key);
        }
    }

    fn follow(&mut self, replica: &Arc<Replica>) {
        let key = replica.key();
        self.leave(key);
        // Why one cannot be opened was logged.
        let Ok(partition) = replica.open() else {
            if replica.may_open() {
                self.unopened.add(replica.clone());
            }
            return;
        };
        let Some(followed) = partition.followed().filter(|(leader, _)| *leader == self.leader) else { return };
        let Ok(at) = partition.fetch_at(followed) else { return };
        debug!(%partition, leader = followed.0, epoch = followed.1, offset = at.offset, "follows");
        self.followed.insert(key, Followed::new(partition, followed, at));
        self.changed.push(key);
    }

    fn take_retries(&mut self) {
        let now = Instant::now();
        for (key, followed) in &mut self.followed {
            if followed.retry_at.is_some_and(|at| at <= now) {
                followed.retry_at = None;
                self.changed.push(*key);
            }
        }
        for replica in self.unopened.open_due(now) {
            self.follow(&replica);
        }
    }

    /// Leaves those alone that are throttled and not in sync, until the limit lets them go on (KIP-73).
    fn hold_back(&mut self) {
        let Some(wait) = self.broker.throttles.follower.closed_for(self.broker.clock.monotonic()) else { return };
        let retry_at = Instant::now() + wait.clamp(LEAST_HOLD, MOST_HOLD);
        for (key, followed) in &mut self.followed {
            if followed.retry_at.is_none() && !followed.caught_up && followed.partition.is_fetched_slowly() {
                followed.retry_at = Some(retry_at);
                if std::mem::take(&mut followed.in_session) {
                    self.forgotten.push(*key);
                }
            }
        }
    }

    /// Waits for something to do.
    async fn rest(&mut self) {
        if self.followed.is_empty() {
            self.disconnect();
        }
        let retries = self.followed.values().filter_map(|followed| followed.retry_at);
        let until = retries.chain(self.unopened.next()).min();
        let wait = until.map_or(Duration::from_secs(3600), |at| at.saturating_duration_since(Instant::now()));
        self.pause(wait).await;
    }

    async fn pause(&self, wait: Duration) {
        tokio::select! {
            biased;
            () = self.broker.stopping.cancelled() => {}
            () = self.inbox.added.notified() => {}
            () = sleep(wait) => {}
        }
    }

    fn disconnect(&mut self) {
        self.client = None;
        self.forget_session();
    }

    /// All is to be told anew; the old session is named, so that the leader can drop it.
    fn forget_session(&mut self) {
        self.session.epoch = 0;
        self.forgotten.clear();
        self.changed.clear();
        for (key, followed) in &mut self.followed {
            followed.in_session = false;
            if followed.retry_at.is_none() {
                self.changed.push(*key);
            }
        }
    }

    async fn round(&mut self) -> Result<(), Error> {
        self.connect().await?;
        let settings = self.broker.replica_fetch.clone();
        let keys = self.take_changed();
        let wanted = keys.iter().filter_map(|key| self.followed.get(key).map(|followed| (*key, followed.at)));
        let site = (self.broker.node_id, self.broker.epoch());
        let request = requests::fetch(site, &settings, self.session, wanted, &std::mem::take(&mut self.forgotten));
        for key in &keys {
            if let Some(followed) = self.followed.get_mut(key) {
                followed.in_session = true;
            }
        }
        match self.ask(&request, settings.timeout).await? {
            Heard::Answer(answer) => self.take_answer(*answer).await,
            Heard::Interrupted => {
                self.interrupted = Instant::now();
                self.disconnect();
                Ok(())
            }
        }
    }

    /// Each once, and none that rests.
    fn take_changed(&mut self) -> Vec<PartitionKey> {
        let mut keys = std::mem::take(&mut self.changed);
        keys.sort_unstable();
        keys.dedup();
        keys.retain(|key| self.followed.get(key).is_some_and(|followed| followed.retry_at.is_none()));
        keys
    }

    async fn connect(&mut self) -> Result<(), Error> {
        let image = self.broker.image();
        let listener = self.broker.config().inter_broker_listener_name().as_str().to_owned();
        let broker = image.cluster().broker(self.leader);
        let endpoint = broker
            .and_then(|broker| broker.listener(&listener))
            .ok_or(Error::Refused(ErrorCode::BrokerNotAvailable))?;
        let address = Address { host: endpoint.host.clone(), port: endpoint.port };
        if self.client.as_ref().is_some_and(|(known, _)| *known == address) {
            return Ok(());
        }
        self.disconnect();
        let id = client_id(self.broker.node_id, "fetcher");
        let connected = timeout(self.broker.replica_fetch.timeout, Client::connect(&self.dialer, &address, id)).await;
        self.client = Some((address, connected.map_err(|_elapsed| Error::TimedOut)??));
        self.broker.suspects.clear(self.leader);
        Ok(())
    }

    async fn ask(
        &mut self,
        request: &ottla_protocol::messages::FetchRequest,
        patience: Duration,
    ) -> Result<Heard, Error> {
        let Some((_, client)) = self.client.as_mut() else { return Err(Error::Closed) };
        let version = client.version(ApiKey::Fetch)?.min(requests::FETCH_VERSION);
        let may_interrupt = self.interrupted.elapsed() >= INTERRUPT_EVERY;
        let answer = client.call_at(ApiKey::Fetch, version, request);
        tokio::select! {
            biased;
            () = self.broker.stopping.cancelled() => Ok(Heard::Interrupted),
            answer = timeout(patience, answer) => {
                Ok(Heard::Answer(Box::new(answer.map_err(|_elapsed| Error::TimedOut)??)))
            }
            () = self.inbox.added.notified(), if may_interrupt => Ok(Heard::Interrupted),
        }
    }

    async fn take_answer(&mut self, answer: FetchResponse) -> Result<(), Error> {
        match ErrorCode::from_code(answer.error_code) {
            Some(ErrorCode::None) => {}
            Some(
                ErrorCode::FetchSessionIdNotFound
                | ErrorCode::InvalidFetchSessionEpoch
                | ErrorCode::FetchSessionTopicIdError
                | ErrorCode::InconsistentTopicId,
            ) => {
                self.forget_session();
                self.session = Session::default();
                return Ok(());
            }
            code => {
                debug!(leader = self.leader, ?code, "a fetch is refused");
                return Err(Error::Refused(code.unwrap_or(ErrorCode::UnknownServerError)));
            }
        }
        self.session = requests::next_session(answer.session_id, self.session);
        let mut appended = Vec::new();
        for topic in answer.responses {
            for partition in topic.partitions {
                let key = PartitionKey { topic_id: topic.topic_id, partition: partition.partition_index };
                appended.extend(self.take_partition(key, partition).await);
            }
        }
        // What is fetched next says that all before is durable here.
        for partition in &appended {
            // A disk that failed is found by the next append.
            let _ = self.wait_until_durable(partition).await;
        }
        if self.session.id == 0 {
            self.changed = self.followed.keys().copied().collect();
        }
        Ok(())
    }

    /// Answers the partition if something was appended to it.
    async fn take_partition(&mut self, key: PartitionKey, data: PartitionData) -> Option<Arc<Partition>> {
        // It may have been left meanwhile.
        let known = self.followed.get(&key)?;
        let (partition, followed, at) = (known.partition.clone(), known.followed, known.at.offset);
        let mended = match ErrorCode::from_code(data.error_code) {
            Some(ErrorCode::None) if data.diverging_epoch.end_offset < 0 => {
                self.count(&partition, &data);
                let appended = self.append(&partition, followed, at, &data).await;
                let grown = matches!(appended, Ok(true));
                self.go_on(key, appended.map(drop));
                if let Some(known) = self.followed.get_mut(&key) {
                    known.caught_up = data.high_watermark <= known.at.offset;
                }
                return grown.then_some(partition);
            }
            Some(ErrorCode::None) => {
                let diverging = (data.diverging_epoch.epoch, data.diverging_epoch.end_offset);
                self.mend(&partition, followed, partition.mend_diverged(followed, diverging)).await
            }
            Some(ErrorCode::OffsetOutOfRange) => match self.leader_range(&partition, followed.1).await {
                Ok((start, end)) => {
                    self.mend(&partition, followed, partition.mend_out_of_range(followed, start, end)).await
                }
                Err(error) => {
                    debug!(%partition, %error, "cannot learn what the leader has");
                    self.retry(key);
                    return None;
                }
            },
            code => {
                // The metadata of one of the two is behind, mostly.
                debug!(%partition, leader = self.leader, ?code, "cannot follow now");
                self.retry(key);
                return None;
            }
        };
        self.go_on(key, mended);
        None
    }

    /// Takes note of the bytes that came.
    fn count(&self, partition: &Partition, data: &PartitionData) {
        let throttle = &self.broker.throttles.follower;
        let bytes = data.records.as_ref().and_then(Records::bytes).map_or(0, |bytes| bytes.len());
        if bytes == 0 {
            return;
        }
        self.broker.metrics.replication.received(bytes);
        if throttle.is_limited() && partition.is_fetched_slowly() {
            throttle.record(bytes, self.broker.clock.monotonic());
        }
    }

    /// Fetches from where the log ends now.
    fn go_on(&mut self, key: PartitionKey, done: Result<(), MirrorError>) {
        let Some(known) = self.followed.get_mut(&key) else { return };
        let at = done.and_then(|()| known.partition.fetch_at(known.followed));
        if at.is_ok() {
            known.retries = 0;
        }
        match at {
            Ok(at) if at == known.at => {}
            Ok(at) => {
                known.at = at;
                self.changed.push(key);
            }
            // The metadata says whom to follow next.
            Err(MirrorError::NotFollowed | MirrorError::Gone(_)) => self.leave(key),
            Err(error) => {
                if !error.is_full() {
                    warn!(partition = %known.partition, leader = self.leader, %error, "cannot follow");
                }
                self.retry(key);
            }
        }
    }

    /// Leaves a partition alone, at last for `replica.fetch.backoff.ms`; at first for less, as a leader that is new mostly hears of
    /// it a moment later than its followers.
    fn retry(&mut self, key: PartitionKey) {
        let Some(known) = self.followed.get_mut(&key) else { return };
        let backoff = FIRST_BACKOFF.saturating_mul(1 << known.retries.min(16)).min(self.broker.replica_fetch.backoff);
        known.retries += 1;
        known.retry_at = Some(Instant::now() + backoff);
        if std::mem::take(&mut known.in_session) {
            self.forgotten.push(key);
        }
        // Its log may not be as it was.
        match known.partition.fetch_at(known.followed) {
            Ok(at) => known.at = at,
            Err(_) => self.leave(key),
        }
    }

    async fn mend(
        &self,
        partition: &Arc<Partition>,
        followed: (i32, i32),
        mend: Result<Mend, MirrorError>,
    ) -> Result<(), MirrorError> {
        let mend = mend?;
        let (offset, end) = match mend {
            Mend::Nothing => return Ok(()),
            Mend::TruncateTo(offset) | Mend::StartAt(offset) => (offset, partition.log_end_offset()),
        };
        if offset != end {
            info!(%partition, leader = self.leader, epoch = followed.1, from = end, to = offset, "cuts its log as the leader has another");
        }
        self.before_cut(partition, offset).await?;
        partition.mend(followed, mend)
    }

    /// All that is there is durable then, and not said to be flushed above the offset; that the log starts above it, if so, is
    /// written down, as no segment will tell.
    async fn before_cut(&self, partition: &Arc<Partition>, offset: i64) -> Result<(), MirrorError> {
        self.wait_until_durable(partition).await?;
        let starts_above = partition.reader().offsets().log_start_offset > offset;
        if (starts_above || partition.is_flushed_above(offset))
            && let Err(error) = self.broker.replicas.lower_recovery_point(partition, offset)
        {
            warn!(%partition, %error, "cannot write a checkpoint");
            return Err(MirrorError::Offline);
        }
        Ok(())
    }

    /// Waits until all that is in the log is; as long as there is no room, or until the broker stops.
    async fn wait_until_durable(&self, partition: &Arc<Partition>) -> Result<(), MirrorError> {
        tokio::select! {
            biased;
            () = self.broker.stopping.cancelled() => Err(MirrorError::NotFollowed),
            durable = partition.all_durable().wait() => durable.map_err(|_| MirrorError::Offline),
        }
    }

    async fn append(
        &self,
        partition: &Arc<Partition>,
        followed: (i32, i32),
        at: i64,
        data: &PartitionData,
    ) -> Result<bool, MirrorError> {
        let bytes = data.records.as_ref().and_then(Records::bytes).filter(|bytes| !bytes.is_empty());
        let batches = match bytes {
            // A batch that is cut off comes whole next time.
            Some(bytes) => {
                let (batches, _cut) = CheckedBatches::parse_whole(bytes.clone())?;
                Some(batches).filter(|batches| batches.count() > 0)
            }
            None => None,
        };
        let leader = LeaderOffsets { high_watermark: data.high_watermark, log_start_offset: data.log_start_offset };
        let first = batches.iter().flat_map(CheckedBatches::iter).next().map(|batch| batch.header().base_offset);
        match (first, batches) {
            (Some(first), Some(batches)) if first < at && partition.ends_within(first) => {
                self.before_cut(partition, first).await?;
                partition.mirror_from(followed, first, batches, leader)
            }
            (_, batches) => partition.mirror(followed, at, batches, leader),
        }
    }

    /// Where the leader's log starts and ends.
    async fn leader_range(&mut self, partition: &Partition, leader_epoch: i32) -> Result<(i64, i64), Error> {
        let patience = self.broker.replica_fetch.timeout;
        let node_id = self.broker.node_id;
        let Some((_, client)) = self.client.as_mut() else { return Err(Error::Closed) };
        let topic = (partition.topic.clone(), partition.index);
        let asked = timeout(patience, requests::leader_range(client, node_id, &topic, leader_epoch)).await;
        asked.map_err(|_elapsed| Error::TimedOut)?
    }
}
