//! Follows the metadata log of controllers in other nodes, as an observer of their quorum does (KIP-595, KIP-630).
//!
//! A controller sends all it has, be it committed or not; what is not waits here. A broker keeps nothing of it on disk and fetches
//! it anew at each start; a controller that does not vote goes on where its log ends.

use super::{
    directory::{Active, Controllers, client_id},
    snapshot::{SnapshotSource, fetch_snapshot},
};
use crate::{
    client::{Address, Client, Error},
    dialer::{Dialer, Setup},
    metadata_quorum::SnapshotId,
};
use anyhow::{bail, ensure};
use ottla_protocol::{
    ApiKey, Bytes, ErrorCode, Records, Str, Uuid,
    batch::{CheckedBatch, CheckedBatches},
    messages::{
        FetchRequest, FetchResponse,
        fetch_request::{FetchPartition, FetchTopic, ReplicaState},
        fetch_response::{self, PartitionData},
    },
};
use std::{collections::VecDeque, sync::Arc, time::Duration};
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

/// The newest version of Fetch that is spoken here: replicas tell their directories since then (KIP-853).
const FETCH_VERSION: i16 = 17;
/// How long a controller may hold a fetch when there is nothing new.
const MAX_WAIT_MS: i32 = 500;
/// How long to pause before another controller is asked.
const RETRY: Duration = Duration::from_millis(50);

/// What is new.
#[derive(Debug)]
pub(crate) enum News {
    /// Batches that are committed, in order.
    Batches(Vec<CheckedBatch>),
    /// All before is in a snapshot's file.
    Snapshot { id: SnapshotId, bytes: Bytes },
}

/// How fetches are made.
#[derive(Clone, Debug)]
pub(crate) struct FollowerSettings {
    pub(crate) node_id: i32,
    pub(crate) cluster_id: Str,
    /// The directory of the metadata, by which observers are told apart.
    pub(crate) directory_id: Uuid,
    /// `controller.quorum.request.timeout.ms`.
    pub(crate) timeout: Duration,
    pub(crate) setup: Setup,
    /// `controller.quorum.fetch.max.bytes`.
    pub(crate) max_bytes: i32,
    /// `controller.quorum.fetch.snapshot.max.bytes`.
    pub(crate) snapshot_max_bytes: i32,
}

/// An observer.
pub(crate) struct Follower {
    settings: FollowerSettings,
    quorum: Arc<Controllers>,
    dialer: Dialer,
    /// Who is asked, and in which epoch it is to be the leader.
    asked: Option<(Address, Client)>,
    epoch: i32,
    next_seed: usize,
    /// The offset after what was handed out, and the epoch of the last of it.
    committed: (i64, i32),
    /// Fetched and not known to be committed.
    tail: VecDeque<CheckedBatch>,
    /// How far all is committed, as the active controller said last.
    high_watermark: Option<i64>,
}

impl Follower {
    /// Begins after an offset, the record before which is of an epoch.
    pub(crate) fn new(settings: FollowerSettings, quorum: Arc<Controllers>, committed: (i64, i32)) -> Self {
        Self {
            dialer: Dialer::new(settings.setup),
            settings,
            quorum,
            asked: None,
            epoch: committed.1,
            next_seed: 0,
            committed,
            tail: VecDeque::new(),
            high_watermark: None,
        }
    }

    /// Whether all was handed out that was committed at the last answer.
    pub(crate) fn is_caught_up(&self) -> bool {
        self.high_watermark.is_some_and(|end| self.committed.0 >= end)
    }

