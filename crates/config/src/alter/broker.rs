//! A broker's configs: which may change while it runs, for whom, and to what.

use std::collections::BTreeMap;

use super::incremental::{append, subtract};
use super::{AlterError, Alteration};
use crate::server::{listener_base, listener_suffix};
use crate::{ConfigError, ConfigType, ServerConfig, UpdateMode, Visibility, Warning, broker_table};

type Texts = BTreeMap<String, String>;

/// Under a listener's prefix these may be altered for the cluster too.
const LISTENER_CLUSTER_WIDE: [&str; 3] = ["max.connections", "max.connection.creation.rate", "num.network.threads"];

/// These may only be altered with a listener's prefix (`SslConfigs.RECONFIGURABLE_CONFIGS`).
const LISTENER_ONLY: [&str; 10] = [
    "ssl.keystore.type",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.key.password",
    "ssl.keystore.certificate.chain",
    "ssl.keystore.key",
    "ssl.truststore.type",
    "ssl.truststore.location",
    "ssl.truststore.password",
    "ssl.truststore.certificates",
];

/// Kafka grows and shrinks these pools by a factor of two at most at a time.
const THREADS: [&str; 4] =
    ["num.io.threads", "num.replica.fetchers", "num.recovery.threads.per.data.dir", "background.threads"];

/// What the configs of a broker (`per_broker`) or of all brokers become; the broker's part of IncrementalAlterConfigs.
/// `persisted` is what the metadata has for the resource.
pub fn incremental_broker_configs(
    config: &ServerConfig,
    per_broker: bool,
    persisted: &Texts,
    alterations: &BTreeMap<String, Alteration>,
) -> Result<(), AlterError> {
    let mut configs = usable_broker_configs(persisted, per_broker, &mut Vec::new());
    for (name, alteration) in alterations {
        let value = match alteration {
            Alteration::Set(value) => value.clone(),
            Alteration::Delete => {
                configs.remove(name);
                continue;
            }
            Alteration::Append(value) => append(&list_parts(name, &configs, "append")?, value),
            Alteration::Subtract(value) => subtract(&list_parts(name, &configs, "subtract")?, value),
        };
        configs.insert(name.clone(), value);
    }
    validate_broker_configs(config, per_broker, &configs)
}

fn list_parts(name: &str, configs: &Texts, operation: &str) -> Result<Vec<String>, AlterError> {
    let row = broker_table().get(name).filter(|row| row.visibility != Visibility::DynamicOnly);
    let Some(row) = row else { return Err(AlterError::InvalidConfig(format!("Unknown config name: {name}"))) };
    if row.config_type != ConfigType::List {
        let message = format!("Config value {operation} is not allowed for config key: {name}");
        return Err(AlterError::InvalidConfig(message));
    }
    let text = configs.get(name).cloned().or_else(|| row.default_value().to_text()).unwrap_or_default();
    Ok(text.split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect())
}

/// Whether a broker may take all these configs. Kafka answers INVALID_REQUEST where others answer INVALID_CONFIG
/// (KAFKA-13609).
pub fn validate_broker_configs(config: &ServerConfig, per_broker: bool, configs: &Texts) -> Result<(), AlterError> {
    let refused = |error: ConfigError| AlterError::InvalidRequest(error.to_string());
    check_names(configs, per_broker).map_err(refused)?;
    let next = if per_broker {
        config.try_dynamic(config.dynamic_default().clone(), configs.clone())
    } else {
        config.try_dynamic(configs.clone(), config.dynamic_broker().clone())
    };
    let next = next.map_err(refused)?;
    check_step(config, &next).map_err(|reason| {
        // Kafka wraps this exception into another one of the same class.
        AlterError::InvalidRequest(format!(
            "Invalid value org.apache.kafka.common.config.ConfigException: {reason} for configuration Invalid dynamic \
             configuration"
        ))
    })
}

