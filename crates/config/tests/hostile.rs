//! Whatever text arrives, in a file or from a client, the answer is a value or an error.

use std::collections::BTreeMap;

use ottla_config::alter::{self, Alteration, ResourceType};
use ottla_config::{ServerConfig, Sources, Table, broker_table, describe, group_table, topic_table};
use proptest::prelude::*;

fn broker() -> ServerConfig {
    Sources::standalone("/data").load().expect("the defaults are valid").config
}

fn names(table: &'static Table) -> Vec<String> {
    table.iter().map(|row| row.name.to_owned()).collect()
}

/// Text made of what configs are made of, so that more than the first check is reached.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[-+0-9.eEfNaI]{0,20}",
        "[a-zA-Z0-9:,@/\\[\\]*=\\- ]{0,40}",
        Just("-9223372036854775808".to_owned()),
        Just("9223372036854775807".to_owned()),
        Just("2147483647".to_owned()),
        "by_duration:[PTDHMS0-9.\\-]{0,12}",
        "(PLAINTEXT|SSL|X)://[0-9a-z:.\\[\\]]{0,12}:[0-9\\-]{0,7}",
    ]
}

fn settings(table: &'static Table) -> impl Strategy<Value = BTreeMap<String, String>> {
    prop::collection::btree_map(prop::sample::select(names(table)), text(), 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_bytes_are_a_file_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(sources) = Sources::from_file("server.properties", &bytes) {
            let _ = sources.load().map_err(|error| error.to_string());
        }
    }

    #[test]
    fn any_settings_start_a_broker_or_are_refused(settings in settings(broker_table())) {
        let mut sources = Sources::standalone("/data");
        for (name, value) in settings {
            sources = sources.override_with(&format!("{name}={value}")).expect("it has a name and a value");
        }
        if let Ok(loaded) = sources.load() {
            let _ = (loaded.config.topic_config(&BTreeMap::new()), loaded.config.max_connections_per_ip_overrides());
            let _ = describe::broker(&loaded.config);
        }
    }

    #[test]
    fn what_topics_and_groups_may_have_can_be_described(
        topic in settings(topic_table()),
        group in settings(group_table()),
    ) {
        let broker = broker();
        let none = BTreeMap::new();
        let _ = (alter::validate(ResourceType::Topic, "t", &topic, &none, &broker), broker.topic_config(&topic));
        let _ = alter::validate(ResourceType::Group, "g", &group, &none, &broker);
        for entries in [describe::topic(&topic, &broker), describe::created_topic(&topic, &broker)] {
            prop_assert!(entries.len() >= 33);
        }
        prop_assert_eq!(describe::group(&group, &broker).len(), 17);
    }

    #[test]
    fn what_a_broker_accepts_it_can_run_with(settings in settings(broker_table())) {
        let broker = broker();
        let alterations = settings.into_iter().map(|(name, value)| (name, Alteration::Set(value))).collect();
        let none = BTreeMap::new();
        if alter::incremental_broker_configs(&broker, true, &none, &alterations).is_ok() {
            let accepted = alter::apply(ResourceType::Broker, &none, &alterations).expect("the values are short");
            let accepted = accepted.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
            let (altered, warnings) = broker.with_dynamic(&none, &accepted);
            prop_assert_eq!(warnings, []);
            prop_assert_eq!(altered.dynamic_broker(), &accepted);
        }
    }
}
