//! The broker's log levels as configs (KIP-412): `root`, and a logger for each module of this program.
//!
//! A logger is a target of the log's filter with dots for its colons, since kafka-configs takes no colons: `ottla.network`
//! is the module `ottla::network`. It has the level of its nearest parent where it has none of its own. Levels are not
//! stored: they last until the process ends.

use super::Context;
use ottla_metadata::ApiError;
use ottla_protocol::{
    ErrorCode,
    messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig},
};
use parking_lot::Mutex;
use std::{collections::BTreeMap, fmt};

const ROOT: &str = "root";
/// The program's own modules, which are there to be set though no filter names them.
const PROGRAM: &str = "ottla";
/// Kafka's levels with those of the log; there is none above ERROR here.
const LEVELS: [(&str, &str); 6] = [
    ("DEBUG", "debug"),
    ("ERROR", "error"),
    ("FATAL", "error"),
    ("INFO", "info"),
    ("TRACE", "trace"),
    ("WARN", "warn"),
];

/// Loggers that may have levels of their own: each event of the log is compared with all of them.
const MAX_LOGGERS: usize = 256;

/// One change at a time: the filter is read, changed and set.
static CHANGING: Mutex<()> = Mutex::new(());

/// Changes log levels, or says whether it would.
pub(super) fn alter(cx: &Context, resource: &AlterConfigsResource, validate_only: bool) -> Result<(), ApiError> {
    check_node(cx.broker.node_id, &resource.resource_name)?;
    let _changing = CHANGING.lock();
    let mut loggers = Loggers::parse(&cx.broker.log_levels.get());
    resource.configs.iter().try_for_each(|config| loggers.check(config))?;
    if validate_only {
        return Ok(());
    }
    resource.configs.iter().for_each(|config| loggers.change(config));
    if loggers.targets.len() > MAX_LOGGERS {
        return Err(invalid(format!("More than {MAX_LOGGERS} loggers would have levels of their own.")));
    }
    let filter = loggers.to_string();
    cx.broker.log_levels.set(&filter).map_err(|error| ApiError::new(ErrorCode::InvalidConfig, format!("{error:#}")))?;
    tracing::warn!("the log's levels are {filter} now");
    Ok(())
}

/// Each logger with its level in Kafka's words.
pub(super) fn describe(cx: &Context) -> BTreeMap<String, String> {
    Loggers::parse(&cx.broker.log_levels.get()).levels()
}

fn invalid(message: String) -> ApiError {
    ApiError::new(ErrorCode::InvalidRequest, message)
}

fn check_node(node_id: i32, name: &str) -> Result<(), ApiError> {
    let id: i32 = name.parse().map_err(|_| invalid(format!("Node id must be an integer, but it is: {name}")))?;
    match id == node_id {
        true => Ok(()),
        false => Err(invalid(format!("Unexpected node id. Expected {node_id}, but received {id}"))),
    }
}

/// A filter taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Loggers {
    root: String,
    /// By logger.
    targets: BTreeMap<String, String>,
    /// What is more than a target and its level, kept as it is.
    others: Vec<String>,
}

impl Loggers {
    fn parse(filter: &str) -> Self {
        let mut loggers = Self { root: String::new(), targets: BTreeMap::new(), others: Vec::new() };
        for directive in filter.split(',').map(str::trim).filter(|directive| !directive.is_empty()) {
            match directive.split_once('=') {
                None if is_level(directive) => loggers.root = directive.to_ascii_lowercase(),
                Some((target, level)) if is_target(target) && is_level(level) => {
                    loggers.targets.insert(logger(target), level.to_ascii_lowercase());
                }
                _ => loggers.others.push(directive.to_owned()),
            }
        }
        if loggers.root.is_empty() {
            let nothing = loggers.targets.is_empty() && loggers.others.is_empty();
            loggers.root = if nothing { "error".to_owned() } else { "off".to_owned() };
        }
        loggers
    }

    fn exists(&self, name: &str) -> bool {
        let ours = name.strip_prefix(PROGRAM).is_some_and(|rest| rest.is_empty() || rest.starts_with(['_', '.']));
        name == ROOT || self.targets.contains_key(name) || ours && is_target(&target(name))
    }

    fn check(&self, config: &AlterableConfig) -> Result<(), ApiError> {
        let name = config.name.as_str();
        let refused =
            |operation| invalid(format!("{operation} operation is not allowed for the BROKER_LOGGER resource"));
        let exists = || match self.exists(name) {
            true => Ok(()),
            false => Err(ApiError::new(ErrorCode::InvalidConfig, format!("Logger {name} does not exist!"))),
        };
        match config.config_operation {
            0 => exists().and_then(|()| check_level(name, config.value.as_deref().unwrap_or_default())),
            1 if name == ROOT => Err(invalid(format!("Removing the log level of the {ROOT} logger is not allowed"))),
            1 => exists(),
            2 => Err(refused("APPEND")),
            3 => Err(refused("SUBTRACT")),
            other => {
                Err(invalid(format!("Unknown operation type {other} is not allowed for the BROKER_LOGGER resource")))
            }
        }
    }