fn check_names(configs: &Texts, per_broker: bool) -> Result<(), ConfigError> {
    let refuse = |message: &str, is_wrong: &dyn Fn(&str) -> bool| {
        let names: Vec<&str> = configs.keys().map(String::as_str).filter(|name| is_wrong(name)).collect();
        if names.is_empty() { Ok(()) } else { Err(ConfigError::Rule(format!("{message}: [{}]", names.join(", ")))) }
    };
    refuse("Cannot update these configs dynamically", &is_read_only)?;
    refuse("These security configs can be dynamically updated only per-listener using the listener prefix", &|name| {
        LISTENER_ONLY.contains(&name)
    })?;
    configs.iter().try_for_each(|(name, value)| check_type(name, value))?;
    if per_broker {
        return Ok(());
    }
    refuse("Cannot update these configs at default cluster level, broker id must be specified", &is_per_broker)
}

fn is_read_only(name: &str) -> bool {
    broker_table().get(name).is_some_and(|row| row.update_mode == UpdateMode::ReadOnly)
}

fn is_per_broker(name: &str) -> bool {
    match broker_table().get(name) {
        Some(row) => row.update_mode == UpdateMode::PerBroker,
        None => listener_suffix(name).is_some_and(|base| !LISTENER_CLUSTER_WIDE.contains(&base)),
    }
}

/// A config that may change must parse; one that Ottla or Kafka does not know is a plugin's and may be anything.
fn check_type(name: &str, value: &str) -> Result<(), ConfigError> {
    let row = broker_table().get(listener_base(name).unwrap_or(name));
    let row = row.filter(|row| row.update_mode != UpdateMode::ReadOnly);
    row.map_or(Ok(()), |row| row.parse(value).map(drop))
}

/// What of persisted configs a broker takes: the rest is left out with a warning.
pub(crate) fn usable_broker_configs(configs: &Texts, per_broker: bool, warnings: &mut Vec<Warning>) -> Texts {
    let mut usable = Texts::new();
    for (name, value) in configs {
        let one = Texts::from([(name.clone(), value.clone())]);
        match check_names(&one, per_broker) {
            Ok(()) => drop(usable.insert(name.clone(), value.clone())),
            Err(error) => {
                let message = format!("an altered broker config is not applied: {error}");
                warnings.push(Warning { origin: None, message });
            }
        }
    }
    usable
}

/// What Kafka's components refuse to be reconfigured to.
fn check_step(old: &ServerConfig, new: &ServerConfig) -> Result<(), String> {
    let change = |name: &str| Some((old.long(name)?, new.long(name)?)).filter(|(old, new)| old != new);
    for name in THREADS {
        let Some((old, new)) = change(name) else { continue };
        let refuse = |reason: &str| {
            Err(format!("Dynamic thread count update validation failed for {name}={new}, value should {reason} {old}"))
        };
        if new < old / 2 {
            return refuse("be at least half the current value");
        }
        if new > old * 2 {
            return refuse("not be greater than double the current value");
        }
    }
    if let Some((old, new)) = change("log.cleaner.threads") {
        check_cleaner_threads(old, new)?;
    }
    check_local_retention(new)
}

fn check_cleaner_threads(old: i64, new: i64) -> Result<(), String> {
    if new < 1 {
        Err("Log cleaner threads should be at least 1".to_owned())
    } else if new < old / 2 {
        Err(format!("Log cleaner threads cannot be reduced to less than half the current value {old}"))
    } else if new > old * 2 {
        Err(format!("Log cleaner threads cannot be increased to more than double the current value {old}"))
    } else {
        Ok(())
    }
}

fn check_local_retention(new: &ServerConfig) -> Result<(), String> {
    let long = |name: &str| new.long(name).unwrap_or(-2);
    let check = |local_name: &str, total_name: &str, total: i64| {
        let local = long(local_name);
        let reason = match local {
            _ if total == -1 => return Ok(()),
            -1 => format!("Value must not be -1 as {total_name} value is set as {total}."),
            local if local > total => format!("Value must not be more than {total_name} property value: {total}"),
            _ => return Ok(()),
        };
        Err(ConfigError::invalid(local_name, local, reason).to_string())
    };
    check("log.local.retention.ms", "log.retention.ms", new.log_retention_ms())?;
    check("log.local.retention.bytes", "log.retention.bytes", long("log.retention.bytes"))
}
