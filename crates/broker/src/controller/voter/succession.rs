//! From one leader to the next, without waiting until somebody is missed.

use super::{SEEKS, Voter};
use crate::{controller::Command, suspicion};
use ottla_quorum::Role;
use tracing::{debug, info};

impl Voter {
    /// The leader's connection ended. If its process did too, nobody need wait for it to be missed.
    pub(super) fn lost(&self, id: i32) {
        if !self.follows(id) {
            return;
        }
        let Some(address) = self.parts.peers.address(id) else { return };
        let commands = self.handle.commands.clone();
        self.parts.peers.spawn(async move {
            if suspicion::is_gone(&address).await {
                // If it cannot be told, the quorum finds out in its time.
                let _ = commands.try_send(Command::Gone(id));
            }
        });
    }

    pub(super) fn gone(&mut self, id: i32) -> anyhow::Result<()> {
        if !self.follows(id) {
            return Ok(());
        }
        info!("the active controller, node {id}, has ended");
        let members = self.quorum.members().clone();
        // One of those that are left seeks votes at once; would all, they might get none.
        let first = members.voters().map(|voter| voter.id).find(|other| *other != id);
        self.seeks = if first == Some(self.parts.node_id) { SEEKS } else { 0 };
        self.quorum.leader_gone(false)?;
        Ok(())
    }

    /// Not before the others have noticed too: until then they stand by the one that is gone.
    pub(super) fn seek_votes(&mut self) -> anyhow::Result<()> {
        let is_open = matches!(self.quorum.role(), Role::Unattached { .. });
        self.seeks = if is_open { self.seeks } else { 0 };
        if self.seeks > 0 {
            self.seeks -= 1;
            self.quorum.leader_gone(true)?;
        }
        Ok(())
    }

    pub(super) fn follows(&self, id: i32) -> bool {
        matches!(self.quorum.role(), Role::Follower { leader, .. } if leader == id)
    }

    /// Lets another voter lead, so that nobody has to notice that this one is gone. Answers whether one may.
    pub(super) fn resign(&mut self) -> bool {
        if self.leading.is_none() {
            return false;
        }
        let others: Vec<_> = self.quorum.status().peers;
        let best = others.iter().filter(|peer| peer.member.voter.id != self.parts.node_id && !peer.member.learner);
        let Some(best) = best.max_by_key(|peer| peer.matched) else { return false };
        let handed_over = self.quorum.transfer_leadership(best.member.voter.id);
        if let Err(refused) = &handed_over {
            debug!(%refused, "cannot hand the leadership over");
        }
        handed_over.is_ok()
    }
}
