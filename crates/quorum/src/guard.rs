//! What a message must not say, given what this node knows: raft takes each of these for a broken invariant and panics, or
//! believes it.

use crate::members::{Members, SnapshotId};
use crate::message;
use ottla_protocol::Uuid;
use raft::{
    StateRole, Storage,
    eraftpb::{Message, MessageType},
};

/// Why a message is not taken, though it is whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GuardError {
    #[error("the message is from cluster {0}")]
    OtherCluster(String),
    #[error("the message is for node {0}")]
    OtherNode(i32),
    #[error("the message is for this node with its log in directory {0}, which is not there any more")]
    OtherDirectory(Uuid),
    #[error("the message says that it is from this node")]
    OwnId,
    #[error("node {0}, which is no member, answers")]
    NoMember(i32),
    /// KIP-853: it may have promised what it has forgotten.
    #[error("node {id} answers from directory {found}, and is a member with {expected}: its disk was replaced")]
    Wiped { id: i32, found: Uuid, expected: Uuid },
    #[error("nodes {0} and {1} both lead in epoch {2}")]
    TwoLeaders(u64, u64, u64),
    #[error("index {0} is said to be committed, and the log ends with {1}")]
    CommitBeyondLog(u64, u64),
    #[error("index {0} is answered, and the log ends with {1}")]
    AnswerBeyondLog(u64, u64),
    #[error("entry {0} is committed here in epoch {1}, and is said to be of {2}")]
    Contradiction(u64, u64, u64),
    #[error("the leadership is handed over by a node that does not lead")]
    NotTheLeader,
    #[error("the snapshot at index {0} is for members of which this node is none")]
    SnapshotWithoutUs(u64),
}

/// What the checks need to know of a node.
pub(crate) struct View<'a, T: Storage> {
    pub(crate) raft: &'a raft::Raft<T>,
    pub(crate) node_id: i32,
    pub(crate) directory_id: Uuid,
    pub(crate) cluster_id: &'a str,
    pub(crate) members: &'a Members,
}

impl<T: Storage> View<'_, T> {
    /// Checks who speaks to whom.
    pub(crate) fn check_envelope(&self, envelope: &message::Envelope, kind: MessageType) -> Result<(), GuardError> {
        if &*envelope.cluster_id != self.cluster_id {
            return Err(GuardError::OtherCluster(envelope.cluster_id.to_string()));
        }
        if envelope.to != self.node_id {
            return Err(GuardError::OtherNode(envelope.to));
        }
        if !envelope.to_directory.is_zero() && envelope.to_directory != self.directory_id {
            return Err(GuardError::OtherDirectory(envelope.to_directory));
        }
        if envelope.from == self.node_id {
            return Err(GuardError::OwnId);
        }
        // Only answers count for a majority. A leader or a candidate may have become a member, or come back with another
        // directory, in entries that this node does not have yet.
        if message::is_response(kind) {
            let member = self.members.get(envelope.from).ok_or(GuardError::NoMember(envelope.from))?;
            let (expected, found) = (member.voter.directory_id, envelope.from_directory);
            if !expected.is_zero() && expected != found {
                return Err(GuardError::Wiped { id: envelope.from, found, expected });
            }
        }
        Ok(())
    }

    /// Checks what is said against the log. What is of an older term raft answers without looking at the log.
    pub(crate) fn check(&self, m: &Message) -> Result<(), GuardError> {
        if m.term < self.raft.term {
            return Ok(());
        }
        let last_index = self.raft.raft_log.last_index();
        match m.get_msg_type() {
            MessageType::MsgAppend => {
                self.check_leader(m)?;
                self.check_term(m.index, m.log_term)?;
                m.entries.iter().try_for_each(|entry| self.check_term(entry.index, entry.term))
            }
            MessageType::MsgHeartbeat => {
                self.check_leader(m)?;
                if m.commit > last_index {
                    return Err(GuardError::CommitBeyondLog(m.commit, last_index));
                }
                Ok(())
            }
            MessageType::MsgSnapshot => {
                self.check_leader(m)?;
                self.check_snapshot(m)
            }
            MessageType::MsgAppendResponse | MessageType::MsgHeartbeatResponse => {
                let highest = m.index.max(m.commit).max(m.reject_hint);
                let ours = self.raft.state == StateRole::Leader && m.term == self.raft.term;
                if ours && highest > last_index {
                    return Err(GuardError::AnswerBeyondLog(highest, last_index));
                }
                Ok(())
            }
            MessageType::MsgTimeoutNow if m.term != self.raft.term || m.from != self.raft.leader_id => {
                Err(GuardError::NotTheLeader)
            }
            _ => Ok(()),
        }
    }

    /// One leader a term: whoever saw another one in this term must not follow.
    fn check_leader(&self, m: &Message) -> Result<(), GuardError> {
        let known = self.raft.leader_id;
        if m.term == self.raft.term && known != raft::INVALID_ID && known != m.from {
            return Err(GuardError::TwoLeaders(known, m.from, m.term));
        }
        Ok(())
    }

    /// What is committed here is in every later leader's log.
    fn check_term(&self, index: u64, term: u64) -> Result<(), GuardError> {
        let log = &self.raft.raft_log;
        if index > log.committed || index + 1 < log.first_index() {
            return Ok(());
        }
        match log.term(index) {
            Ok(ours) if ours != term => Err(GuardError::Contradiction(index, ours, term)),
            _ => Ok(()),
        }
    }

    fn check_snapshot(&self, m: &Message) -> Result<(), GuardError> {
        let metadata = m.get_snapshot().get_metadata();
        self.check_term(metadata.index, metadata.term)?;
        let read: Option<(Members, SnapshotId)> = message::snapshot_data(m.get_snapshot()).ok();
        let ours = read.as_ref().and_then(|(members, _)| members.get(self.node_id));
        let known = |directory: Uuid| directory.is_zero() || directory == self.directory_id;
        if ours.is_some_and(|member| known(member.voter.directory_id)) {
            return Ok(());
        }
        Err(GuardError::SnapshotWithoutUs(metadata.index))
    }
}
