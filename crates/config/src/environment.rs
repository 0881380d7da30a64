//! Environment variables of Kafka's container image: `KAFKA_NUM_PARTITIONS` sets `num.partitions`.

/// Variables that begin with `KAFKA_` and configure the image's scripts or the Java machine.
const NOT_CONFIGS: [&str; 13] = [
    "KAFKA_VERSION",
    "KAFKA_HEAP_OPTS",
    "KAFKA_LOG4J_OPTS",
    "KAFKA_OPTS",
    "KAFKA_JMX_OPTS",
    "KAFKA_JMX_PORT",
    "KAFKA_JMX_HOSTNAME",
    "KAFKA_JVM_PERFORMANCE_OPTS",
    "KAFKA_GC_LOG_OPTS",
    "KAFKA_LOG4J_ROOT_LOGLEVEL",
    "KAFKA_LOG4J_LOGGERS",
    "KAFKA_TOOLS_LOG4J_LOGLEVEL",
    "KAFKA_CLUSTER_ID",
];

/// The config a variable sets: lower case, `_` for a dot, `__` for an underscore, `___` for a dash.
pub(crate) fn config_name(variable: &str) -> Option<String> {
    if NOT_CONFIGS.contains(&variable) {
        return None;
    }
    let name = variable.strip_prefix("KAFKA_")?.to_lowercase();
    Some(name.replace('_', ".").replace("...", "-").replace("..", "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_mapped_as_in_kafkas_image() {
        let mapped = |variable| config_name(variable);
        assert_eq!(mapped("KAFKA_NUM_PARTITIONS"), Some("num.partitions".into()));
        assert_eq!(mapped("KAFKA_A__B___C_D"), Some("a_b-c.d".into()));
        assert_eq!(mapped("KAFKA_LISTENER_NAME_SASL__SSL_X"), Some("listener.name.sasl_ssl.x".into()));
        assert_eq!(mapped("KAFKA_HEAP_OPTS"), None);
        assert_eq!(mapped("KAFKA_LOG4J_LOGGERS"), None);
        assert_eq!(mapped("CLUSTER_ID"), None);
        assert_eq!(mapped("PATH"), None);
    }
}
