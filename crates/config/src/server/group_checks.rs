//! Checks of the group coordinator's configs: what Kafka's GroupCoordinatorConfig refuses, in its order and words.

use super::{ServerConfig, Texts, Warning};
use crate::{ConfigError, keys};

type Check = Result<(), ConfigError>;

/// The names of the assignors that every broker has, and the classes that Kafka has them in.
const ASSIGNORS: [(&str, &str); 2] = [
    ("uniform", "org.apache.kafka.coordinator.group.assignor.UniformAssignor"),
    ("range", "org.apache.kafka.coordinator.group.assignor.RangeAssignor"),
];

/// What a protocol's groups are held to, `group.<protocol>.` before each.
const HEARTBEAT_INTERVAL: &str = "heartbeat.interval.ms";
const SESSION_TIMEOUT: &str = "session.timeout.ms";
const ASSIGNMENT_INTERVAL: &str = "assignment.interval.ms";

/// The protocols whose groups have limits.
const LIMITED: [&str; 3] = ["consumer", "share", "streams"];

fn rule(holds: bool, message: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err(ConfigError::Rule(message())) }
}

/// Every check, up to the first that fails.
pub(super) fn all(config: &ServerConfig) -> Check {
    let unknown = config.get(keys::GROUP_CONSUMER_ASSIGNORS).iter().find(|name| builtin(name).is_none());
    rule(unknown.is_none(), || format!("Class {} cannot be found", unknown.map_or("", String::as_str)))?;
    let codec = config.get(keys::OFFSETS_TOPIC_COMPRESSION_CODEC);
    rule((0..=4).contains(&codec), || format!("Unknown compression type id: {codec}"))?;
    LIMITED.iter().try_for_each(|protocol| limits(config, protocol))?;
    at_most(config, "group.streams.num.standby.replicas", "group.streams.max.standby.replicas")?;
    let classic = config.get(keys::GROUP_COORDINATOR_REBALANCE_PROTOCOLS).iter().any(|name| name == "classic");
    rule(classic, || "Disabling the 'classic' protocol is not supported.".to_owned())
}

fn builtin(name: &str) -> Option<&'static str> {
    ASSIGNORS.iter().find(|(short, class)| name == *short || name == *class).map(|(short, _)| *short)
}

fn limits(config: &ServerConfig, protocol: &str) -> Check {
    within_limits(config, protocol, HEARTBEAT_INTERVAL)?;
    within_limits(config, protocol, SESSION_TIMEOUT)?;
    let [heartbeat, session] = [HEARTBEAT_INTERVAL, SESSION_TIMEOUT].map(|what| format!("group.{protocol}.{what}"));
    rule(config.long(&heartbeat) < config.long(&session), || format!("{heartbeat} must be less than {session}"))?;
    within_limits(config, protocol, ASSIGNMENT_INTERVAL)
}

fn within_limits(config: &ServerConfig, protocol: &str, what: &str) -> Check {
    let [name, min, max] = ["", "min.", "max."].map(|limit| format!("group.{protocol}.{limit}{what}"));
    at_least(config, &max, &min)?;
    at_least(config, &name, &min)?;
    at_most(config, &name, &max)
}

fn at_least(config: &ServerConfig, name: &str, min: &str) -> Check {
    rule(config.long(name) >= config.long(min), || format!("{name} must be greater than or equal to {min}"))
}

fn at_most(config: &ServerConfig, name: &str, max: &str) -> Check {
    rule(config.long(name) <= config.long(max), || format!("{name} must be less than or equal to {max}"))
}

/// Brings altered intervals within the limits of the file, which may have become narrower since.
pub(super) fn clamp(limits: &ServerConfig, altered: &mut Texts, warnings: &mut Vec<Warning>) {
    for protocol in LIMITED {
        let [name, min, max] =
            ["", "min.", "max."].map(|limit| format!("group.{protocol}.{limit}{ASSIGNMENT_INTERVAL}"));
        let (Some(min), Some(max)) = (limits.long(&min), limits.long(&max)) else { continue };
        let Some(text) = altered.get_mut(&name) else { continue };
        let Ok(value) = text.trim().parse::<i64>() else { continue };
        if value < min || value > max {
            let capped = if value < min { min } else { max };
            let message = format!("{name} is altered to {value}, which is beyond its limits: {capped} holds");
            warnings.push(Warning { origin: None, message });
            *text = capped.to_string();
        }
    }
}