    /// Waits for something new. An error is final: what is here was never the cluster's.
    pub(crate) async fn next(&mut self) -> anyhow::Result<News> {
        loop {
            if let Some(news) = self.take_committed() {
                return Ok(news);
            }
            match self.fetch().await {
                Ok(Some(news)) => return Ok(news),
                Ok(None) => {}
                Err(failure) => {
                    let known = self.quorum.active().is_some();
                    self.asked = None;
                    self.quorum.set_active(None);
                    match failure.downcast_ref::<Error>() {
                        Some(error) if known => warn!(%error, "lost the active controller"),
                        Some(error) => debug!(%error, "cannot reach a controller"),
                        None => return Err(failure),
                    }
                    sleep(RETRY).await;
                }
            }
        }
    }

    fn take_committed(&mut self) -> Option<News> {
        let high_watermark = self.high_watermark.unwrap_or(0);
        let mut batches = Vec::new();
        while let Some(batch) = self.tail.pop_front_if(|batch| batch.header().next_offset() <= high_watermark) {
            self.committed = (batch.header().next_offset(), batch.header().partition_leader_epoch);
            batches.push(batch);
        }
        (!batches.is_empty()).then_some(News::Batches(batches))
    }

    /// The offset and epoch to go on from.
    fn position(&self) -> (i64, i32) {
        let last = self.tail.back().map(|batch| (batch.header().next_offset(), batch.header().partition_leader_epoch));
        last.unwrap_or(self.committed)
    }

    async fn client(&mut self) -> Result<&mut Client, Error> {
        if self.asked.is_none() {
            let active = self.quorum.active().map(|active| active.address);
            let seeds = self.quorum.seeds();
            let address = active.or_else(|| seeds.get(self.next_seed % seeds.len().max(1)).cloned());
            self.next_seed += 1;
            let address = address.ok_or(Error::Closed)?;
            let id = client_id(self.settings.node_id, "metadata");
            let connected = timeout(self.settings.timeout, Client::connect(&self.dialer, &address, id)).await;
            let client = connected.map_err(|_elapsed| Error::TimedOut)??;
            self.asked = Some((address, client));
        }
        self.asked.as_mut().map(|(_, client)| client).ok_or(Error::Closed)
    }

    async fn fetch(&mut self) -> anyhow::Result<Option<News>> {
        let request = self.request();
        let patience = self.settings.timeout + Duration::from_millis(500);
        let client = self.client().await?;
        let version = client.version(ApiKey::Fetch)?.min(FETCH_VERSION);
        let asked = timeout(patience, client.call_at(ApiKey::Fetch, version, &request)).await;
        let mut answer: FetchResponse = asked.map_err(|_elapsed| Error::TimedOut)??;
        match ErrorCode::from_code(answer.error_code) {
            Some(ErrorCode::None) => {}
            Some(ErrorCode::InconsistentClusterId) => bail!("the controllers are of another cluster"),
            // One that is starting or stopping; the next may do better.
            code => {
                debug!(?code, "a controller does not answer a fetch");
                return Err(Error::Closed.into());
            }
        }
        let partition = answer.responses.pop().and_then(|mut topic| topic.partitions.pop());
        match partition {
            Some(partition) => self.take(partition, &answer.node_endpoints).await,
            None => Err(Error::Closed.into()),
        }
    }

    fn request(&self) -> FetchRequest {
        let (fetch_offset, last_fetched_epoch) = self.position();
        let partition = FetchPartition {
            partition: 0,
            current_leader_epoch: self.epoch,
            fetch_offset,
            last_fetched_epoch,
            log_start_offset: 0,
            partition_max_bytes: 0,
            replica_directory_id: self.settings.directory_id,
            ..Default::default()
        };
        FetchRequest {
            cluster_id: Some(self.settings.cluster_id.clone()),
            replica_state: ReplicaState { replica_id: self.settings.node_id, replica_epoch: -1, ..Default::default() },
            max_wait_ms: MAX_WAIT_MS,
            min_bytes: 0,
            max_bytes: self.settings.max_bytes,
            topics: vec![FetchTopic { topic_id: Uuid::ONE, partitions: vec![partition], ..Default::default() }],
            ..Default::default()
        }
    }

