//! A node of the quorum: raft, driven by calls, with what is checked before it and made durable behind it.

mod advance;
mod change;
mod receive;
mod status;
#[cfg(test)]
mod tests;
mod timeouts;
mod types;

pub use change::ChangeRefused;
pub use receive::Refused;
pub use status::{Peer, Status};
pub use types::{Committed, Error, Founding, Inherited, Progress, Proposal, ProposeRefused, Role, Settings, Snapshot};

use crate::{
    MAX_DATA_BYTES, MAX_EPOCH,
    codec::{epoch, max_term},
    log::{Base, Beginning, Identity, Log},
    members::{Members, SnapshotId, raft_id},
    store::Store,
};
use bytes::Bytes;
use raft::{
    ProgressState, RawNode, SnapshotStatus, StateRole,
    eraftpb::{Entry, Message, MessageType},
};
use receive::Installing;
use std::collections::BTreeMap;
use timeouts::Timeouts;

/// The index of a first snapshot that stands for nothing but the first members; of one that has offsets it is later by so many.
const FOUNDING_INDEX: u64 = 1;
/// Entries that one message carries, unless one alone is longer.
const MESSAGE_BYTES: u64 = 1 << 20;
/// Messages under way to one node.
const MAX_INFLIGHT: usize = 64;
/// What a leader holds that is not committed; more is refused.
const MAX_UNCOMMITTED_BYTES: u64 = 64 << 20;

/// One node of the quorum.
pub struct Quorum<S: Store> {
    settings: Settings,
    node: RawNode<Log<S>>,
    timeouts: Timeouts,
    /// What is to be said at the next [`Quorum::advance`].
    messages: Vec<(i32, Bytes)>,
    committed: Vec<Committed>,
    /// Entries that were committed when the log was opened, to be handed out again: the next and the last.
    replay: (u64, u64),
    /// The last entry that was handed out.
    handed: u64,
    told: Option<Role>,
    installing: Option<Installing>,
    ticks: u64,
    /// The tick at which each node was heard last.
    heard: BTreeMap<u64, u64>,
    /// How long a snapshot is under way to a node.
    sending: BTreeMap<u64, u32>,
    failed: bool,
}

impl<S: Store> Quorum<S> {
    /// Opens a node's log. `founding` makes the first members where there is no log yet; a node without either waits until it
    /// is made a member. A node that is the only voter leads at once.
    pub fn open(settings: Settings, store: S, founding: Option<&Founding>) -> Result<Self, Error> {
        settings.check()?;
        let identity = Identity {
            node_id: settings.node_id,
            directory_id: settings.directory_id,
            cluster_id: settings.cluster_id.clone(),
        };
        let founding = founding.map(|founding| beginning(&settings, founding)).transpose()?;
        let log = Log::open(store, &identity, founding)?;
        settings.check_own(log.members())?;
        let commit = log.commit();
        let replay = (log.base().index + 1, commit);
        let handed = log.base().index;
        let config = config(&settings, commit)?;
        let logger = slog::Logger::root(slog::Discard, slog::o!());
        let node = RawNode::new(&config, log, &logger).map_err(|error| Error::Raft(error.to_string()))?;
        let mut quorum = Self {
            timeouts: Timeouts::new(&settings),
            settings,
            node,
            messages: Vec::new(),
            committed: Vec::new(),
            replay,
            handed,
            told: None,
            installing: None,
            ticks: 0,
            heard: BTreeMap::new(),
            sending: BTreeMap::new(),
            failed: false,
        };
        let voters: Vec<i32> = quorum.members().voters().map(|voter| voter.id).collect();
        if voters == [quorum.settings.node_id] {
            quorum.node.campaign().map_err(|error| Error::Raft(error.to_string()))?;
        }
        quorum.observe();
        Ok(quorum)
    }

    /// The present members, as far as this node knows.
    pub fn members(&self) -> &Members {
        self.node.store().members()
    }

    fn is_leader(&self) -> bool {
        self.node.raft.state == StateRole::Leader
    }

    fn alive(&self) -> Result<(), Error> {
        if self.failed { Err(Error::Failed) } else { Ok(()) }
    }

    /// Time passed by one tick.
    pub fn tick(&mut self) {
        self.ticks += 1;
        // A failure is told by the next `advance`.
        if self.failed || (!self.is_leader() && self.settle_inside().is_err()) {
            return;
        }
        // The last epoch has no election after it.
        if !self.is_leader() && self.node.raft.term >= max_term() {
            return;
        }
        self.node.tick();
        self.observe();
        self.retry_snapshots();
    }

    /// Raft sends a snapshot once and waits for word of it. The message may be lost: it is sent anew after a while, and
    /// whoever is at it already takes no notice.
    fn retry_snapshots(&mut self) {
        if !self.is_leader() {
            self.sending.clear();
            return;
        }
        let progress = self.node.raft.prs().iter();
        let under_way: Vec<u64> =
            progress.filter(|(_, peer)| peer.state == ProgressState::Snapshot).map(|(id, _)| *id).collect();
        self.sending.retain(|id, _| under_way.contains(id));
        for id in under_way {
            let ticks = self.sending.entry(id).or_default();
            *ticks += 1;
            if *ticks >= self.settings.election_ticks {
                self.sending.remove(&id);
                self.node.report_snapshot(id, SnapshotStatus::Failure);
            }
        }
    }

