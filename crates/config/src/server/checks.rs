//! Checks across configs: first Kafka's, in its order and words, then what Ottla cannot do yet.

use std::collections::{BTreeMap, BTreeSet};

use super::listeners::{SecurityProtocol, parse_map};
use super::{ListenerName, ProcessRole, ServerConfig, Texts, group_checks};
use crate::{ConfigError, Key, keys};

/// The class of Kafka that has consumers read in their rack.
const RACK_AWARE: &str = "org.apache.kafka.common.replica.RackAwareReplicaSelector";

type Check = Result<(), ConfigError>;

fn require(holds: bool, message: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err(ConfigError::Requirement(message())) }
}

fn rule(holds: bool, message: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err(ConfigError::Rule(message())) }
}

/// Every check of Kafka's, up to the first that fails.
pub(super) fn all(config: &ServerConfig, texts: &Texts) -> Check {
    group_checks::all(config)?;
    rule(config.node_id() == config.get(keys::BROKER_ID), || {
        "You must set `node.id` to the same value as `broker.id`.".to_owned()
    })?;
    times(config)?;
    replication(config)?;
    if !config.standalone {
        roles(config, texts)?;
    }
    if config.roles.contains(&ProcessRole::Broker) {
        broker_listeners(config)?;
        cordoned_log_dirs(config)?;
    }
    routable(config)?;
    connections(config)
}

fn times(config: &ServerConfig) -> Check {
    require(config.log_roll_ms() >= 1, || "log.roll.ms must be greater than or equal to 1".to_owned())?;
    require(config.log_roll_jitter_ms() >= 0, || "log.roll.jitter.ms must be greater than or equal to 0".to_owned())?;
    let retention_ms = config.log_retention_ms();
    require(retention_ms >= 1 || retention_ms == -1, || {
        "log.retention.ms must be unlimited (-1) or, greater than or equal to 1".to_owned()
    })?;
    require(!config.log_dirs().is_empty(), || {
        "At least one log directory must be defined via log.dirs or log.dir.".to_owned()
    })?;
    let threads = i64::from(config.get(keys::LOG_CLEANER_THREADS));
    let buffer = config.get(keys::LOG_CLEANER_DEDUPE_BUFFER_SIZE);
    require(buffer.checked_div(threads).is_some_and(|share| share > 1024 * 1024), || {
        "log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.".to_owned()
    })
}

fn replication(config: &ServerConfig) -> Check {
    let wait_ms = config.get(keys::REPLICA_FETCH_WAIT_MAX_MS);
    require(wait_ms <= config.get(keys::REPLICA_SOCKET_TIMEOUT_MS), || {
        "replica.socket.timeout.ms should always be at least replica.fetch.wait.max.ms to prevent unnecessary socket \
         timeouts"
            .to_owned()
    })?;
    require(i64::from(wait_ms) <= config.get(keys::REPLICA_LAG_TIME_MAX_MS), || {
        "replica.fetch.wait.max.ms should always be less than or equal to replica.lag.time.max.ms to prevent frequent \
         changes in ISR"
            .to_owned()
    })
}

fn roles(config: &ServerConfig, texts: &Texts) -> Check {
    let voters = voter_ids(config);
    rule(!voters.is_empty() || !config.get(keys::CONTROLLER_QUORUM_BOOTSTRAP_SERVERS).is_empty(), || {
        "If using process.roles, either controller.quorum.bootstrap.servers must contain the set of bootstrap \
         controllers or controller.quorum.voters must contain a parseable set of controllers."
            .to_owned()
    })?;
    if !config.roles.contains(&ProcessRole::Controller) {
        return only_broker(config, &voters);
    }
    if !config.roles.contains(&ProcessRole::Broker) {
        only_controller(config, texts)?;
    }
    let node_id = config.node_id();
    require(voters.is_empty() || voters.contains(&node_id), || {
        format!(
            "If process.roles contains the 'controller' role, the node id {node_id} must be included in the set of \
             voters controller.quorum.voters={}",
            scala_set(&voters)
        )
    })?;
    require(!config.listeners.advertised_controller.is_empty(), || {
        "controller.listener.names must contain at least one value appearing in the 'listeners' configuration when \
         running the KRaft controller role"
            .to_owned()
    })?;
    let names: BTreeSet<&str> = config.listeners.all.iter().map(|endpoint| endpoint.listener.as_str()).collect();
    require(config.listeners.controller_names.iter().all(|name| names.contains(name.as_str())), || {
        "controller.listener.names must only contain values appearing in the 'listeners' configuration when running \
         the KRaft controller role"
            .to_owned()
    })
}

