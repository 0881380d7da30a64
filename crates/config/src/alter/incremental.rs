//! IncrementalAlterConfigs: set, delete, append to and subtract from what a resource has.

use std::collections::BTreeMap;

use super::{AlterError, ResourceType};
use crate::ConfigType;

/// One operation on one config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alteration {
    Set(String),
    Delete,
    Append(String),
    Subtract(String),
}

impl Alteration {
    /// Reads the operation of a request: 0 set, 1 delete, 2 append, 3 subtract.
    pub fn from_request(operation: i8, value: Option<&str>) -> Option<Self> {
        let value = || value.unwrap_or_default().to_owned();
        match operation {
            0 => Some(Self::Set(value())),
            1 => Some(Self::Delete),
            2 => Some(Self::Append(value())),
            3 => Some(Self::Subtract(value())),
            _ => None,
        }
    }
}

/// What the controller records: the new value of each config that changes, none for one that goes. A broker config is
/// recorded though it stays the same, since that makes the broker load files anew (KAFKA-14136).
pub fn apply(
    resource: ResourceType,
    current: &BTreeMap<String, String>,
    alterations: &BTreeMap<String, Alteration>,
) -> Result<BTreeMap<String, Option<String>>, AlterError> {
    let mut changes = BTreeMap::new();
    for (name, alteration) in alterations {
        let old = current.get(name);
        let new = match alteration {
            Alteration::Set(value) => Some(value.clone()),
            Alteration::Delete => None,
            Alteration::Append(value) => Some(append(&parts(resource, name, old, "APPEND")?, value)),
            Alteration::Subtract(value) => Some(subtract(&parts(resource, name, old, "SUBTRACT")?, value)),
        };
        if new.as_ref() != old || resource == ResourceType::Broker {
            changes.insert(name.clone(), new);
        }
    }
    match changes.values().flatten().any(|value| value.encode_utf16().count() > MAX_VALUE_LENGTH) {
        false => Ok(changes),
        true => Err(AlterError::InvalidConfig(format!(
            "The configuration value cannot be added because it exceeds the maximum value size of {MAX_VALUE_LENGTH} bytes."
        ))),
    }
}

const MAX_VALUE_LENGTH: usize = 32_767;

/// The elements of a list config, starting from its default where it is not set.
fn parts(
    resource: ResourceType,
    name: &str,
    current: Option<&String>,
    operation: &str,
) -> Result<Vec<String>, AlterError> {
    let row = resource.table().and_then(|table| table.get(name)).filter(|row| row.config_type == ConfigType::List);
    let Some(row) = row else {
        let message = format!("Can't {operation} to key {name} because its type is not LIST.");
        return Err(AlterError::InvalidConfig(message));
    };
    let text = current.cloned().or_else(|| row.default_value().to_text()).unwrap_or_default();
    Ok(text.split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect())
}

pub(super) fn append(parts: &[String], value: &str) -> String {
    let mut parts = parts.to_vec();
    for part in value.split(',') {
        if !parts.iter().any(|each| each == part) {
            parts.push(part.to_owned());
        }
    }
    parts.join(",")
}

pub(super) fn subtract(parts: &[String], value: &str) -> String {
    let mut parts = parts.to_vec();
    for part in value.split(',') {
        if let Some(index) = parts.iter().position(|each| each == part) {
            parts.remove(index);
        }
    }
    parts.join(",")
}
