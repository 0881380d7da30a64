//! What a partition becomes: its leader, who is in sync, who is eligible, and whether a reassignment is done (KIP-455, KIP-966).

use super::context::Context;
use super::leadership::BrokerNews;
use crate::image::{NO_LEADER, Partition, Topic};
use crate::{ConfigResource, MetadataRecord, MetadataVersion};
use ottla_config::keys;
use ottla_protocol::stored::PartitionChangeRecord;
use ottla_protocol::{Str, Uuid};
use std::collections::BTreeMap;

/// In a change: the leader stays, and so does its epoch.
const NO_LEADER_CHANGE: i32 = -2;
/// A partition's recovery state after an unclean election, until its leader says that it is done.
pub(super) const RECOVERING: i8 = 1;

/// Who may become the leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Election {
    /// Somebody in sync, the first replica if it can be.
    Preferred,
    /// Somebody in sync, the present leader if it can be.
    Online,
    /// As before; with nobody in sync whoever lives, though what was committed may be lost.
    Unclean,
}

/// What the topic's configs say.
pub(super) struct Rules {
    eligible_leader_replicas: bool,
    min_insync_replicas: usize,
    unclean_leader_election: bool,
    /// Before 3.6-IV0 brokers need a new leader epoch to take notice of a smaller in-sync set (KAFKA-15021).
    epoch_on_shrink: bool,
    has_directories: bool,
}

impl Rules {
    pub(super) fn of(c: &Context<'_>, topic: &Topic) -> Self {
        let min_isr = c.dynamic_topic_config(&topic.name, keys::MIN_INSYNC_REPLICAS.name());
        let min_isr = min_isr.and_then(|v| v.trim().parse::<usize>().ok());
        let static_min_isr = usize::try_from(c.settings.min_insync_replicas).unwrap_or(1);
        let replicas = topic.partitions.get(&0).map_or(usize::MAX, |p| p.replicas.len());
        Self {
            eligible_leader_replicas: c.features().eligible_leader_replicas(),
            min_insync_replicas: min_isr.unwrap_or(static_min_isr).min(replicas),
            unclean_leader_election: c.unclean_leader_election(&topic.name),
            epoch_on_shrink: c.hard.metadata_version() < MetadataVersion::SHRINK_WITHIN_EPOCH,
            has_directories: c.has_directories(),
        }
    }

    /// The election that keeps a partition in service.
    pub(super) fn election(&self) -> Election {
        match self.unclean_leader_election {
            true => Election::Unclean,
            false => Election::Online,
        }
    }
}

impl Context<'_> {
    /// A config of a topic where it may be set for the topic, this node or the cluster.
    fn dynamic_topic_config(&self, topic: &Str, name: &str) -> Option<&Str> {
        let configs = self.image().configs();
        let resources = [
            ConfigResource::topic(topic.clone()),
            ConfigResource::broker(self.settings.node_id),
            ConfigResource::default_broker(),
        ];
        resources.iter().find_map(|r| configs.value(r, name))
    }

    /// Whether a topic would rather lose records than be without a leader.
    pub(super) fn unclean_leader_election(&self, topic: &Str) -> bool {
        let unclean = self.dynamic_topic_config(topic, keys::UNCLEAN_LEADER_ELECTION_ENABLE.name());
        let unclean = unclean.map(|v| v.trim().eq_ignore_ascii_case("true"));
        unclean.unwrap_or(self.settings.unclean_leader_election_enable)
    }
}

/// A partition and what it is to become; the fields are what is wished for, until [`Change::record`] decides.
pub(super) struct Change<'a> {
    c: &'a Context<'a>,
    rules: &'a Rules,
    old: &'a Partition,
    /// The replicas that may lead, of those it has.
    acceptable: Vec<i32>,
    /// Who came back without a proof that it lost nothing.
    stopped_uncleanly: Option<i32>,
    pub(super) election: Election,
    pub(super) replicas: Vec<i32>,
    pub(super) isr: Vec<i32>,
    pub(super) adding: Vec<i32>,
    pub(super) removing: Vec<i32>,
    pub(super) leader_recovery_state: i8,
    /// The directories of replicas, where they are other than they were.
    pub(super) directories: BTreeMap<i32, Uuid>,
    elr: Vec<i32>,
}