fn only_broker(config: &ServerConfig, voters: &BTreeSet<i32>) -> Check {
    let node_id = config.node_id();
    require(!voters.contains(&node_id), || {
        format!(
            "If process.roles contains just the 'broker' role, the node id {node_id} must not be included in the set of \
             voters controller.quorum.voters={}",
            scala_set(voters)
        )
    })?;
    require(config.listeners.of_controller().next().is_none(), || {
        "controller.listener.names must not contain a value appearing in the 'listeners' configuration when running \
         KRaft with just the broker role"
            .to_owned()
    })?;
    for name in &config.listeners.controller_names {
        let is_mapped = config.listeners.protocols.keys().any(|each| each.as_str() == name.to_uppercase());
        rule(is_mapped, || {
            format!(
                "Controller listener with name {} defined in controller.listener.names not found in \
                 listener.security.protocol.map  (an explicit security mapping for each controller listener is required \
                 if listener.security.protocol.map is non-empty, or if there are security protocols other than \
                 PLAINTEXT in use)",
                name.to_uppercase()
            )
        })?;
    }
    require(!config.get(keys::CONTROLLER_QUORUM_AUTO_JOIN_ENABLE), || {
        "controller.quorum.auto.join.enable is only supported when process.roles contains the 'controller' role."
            .to_owned()
    })
}

fn only_controller(config: &ServerConfig, texts: &Texts) -> Check {
    require(config.listeners.advertised_controller.len() == config.listeners.all.len(), || {
        "The listeners config must only contain KRaft controller listeners from controller.listener.names when \
         process.roles=controller"
            .to_owned()
    })?;
    let inter_broker = config.listeners.inter_broker.as_str();
    let is_explicit = texts.contains_key("inter.broker.listener.name");
    require(!is_explicit || !config.listeners.controller_names.iter().any(|name| name == inter_broker), || {
        "controller.listener.names must not contain an explicitly set inter.broker.listener.name configuration value \
         when process.roles=controller'"
            .to_owned()
    })
}

fn broker_listeners(config: &ServerConfig) -> Check {
    let listeners = &config.listeners;
    let advertised: BTreeSet<&ListenerName> = listeners.advertised.iter().map(|endpoint| &endpoint.listener).collect();
    let bound: BTreeSet<&ListenerName> = listeners.all.iter().map(|endpoint| &endpoint.listener).collect();
    let shown = |names: &BTreeSet<&ListenerName>| names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(",");
    require(!advertised.is_empty(), || {
        "There must be at least one broker advertised listener. Perhaps all listeners appear in \
         controller.listener.names?"
            .to_owned()
    })?;
    require(advertised.contains(&listeners.inter_broker), || {
        format!(
            "inter.broker.listener.name must be a listener name defined in advertised.listeners. The valid options \
             based on currently configured listeners are {}",
            shown(&advertised)
        )
    })?;
    require(advertised.is_subset(&bound), || {
        format!(
            "advertised.listeners listener names must be equal to or a subset of the ones defined in listeners. Found \
             {}. The valid options based on the current configuration are {}",
            shown(&advertised),
            shown(&bound)
        )
    })
}

fn cordoned_log_dirs(config: &ServerConfig) -> Check {
    let cordoned = config.get(keys::CORDONED_LOG_DIRS);
    if cordoned.iter().any(|dir| dir == "*") {
        return require(cordoned.len() == 1, || {
            "When cordoned.log.dirs is set to *, it must not contain other values".to_owned()
        });
    }
    let unknown: Vec<&str> =
        cordoned.iter().filter(|dir| !config.log_dirs().contains(dir)).map(String::as_str).collect();
    require(unknown.is_empty(), || {
        format!(
            "All entries in cordoned.log.dirs must be present in log.dirs or log.dir. Missing entries : {}",
            unknown.join(", ")
        )
    })
}

fn routable(config: &ServerConfig) -> Check {
    let advertised = config.listeners.advertised.iter().chain(&config.listeners.advertised_controller);
    let is_routable = |host: Option<&str>| host != Some("0.0.0.0");
    require(advertised.map(|endpoint| endpoint.host.as_deref()).all(is_routable), || {
        "advertised.listeners cannot use the nonroutable meta-address 0.0.0.0. Use a routable IP address.".to_owned()
    })
}

