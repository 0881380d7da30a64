//! The one table of Kafka's config names, types, defaults, validators, scope and docs.
//!
//! Everything that is known about a config stands in one row of one of four tables (`data/*.tsv`): broker, topic, group and
//! client-metrics configs of Kafka 4.3.1. From the rows follow the reading of `server.properties`, environment variables
//! and overrides ([`Sources`]), typed access ([`keys`], [`ServerConfig::get`]), the effective configs of a topic
//! ([`TopicConfig`]), the checks of alterations ([`alter`]), what DescribeConfigs answers ([`describe`]) and the page
//! `docs/configuration.md` ([`docs::markdown`]).
//!
//! Invariants: a config name is written as a string only in this crate; a [`ServerConfig`] that exists has passed Kafka's
//! parsing, validators and checks across fields; the text of a secret leaves only through [`Secret::expose`].
//!
//! The crate does not know files, the environment, requests, records or who may change a config: text goes in as an
//! argument, and typed values, warnings and errors in Kafka's words come out.

pub mod alter;
pub mod describe;
pub mod docs;
mod environment;
mod error;
pub mod group_keys;
mod key;
pub mod keys;
mod nearest;
mod properties;
mod server;
mod table;
mod topic;
mod value;

pub use error::ConfigError;
pub use key::Key;
pub use properties::PropertiesError;
pub use server::{
    Endpoint, ListenerName, LoadError, Loaded, Origin, ProcessRole, SecurityProtocol, ServerConfig, Sources, Warning,
};
pub use table::{Default, Definition, Importance, Support, Synonym, Table, UpdateMode, Visibility};
pub use table::{broker_table, client_metrics_table, group_table, topic_table};
pub use topic::{CompressionType, ThrottledReplicas, TimestampType, TopicConfig};
pub use value::{ConfigType, Secret, Value};
