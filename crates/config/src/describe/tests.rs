//! What Apache Kafka 4.3.1 answered to DescribeConfigs, started with `tests/data/kafka/server.properties`: at first
//! (`described.tsv`) and after alterations (`described-altered.tsv`), as its Admin client shows it.

use std::collections::BTreeMap;

use super::*;
use crate::Sources;

type Texts = BTreeMap<String, String>;

const SERVER_PROPERTIES: &[u8] = include_bytes!("../../tests/data/kafka/server.properties");
const AT_FIRST: &str = include_str!("../../tests/data/kafka/described.tsv");
const ALTERED: &str = include_str!("../../tests/data/kafka/described-altered.tsv");

fn source(source: ConfigSource) -> &'static str {
    match source {
        ConfigSource::Topic => "DYNAMIC_TOPIC_CONFIG",
        ConfigSource::DynamicBroker => "DYNAMIC_BROKER_CONFIG",
        ConfigSource::DynamicDefaultBroker => "DYNAMIC_DEFAULT_BROKER_CONFIG",
        ConfigSource::StaticBroker => "STATIC_BROKER_CONFIG",
        ConfigSource::Default => "DEFAULT_CONFIG",
        ConfigSource::DynamicBrokerLogger => "DYNAMIC_BROKER_LOGGER_CONFIG",
        ConfigSource::ClientMetrics => "DYNAMIC_CLIENT_METRICS_CONFIG",
        ConfigSource::Group => "DYNAMIC_GROUP_CONFIG",
    }
}

fn line(resource: &str, entity: &str, entry: &Entry) -> String {
    let or_null = |text: &Option<String>| text.clone().unwrap_or_else(|| "null".to_owned());
    let synonym = |each: &SynonymEntry| format!("{}:{}={};", source(each.source), each.name, or_null(&each.value));
    [
        resource.to_owned(),
        entity.to_owned(),
        entry.name.clone(),
        or_null(&entry.value),
        source(entry.source).to_owned(),
        entry.is_sensitive.to_string(),
        entry.read_only.to_string(),
        entry.config_type.map_or("UNKNOWN", ConfigType::name).to_owned(),
        entry.synonyms.iter().map(synonym).collect(),
    ]
    .join("\t")
}

/// The alterations of one kind that show in the answer; what is hidden there was `v`.
fn altered(answer: &str, source: &str) -> Texts {
    let synonyms = answer.lines().filter_map(|line| line.split('\t').nth(8)).flat_map(|column| column.split(';'));
    let own = synonyms.filter_map(|synonym| synonym.strip_prefix(source)?.strip_prefix(':')?.split_once('='));
    own.map(|(name, value)| (name.to_owned(), if value == "null" { "v" } else { value }.to_owned())).collect()
}

fn check(answer: &str) {
    let config = Sources::from_file("server.properties", SERVER_PROPERTIES).and_then(Sources::load).unwrap().config;
    let default = altered(answer, "DYNAMIC_DEFAULT_BROKER_CONFIG");
    let (config, warnings) = config.with_dynamic(&default, &altered(answer, "DYNAMIC_BROKER_CONFIG"));
    assert_eq!(warnings, []);
    let described = [
        ("TOPIC", "t", topic(&altered(answer, "DYNAMIC_TOPIC_CONFIG"), &config)),
        ("BROKER", "1", broker(&config)),
        ("BROKER", "", default_broker(&config)),
        ("GROUP", "g", group(&altered(answer, "DYNAMIC_GROUP_CONFIG"), &config)),
        ("CLIENT_METRICS", "m", client_metrics(&altered(answer, "DYNAMIC_CLIENT_METRICS_CONFIG"))),
    ];
    let ours = described.iter().flat_map(|(resource, entity, entries)| {
        entries.iter().map(move |entry| line(resource, entity, entry)).collect::<Vec<_>>()
    });
    let ours: Vec<String> = ours.collect();
    let kafkas: Vec<&str> = answer.lines().skip(1).collect();
    for (ours, kafkas) in ours.iter().zip(&kafkas) {
        assert_eq!(ours, kafkas);
    }
    assert_eq!(ours.len(), kafkas.len());
}

#[test]
fn every_config_is_described_as_by_kafka() {
    assert!(AT_FIRST.lines().count() > 390);
    check(AT_FIRST);
}

#[test]
fn altered_configs_are_described_as_by_kafka() {
    assert!(ALTERED.contains("listener.name.plaintext.max.connections"));
    check(ALTERED);
}

#[test]
fn secrets_are_not_described() {
    let config = Sources::from_file("server.properties", SERVER_PROPERTIES).and_then(Sources::load).unwrap().config;
    let entry = broker(&config).into_iter().find(|entry| entry.name == "ssl.key.password").unwrap();
    assert_eq!((entry.value, entry.is_sensitive, entry.source.id()), (None, true, 4));
    assert!(entry.synonyms.iter().all(|synonym| synonym.value.is_none()));
}

#[test]
fn a_created_topic_shows_where_its_configs_come_from() {
    let standalone = Sources::standalone("/d").override_with("log.retention.hours=2").unwrap();
    let config = standalone.override_with("log.roll.ms= 5 ").and_then(Sources::load).unwrap().config;
    let entries = created_topic(&Texts::from([("flush.ms".to_owned(), "+7".to_owned())]), &config);
    let find =
        |name| entries.iter().find(|entry| entry.name == name).map(|entry| (entry.value.as_deref(), entry.source));
    assert_eq!(find("retention.ms"), Some((Some("7200000"), ConfigSource::StaticBroker)));
    assert_eq!(find("segment.ms"), Some((Some(" 5 "), ConfigSource::StaticBroker)));
    assert_eq!(find("flush.ms"), Some((Some("+7"), ConfigSource::Topic)));
    assert_eq!(find("segment.bytes"), Some((Some("1073741824"), ConfigSource::Default)));
    assert_eq!(find("internal.segment.bytes"), None);
}