fn connections(config: &ServerConfig) -> Check {
    let is_sasl =
        matches!(config.listeners.inter_broker_protocol, SecurityProtocol::SaslPlaintext | SecurityProtocol::SaslSsl);
    let mechanism = config.get(keys::SASL_MECHANISM_INTER_BROKER_PROTOCOL);
    let is_enabled = config.get(keys::SASL_ENABLED_MECHANISMS).iter().any(|enabled| enabled == mechanism);
    require(!is_sasl || is_enabled, || {
        "sasl.mechanism.inter.broker.protocol must be included in sasl.enabled.mechanisms when SASL is used for \
         inter-broker communication"
            .to_owned()
    })?;
    let queued_bytes = config.get(keys::QUEUED_MAX_REQUEST_BYTES);
    require(queued_bytes <= 0 || queued_bytes >= i64::from(config.get(keys::SOCKET_REQUEST_MAX_BYTES)), || {
        "queued.max.request.bytes must be larger or equal to socket.request.max.bytes".to_owned()
    })?;
    let overrides = per_ip_overrides(config)?;
    require(config.get(keys::MAX_CONNECTIONS_PER_IP) > 0 || !overrides.is_empty(), || {
        "max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides property is set.".to_owned()
    })?;
    let is_address = |host: &str| host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-%._:".contains(&byte));
    let invalid: Vec<&str> = overrides.keys().map(String::as_str).filter(|host| !is_address(host)).collect();
    rule(invalid.is_empty(), || {
        format!("max.connections.per.ip.overrides contains invalid addresses : {}", invalid.join(","))
    })?;
    let idle_ms = config.get(keys::CONNECTIONS_MAX_IDLE_MS);
    let delay_ms = config.get(keys::CONNECTION_FAILED_AUTHENTICATION_DELAY_MS);
    require(idle_ms < 0 || i64::from(delay_ms) < idle_ms, || {
        format!(
            "connection.failed.authentication.delay.ms={delay_ms} should always be less than \
             connections.max.idle.ms={idle_ms} to prevent failed authentication responses from timing out"
        )
    })
}

/// The map of `max.connections.per.ip.overrides`.
pub(super) fn per_ip_overrides(config: &ServerConfig) -> Result<BTreeMap<String, i32>, ConfigError> {
    let key: Key<String> = keys::MAX_CONNECTIONS_PER_IP_OVERRIDES;
    let number = |(host, limit): (String, String)| match limit.parse() {
        Ok(limit) => Ok((host, limit)),
        Err(_) => Err(ConfigError::Rule(format!("For input string: \"{limit}\""))),
    };
    parse_map(key.name(), config.get(key))?.into_iter().map(number).collect()
}

fn voter_ids(config: &ServerConfig) -> BTreeSet<i32> {
    let id = |entry: &String| entry.split_once('@').and_then(|(id, _)| id.parse().ok());
    config.get(keys::CONTROLLER_QUORUM_VOTERS).iter().filter_map(id).collect()
}

fn scala_set(ids: &BTreeSet<i32>) -> String {
    format!("Set({})", ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
}

/// What Kafka would start with and Ottla cannot yet, so that nothing starts less safe or less wide than it was asked to.
pub(super) fn not_yet(config: &ServerConfig) -> Result<(), (Option<&'static str>, ConfigError)> {
    let refuse = |name: &'static str, message: String| Err((Some(name), ConfigError::Rule(message)));
    let secured = config.listeners.all.iter().find(|each| each.security_protocol != SecurityProtocol::Plaintext);
    if let Some(endpoint) = secured {
        let message = format!(
            "listener {} uses {}, which Ottla does not serve yet: only PLAINTEXT listeners work until the security work",
            endpoint.listener,
            endpoint.security_protocol.name()
        );
        return refuse("listeners", message);
    }
    if !config.get(keys::AUTHORIZER_CLASS_NAME).is_empty() {
        let message = "authorizer.class.name is set, but Ottla does not check ACLs yet and would serve everybody: remove \
                       it to start without authorization";
        return refuse("authorizer.class.name", message.to_owned());
    }
    let selector = config.get(keys::REPLICA_SELECTOR_CLASS).filter(|class| *class != RACK_AWARE);
    if let Some(class) = selector.filter(|_| config.roles.contains(&ProcessRole::Broker)) {
        let message = format!(
            "replica.selector.class is {class}, but Ottla loads no classes: {RACK_AWARE} is the one it knows, and without \
             it consumers read from leaders"
        );
        return refuse("replica.selector.class", message);
    }
    Ok(())
}

/// What Kafka logs and then lives with.
pub(super) fn warnings(config: &ServerConfig) -> Vec<String> {
    let heartbeat_ms = config.get(keys::BROKER_HEARTBEAT_INTERVAL_MS);
    let session_ms = config.get(keys::BROKER_SESSION_TIMEOUT_MS);
    let mut warnings: Vec<String> = group_checks::warning(config).into_iter().collect();
    if i64::from(heartbeat_ms) * 2 > i64::from(session_ms) {
        warnings.push(format!(
            "broker.heartbeat.interval.ms ({heartbeat_ms} ms) must be less than or equal to half of the \
             broker.session.timeout.ms ({session_ms} ms)"
        ));
    }
    warnings
}