impl<'a> Change<'a> {
    /// As the partition is, with an election if its leader cannot lead.
    pub(super) fn new(c: &'a Context<'a>, rules: &'a Rules, old: &'a Partition) -> Self {
        Self::among(acceptable(c, old, |id| c.cluster().is_active(id)), c, rules, old)
    }

    fn among(acceptable: Vec<i32>, c: &'a Context<'a>, rules: &'a Rules, old: &'a Partition) -> Self {
        Self {
            c,
            rules,
            old,
            acceptable,
            stopped_uncleanly: None,
            election: Election::Online,
            replicas: old.replicas.clone(),
            isr: old.isr.clone(),
            adding: old.adding_replicas.clone(),
            removing: old.removing_replicas.clone(),
            leader_recovery_state: old.leader_recovery_state,
            directories: BTreeMap::new(),
            elr: old.elr.clone(),
        }
    }

    /// With news of a broker that the cluster does not show yet.
    pub(super) fn after(news: BrokerNews, c: &'a Context<'a>, rules: &'a Rules, old: &'a Partition) -> Self {
        let serves = |id| match news {
            BrokerNews::Joins(joins) if joins == id => true,
            _ => news.removed() != Some(id) && c.cluster().is_active(id),
        };
        let mut change = Self::among(acceptable(c, old, serves), c, rules, old);
        change.election = rules.election();
        change.isr.retain(|id| news.removed() != Some(*id));
        if let BrokerNews::StoppedUncleanly(id) = news {
            change.stopped_uncleanly = Some(id);
        }
        change
    }

    /// The record of the change, if there is one to make.
    pub(super) fn record(mut self, topic_id: Uuid, partition_id: i32) -> Option<MetadataRecord> {
        self.complete_reassignment();
        self.elr = self.eligible();
        let nothing = PartitionChangeRecord { partition_id, topic_id, leader: NO_LEADER_CHANGE, ..Default::default() };
        let mut record = nothing.clone();
        self.elect_into(&mut record);
        let leaves = |old: &[i32], new: &[i32]| old.iter().any(|id| !new.contains(id));
        if record.leader == NO_LEADER_CHANGE && leaves(&self.old.replicas, &self.replicas) {
            record.leader = self.old.leader;
        }
        self.note_isr(&mut record);
        let shrinks = record.isr.as_ref().is_some_and(|isr| leaves(&self.old.isr, isr));
        if record.leader == NO_LEADER_CHANGE && shrinks && self.rules.epoch_on_shrink {
            record.leader = self.old.leader;
        }
        self.note_last_known_leader(&mut record);
        self.note_assignment(&mut record);
        if self.leader_recovery_state != self.old.leader_recovery_state {
            record.leader_recovery_state = self.leader_recovery_state;
        }
        (record != nothing).then(|| record.into())
    }

    /// A reassignment is done when all whom it adds are in sync, and when that leaves nobody in sync worse off: with fewer
    /// replicas than before, once all who stay are in sync.
    fn complete_reassignment(&mut self) {
        if self.adding.is_empty() && self.removing.is_empty() {
            return;
        }
        let without = |ids: &[i32]| Vec::from_iter(ids.iter().copied().filter(|id| !self.removing.contains(id)));
        let (replicas, isr) = (without(&self.replicas), without(&self.isr));
        let in_sync = |ids: &[i32]| ids.iter().all(|id| isr.contains(id));
        let fewer = self.adding.len() < self.removing.len();
        let early = replicas.is_empty() || (!self.removing.is_empty() && isr.is_empty());
        if early || !in_sync(&self.adding) || (fewer && !in_sync(&replicas)) {
            return;
        }
        (self.replicas, self.isr) = (replicas, isr);
        self.adding.clear();
        self.removing.clear();
    }

    /// The replicas out of sync that have all that was committed: those that left while fewer than the minimum stayed.
    fn eligible(&self) -> Vec<i32> {
        if !self.rules.eligible_leader_replicas || self.isr.len() >= self.rules.min_insync_replicas {
            return Vec::new();
        }
        let mut elr: Vec<i32> = self.elr.iter().chain(&self.old.isr).copied().collect();
        elr.sort_unstable();
        elr.dedup();
        // A replica that a reassignment took away may be deleted at any time; Kafka keeps it.
        elr.retain(|id| !self.isr.contains(id) && self.stopped_uncleanly != Some(*id) && self.replicas.contains(id));
        elr
    }

