//! What DescribeConfigs answers: each config's value, where it comes from and what stands behind it.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::server::{broker_synonyms, type_of};
use crate::{ConfigType, Definition, ServerConfig, Value, Visibility};
use crate::{UpdateMode, broker_table, client_metrics_table, group_table, topic_table};

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigSource {
    Topic,
    DynamicBroker,
    DynamicDefaultBroker,
    StaticBroker,
    Default,
    DynamicBrokerLogger,
    ClientMetrics,
    Group,
}

impl ConfigSource {
    /// The number in responses.
    pub fn id(self) -> i8 {
        match self {
            Self::Topic => 1,
            Self::DynamicBroker => 2,
            Self::DynamicDefaultBroker => 3,
            Self::StaticBroker => 4,
            Self::Default => 5,
            Self::DynamicBrokerLogger => 6,
            Self::ClientMetrics => 7,
            Self::Group => 8,
        }
    }
}

/// A setting that gives, or would give, a config its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SynonymEntry {
    pub name: String,
    /// None for a secret.
    pub value: Option<String>,
    pub source: ConfigSource,
}

/// One config in the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    /// None for a secret and for a config that is unset.
    pub value: Option<String>,
    pub source: ConfigSource,
    pub is_sensitive: bool,
    pub read_only: bool,
    /// None for a config that nobody here knows.
    pub config_type: Option<ConfigType>,
    /// Every setting behind the value, the one in force first.
    pub synonyms: Vec<SynonymEntry>,
    pub documentation: Option<&'static str>,
}

impl Entry {
    /// The number of the type in responses.
    pub fn type_id(&self) -> i8 {
        match self.config_type {
            None => 0,
            Some(ConfigType::Boolean) => 1,
            Some(ConfigType::String) => 2,
            Some(ConfigType::Int) => 3,
            Some(ConfigType::Short) => 4,
            Some(ConfigType::Long) => 5,
            Some(ConfigType::Double) => 6,
            Some(ConfigType::List) => 7,
            Some(ConfigType::Class) => 8,
            Some(ConfigType::Password) => 9,
        }
    }

    fn new(name: &str, value: Option<String>, config_type: Option<ConfigType>, synonyms: Vec<SynonymEntry>) -> Self {
        let is_sensitive = is_sensitive(config_type);
        Self {
            name: name.to_owned(),
            value: value.filter(|_| !is_sensitive),
            source: synonyms.first().map_or(ConfigSource::Default, |synonym| synonym.source),
            is_sensitive,
            read_only: false,
            config_type,
            synonyms,
            documentation: None,
        }
    }

    fn documented(mut self, row: Option<&Definition>) -> Self {
        self.documentation = row.map(|row| row.documentation);
        self
    }
}

/// What nobody knows might be a secret.
fn is_sensitive(config_type: Option<ConfigType>) -> bool {
    matches!(config_type, None | Some(ConfigType::Password))
}

/// The configs of a topic with these overrides.
pub fn topic(overrides: &BTreeMap<String, String>, broker: &ServerConfig) -> Vec<Entry> {
    let rows = topic_table().sorted().filter(|row| is_described(row, overrides));
    rows.map(|row| {
        let behind = row.synonyms.first().map(|synonym| synonyms(broker, synonym.name, false)).unwrap_or_default();
        own_or_default(row, overrides, ConfigSource::Topic, broker.topic_default(row.name), behind)
    })
    .collect()
}

/// The configs of a new topic as CreateTopics answers them, which differs from DescribeConfigs: texts are as they were
/// given, a value in another unit is traced to the config it comes from, and there are no synonyms.
pub fn created_topic(overrides: &BTreeMap<String, String>, broker: &ServerConfig) -> Vec<Entry> {
    let rows = topic_table().sorted().filter(|row| is_described(row, overrides));
    rows.map(|row| {
        let own = overrides.get(row.name).map(|text| (text.clone(), ConfigSource::Topic));
        let (value, source) = match own.or_else(|| first_layer(row, broker)) {
            Some((text, source)) => (Some(text), source),
            None => (row.default_value().to_text(), ConfigSource::Default),
        };
        let mut entry = Entry::new(row.name, value, Some(row.config_type), Vec::new()).documented(Some(row));
        entry.source = source;
        entry
    })
    .collect()
}

/// The setting of the broker that gives a topic config its value, in the topic config's unit.
fn first_layer(row: &Definition, broker: &ServerConfig) -> Option<(String, ConfigSource)> {
    layers(broker).into_iter().find_map(|(texts, source)| {
        let set = row.synonyms.iter().find_map(|synonym| texts.get(synonym.name).map(|text| (text, synonym.factor)));
        set.map(|(text, factor)| (in_unit(text, factor), source))
    })
}

/// Text that is no number counts as 0, as in Kafka; it is refused elsewhere.
fn in_unit(text: &str, factor: i64) -> String {
    match factor {
        1 => text.to_owned(),
        factor => text.trim().parse::<i32>().map_or(0, |number| i64::from(number) * factor).to_string(),
    }
}

