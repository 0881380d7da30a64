//! What can be wrong with one config, in the words of Kafka's ConfigException.

/// A config that Kafka would refuse. Its text is what Kafka's tools show, so tests compare it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The value does not parse or is out of range.
    #[error("Invalid value {value} for configuration {name}: {reason}")]
    InvalidValue { name: String, value: String, reason: String },
    /// A config without a default is not set.
    #[error("Missing required configuration \"{0}\" which has no default value.")]
    Missing(&'static str),
    /// Kafka states this one as `ConfigException(message)`.
    #[error("{0}")]
    Rule(String),
    /// Kafka states this one with Scala's `require`, which puts these words before it.
    #[error("requirement failed: {0}")]
    Requirement(String),
}

impl ConfigError {
    pub(crate) fn invalid(name: &str, value: impl ToString, reason: impl ToString) -> Self {
        Self::InvalidValue { name: name.to_owned(), value: value.to_string(), reason: reason.to_string() }
    }

    /// The message without the words that only come from Kafka's implementation language.
    pub fn plain(&self) -> String {
        match self {
            Self::Requirement(message) => message.clone(),
            other => other.to_string(),
        }
    }
}
