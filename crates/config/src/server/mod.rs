//! The configs of this broker: read, checked and ready to be asked.

mod checks;
mod dynamic;
mod group_checks;
mod known;
mod listeners;
mod resolve;
mod sources;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub use listeners::{Endpoint, ListenerName, SecurityProtocol};
pub use sources::{LoadError, Loaded, Origin, Sources, Warning};

pub(crate) use known::{broker_synonyms, listener_base, listener_suffix, type_of};

use crate::key::ConfigValue;
use crate::{Key, Value, keys};
use listeners::Listeners;

/// What a process is in the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProcessRole {
    Broker,
    Controller,
}

/// Text by config name, as it was given.
pub(crate) type Texts = BTreeMap<String, String>;

/// Every broker config with its value in force: default, `server.properties`, cluster default and broker override.
#[derive(Clone)]
pub struct ServerConfig {
    statics: Texts,
    dynamic_default: Texts,
    dynamic_broker: Texts,
    values: BTreeMap<&'static str, Value>,
    listeners: Listeners,
    roles: BTreeSet<ProcessRole>,
    /// Ottla's own default has no controller listener, as its controller is in the process.
    standalone: bool,
}

/// Shows values, in which secrets are hidden, and not the texts they were read from.
impl std::fmt::Debug for ServerConfig {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ServerConfig").field("values", &self.values).finish_non_exhaustive()
    }
}

impl ServerConfig {
    /// The value of a config.
    pub fn get<T: ConfigValue>(&self, key: Key<T>) -> T::Out<'_> {
        let value = self.values.get(key.name()).and_then(T::read);
        value.unwrap_or_else(|| panic!("the key of {} has another type than its row", key.name()))
    }

    /// Whether a config was given or altered, and is not just its default.
    pub fn is_set<T>(&self, key: Key<T>) -> bool {
        let layers = [&self.statics, &self.dynamic_default, &self.dynamic_broker];
        layers.iter().any(|layer| layer.contains_key(key.name()))
    }

    pub(crate) fn value(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// What a known config holds as an integer; none where it is unset.
    pub(crate) fn long(&self, name: &str) -> Option<i64> {
        self.values.get(name).and_then(Value::as_long)
    }

    pub(crate) fn statics(&self) -> &Texts {
        &self.statics
    }

    /// The alterations for all brokers that are in force.
    pub fn dynamic_default(&self) -> &BTreeMap<String, String> {
        &self.dynamic_default
    }

    /// The alterations for this broker that are in force.
    pub fn dynamic_broker(&self) -> &BTreeMap<String, String> {
        &self.dynamic_broker
    }

    /// The node's id, which is its broker id too.
    pub fn node_id(&self) -> i32 {
        self.get(keys::NODE_ID)
    }

    /// What the process is.
    pub fn roles(&self) -> &BTreeSet<ProcessRole> {
        &self.roles
    }

    /// Where the broker listens for clients and other brokers.
    pub fn listeners(&self) -> Vec<&Endpoint> {
        self.listeners.of_broker().collect()
    }

    /// Where the controller listens; none when it is reached only from within the process.
    pub fn controller_listeners(&self) -> Vec<&Endpoint> {
        self.listeners.of_controller().collect()
    }

    /// What the broker tells clients to connect to. A missing host means the machine's own name.
    pub fn advertised_listeners(&self) -> &[Endpoint] {
        &self.listeners.advertised
    }

    /// What the controller tells other nodes to connect to. A missing host means the machine's own name.
    pub fn advertised_controller_listeners(&self) -> &[Endpoint] {
        &self.listeners.advertised_controller
    }

    /// The name of the listener that other brokers use.
    pub fn inter_broker_listener_name(&self) -> &ListenerName {
        &self.listeners.inter_broker
    }

    /// Where logs are kept.
    pub fn log_dirs(&self) -> &[String] {
        self.get(keys::LOG_DIRS).unwrap_or_else(|| self.get(keys::LOG_DIR))
    }

    /// Where the metadata log is kept: its own folder, or the first log dir.
    pub fn metadata_log_dir(&self) -> &str {
        let first = || self.log_dirs().first().map_or("", String::as_str);
        self.get(keys::METADATA_LOG_DIR).unwrap_or_else(first)
    }

    /// Connections allowed for an address, where it differs from `max.connections.per.ip`.
    pub fn max_connections_per_ip_overrides(&self) -> BTreeMap<String, i32> {
        checks::per_ip_overrides(self).unwrap_or_default()
    }

    /// `log.roll.ms`, or `log.roll.hours` in its place.
    pub fn log_roll_ms(&self) -> i64 {
        self.get(keys::LOG_ROLL_MS).unwrap_or_else(|| hours(self.get(keys::LOG_ROLL_HOURS)))
    }

    /// `log.roll.jitter.ms`, or `log.roll.jitter.hours` in its place.
    pub fn log_roll_jitter_ms(&self) -> i64 {
        self.get(keys::LOG_ROLL_JITTER_MS).unwrap_or_else(|| hours(self.get(keys::LOG_ROLL_JITTER_HOURS)))
    }

    /// `log.retention.ms`, or minutes or hours in its place; every negative value means forever, -1.
    pub fn log_retention_ms(&self) -> i64 {
        let minutes = || self.get(keys::LOG_RETENTION_MINUTES).map(|minutes| i64::from(minutes) * 60_000);
        let retention_ms = self.get(keys::LOG_RETENTION_MS).or_else(minutes);
        retention_ms.unwrap_or_else(|| hours(self.get(keys::LOG_RETENTION_HOURS))).max(-1)
    }

    /// `log.flush.interval.ms`, or `log.flush.scheduler.interval.ms` in its place.
    pub fn log_flush_interval_ms(&self) -> i64 {
        self.get(keys::LOG_FLUSH_INTERVAL_MS).unwrap_or_else(|| self.get(keys::LOG_FLUSH_SCHEDULER_INTERVAL_MS))
    }
}

fn hours(hours: i32) -> i64 {
    i64::from(hours) * 3_600_000
}
