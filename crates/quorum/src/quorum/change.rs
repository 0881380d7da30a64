//! Changes of members by one at a time (KIP-853), and handing over the leadership.

use super::{Proposal, ProposeRefused, Quorum};
use crate::{
    MAX_DATA_BYTES,
    members::{Change, ChangeError, raft_id},
    store::Store,
};
use bytes::{BufMut as _, Bytes, BytesMut};

/// How many entries a learner may lack when it gets a vote.
const MAX_LAG: u64 = 64;
/// What precedes the driver's bytes in a change.
const CHANGE_BYTES: usize = 64;

/// Why members cannot be changed now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeRefused {
    #[error(transparent)]
    Propose(#[from] ProposeRefused),
    #[error(transparent)]
    Change(#[from] ChangeError),
    #[error("another change is on its way")]
    Pending,
    /// A change that an earlier leader made may be committed without this one knowing.
    #[error("nothing of this epoch is committed yet")]
    TooEarly,
    #[error("node {0} lacks {1} entries")]
    Behind(i32, u64),
    #[error("the leader cannot be removed by itself: hand the leadership over first")]
    Leader,
    #[error("too few of the voters that would be left are heard of")]
    Unsafe,
}

impl<S: Store> Quorum<S> {
    /// Has the leader change the members. `data` goes with the change and is handed out when it is committed.
    pub fn change(&mut self, change: Change, data: &Bytes) -> Result<Proposal, ChangeRefused> {
        if self.failed {
            return Err(ProposeRefused::Failed.into());
        }
        if !self.is_leader() {
            return Err(ProposeRefused::NotLeader.into());
        }
        if data.len() > MAX_DATA_BYTES - CHANGE_BYTES {
            return Err(ProposeRefused::Size(data.len()).into());
        }
        if !self.node.raft.commit_to_current_term() {
            return Err(ChangeRefused::TooEarly);
        }
        // Raft would take an empty entry in its place.
        if self.node.raft.has_pending_conf() {
            return Err(ChangeRefused::Pending);
        }
        let members = self.members().changed(change)?;
        match change {
            Change::AddLearner(_) | Change::Identify(_) => {}
            Change::Promote(id) => self.check_caught_up(id)?,
            Change::Remove(id) if id == self.settings.node_id => return Err(ChangeRefused::Leader),
            Change::Remove(_) => {
                let voters: Vec<i32> = members.voters().map(|voter| voter.id).collect();
                let alive = voters.iter().filter(|id| self.is_alive(**id)).count();
                if alive <= voters.len() / 2 {
                    return Err(ChangeRefused::Unsafe);
                }
            }
        }
        let mut context = BytesMut::with_capacity(CHANGE_BYTES + data.len());
        change.encode(&mut context);
        context.put_slice(data);
        if self.node.raft.lead_transferee.is_some() {
            return Err(ProposeRefused::Transferring.into());
        }
        let proposed = self.node.propose_conf_change(context.to_vec(), change.to_raft());
        proposed.map_err(|_| ProposeRefused::Full)?;
        Ok(self.last_proposal())
    }

    fn is_alive(&self, id: i32) -> bool {
        let heard = raft_id(id).and_then(|id| self.heard.get(&id));
        let recent = |tick: &u64| self.ticks.saturating_sub(*tick) <= u64::from(self.settings.election_ticks);
        id == self.settings.node_id || heard.is_some_and(recent)
    }

    fn check_caught_up(&self, id: i32) -> Result<(), ChangeRefused> {
        let matched = raft_id(id).and_then(|id| self.node.raft.prs().get(id)).map_or(0, |peer| peer.matched);
        let lag = self.node.raft.raft_log.last_index().saturating_sub(matched);
        let needs_snapshot = matched < self.node.store().base().index;
        if lag > MAX_LAG || needs_snapshot || !self.is_alive(id) { Err(ChangeRefused::Behind(id, lag)) } else { Ok(()) }
    }

    /// Has another voter lead, as before an orderly stop. Proposals are refused until it does or an election timeout is over.
    pub fn transfer_leadership(&mut self, to: i32) -> Result<(), ChangeRefused> {
        if !self.is_leader() || self.failed {
            return Err(ProposeRefused::NotLeader.into());
        }
        let target = raft_id(to).filter(|_| self.members().is_voter(to)).ok_or(ChangeError::Absent(to))?;
        self.node.transfer_leader(target);
        self.observe();
        Ok(())
    }
}
