//! What the controller asks of configs, answered from the config table.

use ottla_config::{
    ConfigType, Definition, ServerConfig,
    alter::{self, AlterError, ResourceType},
};
use ottla_metadata::{self as metadata, ApiError, ConfigResource, controller::ConfigSchema};
use ottla_protocol::{ErrorCode, Str};
use std::{collections::BTreeMap, sync::Arc};

/// The config table with the defaults of this node's configuration file.
///
/// Alterations of broker configs are measured against the config in force, which the controller's decisions must not
/// depend on: the broker checks them before it asks the controller, as in Kafka.
pub(crate) struct Schema {
    config: Arc<ServerConfig>,
}

impl Schema {
    pub(crate) fn new(config: Arc<ServerConfig>) -> Self {
        Self { config }
    }
}

impl ConfigSchema for Schema {
    fn is_list(&self, kind: metadata::ResourceType, name: &str) -> bool {
        definition(kind, name).is_some_and(|row| row.config_type == ConfigType::List)
    }

    fn default_value(&self, kind: metadata::ResourceType, name: &str) -> Option<String> {
        definition(kind, name).and_then(|row| row.default_value().to_text())
    }

    fn validate(
        &self,
        resource: &ConfigResource,
        new: &BTreeMap<Str, Str>,
        old: &BTreeMap<Str, Str>,
    ) -> Result<(), ApiError> {
        alter::validate(resource_type(resource.kind), &resource.name, &texts(new), &texts(old), &self.config)
            .map_err(api_error)
    }
}

/// Kafka's code of a refused alteration.
pub(crate) fn api_error(error: AlterError) -> ApiError {
    let code = match error {
        AlterError::InvalidConfig(_) => ErrorCode::InvalidConfig,
        AlterError::InvalidRequest(_) => ErrorCode::InvalidRequest,
    };
    ApiError::new(code, error.to_string())
}

/// Configs as the config table takes them.
pub(crate) fn texts(configs: &BTreeMap<Str, Str>) -> BTreeMap<String, String> {
    configs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

fn definition(kind: metadata::ResourceType, name: &str) -> Option<&'static Definition> {
    resource_type(kind).table()?.get(name)
}

/// The kind as the config table has it.
pub(crate) fn resource_type(kind: metadata::ResourceType) -> ResourceType {
    match kind {
        metadata::ResourceType::Topic => ResourceType::Topic,
        metadata::ResourceType::Broker => ResourceType::Broker,
        metadata::ResourceType::BrokerLogger => ResourceType::BrokerLogger,
        metadata::ResourceType::ClientMetrics => ResourceType::ClientMetrics,
        metadata::ResourceType::Group => ResourceType::Group,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_config::Sources;

    fn schema() -> Schema {
        let loaded = Sources::standalone("/data").load().expect("the defaults are valid");
        Schema::new(Arc::new(loaded.config))
    }

    fn validate(resource: ConfigResource, name: &str, value: &str) -> Result<(), ApiError> {
        let new = BTreeMap::from([(Str::from(name), Str::from(value))]);
        schema().validate(&resource, &new, &BTreeMap::new())
    }

    #[test]
    fn only_lists_are_appended_to_and_start_from_their_default() {
        use metadata::ResourceType::{BrokerLogger, Topic};
        assert!(schema().is_list(Topic, "cleanup.policy"));
        assert!(!schema().is_list(Topic, "retention.ms"));
        assert!(!schema().is_list(Topic, "nope"));
        assert!(!schema().is_list(BrokerLogger, "root"));
        assert_eq!(schema().default_value(Topic, "cleanup.policy").as_deref(), Some("delete"));
        assert_eq!(schema().default_value(Topic, "nope"), None);
    }

    #[test]
    fn refusals_carry_kafkas_codes() {
        let invalid = validate(ConfigResource::topic("t"), "retention.ms", "abc").expect_err("no number");
        assert_eq!(invalid.code, ErrorCode::InvalidConfig);
        let unknown = validate(ConfigResource::topic("t"), "nope", "1").expect_err("no such config");
        assert_eq!(unknown.message.as_deref(), Some("Unknown topic config name: nope"));
        let metrics = ConfigResource::new(metadata::ResourceType::ClientMetrics, "s");
        assert_eq!(validate(metrics, "nope", "1").expect_err("no such config").code, ErrorCode::InvalidRequest);
        assert_eq!(validate(ConfigResource::topic("t"), "retention.ms", "1"), Ok(()));
    }

    #[test]
    fn broker_configs_are_the_brokers_to_check() {
        assert_eq!(validate(ConfigResource::broker(1), "node.id", "9"), Ok(()));
    }
}
