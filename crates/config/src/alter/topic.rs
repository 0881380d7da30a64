//! A topic's configs, checked together with the broker's defaults.

use std::collections::BTreeMap;

use super::AlterError;
use crate::{ConfigError, ServerConfig, Value, keys, topic_table};

pub(super) fn validate(
    new: &BTreeMap<String, String>,
    old: &BTreeMap<String, String>,
    broker: &ServerConfig,
) -> Result<(), AlterError> {
    if let Some(unknown) = new.keys().find(|name| topic_table().get(name).is_none()) {
        return Err(AlterError::InvalidConfig(format!("Unknown topic config name: {unknown}")));
    }
    let values = values(new, broker)?;
    compaction_lags(&values)?;
    if values.is_true("remote.storage.enable") {
        remote_storage(&values, broker)
    } else {
        turning_remote_storage_off(&values, old)
    }
}

struct Values(BTreeMap<&'static str, Value>);

impl Values {
    fn is_true(&self, name: &str) -> bool {
        self.0.get(name) == Some(&Value::Boolean(true))
    }

    fn long(&self, name: &str) -> i64 {
        self.0.get(name).and_then(Value::as_long).unwrap_or(0)
    }
}

/// In the order of the table, so that of several mistakes the same one is named as by Kafka.
fn values(new: &BTreeMap<String, String>, broker: &ServerConfig) -> Result<Values, ConfigError> {
    let mut values = BTreeMap::new();
    for row in topic_table().iter() {
        let value = match new.get(row.name) {
            Some(text) => row.parse(text)?,
            None => broker.topic_default(row.name),
        };
        row.check(&value)?;
        values.insert(row.name, value);
    }
    Ok(Values(values))
}

fn compaction_lags(values: &Values) -> Result<(), AlterError> {
    let min = values.long("min.compaction.lag.ms");
    let max = values.long("max.compaction.lag.ms");
    if min <= max {
        return Ok(());
    }
    Err(AlterError::InvalidConfig(format!(
        "conflict topic config setting min.compaction.lag.ms ({min}) > max.compaction.lag.ms ({max})"
    )))
}

fn remote_storage(values: &Values, broker: &ServerConfig) -> Result<(), AlterError> {
    let refuse = |message: &str| Err(AlterError::InvalidConfig(message.to_owned()));
    if !broker.get(keys::REMOTE_LOG_STORAGE_SYSTEM_ENABLE) {
        return refuse(
            "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.",
        );
    }
    let only_deletes = matches!(values.0.get("cleanup.policy"), Some(Value::List(policies))
        if policies.iter().all(|policy| policy == "delete"));
    if !only_deletes {
        return refuse(
            "Remote log storage only supports topics with cleanup.policy=delete or cleanup.policy being an empty list.",
        );
    }
    local_within_total(values, "local.retention.bytes", "retention.bytes")?;
    local_within_total(values, "local.retention.ms", "retention.ms")
}

/// What stays on local disk is at most what stays at all; -2 stands for "the same".
fn local_within_total(values: &Values, local_name: &str, total_name: &str) -> Result<(), AlterError> {
    let (local, total) = (values.long(local_name), values.long(total_name));
    if total == -1 || local == -2 {
        return Ok(());
    }
    let reason = match local {
        -1 => format!("Value must not be -1 as {total_name} value is set as {total}."),
        local if local > total => format!("Value must not be more than {total_name} property value: {total}"),
        _ => return Ok(()),
    };
    Err(ConfigError::invalid(local_name, local, reason).into())
}

fn turning_remote_storage_off(values: &Values, old: &BTreeMap<String, String>) -> Result<(), AlterError> {
    let was_on = old.get("remote.storage.enable").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    if !was_on || values.is_true("remote.log.delete.on.disable") {
        return Ok(());
    }
    Err(AlterError::InvalidConfig(
        "It is invalid to disable remote storage without deleting remote data. If you want to keep the remote data and \
         turn to read only, please set `remote.storage.enable=true,remote.log.copy.disable=true`. If you want to disable \
         remote storage and delete all remote data, please set \
         `remote.storage.enable=false,remote.log.delete.on.disable=true`."
            .to_owned(),
    ))
}
