//! Whether an alteration of configs is allowed, with the errors Kafka's brokers and controllers answer.

mod broker;
mod client_metrics;
mod effect;
mod group;
mod incremental;
#[cfg(test)]
mod tests;
mod topic;

use std::collections::BTreeMap;

pub(crate) use broker::usable_broker_configs;
pub use broker::{incremental_broker_configs, validate_broker_configs};
pub use effect::without_effect;
pub use incremental::{Alteration, apply};

use crate::{ConfigError, ServerConfig, Table, broker_table, client_metrics_table, group_table, topic_table};

/// The error of an alteration: Kafka's code by name, and its message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AlterError {
    /// INVALID_CONFIG.
    #[error("{0}")]
    InvalidConfig(String),
    /// INVALID_REQUEST.
    #[error("{0}")]
    InvalidRequest(String),
}

impl From<ConfigError> for AlterError {
    fn from(error: ConfigError) -> Self {
        Self::InvalidConfig(error.to_string())
    }
}

/// What configs belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ResourceType {
    Topic,
    Broker,
    BrokerLogger,
    ClientMetrics,
    Group,
}

impl ResourceType {
    /// The number in requests and records.
    pub fn id(self) -> i8 {
        match self {
            Self::Topic => 2,
            Self::Broker => 4,
            Self::BrokerLogger => 8,
            Self::ClientMetrics => 16,
            Self::Group => 32,
        }
    }

    /// The type with a number; none if there is no such type.
    pub fn from_id(id: i8) -> Option<Self> {
        let all = [Self::Topic, Self::Broker, Self::BrokerLogger, Self::ClientMetrics, Self::Group];
        all.into_iter().find(|each| each.id() == id)
    }

    /// What is known of its configs; loggers have none.
    pub fn table(self) -> Option<&'static Table> {
        match self {
            Self::Topic => Some(topic_table()),
            Self::Broker => Some(broker_table()),
            Self::ClientMetrics => Some(client_metrics_table()),
            Self::Group => Some(group_table()),
            Self::BrokerLogger => None,
        }
    }
}

/// The controller's check of all configs a resource would have, before they are recorded. Broker configs were checked by
/// the broker that took the request ([`validate_broker_configs`]). Topic names are the caller's to check.
pub fn validate(
    resource: ResourceType,
    name: &str,
    new: &BTreeMap<String, String>,
    old: &BTreeMap<String, String>,
    broker: &ServerConfig,
) -> Result<(), AlterError> {
    let refuse = |message: &str| Err(AlterError::InvalidRequest(message.to_owned()));
    match resource {
        ResourceType::Topic if name.is_empty() => refuse("Default topic resources are not allowed."),
        ResourceType::Topic => topic::validate(new, old, broker),
        ResourceType::Broker => validate_broker_name(name),
        ResourceType::Group if name.is_empty() => refuse("Default group resources are not allowed."),
        ResourceType::Group => group::validate(new, broker),
        ResourceType::ClientMetrics if name.is_empty() => refuse("Subscription name can't be empty"),
        ResourceType::ClientMetrics => client_metrics::validate(new),
        ResourceType::BrokerLogger => refuse("Unknown resource type BROKER_LOGGER"),
    }
}

fn validate_broker_name(name: &str) -> Result<(), AlterError> {
    if name.is_empty() {
        return Ok(());
    }
    let message = match name.parse::<i32>() {
        Ok(0..) => return Ok(()),
        Ok(_) => "Invalid negative broker ID.",
        Err(_) => "Unable to parse broker name as a base 10 number.",
    };
    Err(AlterError::InvalidRequest(message.to_owned()))
}
