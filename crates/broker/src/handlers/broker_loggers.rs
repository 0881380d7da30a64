//! The broker's log levels as configs (KIP-412): `root`, and a logger for each module of this program.
//!
//! A logger is a target of the log's filter with dots for its colons, since kafka-configs takes no colons: `ottla.network`
//! is the module `ottla::network`. Where it has no level of its own it has that of the longest beginning of its name that
//! has one, and at last that of the root. Levels are not stored: they last until the process ends.

use super::Context;
use ottla_metadata::ApiError;
use ottla_protocol::{
    ErrorCode,
    messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig},
};
use parking_lot::Mutex;
use std::{collections::BTreeMap, fmt};

#[cfg(test)]
mod tests;

const ROOT: &str = "root";
/// The program's own modules, which are there to be set though no filter names them.
const PROGRAM: &str = "ottla";
/// The modules that log; kafka-configs sets the levels of no others than those it is told of.
const MODULES: [&str; 40] = [
    "ottla",
    "ottla.assignments",
    "ottla.cleaner",
    "ottla.cli",
    "ottla.commit",
    "ottla.controller",
    "ottla.controller_registration",
    "ottla.controllers",
    "ottla.dir",
    "ottla.fetchers",
    "ottla.future",
    "ottla.groups",
    "ottla.handlers",
    "ottla.housekeeping",
    "ottla.http",
    "ottla.isr_changes",
    "ottla.joining",
    "ottla.log_dirs",
    "ottla.logging",
    "ottla.metadata_log",
    "ottla.metadata_quorum",
    "ottla.moves",
    "ottla.network",
    "ottla.node",
    "ottla.partition",
    "ottla.producer_ids",
    "ottla.publisher",
    "ottla.registration",
    "ottla.replica",
    "ottla.replicas",
    "ottla.room",
    "ottla.settings",
    "ottla.shards",
    "ottla.suspicion",
    "ottla.transactions",
    "ottla_storage.compaction",
    "ottla_storage.journal",
    "ottla_storage.log",
    "ottla_storage.log_dir",
    "ottla_storage.segment",
];
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
        let known = MODULES.into_iter().chain(self.targets.keys().map(String::as_str));
        let level = |name: &str| (name.to_owned(), self.level(name).to_ascii_uppercase());
        let mut levels: BTreeMap<_, _> = known.map(level).collect();
        levels.insert(ROOT.to_owned(), self.root.to_ascii_uppercase());
        levels
    }

    fn level(&self, name: &str) -> &str {
        let set = self.targets.iter().filter(|(logger, _)| name.starts_with(logger.as_str()));
        set.max_by_key(|(logger, _)| logger.len()).map_or(&self.root, |(_, level)| level)
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
