//! Brokers and controllers that have registered.

use super::{DIRECTORY_LOST, DIRECTORY_MIGRATING, DIRECTORY_UNASSIGNED};
use ottla_protocol::stored::{
    BrokerRegistrationChangeRecord, RegisterBrokerRecord, RegisterControllerRecord, register_broker_record,
    register_controller_record,
};
use ottla_protocol::{Str, Uuid};
use std::collections::BTreeMap;
use std::sync::Arc;

/// An address that a node listens on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The listener's name.
    pub name: Str,
    /// The host that clients are told.
    pub host: Str,
    /// The port that clients are told.
    pub port: u16,
    /// Kafka's number of the security protocol.
    pub security_protocol: i16,
}

/// The levels of a feature that a node can run at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerFeature {
    /// The feature.
    pub name: Str,
    /// The lowest level.
    pub min_supported_version: i16,
    /// The highest level.
    pub max_supported_version: i16,
}

/// A broker as it registered, and whether it may serve.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Broker {
    /// Its id.
    pub id: i32,
    /// The epoch of its registration.
    pub epoch: i64,
    /// Differs from one run of the process to the next.
    pub incarnation_id: Uuid,
    /// Its listeners, in order of name.
    pub listeners: Vec<Endpoint>,
    /// The features it knows, in order of name.
    pub features: Vec<BrokerFeature>,
    /// Where it stands.
    pub rack: Option<Str>,
    /// Whether it may not lead or follow for now.
    pub fenced: bool,
    /// Whether it is on its way to stop.
    pub in_controlled_shutdown: bool,
    /// A broker in a migration from ZooKeeper; only in old logs.
    pub is_migrating_zk_broker: bool,
    /// Its log directories that are online, in order.
    pub log_dirs: Vec<Uuid>,
    /// Its log directories that take no new replicas (KIP-1066), if it told.
    pub cordoned_log_dirs: Option<Vec<Uuid>>,
}

impl Broker {
    /// Its address on a listener.
    pub fn listener(&self, name: &str) -> Option<&Endpoint> {
        self.listeners.iter().find(|l| l.name == name)
    }

    /// Whether it may lead and be in sync.
    pub fn is_active(&self) -> bool {
        !self.fenced && !self.in_controlled_shutdown
    }

    /// Whether a replica in this directory is on a disk that works, as far as is known.
    pub fn has_online_dir(&self, dir: Uuid) -> bool {
        match dir {
            DIRECTORY_UNASSIGNED | DIRECTORY_MIGRATING => true,
            DIRECTORY_LOST => false,
            dir => self.log_dirs.is_empty() || self.log_dirs.binary_search(&dir).is_ok(),
        }
    }

    /// Whether no directory takes new replicas.
    pub fn is_cordoned(&self) -> bool {
        let cordoned = self.cordoned_log_dirs.as_deref().unwrap_or_default();
        !self.log_dirs.is_empty() && self.log_dirs.iter().all(|dir| cordoned.contains(dir))
    }

    pub(super) fn from_record(record: &RegisterBrokerRecord) -> Self {
        let mut listeners: Vec<_> = record.end_points.iter().map(endpoint).collect();
        listeners.sort_by(|a, b| a.name.cmp(&b.name));
        let mut features: Vec<_> = record.features.iter().map(feature).collect();
        features.sort_by(|a, b| a.name.cmp(&b.name));
        let mut log_dirs = record.log_dirs.clone();
        log_dirs.sort_unstable();
        Self {
            id: record.broker_id,
            epoch: record.broker_epoch,
            incarnation_id: record.incarnation_id,
            listeners,
            features,
            rack: record.rack.as_ref().map(Str::detached),
            fenced: record.fenced,
            in_controlled_shutdown: record.in_controlled_shutdown,
            is_migrating_zk_broker: record.is_migrating_zk_broker,
            log_dirs,
            cordoned_log_dirs: record.cordoned_log_dirs.clone(),
        }
    }

    pub(super) fn merge(&mut self, change: &BrokerRegistrationChangeRecord) {
        match change.fenced {
            1 => self.fenced = true,
            -1 => self.fenced = false,
            _ => {}
        }
        // There is no way back from a controlled shutdown but to register anew.
        self.in_controlled_shutdown |= change.in_controlled_shutdown == 1;
        if !change.log_dirs.is_empty() {
            self.log_dirs = change.log_dirs.clone();
            self.log_dirs.sort_unstable();
        }
        if change.cordoned_log_dirs.is_some() {
            self.cordoned_log_dirs = change.cordoned_log_dirs.clone();
        }
    }

