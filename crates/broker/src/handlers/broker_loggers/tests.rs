//! Filters as loggers, and loggers as filters.

use super::*;
use std::{collections::BTreeSet, fs, path::Path};

/// Applies `operation name value` lines to a filter; the first error is the answer.
fn check(filter: &str, changes: &[(i8, &'static str, &'static str)]) -> String {
    let mut loggers = Loggers::parse(filter);
    for (config_operation, name, value) in changes {
        let value = Some((*value).into());
        let config =
            AlterableConfig { name: (*name).into(), config_operation: *config_operation, value, ..Default::default() };
        if let Err(error) = loggers.check(&config) {
            return error.to_string();
        }
        loggers.change(&config);
    }
    loggers.to_string()
}

#[test]
fn a_filter_is_taken_apart_and_put_together() {
    assert_eq!(check("ottla::network=debug,info", &[]), "info,ottla::network=debug");
    assert_eq!(check("INFO,hyper=off,[span{a=1}]=trace", &[]), "info,hyper=off,[span{a=1}]=trace");
    assert_eq!(check("ottla=info", &[]), "off,ottla=info");
    assert_eq!(check("", &[]), "error");
}

#[test]
fn levels_are_set_and_unset() {
    assert_eq!(check("info", &[(0, "root", "DEBUG")]), "debug");
    assert_eq!(
        check("info", &[(0, "ottla.fetch", "TRACE"), (0, "ottla_storage", "FATAL")]),
        "info,ottla::fetch=trace,ottla_storage=error"
    );
    assert_eq!(check("info,ottla::fetch=trace", &[(1, "ottla.fetch", "")]), "info");
}

#[test]
fn what_kafka_refuses_is_refused() {
    let no_level = "INVALID_CONFIG: Cannot set the log level of root to LOUD as it is not a supported log level. Valid log levels are DEBUG, ERROR, FATAL, INFO, TRACE, WARN";
    assert_eq!(check("info", &[(0, "root", "LOUD")]), no_level);
    assert_eq!(check("info", &[(0, "kafka.server", "INFO")]), "INVALID_CONFIG: Logger kafka.server does not exist!");
    assert_eq!(check("info", &[(0, "ottla=info,x", "INFO")]), "INVALID_CONFIG: Logger ottla=info,x does not exist!");
    assert_eq!(
        check("info", &[(1, "root", "")]),
        "INVALID_REQUEST: Removing the log level of the root logger is not allowed"
    );
    assert_eq!(
        check("info", &[(2, "root", "INFO")]),
        "INVALID_REQUEST: APPEND operation is not allowed for the BROKER_LOGGER resource"
    );
    assert_eq!(
        check("info", &[(9, "root", "INFO")]),
        "INVALID_REQUEST: Unknown operation type 9 is not allowed for the BROKER_LOGGER resource"
    );
}

#[test]
fn loggers_have_the_level_of_the_longest_beginning() {
    let level = |filter: &str, name: &str| Loggers::parse(filter).levels().get(name).cloned();
    let filter = "info,ottla::http=debug,ottla::http::x=trace,ottla_storage=warn";
    assert_eq!(level(filter, "root").as_deref(), Some("INFO"));
    assert_eq!(level(filter, "ottla").as_deref(), Some("INFO"));
    assert_eq!(level(filter, "ottla.http").as_deref(), Some("DEBUG"));
    assert_eq!(level(filter, "ottla.http.x").as_deref(), Some("TRACE"));
    assert_eq!(level(filter, "ottla_storage.log").as_deref(), Some("WARN"));
    assert_eq!(level(filter, "elsewhere"), None);
}

/// The modules of a crate that have a line with `tracing` in them.
fn logging_modules(krate: &str, folder: &str) -> BTreeSet<String> {
    let source = Path::new(folder).join("src");
    let mut folders = vec![source.clone()];
    let mut found = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("sources can be listed") {
            let path = entry.expect("sources can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else if fs::read_to_string(&path).is_ok_and(|text| text.contains("tracing::")) {
                let first = path.strip_prefix(&source).ok().and_then(|path| path.iter().next());
                let module = first.and_then(|name| name.to_str()).expect("names are text").trim_end_matches(".rs");
                found.insert(format!("{krate}.{module}"));
            }
        }
    }
    found
}

#[test]
fn every_module_that_logs_is_told_of() {
    let mut found = logging_modules("ottla", ".");
    found.extend(logging_modules("ottla_storage", "../storage"));
    found.insert(PROGRAM.to_owned());
    let told: BTreeSet<String> = MODULES.into_iter().map(str::to_owned).collect();
    assert_eq!(found, told, "MODULES in broker_loggers.rs names the modules that log");
}
