//! Which values of its type a config takes, with Kafka's words for those it does not.

use crate::{ConfigError, ConfigType, Value};

/// One bound of a range; the text is what messages show.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bound {
    value: f64,
    text: &'static str,
}

/// The checks of Kafka's ConfigDef, and those few configs have of their own.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Validator {
    Any,
    Range { min: Option<Bound>, max: Option<Bound> },
    OneOf(Vec<&'static str>),
    OneOfIgnoringCase(Vec<&'static str>),
    List { allowed: Vec<&'static str>, may_be_empty: bool, may_be_null: bool },
    NonEmptyString,
    NonNullString,
    GzipLevel,
    ThrottledReplicas,
    QuorumVoters,
    BootstrapServers,
    ShareOffsetReset,
}

impl Validator {
    /// Reads the column "valid values".
    pub(super) fn read(name: &str, text: &'static str, config_type: ConfigType) -> Self {
        match text {
            "" => Self::Any,
            "[1,...,9] or -1" => Self::GzipLevel,
            "non-empty string" => Self::NonEmptyString,
            "non-null string" => Self::NonNullString,
            "[partitionId]:[brokerId],[partitionId]:[brokerId],..." => Self::ThrottledReplicas,
            "{id}@{host}:{port},..." => Self::QuorumVoters,
            "{host}:{port},..." => Self::BootstrapServers,
            "[latest, earliest, by_duration:PnDTnHnMn.nS]" => Self::ShareOffsetReset,
            _ if config_type == ConfigType::List => Self::read_list(name, text),
            _ if text.contains(",...") => Self::read_range(name, text),
            _ => match text.strip_prefix("(case insensitive) ") {
                Some(words) => Self::OneOfIgnoringCase(bracketed(name, words)),
                None => Self::OneOf(bracketed(name, text)),
            },
        }
    }

    /// `list`, `non-empty list`, `... of [a, b]`, `... or null`.
    fn read_list(name: &str, text: &'static str) -> Self {
        let (rest, may_be_null) = text.strip_suffix(" or null").map_or((text, false), |rest| (rest, true));
        let (rest, may_be_empty) = rest.strip_prefix("non-empty ").map_or((rest, true), |rest| (rest, false));
        let allowed = match rest.strip_prefix("list of ") {
            Some(words) => bracketed(name, words),
            None if rest == "list" => Vec::new(),
            None => panic!("{name}: no validator {text}"),
        };
        Self::List { allowed, may_be_empty, may_be_null }
    }

    /// `[0,...]` or `[0,...,1]`.
    fn read_range(name: &str, text: &'static str) -> Self {
        let inner = text.trim_start_matches('[').trim_end_matches(']');
        let (min, max) = inner.split_once(",...").unwrap_or((inner, ""));
        let bound = |text: &'static str| match text.trim_start_matches(',') {
            "" => None,
            text => match text.parse() {
                Ok(value) => Some(Bound { value, text }),
                Err(_) => panic!("{name}: no bound {text}"),
            },
        };
        Self::Range { min: bound(min), max: bound(max) }
    }

    pub(super) fn check(&self, name: &str, value: &Value) -> Result<(), ConfigError> {
        match (self, value) {
            (Self::Any, _) => Ok(()),
            (Self::Range { min, max }, value) => check_range(name, value, *min, *max),
            (Self::OneOf(words), Value::String(value)) => check_one_of(name, value, words),
            (Self::OneOfIgnoringCase(words), Value::String(value)) => check_ignoring_case(name, value, words),
            (Self::List { may_be_null: true, .. } | Self::NonEmptyString, Value::Null) => Ok(()),
            (Self::List { .. }, Value::Null) => {
                Err(ConfigError::Rule(format!("Configuration '{name}' values must not be null.")))
            }
            (Self::List { allowed, may_be_empty, .. }, Value::List(values)) => {
                check_list(name, values, allowed, *may_be_empty)
            }
            (Self::NonEmptyString, Value::String(value)) if value.is_empty() => {
                Err(ConfigError::invalid(name, value, "String must be non-empty"))
            }
            (Self::NonEmptyString, _) => Ok(()),
            (Self::NonNullString, Value::Null) => Err(ConfigError::invalid(name, "null", "entry must be non null")),
            (Self::NonNullString, _) => Ok(()),
            (Self::GzipLevel, Value::Int(-1 | 1..=9)) => Ok(()),
            (Self::GzipLevel, value) => {
                Err(ConfigError::invalid(name, value.to_message(), "Value must be between 1 and 9 or equal to -1"))
            }
            (Self::ThrottledReplicas, Value::List(values)) => check_throttled(name, values),
            (Self::QuorumVoters, Value::List(values)) => values.iter().try_for_each(|entry| check_voter(name, entry)),
            (Self::BootstrapServers, Value::List(values)) => {
                values.iter().try_for_each(|entry| check_server(name, entry))
            }
            (Self::ShareOffsetReset, Value::String(value)) => check_offset_reset(name, value),
            (_, value) => Err(ConfigError::invalid(name, value.to_message(), "Value must be non-null")),
        }
    }
}

fn bracketed(name: &str, text: &'static str) -> Vec<&'static str> {
    match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        Some(words) => words.split(", ").collect(),
        None => panic!("{name}: no validator {text}"),
    }
}

fn check_range(name: &str, value: &Value, min: Option<Bound>, max: Option<Bound>) -> Result<(), ConfigError> {
    let Some(number) = value.as_number() else {
        return Err(ConfigError::invalid(name, value.to_message(), "Value must be non-null"));
    };
    if let Some(bound) = min.filter(|bound| number < bound.value) {
        return Err(ConfigError::invalid(name, value.to_message(), format!("Value must be at least {}", bound.text)));
    }
    if let Some(bound) = max.filter(|bound| number > bound.value) {
        return Err(ConfigError::invalid(
            name,
            value.to_message(),
            format!("Value must be no more than {}", bound.text),
        ));
    }
    Ok(())
}

fn check_one_of(name: &str, value: &str, words: &[&str]) -> Result<(), ConfigError> {
    if words.contains(&value) {
        return Ok(());
    }
    Err(ConfigError::invalid(name, value, format!("String must be one of: {}", words.join(", "))))
}

fn check_ignoring_case(name: &str, value: &str, words: &[&str]) -> Result<(), ConfigError> {
    if words.iter().any(|word| word.eq_ignore_ascii_case(value)) {
        return Ok(());
    }
    let reason = format!("String must be one of (case insensitive): {}", words.join(", "));
    Err(ConfigError::invalid(name, value, reason))
}

fn check_list(name: &str, values: &[String], allowed: &[&str], may_be_empty: bool) -> Result<(), ConfigError> {
    if values.is_empty() && !may_be_empty {
        let valid = if allowed.is_empty() { "any non-empty value".into() } else { format!("[{}]", allowed.join(", ")) };
        let message = format!("Configuration '{name}' must not be empty. Valid values include: {valid}");
        return Err(ConfigError::Rule(message));
    }
    for value in values {
        if value.is_empty() {
            return Err(ConfigError::Rule(format!("Configuration '{name}' values must not be empty.")));
        }
        if !allowed.is_empty() {
            check_one_of(name, value, allowed)?;
        }
    }
    Ok(())
}

fn check_throttled(name: &str, values: &[String]) -> Result<(), ConfigError> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_replica = |text: &str| {
        text.is_empty()
            || text.split_once(':').is_some_and(|(partition, broker)| is_number(partition) && is_number(broker))
    };
    let is_wildcard = values.concat() == "*";
    if is_wildcard || values.iter().all(|value| is_replica(value)) {
        return Ok(());
    }
    let reason = format!(
        "{name} must be the literal '*' or a list of replicas in the following format: \
         [partitionId]:[brokerId],[partitionId]:[brokerId],..."
    );
    Err(ConfigError::invalid(name, format!("[{}]", values.join(", ")), reason))
}

