//! The rows: what is known about each config, and the four tables they make.

mod definition;
mod read;
#[cfg(test)]
mod tests;
mod validator;

use std::collections::BTreeMap;
use std::sync::LazyLock;

pub use definition::{Default, Definition, Importance, Support, Synonym, UpdateMode, Visibility};
pub(crate) use validator::{Validator, host_and_port};

/// The configs of one kind of resource, in the order Kafka defines (and so checks) them.
#[derive(Debug)]
pub struct Table {
    rows: Vec<Definition>,
    by_name: BTreeMap<&'static str, usize>,
}

impl Table {
    /// The row of a config.
    pub fn get(&self, name: &str) -> Option<&Definition> {
        self.by_name.get(name).and_then(|index| self.rows.get(*index))
    }

    /// Every row, in Kafka's order of definition.
    pub fn iter(&self) -> impl Iterator<Item = &Definition> {
        self.rows.iter()
    }

    /// Every row by name.
    pub fn sorted(&self) -> impl Iterator<Item = &Definition> {
        self.by_name.values().filter_map(|index| self.rows.get(*index))
    }

    /// For a name that this crate wrote itself.
    pub(crate) fn row(&self, name: &'static str) -> &Definition {
        self.get(name).unwrap_or_else(|| panic!("the table has no {name}"))
    }
}

static BROKER: LazyLock<Table> = LazyLock::new(|| read::table(include_str!("../../data/broker-configs.tsv")));
static TOPIC: LazyLock<Table> = LazyLock::new(|| read::table(include_str!("../../data/topic-configs.tsv")));
static GROUP: LazyLock<Table> = LazyLock::new(|| read::table(include_str!("../../data/group-configs.tsv")));
static CLIENT_METRICS: LazyLock<Table> =
    LazyLock::new(|| read::table(include_str!("../../data/client-metrics-configs.tsv")));

/// The configs of a broker: what `server.properties` may hold, and what can be altered at run time.
pub fn broker_table() -> &'static Table {
    &BROKER
}

/// The configs of a topic.
pub fn topic_table() -> &'static Table {
    &TOPIC
}

/// The configs of a group (resource type GROUP).
pub fn group_table() -> &'static Table {
    &GROUP
}

/// The configs of a client-metrics subscription.
pub fn client_metrics_table() -> &'static Table {
    &CLIENT_METRICS
}
