//! The metadata log as those see it who follow it from other nodes (KIP-595, KIP-630).
//!
//! Followers get what is committed. In Kafka they may get what the leader has yet to sync, which a crash of the leader may take
//! back.

mod generator;
mod observers;
mod snapshots;
mod state;
mod upkeep;
mod validity;

pub(crate) use self::generator::Generator;
pub(crate) use self::observers::{Observer, ReplicaKey};
pub(crate) use self::snapshots::{SnapshotId, Snapshots};
pub(crate) use self::state::{QuorumState, address};
pub(crate) use self::upkeep::Upkeep;
pub(crate) use self::validity::Validity;

use self::observers::Observers;
use crate::{client::Address, fetch::waiters::Waiters};
use arc_swap::ArcSwap;
use ottla_metadata::image::Endpoint;
use ottla_protocol::Uuid;
use ottla_storage::{Isolation, LogReader, Read, ReadError};
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc};

/// How the quorum stands, as this node sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) leader: Option<i32>,
    pub(crate) epoch: i32,
    /// Whether this node is the leader and decides.
    pub(crate) serves: bool,
    pub(crate) voters: Vec<VoterState>,
}

/// How far a voter has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VoterState {
    pub(crate) id: i32,
    pub(crate) directory_id: Uuid,
    pub(crate) end_offset: i64,
    pub(crate) last_fetch_ms: i64,
    pub(crate) last_caught_up_ms: i64,
}

/// What every connection of a follower shares.
pub(crate) struct MetadataQuorum {
    pub(crate) node_id: i32,
    view: ArcSwap<View>,
    /// What the log says of the quorum.
    state: ArcSwap<QuorumState>,
    /// Where this controller is reached, by listener.
    pub(crate) endpoints: Vec<Endpoint>,
    /// Where the controllers are on the listener that they use among themselves.
    addresses: ArcSwap<BTreeMap<i32, Address>>,
    pub(crate) snapshots: Arc<Snapshots>,
    /// Who waits for the log to be committed further.
    pub(crate) waiters: Arc<Waiters>,
    reader: LogReader,
    observers: Mutex<Observers>,
}

impl MetadataQuorum {
    pub(crate) fn new(
        node_id: i32,
        view: View,
        state: QuorumState,
        (reader, waiters): (LogReader, Arc<Waiters>),
        snapshots: Arc<Snapshots>,
        endpoints: Vec<Endpoint>,
    ) -> Arc<Self> {
        Arc::new(Self {
            node_id,
            view: ArcSwap::from_pointee(view),
            state: ArcSwap::from_pointee(state),
            endpoints,
            addresses: ArcSwap::default(),
            snapshots,
            waiters,
            reader,
            observers: Mutex::default(),
        })
    }

    /// How the quorum stands.
    pub(crate) fn view(&self) -> Arc<View> {
        self.view.load_full()
    }

    /// What the log says of the quorum.
    pub(crate) fn state(&self) -> Arc<QuorumState> {
        self.state.load_full()
    }

    /// Takes note of what the log says of the quorum.
    pub(crate) fn set_state(&self, state: QuorumState) {
        self.state.store(Arc::new(state));
    }

    /// Takes note of how it stands. Who waits for the log of a leader that is none any more is told.
    pub(crate) fn set(&self, view: View, addresses: BTreeMap<i32, Address>) {
        let before = self.view.load();
        let is_news = (before.leader, before.epoch, before.serves) != (view.leader, view.epoch, view.serves);
        if **before != view {
            self.view.store(Arc::new(view));
        }
        if **self.addresses.load() != addresses {
            self.addresses.store(Arc::new(addresses));
        }
        if is_news {
            self.waiters.wake();
        }
    }

    /// Where the leader is reached by those who came to a listener, and its id.
    pub(crate) fn leader_endpoint(&self, listener: &str) -> Option<(i32, Address)> {
        let leader = self.view.load().leader?;
        if leader == self.node_id {
            let own = self.endpoints.iter().find(|endpoint| endpoint.name == listener);
            return own.map(|own| (leader, Address { host: own.host.clone(), port: own.port }));
        }
        self.addresses.load().get(&leader).map(|address| (leader, address.clone()))
    }

    pub(crate) fn high_watermark(&self) -> i64 {
        self.reader.offsets().high_watermark
    }

    pub(crate) fn log_start_offset(&self) -> i64 {
        self.reader.offsets().log_start_offset
    }

    /// Whether a follower that has read up to an offset has the same log, or else what it must do.
    pub(crate) fn validate(&self, fetch_offset: i64, last_fetched_epoch: i32) -> Validity {
        let log = validity::LogView {
            log_start_offset: self.log_start_offset(),
            log_end_offset: self.reader.offsets().log_end_offset,
            latest_epoch: self.reader.latest_epoch().unwrap_or(0),
            earliest_snapshot: self.snapshots.earliest(),
            latest_snapshot: self.snapshots.latest(),
        };
        log.validate(fetch_offset, last_fetched_epoch, |epoch| self.reader.end_offset_for_epoch(epoch))
    }

    /// Reads committed records; the first batch comes whole, however large.
    pub(crate) fn read(&self, offset: i64, max_bytes: usize) -> Result<Read, ReadError> {
        self.reader.read(offset, max_bytes, true, Isolation::HighWatermark)
    }

    /// Notes how far a follower has come.
    pub(crate) fn note(&self, key: ReplicaKey, fetch_offset: i64, now_ms: i64) {
        let end = self.high_watermark();
        self.observers.lock().note(key, fetch_offset, end, now_ms);
    }

    /// Whether one that follows the log without a vote has had all of it, and was heard of lately.
    pub(crate) fn is_caught_up(&self, key: &ReplicaKey, now_ms: i64) -> bool {
        let seen = self.observers.lock().all(now_ms).into_iter().find(|(other, _)| other == key);
        seen.is_some_and(|(_, seen)| seen.last_caught_up_ms > 0)
    }

    /// Those that follow the log without a vote.
    pub(crate) fn observers(&self, now_ms: i64) -> Vec<(ReplicaKey, Observer)> {
        self.observers.lock().all(now_ms)
    }
}
