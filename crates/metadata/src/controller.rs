//! The machine that decides every change of the metadata.

mod activate;
mod alter_configs;
mod alter_partition;
mod assign_replicas;
mod brokers;
mod change;
mod context;
mod create_partitions;
mod create_topics;
mod delete_topics;
mod dispatch;
mod elect_leaders;
mod leadership;
mod partitions;
mod producer_ids;
mod reassign;
mod register_controller;
mod settings;
mod update_features;

pub use self::activate::Activate;
pub use self::alter_configs::{
    AlterConfigs, AlterableResource, AlteredResource, ConfigChange, IncrementalAlterConfigs,
};
pub use self::alter_partition::{AlterPartition, AlteredPartitions, IsrChange, IsrMember};
pub use self::assign_replicas::{AssignReplicas, Assignment};
pub use self::brokers::{BrokerHeartbeat, BrokerStatus, RegisterBroker, UnregisterBroker};
pub use self::create_partitions::{CreatePartitions, GrowingTopic};
pub use self::create_topics::{CreatableTopic, CreateTopics, CreatedTopic, ReplicaAssignment, TopicResult};
pub use self::delete_topics::{DeleteTopics, DeletedTopic, TopicRef};
pub use self::elect_leaders::{ElectLeaders, ElectionKind};
pub use self::producer_ids::{AllocateProducerIds, PRODUCER_ID_BLOCK_SIZE, ProducerIdBlock};
pub use self::reassign::{Reassign, Reassigning, Reassignment};
pub use self::register_controller::RegisterController;
pub use self::settings::{ConfigSchema, Settings};
pub use self::update_features::{FeatureUpdate, UPGRADE, UpdateFeatures};

use crate::{ApiError, Image, MetadataRecord, MetadataVersion, image, topic_name};
use ottla_protocol::{ErrorCode, Str};
use ottla_state_machine::{Now, Outcome, StateMachine, Ticket};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The most records that one decision may write, as in Kafka.
pub const MAX_RECORDS_PER_USER_OP: usize = 10_000;

/// The controller, to be run in a `Shard`.
#[derive(Debug)]
pub struct Controller;

/// What the metadata log has told the controller.
#[derive(Debug, Default)]
pub struct Hard {
    image: Image,
    /// The topics with a dot or an underscore in their names, by the name that metrics give them.
    unified_names: BTreeMap<String, BTreeSet<Str>>,
    /// The offset of each broker's registration.
    registered_at: BTreeMap<i32, i64>,
    fault: Option<image::Error>,
}

impl Hard {
    /// The state of the cluster, uncommitted records of this controller among it.
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// The first record of the log that could not be: the controller does not serve on such a log.
    pub fn fault(&self) -> Option<&image::Error> {
        self.fault.as_ref()
    }

    /// The version to write records at.
    pub fn metadata_version(&self) -> MetadataVersion {
        self.image.features().metadata_version().unwrap_or_default()
    }

    /// Takes a name into the index or out of it, before the image changes.
    fn index_names(&mut self, record: &MetadataRecord) {
        match record {
            MetadataRecord::Topic(topic) => self.index_name(&topic.name),
            MetadataRecord::RemoveTopic(removed) => {
                let topic = self.image.topics().by_id(&removed.topic_id);
                if let Some(name) = topic.map(|t| t.name.clone()) {
                    self.unindex_name(&name);
                }
            }
            _ => {}
        }
    }

    fn index_name(&mut self, name: &Str) {
        if let Some(unified) = topic_name::unified(name) {
            let names = self.unified_names.entry(unified).or_default();
            names.insert(name.detached());
        }
    }

    fn unindex_name(&mut self, name: &Str) {
        let Some(unified) = topic_name::unified(name) else {
            return;
        };
        if let Some(names) = self.unified_names.get_mut(&unified) {
            names.remove(name);
            if names.is_empty() {
                self.unified_names.remove(&unified);
            }
        }
    }

    /// After records were taken back, what was derived from them is derived anew.
    fn index_again(&mut self) {
        self.unified_names.clear();
        let names: Vec<Str> = self.image.topics().iter().map(|t| t.name.clone()).collect();
        for name in names {
            self.index_name(&name);
        }
        let brokers = self.image.cluster().brokers();
        self.registered_at.retain(|id, _| brokers.contains_key(id));
    }
}

/// What ends with the controller's time as the active one.
#[derive(Debug, Default)]
pub struct Soft {
    settings: Option<Arc<Settings>>,
    sessions: brokers::Sessions,
}

/// What became of one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicError {
    /// The topic's name.
    pub name: Str,
    /// What became of it.
    pub result: Result<(), ApiError>,
}

/// What became of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionError {
    /// The partition's number.
    pub partition: i32,
    /// What became of it.
    pub result: Result<(), ApiError>,
}

/// What became of each topic's partitions.
pub type PartitionErrors = Vec<(Str, Vec<PartitionError>)>;

