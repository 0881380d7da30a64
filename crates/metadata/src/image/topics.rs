//! Topics and partitions.

use super::shared_map::SharedMap;
use ottla_protocol::stored::{PartitionChangeRecord, PartitionRecord};
use ottla_protocol::{Str, Uuid};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The leader of a partition that has none.
pub const NO_LEADER: i32 = -1;
/// In a change: the leader stays, and so does its epoch.
const NO_LEADER_CHANGE: i32 = -2;
/// In a change: the recovery state stays.
const NO_RECOVERY_CHANGE: i8 = -1;

/// The directory of a replica whose broker has not told of directories (KIP-858).
pub const DIRECTORY_MIGRATING: Uuid = Uuid::ZERO;
/// The directory of a replica that its broker has yet to place.
pub const DIRECTORY_UNASSIGNED: Uuid = Uuid::ONE;
/// The directory of a replica on a disk that failed.
pub const DIRECTORY_LOST: Uuid = Uuid::from_bytes([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);

/// A partition: who has it, who leads it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Partition {
    /// The brokers that hold it, the preferred leader first.
    pub replicas: Vec<i32>,
    /// The log directory of each replica.
    pub directories: Vec<Uuid>,
    /// The replicas in sync.
    pub isr: Vec<i32>,
    /// Replicas that a reassignment takes away.
    pub removing_replicas: Vec<i32>,
    /// Replicas that a reassignment adds.
    pub adding_replicas: Vec<i32>,
    /// Replicas out of sync that have all that was committed (KIP-966).
    pub elr: Vec<i32>,
    /// The last replicas known to be eligible.
    pub last_known_elr: Vec<i32>,
    /// The leader, or [`NO_LEADER`].
    pub leader: i32,
    /// 0 is recovered, 1 is recovering after an unclean election.
    pub leader_recovery_state: i8,
    /// Rises with each leader.
    pub leader_epoch: i32,
    /// Rises with each change.
    pub partition_epoch: i32,
}

/// Where no replica has a directory they are as many as there are replicas.
fn directories_or_migrating(directories: Vec<Uuid>, replicas: usize) -> Vec<Uuid> {
    match directories.iter().all(|dir| *dir == DIRECTORY_MIGRATING) {
        true => vec![DIRECTORY_MIGRATING; replicas],
        false => directories,
    }
}

impl Partition {
    pub(crate) fn from_record(record: &PartitionRecord) -> Self {
        let replicas = record.replicas.len();
        Self {
            replicas: record.replicas.clone(),
            directories: directories_or_migrating(record.directories.clone(), replicas),
            isr: record.isr.clone(),
            removing_replicas: record.removing_replicas.clone(),
            adding_replicas: record.adding_replicas.clone(),
            elr: record.eligible_leader_replicas.clone().unwrap_or_default(),
            last_known_elr: record.last_known_elr.clone().unwrap_or_default(),
            leader: record.leader,
            leader_recovery_state: record.leader_recovery_state,
            leader_epoch: record.leader_epoch,
            partition_epoch: record.partition_epoch,
        }
    }

    /// The record that makes this partition; without directories where `metadata.version` knows none.
    pub(crate) fn to_record(&self, topic_id: Uuid, partition_id: i32, directories: bool) -> PartitionRecord {
        let unless_empty = |list: &Vec<i32>| (!list.is_empty()).then(|| list.clone());
        PartitionRecord {
            partition_id,
            topic_id,
            replicas: self.replicas.clone(),
            isr: self.isr.clone(),
            removing_replicas: self.removing_replicas.clone(),
            adding_replicas: self.adding_replicas.clone(),
            leader: self.leader,
            leader_recovery_state: self.leader_recovery_state,
            leader_epoch: self.leader_epoch,
            partition_epoch: self.partition_epoch,
            directories: match directories {
                true => self.directories.clone(),
                false => Vec::new(),
            },
            eligible_leader_replicas: unless_empty(&self.elr),
            last_known_elr: unless_empty(&self.last_known_elr),
            ..Default::default()
        }
    }

