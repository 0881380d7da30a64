//! Names beyond the table: configs under a listener's prefix, configs of plugins, configs that Kafka took away.

use crate::{ConfigType, broker_table};

/// Set by Kafka's StandardAuthorizer, not by its broker.
const AUTHORIZER: [&str; 2] = ["super.users", "allow.everyone.if.no.acl.found"];

/// What follows such a prefix belongs to a plugin or a config provider.
const PREFIXES: [&str; 4] = ["rsm.config.", "rlmm.config.", "config.providers.", "remote.log.metadata."];

/// Configs that a `server.properties` from before Kafka 4 may still hold.
const REMOVED: [&str; 15] = [
    "advertised.host.name",
    "advertised.port",
    "broker.id.generation.enable",
    "control.plane.listener.name",
    "delegation.token.master.key",
    "host.name",
    "inter.broker.protocol.version",
    "log.message.downconversion.enable",
    "log.message.format.version",
    "log.message.timestamp.difference.max.ms",
    "offsets.commit.required.acks",
    "port",
    "reserved.broker.max.id",
    "zookeeper.connect",
    "zookeeper.session.timeout.ms",
];

/// Under a listener's prefix these stand behind the name of a SASL mechanism.
const MECHANISM: [&str; 5] = [
    "sasl.jaas.config",
    "sasl.login.callback.handler.class",
    "sasl.login.class",
    "sasl.server.callback.handler.class",
    "connections.max.reauth.ms",
];

/// What a name that has no row of its own is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Foreign {
    /// `listener.name.<listener>.<config>` of this config.
    Listener(&'static str),
    Authorizer,
    Plugin,
    Removed,
    Unknown,
}

pub(super) fn classify(name: &str) -> Foreign {
    if let Some(row) = listener_base(name).and_then(|base| broker_table().get(base)) {
        return Foreign::Listener(row.name);
    }
    if AUTHORIZER.contains(&name) {
        Foreign::Authorizer
    } else if PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
        Foreign::Plugin
    } else if REMOVED.contains(&name) || name.starts_with("zookeeper.") {
        Foreign::Removed
    } else {
        Foreign::Unknown
    }
}

/// The config behind `listener.name.<listener>.[<mechanism>.]<config>`.
pub(crate) fn listener_base(name: &str) -> Option<&str> {
    let base = listener_suffix(name)?;
    let mechanism = MECHANISM.into_iter().find(|config| base.ends_with(config));
    Some(mechanism.unwrap_or(base))
}

/// What stands behind `listener.name.<listener>.`.
pub(crate) fn listener_suffix(name: &str) -> Option<&str> {
    name.strip_prefix("listener.name.")?.split_once('.').map(|(_, base)| base)
}

const ROLL: [&str; 2] = ["log.roll.ms", "log.roll.hours"];
const ROLL_JITTER: [&str; 2] = ["log.roll.jitter.ms", "log.roll.jitter.hours"];
const RETENTION: [&str; 3] = ["log.retention.ms", "log.retention.minutes", "log.retention.hours"];
const FLUSH: [&str; 2] = ["log.flush.interval.ms", "log.flush.scheduler.interval.ms"];

/// The broker configs that say the same thing, the one that wins first.
pub(crate) fn broker_synonyms(name: &str) -> Vec<&str> {
    match units(name) {
        Some(names) => names.to_vec(),
        None => std::iter::once(name).chain(listener_base(name)).collect(),
    }
}

/// The configs that give one setting in several units.
pub(super) fn units(name: &str) -> Option<&'static [&'static str]> {
    match name {
        name if ROLL.contains(&name) => Some(&ROLL),
        name if ROLL_JITTER.contains(&name) => Some(&ROLL_JITTER),
        name if RETENTION.contains(&name) => Some(&RETENTION),
        "log.flush.interval.ms" => Some(&FLUSH),
        _ => None,
    }
}

/// The type of a broker config, under a listener's prefix too.
pub(crate) fn type_of(name: &str) -> Option<ConfigType> {
    let names = std::iter::once(name).chain(listener_base(name));
    names.filter_map(|each| broker_table().get(each)).map(|row| row.config_type).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listener_prefixes_lead_to_their_config() {
        assert_eq!(listener_base("listener.name.x.ssl.keystore.location"), Some("ssl.keystore.location"));
        assert_eq!(listener_base("listener.name.x.scram-sha-256.sasl.jaas.config"), Some("sasl.jaas.config"));
        assert_eq!(classify("listener.name.x.max.connections"), Foreign::Listener("max.connections"));
        assert_eq!(classify("listener.name.x.nonsense"), Foreign::Unknown);
        assert_eq!(classify("super.users"), Foreign::Authorizer);
        assert_eq!(classify("zookeeper.ssl.client.enable"), Foreign::Removed);
    }
}
