//! The leader of a partition.

use crate::isr::{Isr, Pending, Proposal};
use crate::progress::Progress;
use core::time::Duration;
use ottla_metadata::controller::IsrMember;
use ottla_metadata::image::{Cluster, Partition};
use ottla_protocol::ErrorCode;
use std::collections::BTreeMap;

/// What configs say.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// `min.insync.replicas` of the topic.
    pub min_insync_replicas: usize,
    /// `replica.lag.time.max.ms`.
    pub max_lag: Duration,
}

/// Where a log is.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    /// Where it ends.
    pub log_end_offset: i64,
    /// All below is durable.
    pub synced: i64,
    /// All below is committed, as far as this replica knows.
    pub high_watermark: i64,
}

/// A follower's fetch that the log could serve.
#[derive(Clone, Copy, Debug)]
pub struct Fetched {
    /// The follower.
    pub replica: i32,
    /// The epoch of its registration; -1 if it told none.
    pub broker_epoch: i64,
    /// Where it fetched: it has all below, durably.
    pub offset: i64,
    /// Where its log starts.
    pub log_start_offset: i64,
}

/// What a record that is to be on all in-sync replicas waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is not committed yet.
    Waiting,
    /// It is committed.
    Committed,
    /// It is committed, but fewer than the minimum are in sync now.
    TooFewInSync,
}

/// A partition that this broker leads in one epoch or more.
#[derive(Clone, Debug)]
pub struct Leader {
    local: i32,
    /// The epoch of this broker's registration.
    local_epoch: i64,
    leader_epoch: i32,
    partition_epoch: i32,
    /// Where the log ended when the epoch began.
    epoch_start_offset: i64,
    isr: Isr,
    followers: BTreeMap<i32, Progress>,
    log_end_offset: i64,
    synced: i64,
    high_watermark: i64,
}

impl Leader {
    /// The broker with id `local`, registered with `local_epoch`, becomes the leader of a partition.
    pub fn new((local, local_epoch): (i32, i64), partition: &Partition, log: Ends, now: Duration) -> Self {
        let mut leader = Self {
            local,
            local_epoch,
            leader_epoch: partition.leader_epoch,
            partition_epoch: partition.partition_epoch,
            epoch_start_offset: log.log_end_offset,
            isr: Isr::new(partition.isr.clone()),
            followers: BTreeMap::new(),
            log_end_offset: log.log_end_offset,
            synced: log.synced,
            high_watermark: log.high_watermark,
        };
        leader.begin_epoch(partition, now);
        leader
    }

    fn begin_epoch(&mut self, partition: &Partition, now: Duration) {
        self.leader_epoch = partition.leader_epoch;
        self.epoch_start_offset = self.log_end_offset;
        // What followers fetched in an earlier epoch does not count in this one.
        self.followers.clear();
        self.set_replicas(partition, now);
    }

    fn set_replicas(&mut self, partition: &Partition, now: Duration) {
        self.partition_epoch = partition.partition_epoch;
        self.isr = Isr::new(partition.isr.clone());
        self.followers.retain(|id, _| partition.replicas.contains(id));
        for id in partition.replicas.iter().filter(|id| **id != self.local) {
            let in_sync = partition.isr.contains(id);
            self.followers.entry(*id).or_insert_with(|| Progress::new(in_sync, now));
        }
    }

    /// The metadata has news of the partition, which this broker still leads.
    pub fn update(&mut self, partition: &Partition, now: Duration) {
        if partition.leader_epoch > self.leader_epoch {
            self.begin_epoch(partition, now);
        } else if partition.partition_epoch > self.partition_epoch {
            self.set_replicas(partition, now);
        }
    }

    /// The epoch it leads in.
    pub fn leader_epoch(&self) -> i32 {
        self.leader_epoch
    }

    /// The brokers in sync, as the controller last said.
    pub fn isr(&self) -> &[i32] {
        &self.isr.committed
    }

    /// Whether a broker is in sync, as the controller last said.
    pub fn is_in_sync(&self, id: i32) -> bool {
        self.isr.committed.contains(&id)
    }

    /// How many brokers have the partition.
    pub fn replica_count(&self) -> usize {
        self.followers.len() + 1
    }

    /// Whether there is something to ask of the controller.
    pub fn has_wish(&self) -> bool {
        self.isr.pending.as_ref().is_some_and(|pending| !pending.sent)
    }

