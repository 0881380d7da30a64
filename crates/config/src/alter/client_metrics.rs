//! A client-metrics subscription (KIP-714).

use std::collections::BTreeMap;

use super::AlterError;
use crate::{Value, client_metrics_table};

const MATCHED: [&str; 6] = [
    "client_instance_id",
    "client_id",
    "client_software_name",
    "client_software_version",
    "client_source_address",
    "client_source_port",
];

pub(super) fn validate(new: &BTreeMap<String, String>) -> Result<(), AlterError> {
    if let Some(unknown) = new.keys().find(|name| client_metrics_table().get(name).is_none()) {
        return Err(AlterError::InvalidRequest(format!("Unknown client metrics configuration: {unknown}")));
    }
    let mut values = BTreeMap::new();
    for row in client_metrics_table().iter() {
        if let Some(text) = new.get(row.name) {
            values.insert(row.name, row.parse(text)?);
        }
    }
    if let Some(Value::Int(interval_ms)) = values.get("interval.ms") {
        check_interval(*interval_ms)?;
    }
    match values.get("match") {
        Some(Value::List(patterns)) => patterns.iter().try_for_each(|pattern| check_pattern(pattern)),
        _ => Ok(()),
    }
}

fn check_interval(interval_ms: i32) -> Result<(), AlterError> {
    if (100..=3_600_000).contains(&interval_ms) {
        return Ok(());
    }
    Err(AlterError::InvalidRequest(format!(
        "Invalid value {interval_ms} for interval.ms, interval must be between 100 and 3600000 (1 hour)"
    )))
}

/// `client_id=<pattern>`. The pattern itself is compiled by who matches with it.
fn check_pattern(text: &str) -> Result<(), AlterError> {
    let is_valid = match text.split('=').collect::<Vec<_>>().as_slice() {
        [name, pattern] => MATCHED.contains(&name.trim()) && !pattern.is_empty(),
        _ => false,
    };
    if is_valid { Ok(()) } else { Err(AlterError::InvalidConfig(format!("Illegal client matching pattern: {text}"))) }
}