fn check_voter(name: &str, entry: &str) -> Result<(), ConfigError> {
    const FORM: &str = "Each entry should be in the form `{id}@{host}:{port}`.";
    let parts: Vec<&str> = entry.split('@').collect();
    let [id, address] = parts.as_slice() else {
        return Err(ConfigError::Rule(format!("Invalid configuration value for {name}. {FORM}")));
    };
    if id.parse::<i32>().is_err() {
        return Err(ConfigError::Rule(format!("Failed to parse voter ID as an integer from {id}")));
    }
    if host_and_port(address).is_none() {
        let message = format!("Failed to parse host name from entry {entry} for the configuration {name}. {FORM}");
        return Err(ConfigError::Rule(message));
    }
    Ok(())
}

fn check_server(name: &str, entry: &str) -> Result<(), ConfigError> {
    if host_and_port(entry).is_some() {
        return Ok(());
    }
    Err(ConfigError::Rule(format!(
        "Failed to parse host name from {entry} for the configuration {name}. \
         Each entry should be in the form \"{{host}}:{{port}}\""
    )))
}

/// `host:port` or `[host]:port`, host being what may stand in an address.
pub(crate) fn host_and_port(address: &str) -> Option<(&str, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    let host = host.strip_prefix('[').unwrap_or(host);
    let host = host.strip_suffix(']').unwrap_or(host);
    let is_valid = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-%._:".contains(&byte));
    let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    (is_valid && is_number).then(|| port.parse().ok().map(|port| (host, port))).flatten()
}

fn check_offset_reset(name: &str, value: &str) -> Result<(), ConfigError> {
    let lower = value.to_ascii_lowercase();
    let is_duration = lower.strip_prefix("by_duration:").is_some_and(is_iso_duration);
    if is_duration || matches!(lower.as_str(), "earliest" | "latest") {
        return Ok(());
    }
    let reason = format!(
        "Invalid value `{value}` for configuration {name}. The value must be either 'earliest', 'latest' or of the \
         format 'by_duration:<PnDTnHnMn.nS>'."
    );
    Err(ConfigError::invalid(name, value, reason))
}

/// `PnDTnHnMn.nS` with at least one part and none negative.
fn is_iso_duration(lower: &str) -> bool {
    let Some(rest) = lower.strip_prefix('p') else { return false };
    let (days, time) = match rest.split_once('t') {
        Some((_, "")) => return false,
        Some((days, time)) => (days, time),
        None => (rest, ""),
    };
    parts_in_order(days, "d") && parts_in_order(time, "hms") && !rest.is_empty()
}

/// Numbers each followed by one of the units, which come in order and at most once; only the last unit takes a fraction.
fn parts_in_order(text: &str, units: &str) -> bool {
    let mut left = units;
    let mut rest = text;
    while !rest.is_empty() {
        let Some(end) = rest.find(|c: char| c.is_ascii_alphabetic()) else { return false };
        let (number, tail) = rest.split_at(end);
        let Some(unit) = tail.chars().next() else { return false };
        let Some((_, later)) = left.split_once(unit) else { return false };
        let digits = if unit == 's' { number.replacen('.', "", 1) } else { number.to_owned() };
        let starts_well = number.starts_with(|c: char| c.is_ascii_digit());
        if !starts_well || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return false;
        }
        left = later;
        rest = tail.strip_prefix(unit).unwrap_or("");
    }
    true
}