    pub(crate) fn merge(&self, change: &PartitionChangeRecord) -> Self {
        let or_old = |new: &Option<Vec<i32>>, old: &Vec<i32>| new.clone().unwrap_or_else(|| old.clone());
        let replicas = or_old(&change.replicas, &self.replicas);
        let directories = change.directories.clone();
        let directories = directories.unwrap_or_else(|| self.directories.clone());
        let (leader, leader_epoch) = match change.leader {
            NO_LEADER_CHANGE => (self.leader, self.leader_epoch),
            leader => (leader, self.leader_epoch.saturating_add(1)),
        };
        Self {
            directories: directories_or_migrating(directories, replicas.len()),
            isr: or_old(&change.isr, &self.isr),
            removing_replicas: or_old(&change.removing_replicas, &self.removing_replicas),
            adding_replicas: or_old(&change.adding_replicas, &self.adding_replicas),
            elr: or_old(&change.eligible_leader_replicas, &self.elr),
            last_known_elr: or_old(&change.last_known_elr, &self.last_known_elr),
            leader,
            leader_recovery_state: match change.leader_recovery_state {
                NO_RECOVERY_CHANGE => self.leader_recovery_state,
                state => state,
            },
            leader_epoch,
            partition_epoch: self.partition_epoch.saturating_add(1),
            replicas,
        }
    }

    /// Whether it is on its way to other brokers.
    pub fn is_reassigning(&self) -> bool {
        !self.adding_replicas.is_empty() || !self.removing_replicas.is_empty()
    }

    /// The directory of the replica on a broker, if it has one.
    pub fn directory(&self, broker_id: i32) -> Option<Uuid> {
        let at = self.replicas.iter().position(|r| *r == broker_id)?;
        self.directories.get(at).copied()
    }
}

/// A topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: Str,
    /// Its id, never used twice.
    pub id: Uuid,
    /// Its partitions by number.
    pub partitions: BTreeMap<i32, Arc<Partition>>,
}

/// All topics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topics {
    by_id: SharedMap<Uuid, Arc<Topic>>,
    by_name: SharedMap<Str, Uuid>,
}

impl Topics {
    /// A topic by its name.
    pub fn by_name(&self, name: &str) -> Option<&Arc<Topic>> {
        self.by_id(self.by_name.get(name)?)
    }

    /// A topic by its id.
    pub fn by_id(&self, id: &Uuid) -> Option<&Arc<Topic>> {
        self.by_id.get(id)
    }

    /// A partition by its topic's name.
    pub fn partition(&self, name: &str, partition: i32) -> Option<&Arc<Partition>> {
        self.by_name(name)?.partitions.get(&partition)
    }

    /// All topics in order of name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.by_name.iter().filter_map(|(_, id)| self.by_id.get(id))
    }

    /// The topics from a name on, in order of name; for answers given page by page.
    pub fn iter_from<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a Arc<Topic>> {
        self.by_name.iter_from(name).filter_map(|(_, id)| self.by_id.get(id))
    }

    /// How many topics there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_id.len() == 0
    }

    /// How many partitions there are, over all topics.
    pub fn partition_count(&self) -> usize {
        self.by_id.iter().map(|(_, t)| t.partitions.len()).sum()
    }

    pub(super) fn insert(&mut self, name: &Str, id: Uuid) {
        let name = name.detached();
        self.by_name.insert(name.clone(), id);
        self.by_id.insert(id, Arc::new(Topic { name, id, partitions: BTreeMap::new() }));
    }

    pub(super) fn remove(&mut self, id: &Uuid) -> Option<Arc<Topic>> {
        let topic = self.by_id.remove(id)?;
        self.by_name.remove(&topic.name);
        Some(topic)
    }

    pub(super) fn topic_mut(&mut self, id: &Uuid) -> Option<&mut Topic> {
        self.by_id.get_mut(id).map(Arc::make_mut)
    }
}
