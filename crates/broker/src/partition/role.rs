//! What this broker is to a partition, its leader or a follower, and what follows from that for its high watermark.

use super::{AppendError, Gone, NotDurable, Partition};
use crate::fetch::read::Near;
use ottla_metadata::image;
use ottla_protocol::ErrorCode;
use ottla_replication::{Admission, Ends, Fetched, Leader, Limits, Proposal};
use ottla_storage::Log;
use std::sync::{Arc, atomic::Ordering};

/// What this broker is to a partition.
pub(super) enum Role {
    /// Nothing yet: the metadata is not known, or nobody leads.
    Waits,
    Leads(Leader),
    Follows {
        leader: i32,
    },
}

impl Partition {
    /// Takes in what the metadata says. Whoever waits for records of an earlier leadership is told that it is over.
    pub(crate) fn follow(&self, state: &image::Partition) -> Result<(), Gone> {
        self.with_log(|log| self.change_role(log, state))?;
        if !self.is_leader() {
            self.lost_leadership();
        }
        self.move_high_watermark();
        Ok(())
    }

    /// The log is held, so nothing is appended meanwhile.
    fn change_role(&self, log: &mut Log, state: &image::Partition) {
        let (site, now) = (&self.site, self.site.now());
        let mut role = self.role.lock();
        self.leader_epoch.store(state.leader_epoch, Ordering::Release);
        match &mut *role {
            Role::Leads(leader) if state.leader == site.node_id => {
                if state.leader_epoch > leader.leader_epoch() {
                    log.start_leader_epoch(state.leader_epoch);
                }
                leader.update(state, now);
            }
            other if state.leader == site.node_id => {
                log.start_leader_epoch(state.leader_epoch);
                let ends = Ends {
                    log_end_offset: log.log_end_offset(),
                    synced: self.synced.load(Ordering::Acquire),
                    high_watermark: log.high_watermark(),
                };
                // Its own epoch is not known before it has registered; who asks the controller puts it in.
                *other = Role::Leads(Leader::new((site.node_id, -1), state, ends, now));
            }
            other if state.leader == image::NO_LEADER => *other = Role::Waits,
            other => *other = Role::Follows { leader: state.leader },
        }
    }

    /// Whether this broker leads.
    pub(crate) fn is_leader(&self) -> bool {
        matches!(&*self.role.lock(), Role::Leads(_))
    }

    /// Whether its high watermark may be below one that consumers have heard of (KIP-207).
    pub(crate) fn may_know_less(&self) -> bool {
        matches!(&*self.role.lock(), Role::Leads(leader) if leader.may_know_less())
    }

    /// Who is followed, and in which epoch.
    pub(crate) fn followed(&self) -> Option<(i32, i32)> {
        match &*self.role.lock() {
            Role::Follows { leader } => Some((*leader, self.leader_epoch())),
            Role::Waits | Role::Leads(_) => None,
        }
    }

    /// The epoch to append in, if this broker leads and, where the producer asks for that, enough are in sync.
    pub(super) fn admit(&self, acks: i16) -> Result<i32, AppendError> {
        let limits = self.limits();
        match &*self.role.lock() {
            Role::Leads(leader) if acks == -1 && !leader.admits(&limits) => {
                Err(AppendError::NotEnoughReplicas(format!(
                    "The size of the current ISR : {} is insufficient to satisfy the min.isr requirement of {} for \
                     partition {self}",
                    leader.isr().len(),
                    limits.min_insync_replicas.min(leader.replica_count()),
                )))
            }
            Role::Leads(leader) => Ok(leader.leader_epoch()),
            Role::Waits | Role::Follows { .. } => Err(AppendError::NotLeader),
        }
    }

    /// Whether this broker leads and what is appended now can be committed.
    pub(crate) fn has_enough_in_sync(&self) -> bool {
        let limits = self.limits();
        matches!(&*self.role.lock(), Role::Leads(leader) if leader.admits(&limits))
    }

    pub(super) fn limits(&self) -> Limits {
        let minimum = usize::try_from(self.config.load().min_insync_replicas).unwrap_or(1);
        Limits { min_insync_replicas: minimum, max_lag: self.site.max_lag }
    }

    /// Takes note of what was appended to the log, which is held. Without a journal it counts for durable at once.
    pub(super) fn appended(&self, log: &mut Log, is_durable: bool) {
        let end = log.log_end_offset();
        if is_durable {
            self.synced.store(end, Ordering::Release);
        }
        let risen = match &mut *self.role.lock() {
            Role::Leads(leader) => {
                leader.appended(end);
                is_durable.then(|| self.risen(leader, end)).flatten()
            }
            Role::Waits | Role::Follows { .. } => None,
        };
        if let Some(high_watermark) = risen {
            log.set_high_watermark(high_watermark);
        }
    }

    /// The high watermark once all below an offset is durable, if it rises by that.
    fn risen(&self, leader: &mut Leader, synced: i64) -> Option<i64> {
        leader.synced(synced);
        self.advanced(leader)
    }

    fn advanced(&self, leader: &mut Leader) -> Option<i64> {
        leader.advance(&self.limits(), self.site.image().cluster(), self.site.now())
    }

