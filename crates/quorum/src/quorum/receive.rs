//! What comes from other nodes: read, checked, and only then told to raft.

use super::Quorum;
use crate::{
    guard::{GuardError, View},
    members::{SnapshotId, node_id},
    message::{self, DecodeError},
    store::Store,
};
use bytes::Bytes;
use raft::eraftpb::{Message, MessageType};

/// Why a message was not taken. The node goes on as if it had been lost.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    Guard(#[from] GuardError),
    #[error("raft refuses the message: {0}")]
    Raft(String),
    #[error("the quorum's log has failed")]
    Failed,
}

/// A snapshot that is being fetched. Raft hears of it when it is in place: it would answer at once that all of it is here.
pub(super) struct Installing {
    message: Message,
    pub(super) snapshot: super::Snapshot,
    pub(super) announced: bool,
    /// The tick at which it was asked for, and how many pass before one is asked for again.
    asked: u64,
    patience: u64,
}

/// How long a snapshot is waited for that nothing is heard of, in election timeouts: at first, and at the most.
const PATIENCE: u64 = 4;
const MOST_PATIENCE: u64 = 32;

impl Installing {
    pub(super) fn is_from(&self, term: u64, leader_id: u64) -> bool {
        self.message.term == term && self.message.from == leader_id
    }
}

impl<S: Store> Quorum<S> {
    /// Takes a message of another node.
    pub fn receive(&mut self, message: Bytes) -> Result<(), Refused> {
        let (envelope, message) = message::decode(message)?;
        if self.failed {
            return Err(Refused::Failed);
        }
        let view = View {
            raft: &self.node.raft,
            node_id: self.settings.node_id,
            directory_id: self.settings.directory_id,
            cluster_id: &self.settings.cluster_id,
            members: self.members(),
        };
        view.check_envelope(&envelope, message.get_msg_type())?;
        view.check(&message)?;
        // Whoever becomes a leader has its whole log on disk: raft counts on it.
        let may_elect = matches!(
            message.get_msg_type(),
            MessageType::MsgRequestVoteResponse | MessageType::MsgRequestPreVoteResponse | MessageType::MsgTimeoutNow
        );
        if may_elect && !self.is_leader() {
            self.settle_inside().map_err(|_| Refused::Failed)?;
        }
        self.heard.insert(message.from, self.ticks);
        let taken = match message.get_msg_type() {
            MessageType::MsgSnapshot => self.receive_snapshot(message),
            _ if self.installing.is_some() => self.receive_installing(message),
            _ => self.node.step(message),
        };
        self.observe();
        taken.map_err(|error| Refused::Raft(error.to_string()))
    }

    fn receive_snapshot(&mut self, message: Message) -> raft::Result<()> {
        let log = &self.node.raft.raft_log;
        let (index, term) = (message.get_snapshot().get_metadata().index, message.get_snapshot().get_metadata().term);
        // What is here needs no snapshot, and what is of an older term is answered without it.
        if message.term < self.node.raft.term || index <= log.committed || log.match_term(index, term) {
            return self.node.step(message);
        }
        self.heed(&message)?;
        self.observe();
        let election = u64::from(self.settings.election_ticks);
        let patience = match &self.installing {
            // One is on its way. A later one waits: where they are made faster than they come none would be in place.
            Some(installing) if self.ticks.saturating_sub(installing.asked) < installing.patience => return Ok(()),
            Some(installing) => (installing.patience * 2).min(MOST_PATIENCE * election),
            None => PATIENCE * election,
        };
        if !self.follows(&message) {
            return Ok(());
        }
        if let (Ok((members, id)), Some(leader)) =
            (message::snapshot_data(message.get_snapshot()), node_id(message.from))
        {
            let snapshot = super::Snapshot { leader, id, index, members };
            self.installing = Some(Installing { message, snapshot, announced: false, asked: self.ticks, patience });
        }
        Ok(())
    }

    fn follows(&self, message: &Message) -> bool {
        self.node.raft.leader_id == message.from && self.node.raft.term == message.term
    }

    /// While a snapshot is fetched nothing is committed by a heartbeat: the leader knows less of this log than it believes.
    ///
    /// Its entries are answered as ever. To say only that this node lives would have it send them again at once, and again; and a
    /// leader that was made to forget this node, as by its removal and return, would never hear that it lacks the snapshot.
    fn receive_installing(&mut self, mut message: Message) -> raft::Result<()> {
        if message.get_msg_type() == MessageType::MsgAppend {
            // What follows on needs no snapshot.
            if self.node.raft.raft_log.match_term(message.index, message.log_term) {
                self.installing = None;
            }
            return self.node.step(message);
        }
        message.commit = 0;
        message.commit_term = 0;
        self.node.step(message)
    }

    /// Takes from a leader's message only that it leads.
    fn heed(&mut self, message: &Message) -> raft::Result<()> {
        let mut heartbeat = Message { from: message.from, to: message.to, term: message.term, ..Message::default() };
        heartbeat.set_msg_type(MessageType::MsgHeartbeat);
        self.node.step(heartbeat)
    }

    /// The snapshot that was asked for is in place and durable. Answers whether it still was wanted.
    pub fn installed(&mut self, id: SnapshotId) -> bool {
        let wanted = |installing: &mut Installing| installing.announced && installing.snapshot.id == id;
        let Some(installing) = self.installing.take_if(wanted) else {
            return false;
        };
        let taken = !self.failed && self.node.step(installing.message).is_ok();
        self.observe();
        taken
    }

    /// The snapshot that was asked for cannot be had: it may be deleted, or its leader gone. The one that the leader names next is
    /// asked for.
    pub fn not_installed(&mut self, id: SnapshotId) {
        self.installing.take_if(|installing| installing.announced && installing.snapshot.id == id);
    }
}
