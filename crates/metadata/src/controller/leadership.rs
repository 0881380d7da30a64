//! Who leads a partition, and who is in sync, when brokers come and go (KIP-966).

use super::context::Context;
use crate::image::{NO_LEADER, Partition, Topic};
use crate::{ConfigResource, MetadataRecord};
use ottla_config::keys;
use ottla_protocol::stored::PartitionChangeRecord;
use ottla_protocol::{Str, Uuid};

const NO_LEADER_CHANGE: i32 = -2;
const RECOVERING: i8 = 1;

/// What happened to a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BrokerNews {
    /// It may no longer lead, nor be in sync: fenced, stopping or gone.
    Leaves(i32),
    /// It came back without having stopped in order: it may have lost what it had.
    StoppedUncleanly(i32),
    /// It may lead again.
    Joins(i32),
}

impl BrokerNews {
    fn removed(self) -> Option<i32> {
        match self {
            Self::Leaves(id) | Self::StoppedUncleanly(id) => Some(id),
            Self::Joins(_) => None,
        }
    }

    /// Whether the news can change the partition.
    fn concerns(self, p: &Partition) -> bool {
        match self {
            Self::Leaves(id) => p.isr.contains(&id),
            Self::StoppedUncleanly(id) => p.isr.contains(&id) || p.elr.contains(&id),
            Self::Joins(_) => p.leader == NO_LEADER,
        }
    }
}

impl Context<'_> {
    /// The changes of partitions that news of a broker brings.
    pub(super) fn partition_changes(&self, news: BrokerNews) -> Vec<MetadataRecord> {
        self.partition_changes_where(news, |_| true)
    }

    /// The same for some partitions only.
    pub(super) fn partition_changes_where(
        &self,
        news: BrokerNews,
        filter: impl Fn(&Partition) -> bool,
    ) -> Vec<MetadataRecord> {
        let mut records = Vec::new();
        for topic in self.topics().iter() {
            let concerned = |p: &Partition| news.concerns(p) && filter(p);
            let partitions = topic.partitions.iter();
            let partitions: Vec<_> = partitions.filter(|(_, p)| concerned(p)).collect();
            if partitions.is_empty() {
                continue;
            }
            let rules = Rules::of(self, topic);
            for (number, partition) in partitions {
                let change = Change::new(self, &rules, news, partition);
                records.extend(change.record(topic.id, *number).map(MetadataRecord::from));
            }
        }
        records
    }

    /// The change of one partition that news of a broker brings.
    pub(super) fn partition_change(&self, news: BrokerNews, topic_id: Uuid, number: i32) -> Option<MetadataRecord> {
        let topic = self.topics().by_id(&topic_id)?;
        let partition = topic.partitions.get(&number).filter(|p| news.concerns(p))?;
        let rules = Rules::of(self, topic);
        let change = Change::new(self, &rules, news, partition);
        change.record(topic_id, number).map(MetadataRecord::from)
    }

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
}

/// What the topic's configs say.
struct Rules {
    eligible_leader_replicas: bool,
    min_insync_replicas: usize,
    unclean_leader_election: bool,
}

impl Rules {
    fn of(c: &Context<'_>, topic: &Topic) -> Self {
        let min_isr = c.dynamic_topic_config(&topic.name, keys::MIN_INSYNC_REPLICAS.name());
        let min_isr = min_isr.and_then(|v| v.trim().parse::<usize>().ok());
        let static_min_isr = usize::try_from(c.settings.min_insync_replicas).unwrap_or(1);
        let unclean = c.dynamic_topic_config(&topic.name, keys::UNCLEAN_LEADER_ELECTION_ENABLE.name());
        let unclean = unclean.map(|v| v.trim().eq_ignore_ascii_case("true"));
        Self {
            eligible_leader_replicas: c.features().eligible_leader_replicas(),
            min_insync_replicas: min_isr.unwrap_or(static_min_isr),
            unclean_leader_election: unclean.unwrap_or(c.settings.unclean_leader_election_enable),
        }
    }
}

/// A partition and what it is to become.
struct Change<'a> {
    rules: &'a Rules,
    old: &'a Partition,
    /// The replicas that may lead, of all replicas.
    acceptable: Vec<i32>,
    isr: Vec<i32>,
    elr: Vec<i32>,
}

impl<'a> Change<'a> {
    fn new(c: &Context<'_>, rules: &'a Rules, news: BrokerNews, old: &'a Partition) -> Self {
        let on_a_disk = |id: i32| old.directory(id).is_some_and(|dir| c.cluster().has_online_dir(id, dir));
        let acceptable = |id: &i32| match news {
            BrokerNews::Joins(joins) if joins == *id => on_a_disk(*id),
            _ => news.removed() != Some(*id) && c.cluster().is_active(*id) && on_a_disk(*id),
        };
        let stays = |id: &i32| news.removed() != Some(*id);
        let isr: Vec<i32> = old.isr.iter().copied().filter(stays).collect();
        Self {
            elr: eligible(rules, news, old, &isr),
            rules,
            acceptable: old.replicas.iter().copied().filter(acceptable).collect(),
            isr,
            old,
        }
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
        let clean = core::iter::once(&self.old.leader).chain(&self.old.replicas);
        if let Some(leader) = clean.copied().find(|id| self.can_lead(*id)) {
            return (leader, false);
        }
        if let Some(leader) = self.last_known_leader() {
            return (leader, true);
        }
        match self.acceptable.first() {
            Some(leader) if self.rules.unclean_leader_election => (*leader, true),
            _ => (NO_LEADER, false),
        }
    }

    fn record(mut self, topic_id: Uuid, partition_id: i32) -> Option<PartitionChangeRecord> {
        let mut record =
            PartitionChangeRecord { partition_id, topic_id, leader: NO_LEADER_CHANGE, ..Default::default() };
        let (leader, unclean) = self.elect();
        if leader != self.old.leader {
            self.lead(&mut record, leader, unclean);
        }
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
        self.note_last_known_leader(&mut record);
        let nothing = PartitionChangeRecord { partition_id, topic_id, leader: NO_LEADER_CHANGE, ..Default::default() };
        (record != nothing).then_some(record)
    }

    fn lead(&mut self, record: &mut PartitionChangeRecord, leader: i32, unclean: bool) {
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

    fn note_last_known_leader(&self, record: &mut PartitionChangeRecord) {
        if !self.rules.eligible_leader_replicas {
            return;
        }
        let emptied = record.isr.as_ref().is_some_and(Vec::is_empty);
        let led = match record.leader {
            NO_LEADER_CHANGE => self.old.leader != NO_LEADER,
            leader => leader != NO_LEADER,
        };
        if emptied && self.old.last_known_elr != [self.old.leader] {
            record.last_known_elr = Some(vec![self.old.leader]);
        } else if led && !self.old.last_known_elr.is_empty() {
            record.last_known_elr = Some(Vec::new());
        }
    }
}

/// The replicas out of sync that have all that was committed: those that left while fewer than the minimum stayed.
fn eligible(rules: &Rules, news: BrokerNews, old: &Partition, isr: &[i32]) -> Vec<i32> {
    if !rules.eligible_leader_replicas || isr.len() >= rules.min_insync_replicas {
        return Vec::new();
    }
    let unclean = |id: &i32| news == BrokerNews::StoppedUncleanly(*id);
    let mut elr: Vec<i32> = old.elr.iter().chain(&old.isr).copied().collect();
    elr.sort_unstable();
    elr.dedup();
    elr.retain(|id| !isr.contains(id) && !unclean(id));
    elr
}