    /// The offset below which everything is committed.
    pub fn high_watermark(&self) -> i64 {
        self.high_watermark
    }

    /// Whether an earlier leader may have told consumers of more than this one knows to be committed (KIP-207).
    pub fn may_know_less(&self) -> bool {
        self.high_watermark < self.epoch_start_offset
    }

    /// The log ends there now.
    pub fn appended(&mut self, log_end_offset: i64) {
        self.log_end_offset = self.log_end_offset.max(log_end_offset);
    }

    /// All below is durable here.
    pub fn synced(&mut self, offset: i64) {
        self.synced = self.synced.max(offset);
    }

    /// Whether a producer's record may be appended that is to be on `min.insync.replicas`.
    pub fn admits(&self, limits: &Limits) -> bool {
        self.isr.committed.len() >= self.effective_minimum(limits)
    }

    /// What has become of a record that ends at `offset`.
    pub fn admission(&self, offset: i64, limits: &Limits) -> Admission {
        match self.high_watermark >= offset {
            false => Admission::Waiting,
            true if self.isr.most() >= self.effective_minimum(limits) => Admission::Committed,
            true => Admission::TooFewInSync,
        }
    }

    /// No topic needs more replicas in sync than it has.
    fn effective_minimum(&self, limits: &Limits) -> usize {
        limits.min_insync_replicas.min(self.replica_count())
    }

    /// A follower fetched. Who is unknown, or has registered anew since it sent the fetch, is refused.
    pub fn fetched(&mut self, fetch: &Fetched, cluster: &Cluster, now: Duration) -> Result<(), ErrorCode> {
        let registered = cluster.broker(fetch.replica).filter(|broker| !broker.fenced).map(|broker| broker.epoch);
        let stale = fetch.broker_epoch != -1 && registered.is_some_and(|epoch| epoch > fetch.broker_epoch);
        // The metadata here may be behind the follower's: it is to come again.
        let known = self.followers.get_mut(&fetch.replica).ok_or(ErrorCode::UnknownLeaderEpoch)?;
        if stale {
            return Err(ErrorCode::NotLeaderOrFollower);
        }
        known.fetched(fetch.offset, fetch.log_start_offset, fetch.broker_epoch, self.log_end_offset, now);
        self.expand(fetch.replica, cluster);
        Ok(())
    }

    /// A follower joins the in-sync set with all that is committed, and all that there was when this epoch began.
    fn expand(&mut self, replica: i32, cluster: &Cluster) {
        let Some(end) = self.followers.get(&replica).and_then(|follower| follower.log_end_offset) else { return };
        let has_all = end >= self.high_watermark && end >= self.epoch_start_offset;
        let news = self.isr.pending.is_none() && !self.isr.committed.contains(&replica);
        if news && has_all && self.is_eligible(replica, cluster) {
            let isr = self.isr.committed.iter().copied().chain([replica]).collect();
            self.propose(isr);
        }
    }

    /// Whether a follower may be in sync: it serves, and is the same that fetched (KIP-903).
    fn is_eligible(&self, replica: i32, cluster: &Cluster) -> bool {
        let fetched_with = self.followers.get(&replica).and_then(|follower| follower.broker_epoch);
        let broker = cluster.broker(replica).filter(|broker| broker.is_active());
        broker.zip(fetched_with).is_some_and(|(broker, epoch)| epoch == -1 || epoch == broker.epoch)
    }

    /// Time has passed: who has not caught up for `replica.lag.time.max.ms` is no longer in sync.
    pub fn shrink(&mut self, limits: &Limits, now: Duration) {
        if self.isr.pending.is_some() {
            return;
        }
        let caught_up = |id: &i32| {
            let follower = self.followers.get(id);
            follower.is_some_and(|follower| follower.is_caught_up(self.log_end_offset, limits.max_lag, now))
        };
        let stays = |id: &i32| *id == self.local || caught_up(id);
        let isr: Vec<i32> = self.isr.committed.iter().copied().filter(stays).collect();
        if isr.len() < self.isr.committed.len() {
            self.propose(isr);
        }
    }

