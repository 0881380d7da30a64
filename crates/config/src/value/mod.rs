//! A config's value: its type, how Kafka reads it from text and how it writes it back.

mod number;
mod secret;
#[cfg(test)]
mod tests;

pub use secret::Secret;

use crate::ConfigError;

/// The types of Kafka's ConfigDef.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigType {
    Boolean,
    String,
    Int,
    Short,
    Long,
    Double,
    List,
    Class,
    Password,
}

impl ConfigType {
    pub(crate) const ALL: [(&'static str, Self); 9] = [
        ("BOOLEAN", Self::Boolean),
        ("STRING", Self::String),
        ("INT", Self::Int),
        ("SHORT", Self::Short),
        ("LONG", Self::Long),
        ("DOUBLE", Self::Double),
        ("LIST", Self::List),
        ("CLASS", Self::Class),
        ("PASSWORD", Self::Password),
    ];

    /// Kafka's name for the type.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, each)| *each == self).map_or("", |(name, _)| name)
    }
}

/// A value that has been read. A config that is not set and has no default is `Null`.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Boolean(bool),
    String(String),
    Int(i32),
    Short(i16),
    Long(i64),
    Double(f64),
    List(Vec<String>),
    Class(String),
    Password(Secret),
}

impl Value {
    /// Reads text as Kafka's `ConfigDef.parseType` does.
    pub fn parse(name: &str, text: &str, config_type: ConfigType) -> Result<Self, ConfigError> {
        let trimmed = java_trim(text);
        let not_a_number = || {
            let reason = format!("Not a number of type {}", config_type.name());
            ConfigError::invalid(name, text, reason)
        };
        Ok(match config_type {
            ConfigType::Boolean => Self::Boolean(parse_boolean(name, text, trimmed)?),
            ConfigType::String => Self::String(trimmed.to_owned()),
            ConfigType::Int => Self::Int(trimmed.parse().map_err(|_| not_a_number())?),
            ConfigType::Short => Self::Short(trimmed.parse().map_err(|_| not_a_number())?),
            ConfigType::Long => Self::Long(trimmed.parse().map_err(|_| not_a_number())?),
            ConfigType::Double => Self::Double(number::parse_double(trimmed).ok_or_else(not_a_number)?),
            ConfigType::List => Self::List(parse_list(trimmed)),
            ConfigType::Class => Self::Class(trimmed.to_owned()),
            ConfigType::Password => Self::Password(Secret::new(trimmed)),
        })
    }

    /// The text Kafka shows for the value; none for `Null` and for a secret.
    pub fn to_text(&self) -> Option<String> {
        Some(match self {
            Self::Null | Self::Password(_) => return None,
            Self::Boolean(value) => value.to_string(),
            Self::String(value) | Self::Class(value) => value.clone(),
            Self::Int(value) => value.to_string(),
            Self::Short(value) => value.to_string(),
            Self::Long(value) => value.to_string(),
            Self::Double(value) => number::double_to_text(*value),
            Self::List(values) => values.join(","),
        })
    }

    /// The text Kafka puts into an error message, where a list stands in brackets.
    pub(crate) fn to_message(&self) -> String {
        match self {
            Self::List(values) => format!("[{}]", values.join(", ")),
            Self::Null => "null".to_owned(),
            Self::Password(_) => Secret::HIDDEN.to_owned(),
            other => other.to_text().unwrap_or_default(),
        }
    }

    pub(crate) fn as_number(&self) -> Option<f64> {
        match self {
            Self::Int(value) => Some(f64::from(*value)),
            Self::Short(value) => Some(f64::from(*value)),
            // Kafka compares bounds as doubles too.
            #[allow(clippy::cast_precision_loss)]
            Self::Long(value) => Some(*value as f64),
            Self::Double(value) => Some(*value),
            _ => None,
        }
    }

    /// An INT, SHORT or LONG widened.
    pub(crate) fn as_long(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(i64::from(*value)),
            Self::Short(value) => Some(i64::from(*value)),
            Self::Long(value) => Some(*value),
            _ => None,
        }
    }
}

fn parse_boolean(name: &str, text: &str, trimmed: &str) -> Result<bool, ConfigError> {
    if trimmed.eq_ignore_ascii_case("true") {
        Ok(true)
    } else if trimmed.eq_ignore_ascii_case("false") {
        Ok(false)
    } else {
        Err(ConfigError::invalid(name, text, "Expected value to be either true or false"))
    }
}

/// Splits at commas with the white space around them; empty elements stay, as a validator is to see them.
pub(crate) fn parse_list(trimmed: &str) -> Vec<String> {
    if trimmed.is_empty() {
        return Vec::new();
    }
    trimmed.split(',').map(|element| element.trim_matches(is_java_space).to_owned()).collect()
}

/// Java's `String.trim`: every character up to the space goes.
pub(crate) fn java_trim(text: &str) -> &str {
    text.trim_matches(|c: char| c <= ' ')
}

/// What `\s` matches in a Java pattern.
fn is_java_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\u{b}' | '\u{c}' | '\r')
}
