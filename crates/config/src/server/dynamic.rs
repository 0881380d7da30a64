//! Alterations while the broker runs, laid over what it was started with.

use super::{ServerConfig, Texts, Warning, group_checks, known, resolve};
use crate::{ConfigError, alter};

/// Later layers win; a setting in another unit gives way to the one that is laid over it.
pub(super) fn layered(statics: &Texts, dynamic_default: &Texts, dynamic_broker: &Texts) -> Texts {
    let mut effective = statics.clone();
    for layer in [dynamic_default, dynamic_broker] {
        for (name, value) in layer {
            for synonym in known::units(name).unwrap_or_default() {
                effective.remove(*synonym);
            }
            effective.insert(name.clone(), value.clone());
        }
    }
    effective
}

impl ServerConfig {
    /// This config with other alterations. What no broker may take is left out with a warning, as Kafka does on replay.
    pub fn with_dynamic(&self, default: &Texts, broker: &Texts) -> (Self, Vec<Warning>) {
        let mut warnings = Vec::new();
        let mut default = alter::usable_broker_configs(default, false, &mut warnings);
        let mut broker = alter::usable_broker_configs(broker, true, &mut warnings);
        for altered in [&mut default, &mut broker] {
            group_checks::clamp(self, altered, &mut warnings);
        }
        match self.try_dynamic(default, broker) {
            Ok(config) => (config, warnings),
            Err(error) => {
                let message = format!("altered broker configs are not applied: {}", error.plain());
                warnings.push(Warning { origin: None, message });
                (self.clone(), warnings)
            }
        }
    }

    /// This config with other alterations, or the first reason why they cannot be.
    pub(crate) fn try_dynamic(&self, default: Texts, broker: Texts) -> Result<Self, ConfigError> {
        let built = resolve::build(self.statics.clone(), default, broker, self.standalone);
        built.map_err(|errors| {
            let first = errors.into_iter().next();
            first.map_or_else(|| ConfigError::Rule(String::new()), |(_, error)| error)
        })
    }
}