/// The configs of a group with these overrides.
pub fn group(overrides: &BTreeMap<String, String>, broker: &ServerConfig) -> Vec<Entry> {
    let rows = group_table().sorted().filter(|row| is_described(row, overrides));
    rows.map(|row| {
        let behind = match row.synonyms.first() {
            Some(synonym) => synonyms(broker, synonym.name, false),
            None => default_of(row, row.name, row.is_sensitive()).into_iter().collect(),
        };
        own_or_default(row, overrides, ConfigSource::Group, broker.group_default(row.name), behind)
    })
    .collect()
}

/// The configs of a client-metrics subscription with these overrides.
pub fn client_metrics(overrides: &BTreeMap<String, String>) -> Vec<Entry> {
    let rows = client_metrics_table().sorted();
    rows.map(|row| own_or_default(row, overrides, ConfigSource::ClientMetrics, row.default_value(), Vec::new()))
        .collect()
}

fn is_described(row: &Definition, overrides: &BTreeMap<String, String>) -> bool {
    row.visibility == Visibility::Public || overrides.contains_key(row.name)
}

fn own_or_default(
    row: &Definition,
    overrides: &BTreeMap<String, String>,
    source: ConfigSource,
    default: Value,
    mut behind: Vec<SynonymEntry>,
) -> Entry {
    let own = overrides.get(row.name);
    let value = own.and_then(|text| row.parse(text).ok()).unwrap_or(default).to_text();
    if own.is_some() {
        behind.insert(0, SynonymEntry { name: row.name.to_owned(), value: value.clone(), source });
    }
    Entry::new(row.name, value, Some(row.config_type), behind).documented(Some(row))
}

/// The configs of the broker, and whatever else its file or its alterations hold.
pub fn broker(config: &ServerConfig) -> Vec<Entry> {
    let known = broker_table().iter().filter(|row| row.visibility == Visibility::Public);
    let known = known.map(|row| (row.name, config.value(row.name).and_then(Value::to_text)));
    let given = [config.statics(), config.dynamic_default(), config.dynamic_broker()];
    let given = given.into_iter().flatten().filter(|(name, _)| !is_public(name));
    let given = given.map(|(name, text)| (name.as_str(), Some(text.clone())));
    let all: BTreeMap<&str, Option<String>> = known.chain(given).collect();
    all.into_iter().map(|(name, value)| broker_entry(name, value, synonyms_of(config, name))).collect()
}

/// The configs altered for all brokers (the resource with the empty name).
pub fn default_broker(config: &ServerConfig) -> Vec<Entry> {
    let entry = |(name, text): (&String, &String)| {
        let mut synonyms = synonyms_of(config, name);
        synonyms.retain(|synonym| synonym.source == ConfigSource::DynamicDefaultBroker);
        broker_entry(name, Some(text.clone()), synonyms)
    };
    config.dynamic_default().iter().map(entry).collect()
}

fn is_public(name: &str) -> bool {
    broker_table().get(name).is_some_and(|row| row.visibility == Visibility::Public)
}

fn broker_entry(name: &str, value: Option<String>, synonyms: Vec<SynonymEntry>) -> Entry {
    let row = broker_table().get(name);
    let mut entry = Entry::new(name, value, type_of(name), synonyms).documented(row);
    entry.read_only = row.is_none_or(|row| row.update_mode == UpdateMode::ReadOnly);
    entry
}

fn synonyms_of(config: &ServerConfig, name: &str) -> Vec<SynonymEntry> {
    synonyms(config, name, is_sensitive(type_of(name)))
}

/// Where a broker config may be set, the layer that wins first.
fn layers(config: &ServerConfig) -> [(&BTreeMap<String, String>, ConfigSource); 3] {
    [
        (config.dynamic_broker(), ConfigSource::DynamicBroker),
        (config.dynamic_default(), ConfigSource::DynamicDefaultBroker),
        (config.statics(), ConfigSource::StaticBroker),
    ]
}

/// The settings behind a broker config, layer by layer, from the first that has the name itself.
fn synonyms(config: &ServerConfig, name: &str, is_sensitive: bool) -> Vec<SynonymEntry> {
    let names = broker_synonyms(name);
    let set = layers(config).into_iter().flat_map(|(texts, source)| {
        let entry = move |name: &&str| {
            let value = texts.get(*name)?;
            let value = Some(value.clone()).filter(|_| !is_sensitive);
            Some(SynonymEntry { name: (*name).to_owned(), value, source })
        };
        names.iter().filter_map(entry).collect::<Vec<_>>()
    });
    let defaults = names.iter().filter_map(|name| {
        let row = broker_table().get(name).filter(|row| row.visibility != Visibility::DynamicOnly)?;
        default_of(row, name, is_sensitive)
    });
    set.chain(defaults).skip_while(|synonym| synonym.name != name).collect()
}

fn default_of(row: &Definition, name: &str, is_sensitive: bool) -> Option<SynonymEntry> {
    let value = row.default_value().to_text()?;
    let value = Some(value).filter(|_| !is_sensitive);
    Some(SynonymEntry { name: name.to_owned(), value, source: ConfigSource::Default })
}