    /// Takes note that everything below an offset is durable here.
    pub(crate) fn committed(&self, end: i64) {
        self.synced.fetch_max(end, Ordering::AcqRel);
        let risen = match &mut *self.role.lock() {
            Role::Leads(leader) => self.risen(leader, end),
            Role::Waits | Role::Follows { .. } => None,
        };
        self.durability.tell_synced(end);
        if let Some(high_watermark) = risen {
            self.raise(high_watermark);
        }
    }

    /// Looks whether the high watermark may rise, as when who is in sync has changed.
    pub(crate) fn move_high_watermark(&self) {
        let risen = match &mut *self.role.lock() {
            Role::Leads(leader) => self.advanced(leader),
            Role::Waits | Role::Follows { .. } => None,
        };
        if let Some(high_watermark) = risen {
            self.raise(high_watermark);
        }
    }

    /// A follower has all below where it fetches.
    pub(crate) fn fetched(self: &Arc<Self>, fetch: &Fetched) -> Result<(), ErrorCode> {
        let image = self.site.image();
        let now = self.site.now();
        let (wishes, risen) = match &mut *self.role.lock() {
            Role::Leads(leader) => {
                leader.fetched(fetch, image.cluster(), now)?;
                (leader.has_wish(), leader.advance(&self.limits(), image.cluster(), now))
            }
            Role::Waits | Role::Follows { .. } => return Err(ErrorCode::NotLeaderOrFollower),
        };
        if wishes {
            self.site.isr_changes.add(self);
        }
        if let Some(high_watermark) = risen {
            self.raise(high_watermark);
        }
        Ok(())
    }

    /// Whether a follower of this leader is held back while the leader's limit is reached (KIP-73).
    pub(crate) fn is_fed_slowly(&self) -> bool {
        self.config.load().leader_throttled.contains(self.index, self.site.node_id)
    }

    /// Whether this broker is held back as a follower while its limit is reached.
    pub(crate) fn is_fetched_slowly(&self) -> bool {
        self.config.load().follower_throttled.contains(self.index, self.site.node_id)
    }

    /// Whether this broker leads and a broker is in sync with it.
    pub(crate) fn is_in_sync(&self, id: i32) -> bool {
        matches!(&*self.role.lock(), Role::Leads(leader) if leader.is_in_sync(id))
    }

    /// The follower that a consumer of a rack is to read from at an offset, if this broker leads and another is nearer.
    pub(crate) fn preferred_reader(&self, offset: i64, near: &Near) -> Option<i32> {
        let image = self.site.image();
        let is_near = |id: i32| {
            let broker = image.cluster().broker(id).filter(|broker| !broker.fenced);
            broker.is_some_and(|broker| {
                broker.rack.as_ref() == Some(&near.rack) && broker.listener(&near.listener).is_some()
            })
        };
        match &*self.role.lock() {
            Role::Leads(leader) => leader.preferred_reader(offset, is_near),
            Role::Waits | Role::Follows { .. } => None,
        }
    }

    /// Time has passed: who lags is to leave the in-sync set.
    pub(crate) fn check_followers(self: &Arc<Self>) {
        let limits = self.limits();
        let wishes = match &mut *self.role.lock() {
            Role::Leads(leader) => {
                leader.shrink(&limits, self.site.now());
                leader.has_wish()
            }
            Role::Waits | Role::Follows { .. } => false,
        };
        if wishes {
            self.site.isr_changes.add(self);
        }
        // A follower that was waited for as it had caught up may be waited for no longer.
        self.move_high_watermark();
    }

    /// Whether there is something to ask of the controller.
    pub(crate) fn has_wish(&self) -> bool {
        matches!(&*self.role.lock(), Role::Leads(leader) if leader.has_wish())
    }

    /// What to ask of the controller.
    pub(crate) fn proposal(&self) -> Option<Proposal> {
        match &mut *self.role.lock() {
            Role::Leads(leader) => leader.proposal(),
            Role::Waits | Role::Follows { .. } => None,
        }
    }

    /// What the controller says to it.
    pub(crate) fn answered(&self, proposal: &Proposal, answer: Result<&image::Partition, ErrorCode>) {
        if let Role::Leads(leader) = &mut *self.role.lock() {
            leader.answered(proposal, answer);
        }
        self.move_high_watermark();
    }

    /// What has become of a record below an offset that was to be on all in-sync replicas, once it is committed.
    pub(super) fn admission(&self, end: i64) -> Result<(), NotDurable> {
        match &*self.role.lock() {
            Role::Leads(leader) => match leader.admission(end, &self.limits()) {
                Admission::TooFewInSync => Err(NotDurable::TooFewInSync),
                Admission::Committed | Admission::Waiting => Ok(()),
            },
            // It was committed, by whomever.
            Role::Waits | Role::Follows { .. } => Ok(()),
        }
    }

    /// The lowest log start offset of the replicas that live.
    pub(crate) fn low_watermark(&self) -> i64 {
        let start = self.reader().offsets().log_start_offset;
        match &*self.role.lock() {
            Role::Leads(leader) => leader.low_watermark(start, self.site.image().cluster()),
            Role::Waits | Role::Follows { .. } => start,
        }
    }
}
