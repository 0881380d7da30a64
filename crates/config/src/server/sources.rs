//! Where settings come from, and how they become a [`ServerConfig`].

use std::collections::BTreeMap;

use super::{ServerConfig, resolve};
use crate::properties::{self, PropertiesError};
use crate::{ConfigError, environment};

/// Where a setting was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A line of a file.
    File { path: String, line: usize },
    /// An environment variable.
    Environment(String),
    /// `--override` on the command line.
    Override,
    /// Ottla's own settings for a start without a file.
    BuiltIn,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File { path, line } => write!(formatter, "{path}:{line}"),
            Self::Environment(variable) => write!(formatter, "environment variable {variable}"),
            Self::Override => formatter.write_str("--override"),
            Self::BuiltIn => formatter.write_str("built-in setting"),
        }
    }
}

/// Something the operator should know that does not stop the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    pub origin: Option<Origin>,
    pub message: String,
}

/// Why there is no [`ServerConfig`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    #[error(transparent)]
    Properties(#[from] PropertiesError),
    /// `--override` without a name and a value.
    #[error("--override takes name=value, not {0:?}")]
    Override(String),
    /// A value is invalid, or values contradict each other. Every invalid value has an entry.
    #[error("{}", lines(.0))]
    Invalid(Vec<Complaint>),
}

/// One invalid setting, with its place where it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    pub origin: Option<Origin>,
    pub error: ConfigError,
}

impl std::fmt::Display for Complaint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        placed(formatter, self.origin.as_ref(), &self.error.plain())
    }
}

impl std::fmt::Display for Warning {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        placed(formatter, self.origin.as_ref(), &self.message)
    }
}

fn placed(formatter: &mut std::fmt::Formatter<'_>, origin: Option<&Origin>, message: &str) -> std::fmt::Result {
    match origin {
        Some(origin) => write!(formatter, "{origin}: {message}"),
        None => formatter.write_str(message),
    }
}

fn lines(complaints: &[Complaint]) -> String {
    complaints.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// A config ready for use, and what the operator should be told.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub config: ServerConfig,
    pub warnings: Vec<Warning>,
}

/// One `name=value` and its place.
#[derive(Clone)]
pub(super) struct Setting {
    pub(super) value: String,
    pub(super) origin: Origin,
}

/// The value may be a secret, so it is not shown.
impl std::fmt::Debug for Setting {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Setting").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// Settings in the order they are given: a later one replaces an earlier one of the same name.
#[derive(Debug, Clone)]
pub struct Sources {
    pub(super) settings: BTreeMap<String, Setting>,
    pub(super) warnings: Vec<Warning>,
    pub(super) standalone: bool,
}

impl Sources {
    /// Starts with what a `server.properties` holds, as kafka-server-start does.
    pub fn from_file(path: &str, bytes: &[u8]) -> Result<Self, LoadError> {
        let mut sources = Self { settings: BTreeMap::new(), warnings: Vec::new(), standalone: false };
        for entry in properties::parse(path, bytes)? {
            let origin = Origin::File { path: path.to_owned(), line: entry.line };
            sources.warn_of_duplicate(&entry.key, entry.line, &origin);
            sources.set(entry.key, entry.value, origin);
        }
        Ok(sources)
    }

    /// Starts without a file: a broker and controller in one, for this machine only, with its data in `log_dir`.
    pub fn standalone(log_dir: &str) -> Self {
        let mut sources = Self { settings: BTreeMap::new(), warnings: Vec::new(), standalone: true };
        for (name, value) in resolve::STANDALONE {
            sources.set(name.to_owned(), value.to_owned(), Origin::BuiltIn);
        }
        sources.set("log.dirs".to_owned(), log_dir.to_owned(), Origin::BuiltIn);
        sources
    }

    /// Adds the `KAFKA_*` variables. A value is read as a line of a properties file, as Kafka's image writes it into one.
    pub fn environment(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Result<Self, LoadError> {
        let named = variables.into_iter().filter_map(|(variable, value)| {
            let name = environment::config_name(&variable)?;
            Some((variable, format!("{name}={value}")))
        });
        for (variable, text) in named {
            for entry in properties::parse(&variable, text.as_bytes())? {
                self.set(entry.key, entry.value, Origin::Environment(variable.clone()));
            }
        }
        Ok(self)
    }

    /// Adds one `--override name=value`.
    pub fn override_with(mut self, text: &str) -> Result<Self, LoadError> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => self.set(name.to_owned(), value.to_owned(), Origin::Override),
            _ => return Err(LoadError::Override(text.to_owned())),
        }
        Ok(self)
    }

    /// Reads and checks every setting.
    pub fn load(self) -> Result<Loaded, LoadError> {
        resolve::load(self)
    }

    fn set(&mut self, name: String, value: String, origin: Origin) {
        self.settings.insert(name, Setting { value, origin });
    }

    fn warn_of_duplicate(&mut self, name: &str, line: usize, origin: &Origin) {
        let Some(Setting { origin: Origin::File { line: earlier, .. }, .. }) = self.settings.get(name) else { return };
        let message = format!("{name} is set on line {earlier} already; the value of line {line} holds");
        self.warnings.push(Warning { origin: Some(origin.clone()), message });
    }
}