/// What is deprecated, if it is set.
pub(super) fn warning(config: &ServerConfig) -> Option<String> {
    let name = keys::GROUP_COORDINATOR_REBALANCE_PROTOCOLS.name();
    config.statics().get(name)?;
    Some(format!(
        "{name} is deprecated: which protocols are offered is up to the features of the cluster alone in Kafka 5"
    ))
}

impl ServerConfig {
    /// The names of the assignors of `group.consumer.assignors`, the default first, whether it says names or classes.
    pub fn consumer_assignors(&self) -> impl Iterator<Item = &'static str> {
        self.get(keys::GROUP_CONSUMER_ASSIGNORS).iter().filter_map(|name| builtin(name))
    }
}

#[cfg(test)]
mod tests {
    use crate::{ServerConfig, Sources};

    fn load(settings: &[&str]) -> Result<ServerConfig, String> {
        let with = |sources: Sources, setting: &&str| sources.override_with(setting).expect("it has a =");
        let sources = settings.iter().fold(Sources::standalone("/data"), with);
        sources.load().map(|loaded| loaded.config).map_err(|error| error.to_string())
    }

    #[track_caller]
    fn refused(settings: &[&str], message: &str) {
        assert_eq!(load(settings).map(drop), Err(message.to_owned()));
    }

    #[test]
    fn assignors_that_are_not_there_are_refused() {
        refused(&["group.consumer.assignors=acme.Assignor"], "Class acme.Assignor cannot be found");
        refused(&["group.consumer.assignors=uniform,Range"], "Class Range cannot be found");
    }

    #[test]
    fn assignors_go_by_name_or_class() {
        let names = |settings: &[&str]| load(settings).expect("it loads").consumer_assignors().collect::<Vec<_>>();
        assert_eq!(names(&[]), ["uniform", "range"]);
        let class = "group.consumer.assignors=range,org.apache.kafka.coordinator.group.assignor.UniformAssignor,range";
        assert_eq!(names(&[class]), ["range", "uniform"]);
    }

    #[test]
    fn values_are_within_their_limits() {
        refused(
            &["group.consumer.max.heartbeat.interval.ms=4000"],
            "group.consumer.max.heartbeat.interval.ms must be greater than or equal to \
             group.consumer.min.heartbeat.interval.ms",
        );
        refused(
            &["group.consumer.session.timeout.ms=44999"],
            "group.consumer.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms",
        );
        refused(
            &["group.streams.assignment.interval.ms=15001"],
            "group.streams.assignment.interval.ms must be less than or equal to \
             group.streams.max.assignment.interval.ms",
        );
        refused(
            &["group.share.min.session.timeout.ms=1", "group.share.session.timeout.ms=5000"],
            "group.share.heartbeat.interval.ms must be less than group.share.session.timeout.ms",
        );
        refused(
            &["group.streams.num.standby.replicas=3"],
            "group.streams.num.standby.replicas must be less than or equal to group.streams.max.standby.replicas",
        );
    }

    #[test]
    fn classic_groups_are_always_served() {
        refused(
            &["group.coordinator.rebalance.protocols=consumer"],
            "Disabling the 'classic' protocol is not supported.",
        );
        assert!(load(&["group.coordinator.rebalance.protocols=classic"]).is_ok());
    }

    #[test]
    fn an_alteration_beyond_narrower_limits_is_capped() {
        let config = load(&["group.consumer.min.assignment.interval.ms=500"]).expect("it loads");
        let altered = [("group.consumer.assignment.interval.ms".to_owned(), "20".to_owned())].into();
        let (config, warnings) = config.with_dynamic(&altered, &[].into());
        assert_eq!(config.get(crate::keys::GROUP_CONSUMER_ASSIGNMENT_INTERVAL_MS), 500);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
    }
}
