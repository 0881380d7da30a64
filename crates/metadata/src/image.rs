//! The state of the cluster as the metadata log tells it.

mod acls;
mod apply;
mod client_quotas;
mod cluster;
mod configs;
mod credentials;
mod features;
mod shared_map;
mod topics;

pub use self::acls::Acls;
pub use self::client_quotas::{ClientQuotas, QuotaEntity};
pub use self::cluster::{Broker, BrokerFeature, Cluster, Controller, Endpoint};
pub use self::configs::Configs;
pub use self::credentials::{DelegationTokens, ScramCredentials};
pub use self::features::Features;
pub use self::topics::{
    DIRECTORY_LOST, DIRECTORY_MIGRATING, DIRECTORY_UNASSIGNED, NO_LEADER, Partition, Topic, Topics,
};

use crate::{Delta, MetadataRecord};
use ottla_protocol::{Str, Uuid};
use std::sync::Arc;

/// Why a record cannot follow those before it: the log is not what a controller writes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A record of a topic that is not there.
    #[error("{record} names topic id {topic_id}, which does not exist")]
    UnknownTopicId {
        /// The record's name.
        record: &'static str,
        /// The id.
        topic_id: Uuid,
    },
    /// A record of a topic that is not there.
    #[error("{record} names topic {name}, which does not exist")]
    UnknownTopic {
        /// The record's name.
        record: &'static str,
        /// The topic.
        name: Str,
    },
    /// A change of a partition that is not there.
    #[error("PartitionChangeRecord names partition {partition} of topic id {topic_id}, which does not exist")]
    UnknownPartition {
        /// The topic.
        topic_id: Uuid,
        /// The partition.
        partition: i32,
    },
    /// Two topics of one name or one id.
    #[error("topic {name} with id {topic_id} exists already")]
    DuplicateTopic {
        /// The topic's name.
        name: Str,
        /// The topic's id.
        topic_id: Uuid,
    },
    /// A record of a broker that is not registered.
    #[error("{record} names broker {broker_id}, which is not registered with epoch {broker_epoch}")]
    UnknownBroker {
        /// The record's name.
        record: &'static str,
        /// The broker.
        broker_id: i32,
        /// Its epoch by the record.
        broker_epoch: i64,
    },
    /// A number that stands for nothing this build knows.
    #[error("{record} has {field} {value}, which is unknown")]
    UnknownValue {
        /// The record's name.
        record: &'static str,
        /// The record's field.
        field: &'static str,
        /// Its value.
        value: i64,
    },
    /// Directories that do not match the replicas.
    #[error("{record} has {directories} directories for {replicas} replicas")]
    Directories {
        /// The record's name.
        record: &'static str,
        /// Directories there are.
        directories: usize,
        /// Replicas there are.
        replicas: usize,
    },
    /// A begin inside a transaction, or an end outside of one.
    #[error("{0} out of place")]
    Transaction(&'static str),
    /// Producer ids that do not rise.
    #[error("ProducerIdsRecord goes from {from} back to {to}")]
    ProducerIds {
        /// The next producer id before.
        from: i64,
        /// The next producer id of the record.
        to: i64,
    },
}

/// What the cluster is. Cheap to clone: the parts are shared until one changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Image {
    offset: i64,
    epoch: i32,
    features: Arc<Features>,
    cluster: Arc<Cluster>,
    topics: Arc<Topics>,
    configs: Arc<Configs>,
    next_producer_id: Option<i64>,
    client_quotas: Arc<ClientQuotas>,
    acls: Arc<Acls>,
    scram: Arc<ScramCredentials>,
    delegation_tokens: Arc<DelegationTokens>,
    /// The image before the transaction that is open, to go back to (KIP-868).
    before_transaction: Option<Arc<Image>>,
}

impl Image {
    /// The offset after the last record this image has seen, as [`Image::advance`] told it.
    pub fn offset(&self) -> i64 {
        self.offset
    }

    /// The leader epoch of the last record this image has seen.
    pub fn epoch(&self) -> i32 {
        self.epoch
    }

    /// Notes how far in the log this image is: the offset after the last record, and that record's leader epoch.
    pub fn advance(&mut self, offset: i64, epoch: i32) {
        self.offset = offset;
        self.epoch = epoch;
    }

    /// Whether a transaction is open: until it ends, what this image holds may yet be taken back, and must not be
    /// acted upon.
    pub fn in_transaction(&self) -> bool {
        self.before_transaction.is_some()
    }

    /// The image without what may yet be taken back.
    pub(crate) fn settled(&self) -> &Self {
        self.before_transaction.as_deref().unwrap_or(self)
    }

    /// The finalized features.
    pub fn features(&self) -> &Features {
        &self.features
    }

    /// Brokers and controllers.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Topics and their partitions.
    pub fn topics(&self) -> &Topics {
        &self.topics
    }

    /// Configs by resource.
    pub fn configs(&self) -> &Configs {
        &self.configs
    }

    /// The first producer id that no broker has yet, if any was given out.
    pub fn next_producer_id(&self) -> Option<i64> {
        self.next_producer_id
    }

    /// Client quotas (KIP-546).
    pub fn client_quotas(&self) -> &ClientQuotas {
        &self.client_quotas
    }

    /// Access control entries.
    pub fn acls(&self) -> &Acls {
        &self.acls
    }

    /// SCRAM credentials.
    pub fn scram(&self) -> &ScramCredentials {
        &self.scram
    }

    /// Delegation tokens.
    pub fn delegation_tokens(&self) -> &DelegationTokens {
        &self.delegation_tokens
    }

    /// Takes a record in. On an error the image is as before.
    pub fn apply(&mut self, record: &MetadataRecord) -> Result<(), Error> {
        self.apply_noting(record, &mut Delta::default())
    }

    /// Takes a record in and notes in `delta` what it changed.
    pub fn apply_noting(&mut self, record: &MetadataRecord, delta: &mut Delta) -> Result<(), Error> {
        apply::apply(self, record, delta)
    }
}

#[cfg(test)]
mod tests;
