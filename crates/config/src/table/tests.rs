//! Each row holds together.

use super::*;
use crate::{Value, keys};

fn tables() -> [&'static Table; 4] {
    [broker_table(), topic_table(), group_table(), client_metrics_table()]
}

/// Configs that Apache Kafka has not.
const OTTLA_S_OWN: usize = 2;

#[test]
fn the_tables_have_every_config_of_4_3_1() {
    assert_eq!(tables().map(|table| table.iter().count()), [363 + OTTLA_S_OWN, 34, 17, 3]);
    let public = |table: &Table| table.iter().filter(|row| row.visibility == Visibility::Public).count();
    assert_eq!(public(broker_table()), 340);
    assert_eq!(public(topic_table()), 33);
    let own: Vec<_> = broker_table().iter().filter(|row| row.visibility == Visibility::Ottla).collect();
    assert_eq!(own.len(), OTTLA_S_OWN);
    assert!(own.iter().all(|row| row.name.starts_with("ottla.")));
}

#[test]
fn every_default_passes_its_own_validator() {
    for row in tables().into_iter().flat_map(Table::iter) {
        let Default::Value(value) = &row.default else { continue };
        if *value == Value::Null {
            continue; // Kafka sets no validator that refuses it, or never checks what is unset
        }
        assert_eq!(row.check(value), Ok(()), "{}", row.name);
        if let Some(text) = value.to_text() {
            assert_eq!(row.parse(&text).as_ref(), Ok(value), "{}", row.name);
        }
    }
}

#[test]
fn every_row_is_documented_in_one_sentence() {
    for row in tables().into_iter().flat_map(Table::iter) {
        assert!(row.documentation.ends_with('.') && row.documentation.len() > 20, "{}", row.name);
        assert!(!row.documentation.contains(". "), "{}", row.name);
    }
}

#[test]
fn synonyms_are_broker_configs_of_a_matching_type() {
    for row in topic_table().iter().chain(group_table().iter()) {
        for synonym in &row.synonyms {
            let behind = broker_table().get(synonym.name).unwrap_or_else(|| panic!("{}: {}", row.name, synonym.name));
            let same = behind.config_type == row.config_type;
            assert!(same || synonym.factor > 1, "{} and {}", row.name, synonym.name);
        }
    }
}

#[test]
fn every_honoured_broker_config_has_a_key_of_its_type() {
    let rows = broker_table().iter().filter(|row| row.support == Support::Honoured);
    let without: Vec<_> =
        rows.map(|row| row.name).filter(|name| !keys::ALL.iter().any(|(key, _)| key == name)).collect();
    assert_eq!(without, Vec::<&str>::new());
    for (name, reads) in keys::ALL {
        let row = broker_table().get(name).unwrap_or_else(|| panic!("a key of {name}, which has no row"));
        let value = match &row.default {
            Default::Value(value) => value.clone(),
            Default::Required if row.config_type == crate::ConfigType::List => Value::List(Vec::new()),
            Default::Required => Value::Int(1),
        };
        assert!(reads(&value), "{name} reads as another type");
        let text = value.to_text().unwrap_or_else(|| "1".to_owned());
        assert!(reads(&Value::parse(name, &text, row.config_type).unwrap()), "{name} reads as another type when set");
    }
}

fn refusal(name: &str, text: &str) -> String {
    let row = topic_table().get(name).or_else(|| group_table().get(name)).or_else(|| broker_table().get(name)).unwrap();
    row.parse(text).map_or_else(|error| error.to_string(), |value| format!("{:?}", value.to_text().unwrap_or_default()))
}

#[test]
fn validators_have_the_words_of_kafka() {
    for (name, text, words) in [
        ("retention.ms", "-2", "Invalid value -2 for configuration retention.ms: Value must be at least -1"),
        (
            "compression.zstd.level",
            "23",
            "Invalid value 23 for configuration compression.zstd.level: Value must be no more than 22",
        ),
        (
            "compression.gzip.level",
            "0",
            "Invalid value 0 for configuration compression.gzip.level: Value must be between 1 and 9 or equal to -1",
        ),
        (
            "min.cleanable.dirty.ratio",
            "1.5",
            "Invalid value 1.5 for configuration min.cleanable.dirty.ratio: Value must be no more than 1",
        ),
        ("min.cleanable.dirty.ratio", "NaN", "\"NaN\""),
        (
            "cleanup.policy",
            "foo",
            "Invalid value foo for configuration cleanup.policy: String must be one of: compact, delete",
        ),
        ("cleanup.policy", "delete,", "Configuration 'cleanup.policy' values must not be empty."),
        ("cleanup.policy", "compact,compact", "\"compact\""),
        ("cleanup.policy", "", "\"\""),
        ("listeners", "", "Configuration 'listeners' must not be empty. Valid values include: any non-empty value"),
        (
            "process.roles",
            "",
            "Configuration 'process.roles' must not be empty. Valid values include: [broker, controller]",
        ),
        (
            "leader.replication.throttled.replicas",
            "1:2,a",
            "Invalid value [1:2, a] for configuration leader.replication.throttled.replicas: \
             leader.replication.throttled.replicas must be the literal '*' or a list of replicas in the following format: \
             [partitionId]:[brokerId],[partitionId]:[brokerId],...",
        ),
        ("leader.replication.throttled.replicas", "*", "\"*\""),
        (
            "share.auto.offset.reset",
            "foo",
            "Invalid value foo for configuration share.auto.offset.reset: Invalid value `foo` for configuration \
             share.auto.offset.reset. The value must be either 'earliest', 'latest' or of the format \
             'by_duration:<PnDTnHnMn.nS>'.",
        ),
        ("share.auto.offset.reset", "by_duration:P1DT2H3M4.5S", "\"by_duration:P1DT2H3M4.5S\""),
        (
            "controller.quorum.voters",
            "1-localhost:9093",
            "Invalid configuration value for controller.quorum.voters. Each entry should be in the form \
             `{id}@{host}:{port}`.",
        ),
    ] {
        assert_eq!(refusal(name, text), words);
    }
    for text in ["by_duration:-PT1H", "by_duration:P", "by_duration:PT", "by_duration:PT1M2H", "by_duration:1d"] {
        assert!(refusal("share.auto.offset.reset", text).starts_with("Invalid value"), "{text}");
    }
}