    async fn take(
        &mut self,
        partition: PartitionData,
        endpoints: &[fetch_response::NodeEndpoint],
    ) -> anyhow::Result<Option<News>> {
        let leader = &partition.current_leader;
        match ErrorCode::from_code(partition.error_code) {
            Some(ErrorCode::None) => {}
            Some(ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch | ErrorCode::UnknownLeaderEpoch) => {
                return self.redirect(leader.leader_id, leader.leader_epoch, endpoints).await;
            }
            code => {
                debug!(?code, "a controller does not serve the metadata");
                return Err(Error::Closed.into());
            }
        }
        self.epoch = self.epoch.max(leader.leader_epoch);
        if partition.diverging_epoch.end_offset >= 0 {
            ensure!(!self.tail.is_empty(), "the controllers have another history than what this broker was told");
            self.tail.clear();
            return Ok(None);
        }
        if partition.snapshot_id.end_offset >= 0 {
            return self.fetch_snapshot(partition.snapshot_id.end_offset, partition.snapshot_id.epoch).await.map(Some);
        }
        self.note_active(leader.leader_id);
        if let Some(bytes) = partition.records.as_ref().and_then(Records::bytes).filter(|bytes| !bytes.is_empty()) {
            let (batches, _cut) = CheckedBatches::parse_whole(bytes.clone())?;
            let next = self.position().0;
            // A batch that holds the offset asked for may begin before it.
            self.tail.extend(batches.into_iter().filter(|batch| batch.header().base_offset >= next));
            // A record of an epoch says that it has begun, if whoever sent it did not.
            self.epoch = self.epoch.max(self.position().1);
        }
        if partition.high_watermark >= 0 {
            self.high_watermark = self.high_watermark.max(Some(partition.high_watermark));
        }
        Ok(None)
    }

    /// Whoever answers a fetch is active.
    fn note_active(&self, id: i32) {
        let Some((address, _)) = &self.asked else { return };
        let active = Active { id, epoch: self.epoch, address: address.clone() };
        if self.quorum.active().as_ref() != Some(&active) {
            info!("the active controller is node {id} at {address}, in epoch {}", self.epoch);
            self.quorum.set_active(Some(active));
        }
    }

    /// Goes to whom a controller says to be active.
    async fn redirect(
        &mut self,
        id: i32,
        epoch: i32,
        endpoints: &[fetch_response::NodeEndpoint],
    ) -> anyhow::Result<Option<News>> {
        // Whoever tells of an epoch gone by has not heard of the newest election yet.
        let current = epoch >= self.epoch;
        self.epoch = self.epoch.max(epoch);
        let told = endpoints.iter().find(|node| node.node_id == id);
        let told = told.and_then(|node| Some(Address { host: node.host.clone(), port: node.port.try_into().ok()? }));
        let address = told.or_else(|| self.quorum.address_of(id)).filter(|_| id >= 0 && current);
        let Some(address) = address else {
            self.asked = None;
            self.quorum.set_active(None);
            sleep(RETRY).await;
            return Ok(None);
        };
        if self.asked.as_ref().is_none_or(|(asked, _)| *asked != address) {
            self.asked = None;
            self.quorum.set_active(Some(Active { id, epoch: self.epoch, address }));
        }
        Ok(None)
    }

    async fn fetch_snapshot(&mut self, end_offset: i64, epoch: i32) -> anyhow::Result<News> {
        let source = SnapshotSource {
            node_id: self.settings.node_id,
            cluster_id: self.settings.cluster_id.clone(),
            directory_id: self.settings.directory_id,
            epoch: self.epoch,
            timeout: self.settings.timeout,
            max_bytes: self.settings.snapshot_max_bytes,
        };
        let id = SnapshotId { end_offset, epoch };
        let bytes = fetch_snapshot(self.client().await?, &source, id).await?;
        self.tail.clear();
        self.committed = (end_offset, epoch);
        Ok(News::Snapshot { id, bytes })
    }
}
