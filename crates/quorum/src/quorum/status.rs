//! What a node knows of the quorum, as DescribeQuorum tells it.

use super::{Quorum, Role};
use crate::{
    codec::epoch,
    members::{Member, SnapshotId, node_id, raft_id},
    store::Store,
};
use raft::StateRole;

/// What a leader knows of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    pub member: Member,
    /// The last entry that it is known to have synced; zero on a node that does not lead.
    pub matched: u64,
    /// Ticks since anything came from it; nothing where nothing came since the start.
    pub silent_ticks: Option<u64>,
}

/// What a node knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    pub role: Role,
    /// The last entry of this node's log.
    pub last_index: u64,
    pub commit_index: u64,
    /// The last entry that was dropped.
    pub compacted_index: u64,
    /// What stands for the entries up to there: the file that other nodes may ask this one for.
    pub snapshot: SnapshotId,
    pub peers: Vec<Peer>,
    /// A change of members is on its way, so another one is refused.
    pub changing: bool,
    /// Whether the leader that is followed gave a sign of life within two election timeouts. Whoever may not seek votes follows
    /// it even if it did not.
    pub leader_is_heard: bool,
}

impl<S: Store> Quorum<S> {
    /// What this node is now.
    pub fn role(&self) -> Role {
        let raft = &self.node.raft;
        let epoch = epoch(raft.term);
        match (raft.state, node_id(raft.leader_id)) {
            (StateRole::Leader, _) => Role::Leader { epoch },
            (_, Some(leader)) => Role::Follower { leader, epoch },
            (_, None) => Role::Unattached { epoch },
        }
    }

    /// What this node knows of itself and the others.
    pub fn status(&self) -> Status {
        let raft = &self.node.raft;
        let peer = |member: &Member| {
            let own = member.voter.id == self.settings.node_id;
            let id = raft_id(member.voter.id).unwrap_or_default();
            let matched = raft.prs().get(id).filter(|_| self.is_leader()).map_or(0, |progress| progress.matched);
            let heard = self.heard.get(&id).map(|tick| self.ticks.saturating_sub(*tick));
            Peer { member: *member, matched, silent_ticks: if own { Some(0) } else { heard } }
        };
        Status {
            role: self.role(),
            last_index: raft.raft_log.last_index(),
            commit_index: raft.raft_log.committed,
            compacted_index: self.node.store().base().index,
            snapshot: self.node.store().base().id,
            peers: self.members().iter().map(peer).collect(),
            changing: self.is_leader() && raft.has_pending_conf(),
            leader_is_heard: self
                .heard
                .get(&raft.leader_id)
                .is_some_and(|tick| self.ticks.saturating_sub(*tick) <= 2 * u64::from(self.settings.election_ticks)),
        }
    }
}