    fn can_lead(&self, id: i32) -> bool {
        let member = match self.isr.is_empty() {
            true => self.elr.contains(&id),
            false => self.isr.contains(&id),
        };
        member && self.acceptable.contains(&id)
    }

    /// The leader that was last, if nobody in sync or eligible is left (its unflushed tail may be lost).
    fn last_known_leader(&self) -> Option<i32> {
        let nobody = self.isr.is_empty() && self.elr.is_empty();
        match self.old.last_known_elr.as_slice() {
            [last] if self.rules.eligible_leader_replicas && nobody => Some(*last),
            _ => None,
        }
        .filter(|last| self.acceptable.contains(last))
    }

    /// The leader, and whether it may lack what was committed.
    fn elect(&self) -> (i32, bool) {
        let present = core::iter::once(&self.old.leader);
        let clean: Vec<i32> = match self.election {
            Election::Preferred => self.replicas.iter().take(1).chain(present).chain(&self.replicas).copied().collect(),
            Election::Online | Election::Unclean => present.chain(&self.replicas).copied().collect(),
        };
        if let Some(leader) = clean.into_iter().find(|id| self.can_lead(*id)) {
            return (leader, false);
        }
        if let Some(leader) = self.last_known_leader() {
            return (leader, true);
        }
        let alive = self.replicas.iter().find(|id| self.acceptable.contains(id));
        match alive {
            Some(leader) if self.election == Election::Unclean => (*leader, true),
            _ => (NO_LEADER, false),
        }
    }

    fn elect_into(&mut self, record: &mut PartitionChangeRecord) {
        let (leader, unclean) = self.elect();
        if leader == self.old.leader {
            return;
        }
        if self.elr.contains(&leader) {
            self.isr = vec![leader];
            self.elr.retain(|id| *id != leader);
        }
        record.leader = leader;
        if unclean {
            record.isr = Some(vec![leader]);
            if self.old.leader_recovery_state != RECOVERING {
                record.leader_recovery_state = RECOVERING;
            }
        }
    }

    fn note_isr(&mut self, record: &mut PartitionChangeRecord) {
        if !self.rules.eligible_leader_replicas || record.isr.is_some() {
            self.elr.clear();
        }
        if self.elr != self.old.elr {
            record.eligible_leader_replicas = Some(self.elr.clone());
        }
        // Without eligible leader replicas an in-sync set is never emptied: its last member is all there is to know.
        let may_be_empty = self.rules.eligible_leader_replicas || !self.isr.is_empty();
        if record.isr.is_none() && may_be_empty && self.isr != self.old.isr {
            record.isr = Some(self.isr.clone());
        }
    }

    fn note_last_known_leader(&self, record: &mut PartitionChangeRecord) {
        if !self.rules.eligible_leader_replicas {
            return;
        }
        if record.leader == NO_LEADER && self.old.last_known_elr.is_empty() {
            record.last_known_elr = Some(vec![self.old.leader]);
        } else if record.leader >= 0 && !self.old.last_known_elr.is_empty() {
            record.last_known_elr = Some(Vec::new());
        }
    }

    fn note_assignment(&self, record: &mut PartitionChangeRecord) {
        let changed = |new: &Vec<i32>, old: &Vec<i32>| (new != old).then(|| new.clone());
        record.replicas = changed(&self.replicas, &self.old.replicas);
        record.removing_replicas = changed(&self.removing, &self.old.removing_replicas);
        record.adding_replicas = changed(&self.adding, &self.old.adding_replicas);
        if self.rules.has_directories {
            let of = |id: &i32| {
                let known = self.directories.get(id).copied().or_else(|| self.old.directory(*id));
                known.unwrap_or_else(|| self.c.default_directory(*id))
            };
            let directories: Vec<Uuid> = self.replicas.iter().map(of).collect();
            record.directories = (directories != self.old.directories).then_some(directories);
        }
    }
}

/// The replicas that serve, on a disk that works.
fn acceptable(c: &Context<'_>, old: &Partition, serves: impl Fn(i32) -> bool) -> Vec<i32> {
    let on_a_disk = |id: i32| old.directory(id).is_some_and(|dir| c.cluster().has_online_dir(id, dir));
    old.replicas.iter().copied().filter(|id| serves(*id) && on_a_disk(*id)).collect()
}
