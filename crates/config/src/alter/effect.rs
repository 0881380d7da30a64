//! Alterations that are kept and do nothing: whoever runs the broker is told.

use super::ResourceType;

/// Which configs of a resource have no effect, in words; those that hold what is the default anyway are left out.
pub fn without_effect<'a>(kind: ResourceType, configs: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    let Some(table) = kind.table() else { return Vec::new() };
    let warning = |(name, value): (&str, &str)| {
        let row = table.get(name)?;
        let is_default = row.parse(value).is_ok_and(|value| value == row.default_value());
        if is_default { None } else { row.support.warning(name) }
    };
    configs.filter_map(warning).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: ResourceType, name: &str, value: &str, warned: bool) {
        let warnings = without_effect(kind, [(name, value)].into_iter());
        assert_eq!(warnings.len(), usize::from(warned), "{name}={value}: {warnings:?}");
        assert!(warnings.iter().all(|warning| warning.starts_with(name)));
    }

    #[test]
    fn what_does_nothing_is_named() {
        check(ResourceType::Topic, "retention.ms", "1000", false);
        check(ResourceType::Topic, "remote.storage.enable", "true", true);
        check(ResourceType::Topic, "remote.storage.enable", "false", false);
        check(ResourceType::Broker, "log.cleaner.threads", "2", true);
        check(ResourceType::Broker, "no.such.config", "2", false);
        check(ResourceType::BrokerLogger, "kafka.log", "INFO", false);
    }
}
