//! From settings to values: unknown names, synonyms, parsing, checks, and what to warn of.

use std::collections::{BTreeMap, BTreeSet};

use super::known::{Foreign, classify};
use super::listeners::Listeners;
use super::sources::{Complaint, Setting};
use super::{LoadError, Loaded, Origin, ProcessRole, ServerConfig, Sources, Texts, Warning, checks};
use crate::table::broker_table;
use crate::{ConfigError, Default, Support, Value, Visibility, nearest};

/// What Ottla sets where it is started without a file. Internal topics have one replica, as in the file Kafka ships.
pub(super) const STANDALONE: [(&str, &str); 8] = [
    ("process.roles", "broker,controller"),
    ("node.id", "1"),
    ("listeners", "PLAINTEXT://127.0.0.1:9092"),
    ("offsets.topic.replication.factor", "1"),
    ("transaction.state.log.replication.factor", "1"),
    ("transaction.state.log.min.isr", "1"),
    ("share.coordinator.state.topic.replication.factor", "1"),
    ("share.coordinator.state.topic.min.isr", "1"),
];

const CONTROLLER_LISTENER_NAMES: &str = "controller.listener.names";
const SECURITY: &str = "TLS, SASL and authorization come with the security work";

pub(super) fn load(mut sources: Sources) -> Result<Loaded, LoadError> {
    reconcile_ids(&mut sources.settings);
    let mut warnings = std::mem::take(&mut sources.warnings);
    warnings.extend(sources.settings.iter().filter_map(|(name, setting)| warning(name, setting)));
    let texts: Texts = sources.settings.iter().map(|(name, setting)| (name.clone(), setting.value.clone())).collect();
    let place = |(name, error): (Option<&'static str>, ConfigError)| Complaint {
        origin: name.and_then(|name| sources.settings.get(name)).map(|setting| setting.origin.clone()),
        error,
    };
    let built = build(texts, Texts::new(), Texts::new(), sources.standalone);
    let config = built.map_err(|errors| LoadError::Invalid(errors.into_iter().map(place).collect()))?;
    checks::not_yet(&config).map_err(|error| LoadError::Invalid(vec![place(error)]))?;
    warnings.extend(checks::warnings(&config).into_iter().map(|message| Warning { origin: None, message }));
    Ok(Loaded { config, warnings })
}

/// `broker.id` and `node.id` are one: the one that is set gives the other.
fn reconcile_ids(settings: &mut BTreeMap<String, Setting>) {
    const BROKER_ID: &str = "broker.id";
    const NODE_ID: &str = "node.id";
    let is_built_in = |setting: &&Setting| setting.origin == Origin::BuiltIn;
    if settings.contains_key(BROKER_ID) && settings.get(NODE_ID).is_some_and(|setting| is_built_in(&setting)) {
        settings.remove(NODE_ID);
    }
    match (settings.get(BROKER_ID).cloned(), settings.get(NODE_ID).cloned()) {
        (None, Some(setting)) => settings.insert(BROKER_ID.to_owned(), setting),
        (Some(setting), None) => settings.insert(NODE_ID.to_owned(), setting),
        _ => None,
    };
}

fn warning(name: &str, setting: &Setting) -> Option<Warning> {
    let message = match broker_table().get(name) {
        Some(row) if row.visibility == Visibility::DynamicOnly => {
            format!("{name} is ignored: it can only be altered while the broker runs")
        }
        Some(row) => {
            let is_default = row.parse(&setting.value).is_ok_and(|value| value == row.default_value());
            if is_default || setting.origin == Origin::BuiltIn {
                return None;
            }
            row.support.warning(name)?
        }
        None => foreign(name)?,
    };
    Some(Warning { origin: Some(setting.origin.clone()), message })
}

fn foreign(name: &str) -> Option<String> {
    match classify(name) {
        Foreign::Listener(base) => broker_table().get(base).and_then(|row| match row.support {
            Support::Honoured => Some(format!("{name} has no effect yet: {base} holds for all listeners alike")),
            support => support.warning(name),
        }),
        Foreign::Authorizer => Some(format!("{name} has no effect yet: {SECURITY}")),
        Foreign::Plugin => Some(format!("{name} has no effect: Ottla loads no plugins")),
        Foreign::Removed => Some(format!("{name} is ignored: Kafka 4 no longer has it")),
        Foreign::Unknown => {
            let names = broker_table().sorted().map(|row| row.name);
            Some(match nearest::nearest(name, names) {
                Some(nearest) => format!("unknown config {name} is ignored; did you mean {nearest}?"),
                None => format!("unknown config {name} is ignored"),
            })
        }
    }
}

type NamedError = (Option<&'static str>, ConfigError);

/// Makes a config of its three layers; every value that does not parse is reported, else the first check that fails.
pub(super) fn build(
    statics: Texts,
    dynamic_default: Texts,
    dynamic_broker: Texts,
    standalone: bool,
) -> Result<ServerConfig, Vec<NamedError>> {
    let effective = super::dynamic::layered(&statics, &dynamic_default, &dynamic_broker);
    let standalone = standalone && !effective.contains_key(CONTROLLER_LISTENER_NAMES);
    let values = values(&effective, standalone)?;
    let first = |error| vec![error];
    let listeners = Listeners::new(&values, &effective).map_err(first)?;
    let roles = roles(&values);
    let config = ServerConfig { statics, dynamic_default, dynamic_broker, values, listeners, roles, standalone };
    checks::all(&config, &effective).map_err(|error| vec![(None, error)])?;
    Ok(config)
}

fn values(texts: &Texts, standalone: bool) -> Result<BTreeMap<&'static str, Value>, Vec<NamedError>> {
    let mut values = BTreeMap::new();
    let mut errors = Vec::new();
    for row in broker_table().iter() {
        let read = match (texts.get(row.name), &row.default) {
            (Some(text), _) => row.parse(text),
            (None, Default::Value(value)) => Ok(value.clone()),
            (None, Default::Required) if standalone && row.name == CONTROLLER_LISTENER_NAMES => {
                Ok(Value::List(Vec::new()))
            }
            (None, Default::Required) => Err(ConfigError::Missing(row.name)),
        };
        match read {
            Ok(value) => drop(values.insert(row.name, value)),
            Err(error) => errors.push((Some(row.name), error)),
        }
    }
    if errors.is_empty() { Ok(values) } else { Err(errors) }
}

fn roles(values: &BTreeMap<&'static str, Value>) -> BTreeSet<ProcessRole> {
    let Some(Value::List(roles)) = values.get("process.roles") else { return BTreeSet::new() };
    let role = |name: &String| match name.as_str() {
        "broker" => Some(ProcessRole::Broker),
        "controller" => Some(ProcessRole::Controller),
        _ => None, // the validator lets nothing else through
    };
    roles.iter().filter_map(role).collect()
}