    fn propose(&mut self, isr: Vec<i32>) {
        let epoch_of = |id: i32| match self.followers.get(&id) {
            _ if id == self.local => self.local_epoch,
            // Who was not heard of in this epoch is in sync by the controller's word, which takes it out if it fails.
            follower => follower.and_then(|follower| follower.broker_epoch).unwrap_or(-1),
        };
        let grows = isr.len() > self.isr.committed.len();
        let isr = isr.into_iter().map(|id| IsrMember { broker_id: id, broker_epoch: epoch_of(id) }).collect();
        let (leader_epoch, partition_epoch) = (self.leader_epoch, self.partition_epoch);
        let proposal = Proposal { leader_epoch, partition_epoch, isr, grows };
        self.isr.pending = Some(Pending { proposal, sent: false });
    }

    /// What to ask of the controller, once.
    pub fn proposal(&mut self) -> Option<Proposal> {
        let pending = self.isr.pending.as_mut().filter(|pending| !pending.sent)?;
        pending.sent = true;
        Some(pending.proposal.clone())
    }

    /// The controller answered, or nobody did.
    pub fn answered(&mut self, proposal: &Proposal, answer: Result<&Partition, ErrorCode>) {
        let Some(pending) = self.isr.pending.as_mut().filter(|pending| pending.proposal == *proposal) else {
            // The metadata was faster.
            return;
        };
        match answer {
            Ok(now) if now.leader_epoch == self.leader_epoch && now.partition_epoch >= self.partition_epoch => {
                self.partition_epoch = now.partition_epoch;
                self.isr = Isr::new(now.isr.clone());
            }
            // What it is instead comes with the metadata.
            Ok(_) => {}
            // It was not done and never will be, for the epoch that it names is the present one: nothing is pending.
            Err(ErrorCode::IneligibleReplica | ErrorCode::OperationNotAttempted) => self.isr.pending = None,
            // It may have been done, or the metadata here is behind, which must come first.
            Err(
                ErrorCode::FencedLeaderEpoch
                | ErrorCode::InvalidUpdateVersion
                | ErrorCode::InvalidRequest
                | ErrorCode::NewLeaderElected
                | ErrorCode::UnknownTopicOrPartition
                | ErrorCode::UnknownTopicId,
            ) => {}
            Err(_) => pending.sent = false,
        }
    }

    /// The high watermark, if it has risen.
    ///
    /// It waits for everybody in the in-sync set, and for those who are about to join it: else they would never catch up.
    pub fn advance(&mut self, limits: &Limits, cluster: &Cluster, now: Duration) -> Option<i64> {
        if !self.admits(limits) {
            return None;
        }
        let joins = |id: i32, follower: &Progress| {
            follower.is_caught_up(self.log_end_offset, limits.max_lag, now) && self.is_eligible(id, cluster)
        };
        let counted = self.followers.iter().filter(|(id, f)| self.isr.may_contain(**id) || joins(**id, f));
        let ends = counted.map(|(_, follower)| follower.log_end_offset.unwrap_or(-1));
        let high_watermark = ends.min().map_or(self.synced, |end| end.min(self.synced));
        if high_watermark <= self.high_watermark {
            return None;
        }
        self.high_watermark = high_watermark;
        Some(high_watermark)
    }

    /// The follower that a consumer is to read from at an offset: of those near to it that are in sync and have the offset the
    /// one that has most, or has caught up last. None if it is to read from the leader, as when that is near itself (KIP-392).
    pub fn preferred_reader(&self, offset: i64, is_near: impl Fn(i32) -> bool) -> Option<i32> {
        if is_near(self.local) {
            return None;
        }
        let near =
            self.followers.iter().filter(|(id, f)| self.isr.committed.contains(id) && f.has(offset) && is_near(**id));
        near.max_by_key(|(id, f)| (f.log_end_offset, f.last_caught_up(), **id)).map(|(id, _)| *id)
    }

    /// Where the log starts on the replica that keeps most: what is deleted on request is deleted below it.
    pub fn low_watermark(&self, log_start_offset: i64, cluster: &Cluster) -> i64 {
        let alive = self.followers.iter().filter(|(id, _)| cluster.broker(**id).is_some_and(|broker| !broker.fenced));
        let starts = alive.map(|(_, follower)| follower.log_start_offset.unwrap_or(-1));
        starts.min().map_or(log_start_offset, |start| start.min(log_start_offset))
    }
}

#[cfg(test)]
mod tests;
