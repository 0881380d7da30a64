//! One row: a config's name, type, default, validator, importance, update mode, support and documentation.

use super::Validator;
use crate::{ConfigError, ConfigType, Value};

/// What a config is when nobody sets it.
#[derive(Debug, Clone, PartialEq)]
pub enum Default {
    /// It must be set.
    Required,
    /// This value, which may be `Null`.
    Value(Value),
}

/// Kafka's weight of a config, for documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Importance {
    High,
    Medium,
    Low,
}

/// Whether a broker config can be altered while the broker runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateMode {
    /// Only in `server.properties`, with a restart.
    ReadOnly,
    /// For one broker at a time.
    PerBroker,
    /// For one broker or as the default of the cluster.
    ClusterWide,
}

/// Who gets to see a config.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// Documented and described.
    Public,
    /// Known, but neither documented by Kafka nor described unless it is set.
    Internal,
    /// Ottla's own: documented, and described when it is set.
    Ottla,
    /// Not part of `server.properties`; it exists only as a dynamic config.
    DynamicOnly,
}

/// Whether Ottla does what the config says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It does.
    Honoured,
    /// It does not do so yet, because of this.
    NotYet(&'static str),
    /// It will not, because of this.
    Never(&'static str),
}

impl Support {
    /// What to tell whoever sets the config; none if Ottla does what it says.
    pub fn warning(self, name: &str) -> Option<String> {
        match self {
            Self::Honoured => None,
            Self::NotYet(reason) => Some(format!("{name} has no effect yet: {reason}")),
            Self::Never(reason) => Some(format!("{name} has no effect: {reason}")),
        }
    }
}

/// A broker config that gives the default of a topic or group config, and how its unit converts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Synonym {
    pub name: &'static str,
    pub factor: i64,
}

/// One row of a table.
#[derive(Debug)]
pub struct Definition {
    pub name: &'static str,
    pub config_type: ConfigType,
    pub default: Default,
    /// The accepted values in words; empty where every value of the type is.
    pub valid_values: &'static str,
    pub importance: Importance,
    pub update_mode: UpdateMode,
    pub visibility: Visibility,
    pub support: Support,
    /// For topic and group configs: the broker configs behind it, first match first.
    pub synonyms: Vec<Synonym>,
    /// One sentence.
    pub documentation: &'static str,
    pub(super) validator: Validator,
}

impl Definition {
    /// Reads and checks a value as Kafka does: parse, drop duplicates of a checked list, validate.
    pub fn parse(&self, text: &str) -> Result<Value, ConfigError> {
        let mut value = Value::parse(self.name, text, self.config_type)?;
        if let (Value::List(values), Validator::List { .. }) = (&mut value, &self.validator) {
            drop_duplicates(values);
        }
        self.check(&value)?;
        Ok(value)
    }

    /// Checks a value that has been read.
    pub fn check(&self, value: &Value) -> Result<(), ConfigError> {
        self.validator.check(self.name, value)
    }

    /// The value that holds when the config is not set; `Null` where it must be set.
    pub fn default_value(&self) -> Value {
        match &self.default {
            Default::Required => Value::Null,
            Default::Value(value) => value.clone(),
        }
    }

    /// Whether the value must not be shown.
    pub fn is_sensitive(&self) -> bool {
        self.config_type == ConfigType::Password
    }
}

fn drop_duplicates(values: &mut Vec<String>) {
    let mut seen = std::collections::BTreeSet::new();
    values.retain(|value| seen.insert(value.clone()));
}