    /// The leader's process has ended: nobody's vote waits for signs of its life any more. With `campaign` this node seeks votes
    /// at once, and not when its election timeout is over.
    pub fn leader_gone(&mut self, campaign: bool) -> Result<(), Error> {
        self.alive()?;
        if self.is_leader() {
            return Ok(());
        }
        // Whoever becomes a leader has its whole log on disk: raft counts on it.
        self.settle_inside()?;
        let term = self.node.raft.term;
        self.node.raft.become_follower(term, raft::INVALID_ID);
        if campaign && term < max_term() && self.members().is_voter(self.settings.node_id) {
            self.node.campaign().map_err(|error| Error::Raft(error.to_string()))?;
        }
        self.observe();
        Ok(())
    }

    /// A connection to a node was lost: what was sent last may not have come.
    pub fn unreachable(&mut self, id: i32) {
        if let Some(id) = raft_id(id).filter(|_| !self.failed) {
            self.node.report_unreachable(id);
        }
    }

    /// Whether a proposal of a proper size would be taken now. Until the next call it stays so: who decides first asks this.
    pub fn may_propose(&self) -> bool {
        let raft = &self.node.raft;
        let has_room = raft.uncommitted_size() < usize::try_from(MAX_UNCOMMITTED_BYTES).unwrap_or(usize::MAX);
        !self.failed && self.is_leader() && raft.lead_transferee.is_none() && has_room
    }

    /// Has the leader put bytes into the log. They are committed when [`Quorum::advance`] hands them out in the same epoch.
    pub fn propose(&mut self, data: Bytes) -> Result<Proposal, ProposeRefused> {
        if data.is_empty() || data.len() > MAX_DATA_BYTES {
            return Err(ProposeRefused::Size(data.len()));
        }
        if self.failed {
            return Err(ProposeRefused::Failed);
        }
        if !self.is_leader() {
            return Err(ProposeRefused::NotLeader);
        }
        if self.node.raft.lead_transferee.is_some() {
            return Err(ProposeRefused::Transferring);
        }
        let mut message = Message { from: self.node.raft.id, ..Message::default() };
        message.set_msg_type(MessageType::MsgPropose);
        message.set_entries(vec![Entry { data, ..Entry::default() }].into());
        self.node.step(message).map_err(|_| ProposeRefused::Full)?;
        Ok(self.last_proposal())
    }

    fn last_proposal(&self) -> Proposal {
        Proposal { index: self.node.raft.raft_log.last_index(), epoch: epoch(self.node.raft.term) }
    }

    /// Drops the entries up to one that was handed out, all of which the snapshot `id` has. Answers whether they were still
    /// there: then that snapshot is what nodes are given, and the driver keeps it until another takes its place.
    pub fn compact(&mut self, index: u64, id: SnapshotId) -> Result<bool, Error> {
        self.alive()?;
        if index > self.handed {
            return Err(Error::CompactBeyond { index, handed: self.handed });
        }
        if index <= self.node.store().base().index {
            return Ok(false);
        }
        let compacted = self.node.mut_store().compact(index, id);
        self.outcome(compacted.map(|()| true).map_err(Error::from))
    }

    /// Notes a failure: nothing more is promised then.
    fn outcome<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        if result.is_err() {
            self.failed = true;
            self.messages.clear();
        }
        result
    }

    /// After every call of raft: the election timeout becomes the seed's, and a snapshot of a leader that is none any more is
    /// not waited for.
    fn observe(&mut self) {
        self.timeouts.observe(&mut self.node.raft);
        let raft = &self.node.raft;
        if self.installing.as_ref().is_some_and(|installing| !installing.is_from(raft.term, raft.leader_id)) {
            self.installing = None;
        }
    }
}

fn beginning(settings: &Settings, founding: &Founding) -> Result<Beginning, Error> {
    let members = Members::of_voters(&founding.voters)?;
    settings.check_own(&members)?;
    if !members.is_voter(settings.node_id) {
        return Err(Error::Settings("a node that founds a quorum is one of its voters".into()));
    }
    let Founding { epoch, snapshot, inherited, .. } = founding;
    if *epoch > MAX_EPOCH {
        return Err(Error::Settings(format!("epoch {epoch} is too high")));
    }
    let term = |epoch: i32| u64::try_from(epoch.max(1)).unwrap_or(1);
    let index = FOUNDING_INDEX + u64::try_from(snapshot.end_offset).unwrap_or(0);
    let base = Base { index, term: term(snapshot.epoch), members, id: *snapshot };
    let mut entries = Vec::new();
    for batch in inherited {
        let mut data = batch.data.clone();
        for _ in 0..batch.offsets {
            // All but the first of a batch's entries are empty.
            let index = index + 1 + entries.len() as u64;
            entries.push(Entry { term: term(batch.epoch), index, data: std::mem::take(&mut data), ..Entry::default() });
        }
    }
    Ok(Beginning { base, term: term(*epoch), entries })
}

fn config(settings: &Settings, applied: u64) -> Result<raft::Config, Error> {
    let ticks = |ticks: u32| usize::try_from(ticks).map_err(|error| Error::Settings(error.to_string()));
    Ok(raft::Config {
        id: raft_id(settings.node_id).ok_or_else(|| Error::Settings("a node id is not negative".into()))?,
        election_tick: ticks(settings.election_ticks)?,
        heartbeat_tick: ticks(settings.heartbeat_ticks)?,
        applied,
        max_size_per_msg: MESSAGE_BYTES,
        max_inflight_msgs: MAX_INFLIGHT,
        check_quorum: true,
        pre_vote: true,
        max_uncommitted_size: MAX_UNCOMMITTED_BYTES,
        max_committed_size_per_ready: MAX_UNCOMMITTED_BYTES,
        ..raft::Config::default()
    })
}
