//! What news of a broker brings to the partitions it has.

use super::change::{Change, Rules};
use super::context::Context;
use crate::MetadataRecord;
use crate::image::{NO_LEADER, Partition};
use ottla_protocol::Uuid;

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
    pub(super) fn removed(self) -> Option<i32> {
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
                records.extend(Change::after(news, self, &rules, partition).record(topic.id, *number));
            }
        }
        records
    }

    /// The change of one partition that news of a broker brings.
    pub(super) fn partition_change(&self, news: BrokerNews, topic_id: Uuid, number: i32) -> Option<MetadataRecord> {
        let topic = self.topics().by_id(&topic_id)?;
        let partition = topic.partitions.get(&number).filter(|p| news.concerns(p))?;
        Change::after(news, self, &Rules::of(self, topic), partition).record(topic_id, number)
    }
}