/// What can happen to the controller.
#[derive(Debug)]
pub enum Event {
    /// The controller is to serve; must come first, and every other event before it is refused with `NOT_CONTROLLER`.
    Activate(Ticket, Activate),
    /// Topics are to be made.
    CreateTopics(Ticket, CreateTopics),
    /// Topics are to be deleted.
    DeleteTopics(Ticket, DeleteTopics),
    /// Topics are to have more partitions.
    CreatePartitions(Ticket, CreatePartitions),
    /// Some configs are to change.
    IncrementalAlterConfigs(Ticket, IncrementalAlterConfigs),
    /// All configs of some resources are to change.
    AlterConfigs(Ticket, AlterConfigs),
    /// A broker wants producer ids.
    AllocateProducerIds(Ticket, AllocateProducerIds),
    /// A broker has started.
    RegisterBroker(Ticket, RegisterBroker),
    /// A broker lives.
    BrokerHeartbeat(Ticket, BrokerHeartbeat),
    /// A broker's process has ended, which nobody had to wait for its session to tell.
    BrokerGone {
        /// The broker.
        broker_id: i32,
        /// The epoch it registered with.
        broker_epoch: i64,
    },
    /// A broker tells where its replicas are.
    AssignReplicas(Ticket, AssignReplicas),
    /// A leader wants another in-sync set.
    AlterPartition(Ticket, AlterPartition),
    /// Leaders are to be elected.
    ElectLeaders(Ticket, ElectLeaders),
    /// Partitions are to move, or not to.
    Reassign(Ticket, Reassign),
    /// Somebody asks which partitions of some topics, or of all, are moving.
    ListReassignments(Ticket, Option<Vec<(Str, Vec<i32>)>>),
    /// Features are to have other levels.
    UpdateFeatures(Ticket, UpdateFeatures),
    /// A broker is to be forgotten.
    UnregisterBroker(Ticket, UnregisterBroker),
    /// A controller has started.
    RegisterController(Ticket, RegisterController),
    /// Who votes, or the level of `kraft.version`, is another.
    Resettle(Arc<Settings>),
    /// A timer is due.
    Timeout(Timer),
}

/// What the controller answers; the variant is that of the event.
///
/// An error in place of the whole answer is every item's.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// To [`Event::Activate`].
    Activate(Result<(), ApiError>),
    /// To [`Event::CreateTopics`].
    CreateTopics(Result<Vec<TopicResult>, ApiError>),
    /// To [`Event::DeleteTopics`].
    DeleteTopics(Result<Vec<DeletedTopic>, ApiError>),
    /// To [`Event::CreatePartitions`].
    CreatePartitions(Result<Vec<TopicError>, ApiError>),
    /// To [`Event::IncrementalAlterConfigs`].
    IncrementalAlterConfigs(Result<Vec<AlteredResource>, ApiError>),
    /// To [`Event::AlterConfigs`].
    AlterConfigs(Result<Vec<AlteredResource>, ApiError>),
    /// To [`Event::AllocateProducerIds`].
    AllocateProducerIds(Result<ProducerIdBlock, ApiError>),
    /// To [`Event::RegisterBroker`]: the broker's epoch.
    RegisterBroker(Result<i64, ApiError>),
    /// To [`Event::BrokerHeartbeat`].
    BrokerHeartbeat(Result<BrokerStatus, ApiError>),
    /// To [`Event::AssignReplicas`].
    AssignReplicas(Result<Vec<ErrorCode>, ApiError>),
    /// To [`Event::AlterPartition`].
    AlterPartition(Result<AlteredPartitions, ApiError>),
    /// To [`Event::ElectLeaders`].
    ElectLeaders(Result<PartitionErrors, ApiError>),
    /// To [`Event::Reassign`].
    Reassign(Result<PartitionErrors, ApiError>),
    /// To [`Event::ListReassignments`].
    ListReassignments(Result<Reassigning, ApiError>),
    /// To [`Event::UpdateFeatures`].
    UpdateFeatures(Result<(), ApiError>),
    /// To [`Event::UnregisterBroker`].
    UnregisterBroker(Result<(), ApiError>),
    /// To [`Event::RegisterController`].
    RegisterController(Result<(), ApiError>),
}

/// The controller's timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// A broker is taken for dead.
    BrokerSession(i32),
    /// Leadership goes back to the first replicas.
    BalanceLeaders,
    /// Partitions without a leader may get one that lacks records.
    ElectUnclean,
    /// A record is written that says nothing.
    Idle,
}

/// The controller asks nothing of its driver but to append records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {}

impl StateMachine for Controller {
    type Hard = Hard;
    type Soft = Soft;
    type Event = Event;
    type Record = MetadataRecord;
    type Reply = Reply;
    type Effect = Effect;
    type Timer = Timer;

    fn decide(hard: &Hard, soft: &mut Soft, now: Now, event: Event, out: &mut Outcome<Self>) {
        dispatch::decide(hard, soft, now.monotonic, event, out);
    }

    fn timeout(timer: Timer) -> Event {
        Event::Timeout(timer)
    }

    fn apply(hard: &mut Hard, offset: i64, record: &MetadataRecord) {
        if hard.fault.is_some() {
            return;
        }
        hard.index_names(record);
        if let Err(fault) = hard.image.apply(record) {
            hard.fault = Some(fault);
            return;
        }
        match record {
            MetadataRecord::RegisterBroker(r) => {
                hard.registered_at.insert(r.broker_id, offset);
            }
            MetadataRecord::UnregisterBroker(r) => {
                hard.registered_at.remove(&r.broker_id);
            }
            MetadataRecord::AbortTransaction(_) => hard.index_again(),
            _ => {}
        }
        let epoch = hard.image.epoch();
        hard.image.advance(offset.saturating_add(1), epoch);
    }
}

#[cfg(test)]
mod tests;