    /// To be called once it is checked.
    fn change(&mut self, config: &AlterableConfig) {
        let level = config.value.as_deref().and_then(level).unwrap_or("info").to_owned();
        match (config.config_operation, config.name.as_str()) {
            (0, ROOT) => self.root = level,
            (0, name) => drop(self.targets.insert(name.to_owned(), level)),
            (_, name) => drop(self.targets.remove(name)),
        }
    }

    fn levels(&self) -> BTreeMap<String, String> {
        let program = self.targets.get(PROGRAM).unwrap_or(&self.root);
        let known = [(ROOT, &self.root), (PROGRAM, program)];
        let set = self.targets.iter().map(|(target, level)| (target.as_str(), level));
        known.into_iter().chain(set).map(|(name, level)| (name.to_owned(), level.to_ascii_uppercase())).collect()
    }
}

impl fmt::Display for Loggers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.root)?;
        self.targets.iter().try_for_each(|(logger, level)| write!(f, ",{}={level}", target(logger)))?;
        self.others.iter().try_for_each(|directive| write!(f, ",{directive}"))
    }
}

fn logger(target: &str) -> String {
    target.replace("::", ".")
}

fn target(logger: &str) -> String {
    logger.replace('.', "::")
}

/// The log's word for one of Kafka's levels.
fn level(name: &str) -> Option<&'static str> {
    LEVELS.iter().find(|(kafka, _)| *kafka == name).map(|(_, ours)| *ours)
}

fn check_level(logger: &str, name: &str) -> Result<(), ApiError> {
    if level(name).is_some() {
        return Ok(());
    }
    let valid: Vec<&str> = LEVELS.iter().map(|(kafka, _)| *kafka).collect();
    let message = format!(
        "Cannot set the log level of {logger} to {name} as it is not a supported log level. Valid log levels are {}",
        valid.join(", ")
    );
    Err(ApiError::new(ErrorCode::InvalidConfig, message))
}

fn is_level(text: &str) -> bool {
    ["off", "error", "warn", "info", "debug", "trace"].iter().any(|level| text.eq_ignore_ascii_case(level))
}

fn is_target(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Applies `operation name value` lines to a filter; the first error is the answer.
    fn check(filter: &str, changes: &[(i8, &'static str, &'static str)]) -> String {
        let mut loggers = Loggers::parse(filter);
        for (config_operation, name, value) in changes {
            let value = Some((*value).into());
            let config = AlterableConfig {
                name: (*name).into(),
                config_operation: *config_operation,
                value,
                ..Default::default()
            };
            if let Err(error) = loggers.check(&config) {
                return error.to_string();
            }
            loggers.change(&config);
        }
        loggers.to_string()
    }

    #[test]
    fn a_filter_is_taken_apart_and_put_together() {
        assert_eq!(check("ottla::network=debug,info", &[]), "info,ottla::network=debug");
        assert_eq!(check("INFO,hyper=off,[span{a=1}]=trace", &[]), "info,hyper=off,[span{a=1}]=trace");
        assert_eq!(check("ottla=info", &[]), "off,ottla=info");
        assert_eq!(check("", &[]), "error");
    }

    #[test]
    fn levels_are_set_and_unset() {
        assert_eq!(check("info", &[(0, "root", "DEBUG")]), "debug");
        assert_eq!(
            check("info", &[(0, "ottla.fetch", "TRACE"), (0, "ottla_storage", "FATAL")]),
            "info,ottla::fetch=trace,ottla_storage=error"
        );
        assert_eq!(check("info,ottla::fetch=trace", &[(1, "ottla.fetch", "")]), "info");
    }

    #[test]
    fn what_kafka_refuses_is_refused() {
        let no_level = "INVALID_CONFIG: Cannot set the log level of root to LOUD as it is not a supported log level. Valid log levels are DEBUG, ERROR, FATAL, INFO, TRACE, WARN";
        assert_eq!(check("info", &[(0, "root", "LOUD")]), no_level);
        assert_eq!(
            check("info", &[(0, "kafka.server", "INFO")]),
            "INVALID_CONFIG: Logger kafka.server does not exist!"
        );
        assert_eq!(
            check("info", &[(0, "ottla=info,x", "INFO")]),
            "INVALID_CONFIG: Logger ottla=info,x does not exist!"
        );
        assert_eq!(
            check("info", &[(1, "root", "")]),
            "INVALID_REQUEST: Removing the log level of the root logger is not allowed"
        );
        assert_eq!(
            check("info", &[(2, "root", "INFO")]),
            "INVALID_REQUEST: APPEND operation is not allowed for the BROKER_LOGGER resource"
        );
        assert_eq!(
            check("info", &[(9, "root", "INFO")]),
            "INVALID_REQUEST: Unknown operation type 9 is not allowed for the BROKER_LOGGER resource"
        );
    }

    #[test]
    fn loggers_are_described_with_kafkas_levels() {
        let levels = Loggers::parse("info,ottla::fetch=debug").levels();
        let levels: Vec<_> = levels.iter().map(|(name, level)| format!("{name}={level}")).collect();
        assert_eq!(levels, ["ottla=INFO", "ottla.fetch=DEBUG", "root=INFO"]);
    }
}
