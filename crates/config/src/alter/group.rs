//! A group's configs, which must lie within the limits the broker sets.

use std::collections::BTreeMap;

use super::AlterError;
use crate::{ServerConfig, Value, group_table};

type Values = BTreeMap<&'static str, Value>;

/// A group config and the broker configs that limit it, in the order Kafka looks at them.
struct Limit {
    name: &'static str,
    min: &'static str,
    max: &'static str,
    /// Checked only where the group sets it, as its default is the broker's and may change under it.
    only_if_set: bool,
}

const fn limit(name: &'static str, min: &'static str, max: &'static str) -> Limit {
    Limit { name, min, max, only_if_set: false }
}

const fn limit_if_set(name: &'static str, min: &'static str, max: &'static str) -> Limit {
    Limit { name, min, max, only_if_set: true }
}

const LIMITS: [Limit; 13] = [
    limit(
        "consumer.heartbeat.interval.ms",
        "group.consumer.min.heartbeat.interval.ms",
        "group.consumer.max.heartbeat.interval.ms",
    ),
    limit(
        "consumer.session.timeout.ms",
        "group.consumer.min.session.timeout.ms",
        "group.consumer.max.session.timeout.ms",
    ),
    limit_if_set(
        "consumer.assignment.interval.ms",
        "group.consumer.min.assignment.interval.ms",
        "group.consumer.max.assignment.interval.ms",
    ),
    limit(
        "share.heartbeat.interval.ms",
        "group.share.min.heartbeat.interval.ms",
        "group.share.max.heartbeat.interval.ms",
    ),
    limit("share.session.timeout.ms", "group.share.min.session.timeout.ms", "group.share.max.session.timeout.ms"),
    limit(
        "share.record.lock.duration.ms",
        "group.share.min.record.lock.duration.ms",
        "group.share.max.record.lock.duration.ms",
    ),
    limit("share.delivery.count.limit", "group.share.min.delivery.count.limit", "group.share.max.delivery.count.limit"),
    limit(
        "share.partition.max.record.locks",
        "group.share.min.partition.max.record.locks",
        "group.share.max.partition.max.record.locks",
    ),
    limit_if_set(
        "share.assignment.interval.ms",
        "group.share.min.assignment.interval.ms",
        "group.share.max.assignment.interval.ms",
    ),
    limit(
        "streams.heartbeat.interval.ms",
        "group.streams.min.heartbeat.interval.ms",
        "group.streams.max.heartbeat.interval.ms",
    ),
    limit("streams.session.timeout.ms", "group.streams.min.session.timeout.ms", "group.streams.max.session.timeout.ms"),
    limit("streams.num.standby.replicas", "", "group.streams.max.standby.replicas"),
    limit_if_set(
        "streams.assignment.interval.ms",
        "group.streams.min.assignment.interval.ms",
        "group.streams.max.assignment.interval.ms",
    ),
];

/// A member must have time for a heartbeat within its session.
const LONGER: [(&str, &str); 3] = [
    ("consumer.session.timeout.ms", "consumer.heartbeat.interval.ms"),
    ("share.session.timeout.ms", "share.heartbeat.interval.ms"),
    ("streams.session.timeout.ms", "streams.heartbeat.interval.ms"),
];

pub(super) fn validate(new: &BTreeMap<String, String>, broker: &ServerConfig) -> Result<(), AlterError> {
    if let Some(unknown) = new.keys().find(|name| group_table().get(name).is_none()) {
        return Err(AlterError::InvalidConfig(format!("Unknown group config name: {unknown}")));
    }
    let mut values = Values::new();
    for row in group_table().iter() {
        let value = match new.get(row.name) {
            Some(text) => row.parse(text)?,
            None => broker.group_default(row.name),
        };
        row.check(&value)?;
        values.insert(row.name, value);
    }
    for limit in LIMITS.iter().filter(|limit| !limit.only_if_set || new.contains_key(limit.name)) {
        within(limit, &values, broker)?;
    }
    LONGER.iter().try_for_each(|(longer, shorter)| is_longer(longer, shorter, &values))
}

fn within(limit: &Limit, values: &Values, broker: &ServerConfig) -> Result<(), AlterError> {
    let value = values.get(limit.name).and_then(Value::as_long);
    let refuse = |words: &str, bound: &str| {
        let name = limit.name;
        Err(AlterError::InvalidConfig(format!("{name} must be {words} than or equal to {bound}")))
    };
    if value < broker.long(limit.min) {
        return refuse("greater", limit.min);
    }
    if value > broker.long(limit.max) {
        return refuse("less", limit.max);
    }
    Ok(())
}

fn is_longer(longer: &str, shorter: &str, values: &Values) -> Result<(), AlterError> {
    let value = |name: &str| values.get(name).and_then(Value::as_long);
    if value(longer) > value(shorter) {
        return Ok(());
    }
    Err(AlterError::InvalidConfig(format!("{longer} must be greater than {shorter}")))
}

impl ServerConfig {
    /// The value a group config has by the broker's configs.
    pub(crate) fn group_default(&self, name: &'static str) -> Value {
        let row = group_table().row(name);
        let broker = row.synonyms.first().and_then(|synonym| self.value(synonym.name));
        broker.cloned().unwrap_or_else(|| row.default_value())
    }
}