    pub(crate) fn to_record(&self) -> RegisterBrokerRecord {
        RegisterBrokerRecord {
            broker_id: self.id,
            is_migrating_zk_broker: self.is_migrating_zk_broker,
            incarnation_id: self.incarnation_id,
            broker_epoch: self.epoch,
            end_points: self.listeners.iter().map(broker_endpoint).collect(),
            features: self.features.iter().map(broker_feature).collect(),
            rack: self.rack.clone(),
            fenced: self.fenced,
            in_controlled_shutdown: self.in_controlled_shutdown,
            log_dirs: self.log_dirs.clone(),
            cordoned_log_dirs: self.cordoned_log_dirs.clone(),
            ..Default::default()
        }
    }
}

fn endpoint(e: &register_broker_record::BrokerEndpoint) -> Endpoint {
    Endpoint { name: e.name.detached(), host: e.host.detached(), port: e.port, security_protocol: e.security_protocol }
}

fn broker_endpoint(e: &Endpoint) -> register_broker_record::BrokerEndpoint {
    register_broker_record::BrokerEndpoint {
        name: e.name.clone(),
        host: e.host.clone(),
        port: e.port,
        security_protocol: e.security_protocol,
        ..Default::default()
    }
}

fn feature(f: &register_broker_record::BrokerFeature) -> BrokerFeature {
    BrokerFeature {
        name: f.name.detached(),
        min_supported_version: f.min_supported_version,
        max_supported_version: f.max_supported_version,
    }
}

fn broker_feature(f: &BrokerFeature) -> register_broker_record::BrokerFeature {
    register_broker_record::BrokerFeature {
        name: f.name.clone(),
        min_supported_version: f.min_supported_version,
        max_supported_version: f.max_supported_version,
        ..Default::default()
    }
}

/// A controller as it registered (KIP-919).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Controller {
    /// Its id.
    pub id: i32,
    /// Differs from one run of the process to the next.
    pub incarnation_id: Uuid,
    /// Only in old logs.
    pub zk_migration_ready: bool,
    /// Its listeners.
    pub listeners: Vec<Endpoint>,
    /// The features it knows.
    pub features: Vec<BrokerFeature>,
}

impl Controller {
    pub(super) fn from_record(record: &RegisterControllerRecord) -> Self {
        Self {
            id: record.controller_id,
            incarnation_id: record.incarnation_id,
            zk_migration_ready: record.zk_migration_ready,
            listeners: record.end_points.iter().map(controller_endpoint).collect(),
            features: record.features.iter().map(controller_feature).collect(),
        }
    }

    pub(crate) fn to_record(&self) -> RegisterControllerRecord {
        let end_point = |e: &Endpoint| register_controller_record::ControllerEndpoint {
            name: e.name.clone(),
            host: e.host.clone(),
            port: e.port,
            security_protocol: e.security_protocol,
            ..Default::default()
        };
        let feature = |f: &BrokerFeature| register_controller_record::ControllerFeature {
            name: f.name.clone(),
            min_supported_version: f.min_supported_version,
            max_supported_version: f.max_supported_version,
            ..Default::default()
        };
        RegisterControllerRecord {
            controller_id: self.id,
            incarnation_id: self.incarnation_id,
            zk_migration_ready: self.zk_migration_ready,
            end_points: self.listeners.iter().map(end_point).collect(),
            features: self.features.iter().map(feature).collect(),
            ..Default::default()
        }
    }
}

fn controller_endpoint(e: &register_controller_record::ControllerEndpoint) -> Endpoint {
    Endpoint { name: e.name.detached(), host: e.host.detached(), port: e.port, security_protocol: e.security_protocol }
}

fn controller_feature(f: &register_controller_record::ControllerFeature) -> BrokerFeature {
    BrokerFeature {
        name: f.name.detached(),
        min_supported_version: f.min_supported_version,
        max_supported_version: f.max_supported_version,
    }
}

/// All nodes that registered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cluster {
    pub(super) brokers: BTreeMap<i32, Arc<Broker>>,
    pub(super) controllers: BTreeMap<i32, Arc<Controller>>,
}

impl Cluster {
    /// The brokers by id, fenced ones among them.
    pub fn brokers(&self) -> &BTreeMap<i32, Arc<Broker>> {
        &self.brokers
    }

    /// A broker by id.
    pub fn broker(&self, id: i32) -> Option<&Arc<Broker>> {
        self.brokers.get(&id)
    }

    /// The controllers by id.
    pub fn controllers(&self) -> &BTreeMap<i32, Arc<Controller>> {
        &self.controllers
    }

    /// Whether a replica in this directory of a broker is on a disk that works, as far as is known.
    pub fn has_online_dir(&self, broker_id: i32, dir: Uuid) -> bool {
        self.broker(broker_id).is_some_and(|b| b.has_online_dir(dir))
    }

    /// Whether a broker may lead and be in sync.
    pub fn is_active(&self, broker_id: i32) -> bool {
        self.broker(broker_id).is_some_and(|b| b.is_active())
    }
}
