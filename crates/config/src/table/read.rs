//! Reads the tables from the files in `data/`; a mistake there is ours, so it stops the program and the tests.

use super::definition::{Default, Definition, Importance, Support, Synonym, UpdateMode, Visibility};
use super::{Table, Validator};
use crate::{ConfigType, Value};

/// A column a file lacks is empty in each of its rows.
struct Row<'a> {
    header: &'a [&'static str],
    fields: Vec<&'static str>,
}

impl Row<'_> {
    fn get(&self, column: &str) -> &'static str {
        let index = self.header.iter().position(|each| *each == column);
        index.and_then(|index| self.fields.get(index)).copied().unwrap_or("")
    }
}

pub(super) fn table(text: &'static str) -> Table {
    let mut lines = text.lines();
    let header: Vec<&'static str> = lines.next().unwrap_or("").split('\t').collect();
    let rows: Vec<Definition> = lines
        .map(|line| Row { header: &header, fields: line.split('\t').collect() })
        .map(|row| definition(&row))
        .collect();
    let by_name: std::collections::BTreeMap<_, _> =
        rows.iter().enumerate().map(|(index, row)| (row.name, index)).collect();
    assert_eq!(by_name.len(), rows.len(), "a config has two rows");
    Table { rows, by_name }
}

fn definition(row: &Row<'_>) -> Definition {
    let name = row.get("name");
    let config_type = config_type(name, row.get("type"));
    let valid_values = row.get("valid values");
    Definition {
        name,
        config_type,
        default: default(name, row.get("default"), config_type),
        valid_values,
        importance: importance(name, row.get("importance")),
        update_mode: update_mode(name, row.get("update mode")),
        visibility: visibility(name, row.get("visibility")),
        support: support(name, row.get("support")),
        synonyms: row.get("broker configs").split_whitespace().map(synonym).collect(),
        documentation: row.get("documentation"),
        validator: Validator::read(name, valid_values, config_type),
    }
}

fn config_type(name: &str, text: &str) -> ConfigType {
    let found = ConfigType::ALL.iter().find(|(each, _)| *each == text);
    found.map_or_else(|| panic!("{name}: no type {text}"), |(_, config_type)| *config_type)
}

fn default(name: &str, text: &str, config_type: ConfigType) -> Default {
    match text {
        "(required)" => Default::Required,
        "null" => Default::Value(Value::Null),
        text => match Value::parse(name, text, config_type) {
            Ok(value) => Default::Value(value),
            Err(error) => panic!("{name}: the default is wrong: {error}"),
        },
    }
}

fn importance(name: &str, text: &str) -> Importance {
    match text {
        "HIGH" => Importance::High,
        "MEDIUM" => Importance::Medium,
        "LOW" => Importance::Low,
        _ => panic!("{name}: no importance {text}"),
    }
}

fn update_mode(name: &str, text: &str) -> UpdateMode {
    match text {
        "read-only" => UpdateMode::ReadOnly,
        "per-broker" => UpdateMode::PerBroker,
        "cluster-wide" | "" => UpdateMode::ClusterWide,
        _ => panic!("{name}: no update mode {text}"),
    }
}

fn visibility(name: &str, text: &str) -> Visibility {
    match text {
        "" | "public" => Visibility::Public,
        "internal" => Visibility::Internal,
        "ottla" => Visibility::Ottla,
        "dynamic-only" => Visibility::DynamicOnly,
        _ => panic!("{name}: no visibility {text}"),
    }
}

fn support(name: &str, text: &'static str) -> Support {
    match text.split_once(": ") {
        None if text == "honoured" => Support::Honoured,
        Some(("not yet", reason)) => Support::NotYet(reason),
        Some(("never", reason)) => Support::Never(reason),
        _ => panic!("{name}: no support {text}"),
    }
}

/// `log.retention.hours*3600000`, or a name alone.
fn synonym(text: &'static str) -> Synonym {
    match text.split_once('*') {
        None => Synonym { name: text, factor: 1 },
        Some((name, factor)) => match factor.parse() {
            Ok(factor) => Synonym { name, factor },
            Err(_) => panic!("{text}: no factor"),
        },
    }
}
