//! A controller that nobody in the quorum speaks to: it has no vote, or lost it without being told, and follows as brokers do.

use super::{Voter, role_epoch};
use crate::controllers::{Active, News};
use ottla_quorum::{Role, Status};
use std::time::Duration;
use tracing::info;

/// How long a voter does without a leader before it asks around.
const PATIENCE: Duration = Duration::from_secs(1);

impl Voter {
    /// Whether the log says that this node votes no more, and the quorum's own log has yet to hear of it. It may still be asked
    /// for its vote by who knows no better, as raft has it, but does not seek any.
    pub(super) fn is_removed(&self) -> bool {
        let state = &self.parts.state;
        state.is_dynamic() && !state.is_voter(&self.parts.key()) && self.quorum.members().is_voter(self.parts.node_id)
    }

    /// Has the log followed by other means where the quorum does not bring it, and answers who is active by what these say.
    pub(super) fn observe(&mut self, status: &Status) -> Option<Active> {
        let now = self.parts.clock.monotonic();
        let is_attached = match status.role {
            Role::Leader { .. } => true,
            Role::Follower { .. } => status.leader_is_heard && !self.is_removed(),
            Role::Unattached { .. } => false,
        };
        if is_attached {
            self.attached_at = now;
        }
        let is_member = self.quorum.members().get(self.parts.node_id).is_some() && !self.is_removed();
        let patience = if is_member { PATIENCE } else { Duration::ZERO };
        let wanted = !is_attached && now.saturating_sub(self.attached_at) >= patience;
        let before = self.parts.observer.follows();
        let epoch = self.parts.log.latest_epoch().max(self.parts.publisher.image().epoch());
        let position = (self.parts.log.end_offset(), epoch);
        self.parts.observer.follow(wanted.then_some(position), &self.handle.commands);
        if before && !wanted {
            self.set_active(status.role);
        }
        // What the quorum says of who leads may be older, and may be newer.
        let active = self.parts.observer.active().filter(|active| active.epoch >= role_epoch(status.role))?;
        if self.parts.controllers.active().as_ref() != Some(&active) {
            self.parts.controllers.set_active(Some(active.clone()));
        }
        Some(active)
    }

    /// Takes in what the active controller says is committed.
    pub(super) fn take_news(&mut self, news: News) -> anyhow::Result<()> {
        match news {
            News::Batches(batches) => {
                let before = self.parts.log.end_offset();
                batches.into_iter().try_for_each(|batch| self.append_batch(batch))?;
                self.publish(before)
            }
            News::Snapshot { id, bytes } if id.end_offset > self.parts.log.end_offset() => {
                let (image, state) = self.parts.upkeep.take_snapshot(&bytes, id)?;
                info!("took the metadata up to offset {} over", id.end_offset);
                self.replace(image, state, id.end_offset)
            }
            News::Snapshot { .. } => Ok(()),
        }
    }
}
