//! What Apache Kafka 4.3.1 answered to IncrementalAlterConfigs, one request after the other (`altered.tsv`).

use std::collections::BTreeMap;

use super::*;
use crate::Sources;

type Texts = BTreeMap<String, String>;

const SERVER_PROPERTIES: &[u8] = include_bytes!("../../tests/data/kafka/server.properties");
const ANSWERS: &str = include_str!("../../tests/data/kafka/altered.tsv");

fn resource(name: &str) -> ResourceType {
    match name {
        "TOPIC" => ResourceType::Topic,
        "BROKER" => ResourceType::Broker,
        "GROUP" => ResourceType::Group,
        "CLIENT_METRICS" => ResourceType::ClientMetrics,
        other => panic!("no resource {other}"),
    }
}

/// `SET name=value ; DELETE name=`
fn alterations(text: &str) -> BTreeMap<String, Alteration> {
    let one = |text: &str| {
        let (operation, setting) = text.trim().split_once(' ').unwrap();
        let (name, value) = setting.split_once('=').unwrap();
        let operations = ["SET", "DELETE", "APPEND", "SUBTRACT"];
        let operation = operations.into_iter().zip(0..).find(|(name, _)| *name == operation).unwrap().1;
        (name.to_owned(), Alteration::from_request(operation, Some(value)).unwrap())
    };
    text.split(" ; ").map(one).collect()
}

/// A broker and a controller that keep what they accept.
struct Cluster {
    started: ServerConfig,
    configs: BTreeMap<(ResourceType, String), Texts>,
}

impl Cluster {
    fn of(&self, resource: ResourceType, name: &str) -> Texts {
        self.configs.get(&(resource, name.to_owned())).cloned().unwrap_or_default()
    }

    fn broker(&self) -> ServerConfig {
        let default = self.of(ResourceType::Broker, "");
        let (config, warnings) = self.started.with_dynamic(&default, &self.of(ResourceType::Broker, "1"));
        assert_eq!(warnings, []);
        config
    }

    fn alter(
        &mut self,
        resource: ResourceType,
        name: &str,
        alterations: &BTreeMap<String, Alteration>,
    ) -> Result<(), AlterError> {
        let broker = self.broker();
        let old = self.of(resource, name);
        if resource == ResourceType::Broker {
            incremental_broker_configs(&broker, !name.is_empty(), &old, alterations)?;
        }
        let mut new = old.clone();
        for (config, value) in apply(resource, &old, alterations)? {
            match value {
                Some(value) => drop(new.insert(config, value)),
                None => drop(new.remove(&config)),
            }
        }
        validate(resource, name, &new, &old, &broker)?;
        self.configs.insert((resource, name.to_owned()), new);
        Ok(())
    }
}

#[test]
fn alterations_are_answered_as_by_kafka() {
    let started = Sources::from_file("server.properties", SERVER_PROPERTIES).and_then(Sources::load).unwrap().config;
    let mut cluster = Cluster { started, configs: BTreeMap::new() };
    let own = [("cleanup.policy", "compact,delete"), ("retention.ms", "5000")];
    let own = own.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    cluster.configs.insert((ResourceType::Topic, "t".to_owned()), own);
    for line in ANSWERS.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [kind, name, text, answer, message] = fields.as_slice() else { panic!("{line}") };
        let ours = match cluster.alter(resource(kind), name, &alterations(text)) {
            Ok(()) => ("OK", String::new()),
            Err(AlterError::InvalidConfig(message)) => ("InvalidConfigurationException", message),
            Err(AlterError::InvalidRequest(message)) => ("InvalidRequestException", message),
        };
        assert_eq!((ours.0, ours.1.as_str()), (*answer, *message), "{line}");
    }
}

#[test]
fn changes_are_only_recorded_where_there_are_any() {
    let current = Texts::from([("retention.ms".to_owned(), "5".to_owned())]);
    let same = alterations("SET retention.ms=5 ; DELETE flush.ms=");
    assert_eq!(apply(ResourceType::Topic, &current, &same), Ok(BTreeMap::new()));
    assert_eq!(apply(ResourceType::Broker, &current, &same).map(|changes| changes.len()), Ok(2));
    let gone = alterations("DELETE retention.ms=");
    assert_eq!(apply(ResourceType::Topic, &current, &gone), Ok(BTreeMap::from([("retention.ms".to_owned(), None)])));
}

#[test]
fn a_value_longer_than_a_record_takes_is_refused() {
    let long = BTreeMap::from([("metrics".to_owned(), Alteration::Set("x".repeat(32_768)))]);
    let error = apply(ResourceType::ClientMetrics, &Texts::new(), &long).unwrap_err();
    assert!(error.to_string().ends_with("exceeds the maximum value size of 32767 bytes."), "{error}");
}

#[test]
fn resources_have_kafkas_numbers() {
    for (id, resource) in [(2, "Topic"), (4, "Broker"), (8, "BrokerLogger"), (16, "ClientMetrics"), (32, "Group")] {
        assert_eq!(ResourceType::from_id(id).map(|each| (format!("{each:?}"), each.id())), Some((resource.into(), id)));
    }
    assert_eq!(ResourceType::from_id(0), None);
    let broker = Sources::standalone("/d").load().unwrap().config;
    for (name, words) in
        [("-1", "Invalid negative broker ID."), ("x", "Unable to parse broker name as a base 10 number.")]
    {
        let error = validate(ResourceType::Broker, name, &Texts::new(), &Texts::new(), &broker).unwrap_err();
        assert_eq!(error, AlterError::InvalidRequest(words.to_owned()));
    }
}
