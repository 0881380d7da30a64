//! Reading `server.properties`, the environment and overrides.

use std::collections::BTreeMap;

use super::*;
use crate::keys;

/// Says what Kafka's own KRaft file says: one node that is broker and controller.
const SERVER_PROPERTIES: &[u8] = include_bytes!("../../tests/data/server.properties");

fn load(text: &str) -> Result<Loaded, LoadError> {
    Sources::from_file("server.properties", text.as_bytes()).and_then(Sources::load)
}

fn standalone() -> ServerConfig {
    Sources::standalone("/data").load().unwrap().config
}

/// The least a file must hold, and more.
fn with(more: &str) -> String {
    format!(
        "process.roles=broker,controller\nnode.id=1\ncontroller.listener.names=CONTROLLER\n\
         controller.quorum.bootstrap.servers=localhost:9093\n\
         listeners=PLAINTEXT://:9092,CONTROLLER://:9093\n{more}\n"
    )
}

fn refusal(text: &str) -> String {
    load(text).map_or_else(|error| error.to_string(), |_| "accepted".to_owned())
}

fn warnings(text: &str) -> Vec<String> {
    load(text).unwrap().warnings.iter().map(ToString::to_string).collect()
}

#[test]
fn the_file_kafka_ships_is_accepted_unchanged() {
    let loaded = Sources::from_file("server.properties", SERVER_PROPERTIES).and_then(Sources::load).unwrap();
    let config = loaded.config;
    assert_eq!(config.node_id(), 1);
    assert_eq!(config.get(keys::BROKER_ID), 1);
    assert_eq!(config.log_dirs(), ["/tmp/kraft-combined-logs"]);
    assert_eq!(config.metadata_log_dir(), "/tmp/kraft-combined-logs");
    assert_eq!(config.get(keys::OFFSETS_TOPIC_REPLICATION_FACTOR), 1);
    assert_eq!(config.log_retention_ms(), 604_800_000);
    let bound = config.listeners().iter().map(|each| (each.listener.to_string(), each.port)).collect::<Vec<_>>();
    assert_eq!(bound, [("PLAINTEXT".to_owned(), 9092)]);
    assert_eq!(config.controller_listeners().len(), 1);
    assert_eq!(config.advertised_listeners().first().and_then(|each| each.host.as_deref()), Some("localhost"));
    assert_eq!(config.inter_broker_listener_name().as_str(), "PLAINTEXT");
    let about: Vec<_> = loaded.warnings.iter().map(|warning| warning.message.split(' ').next().unwrap_or("")).collect();
    assert_eq!(
        about,
        ["share.coordinator.state.topic.min.isr", "share.coordinator.state.topic.replication.factor"],
        "only what is set to another value than the default and has no effect"
    );
}

#[test]
fn without_a_file_the_node_serves_this_machine_alone() {
    let config = standalone();
    assert_eq!(config.node_id(), 1);
    assert_eq!(config.log_dirs(), ["/data"]);
    assert_eq!(config.roles().len(), 2);
    let endpoint = config.advertised_listeners().first().unwrap();
    assert_eq!((endpoint.host.as_deref(), endpoint.port), (Some("127.0.0.1"), 9092));
    assert!(config.controller_listeners().is_empty());
    assert_eq!(config.get(keys::OFFSETS_TOPIC_REPLICATION_FACTOR), 1);
    assert_eq!(config.get(keys::NUM_PARTITIONS), 1);
    assert_eq!(config.get(keys::LOG_DIRS).map(<[String]>::len), Some(1));
    assert_eq!(config.get(keys::BROKER_RACK), None);
}

#[test]
fn later_sources_win() {
    let variables =
        [("KAFKA_NUM_PARTITIONS", "4"), ("KAFKA_NODE_ID", "7"), ("KAFKA_HEAP_OPTS", "-Xmx1g"), ("PATH", "/bin")];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let sources = Sources::standalone("/data").environment(variables).unwrap();
    let config = sources.clone().load().unwrap().config;
    assert_eq!((config.get(keys::NUM_PARTITIONS), config.node_id(), config.get(keys::BROKER_ID)), (4, 7, 7));
    let config = sources.override_with("num.partitions=5").unwrap().load().unwrap().config;
    assert_eq!(config.get(keys::NUM_PARTITIONS), 5);
    let error = Sources::standalone("/data").override_with("num.partitions").unwrap_err();
    assert_eq!(error.to_string(), "--override takes name=value, not \"num.partitions\"");
}

#[test]
fn broker_id_alone_is_the_node_id_too() {
    let config = Sources::standalone("/data").override_with("broker.id=9").unwrap().load().unwrap().config;
    assert_eq!((config.node_id(), config.get(keys::BROKER_ID)), (9, 9));
}

#[test]
fn every_invalid_value_is_named_with_its_line() {
    let text = with("num.partitions=many\n# a comment\nlog.segment.bytes=1");
    assert_eq!(
        refusal(&text),
        "server.properties:6: Invalid value many for configuration num.partitions: Not a number of type INT\n\
         server.properties:8: Invalid value 1 for configuration log.segment.bytes: Value must be at least 1048576"
    );
    let error = Sources::standalone("/d")
        .environment([("KAFKA_NUM_PARTITIONS".to_owned(), "x".to_owned())])
        .and_then(Sources::load)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "environment variable KAFKA_NUM_PARTITIONS: Invalid value x for configuration num.partitions: Not a number of \
         type INT"
    );
}

#[test]
fn unknown_and_unsupported_configs_are_warned_of() {
    for (line, warning) in [
        ("num.partition=3", "unknown config num.partition is ignored; did you mean num.partitions?"),
        ("acme.audit.sink=x", "unknown config acme.audit.sink is ignored"),
        ("zookeeper.connect=z:2181", "zookeeper.connect is ignored: Kafka 4 no longer has it"),
        (
            "super.users=User:admin",
            "super.users has no effect yet: TLS, SASL and authorization come with the security work",
        ),
        ("num.io.threads=16", "num.io.threads has no effect: Kafka's thread pools have no counterpart in Ottla"),
        (
            "listener.name.plaintext.ssl.keystore.location=/k",
            "listener.name.plaintext.ssl.keystore.location has no effect yet: TLS, SASL and authorization come with the \
             security work",
        ),
        ("node.id=1", "node.id is set on line 2 already; the value of line 6 holds"),
        (
            "leader.replication.throttled.rate=5",
            "leader.replication.throttled.rate is ignored: it can only be altered while the broker runs",
        ),
    ] {
        assert_eq!(warnings(&with(line)), [format!("server.properties:6: {warning}")]);
    }
    assert_eq!(
        warnings(&with("num.io.threads=8\nssl.keystore.type=JKS")),
        Vec::<String>::new(),
        "a default is no news"
    );
}

#[test]
fn what_kafka_refuses_is_refused_in_its_words() {
    for (more, words) in [
        ("broker.id=2", "You must set `node.id` to the same value as `broker.id`."),
        ("offsets.topic.compression.codec=5", "Unknown compression type id: 5"),
        ("log.roll.ms=0", "log.roll.ms must be greater than or equal to 1"),
        ("log.retention.ms=0", "log.retention.ms must be unlimited (-1) or, greater than or equal to 1"),
        (
            "advertised.listeners=PLAINTEXT://0.0.0.0:9092",
            "advertised.listeners cannot use the nonroutable meta-address 0.0.0.0. Use a routable IP address.",
        ),
        (
            "advertised.listeners=OTHER://h:9092",
            "server.properties:6: Error creating broker listeners from '[OTHER://h:9092]': No security protocol defined \
             for listener OTHER",
        ),
        (
            "inter.broker.listener.name=NOPE",
            "server.properties:6: Listener with name NOPE defined in inter.broker.listener.name not found in \
             listener.security.protocol.map.",
        ),
        (
            "inter.broker.listener.name=CONTROLLER",
            "inter.broker.listener.name must be a listener name defined in advertised.listeners. The valid options based \
             on currently configured listeners are PLAINTEXT",
        ),
        (
            "controller.quorum.voters=2@localhost:9093",
            "If process.roles contains the 'controller' role, the node id 1 must be included in the set of voters \
             controller.quorum.voters=Set(2)",
        ),
        (
            "controller.listener.names=ELSEWHERE\nlistener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "controller.listener.names must contain at least one value appearing in the 'listeners' configuration when \
             running the KRaft controller role",
        ),
        (
            "max.connections.per.ip=0",
            "max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides property is set.",
        ),
        ("queued.max.request.bytes=5", "queued.max.request.bytes must be larger or equal to socket.request.max.bytes"),
        (
            "listeners=PLAINTEXT://:9092,CONTROLLER://:9092",
            "server.properties:6: Error creating broker listeners from '[PLAINTEXT://:9092, CONTROLLER://:9092]': Each \
             listener must have a different port, listeners: [PLAINTEXT://:9092, CONTROLLER://:9092]",
        ),
        (
            "listeners=nonsense",
            "server.properties:6: Error creating broker listeners from '[nonsense]': Unable to parse nonsense to a \
             broker endpoint",
        ),
    ] {
        assert_eq!(refusal(&with(more)), words, "{more}");
    }
    let missing = refusal("num.partitions=1");
    for name in ["process.roles", "node.id", "controller.listener.names"] {
        let words = format!("Missing required configuration \"{name}\" which has no default value.");
        assert!(missing.lines().any(|line| line == words), "{missing}");
    }
    let alone = with("").replace("controller.quorum.bootstrap.servers=localhost:9093\n", "");
    assert!(refusal(&alone).starts_with("If using process.roles, either controller.quorum.bootstrap.servers must"));
}

#[test]
fn what_ottla_cannot_do_yet_is_refused_rather_than_done_unsafely() {
    for (more, words) in [
        (
            "listeners=SSL://:9092,CONTROLLER://:9093\nlistener.security.protocol.map=SSL:SSL,CONTROLLER:PLAINTEXT\n\
             inter.broker.listener.name=SSL",
            "server.properties:6: listener SSL uses SSL, which Ottla does not serve yet: only PLAINTEXT listeners work \
             until the security work",
        ),
        (
            "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "server.properties:6: authorizer.class.name is set, but Ottla does not check ACLs yet and would serve \
             everybody: remove it to start without authorization",
        ),
        (
            "replica.selector.class=acme.Selector",
            "server.properties:6: replica.selector.class is acme.Selector, but Ottla loads no classes: \
             org.apache.kafka.common.replica.RackAwareReplicaSelector is the one it knows, and without it consumers read \
             from leaders",
        ),
    ] {
        assert_eq!(refusal(&with(more)), words, "{more}");
    }
}

#[test]
fn a_host_may_be_an_ipv6_address() {
    let text = with(
        "listeners=PLAINTEXT://[::1]:9092,V4://127.0.0.1:9092,CONTROLLER://:9093\n\
                     listener.security.protocol.map=PLAINTEXT:PLAINTEXT,V4:PLAINTEXT,CONTROLLER:PLAINTEXT",
    );
    let config = load(&text).unwrap().config;
    let hosts: Vec<_> = config.listeners().iter().filter_map(|each| each.host.clone()).collect();
    assert_eq!(hosts, ["::1", "127.0.0.1"]);
}

#[test]
fn units_fall_back_to_the_next_larger_one() {
    let config = load(&with("log.retention.minutes=2\nlog.roll.hours=1")).unwrap().config;
    assert_eq!((config.log_retention_ms(), config.log_roll_ms()), (120_000, 3_600_000));
    let config = load(&with("log.retention.ms=-5\nlog.retention.minutes=2")).unwrap().config;
    assert_eq!(config.log_retention_ms(), -1);
}

#[test]
fn limits_per_address_are_read() {
    let config = load(&with("max.connections.per.ip.overrides=127.0.0.1:5, ::1:6")).unwrap().config;
    let limits = BTreeMap::from([("127.0.0.1".to_owned(), 5), ("::1".to_owned(), 6)]);
    assert_eq!(config.max_connections_per_ip_overrides(), limits);
}

#[test]
fn a_map_may_end_in_commas_and_not_begin_with_one() {
    let map = "listener.security.protocol.map=";
    assert!(load(&with(&format!("{map}PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT, ,"))).is_ok());
    assert_eq!(
        refusal(&with(&format!("{map},PLAINTEXT:PLAINTEXT"))),
        "server.properties:6: Error parsing configuration property 'listener.security.protocol.map': begin 0, end -1, length 0"
    );
}

#[test]
fn topics_take_their_own_value_before_the_brokers() {
    let config = load(&with("log.retention.hours=1\nlog.segment.bytes=2000000\nmin.insync.replicas=2")).unwrap().config;
    let topic = config.topic_config(&BTreeMap::new());
    assert_eq!((topic.retention_ms, topic.segment_bytes, topic.min_insync_replicas), (3_600_000, 2_000_000, 2));
    assert!(topic.cleanup_delete && !topic.cleanup_compact);
    let own = [
        ("retention.ms", " 5 "),
        ("cleanup.policy", "compact , delete"),
        ("message.timestamp.type", "LogAppendTime"),
        ("compression.type", "zstd"),
        ("segment.bytes", "nonsense"),
        ("max.compaction.lag.ms", "7"),
    ];
    let own = own.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let topic = config.topic_config(&own);
    assert_eq!((topic.retention_ms, topic.segment_bytes, topic.max_segment_ms()), (5, 2_000_000, 7));
    assert!(topic.cleanup_delete && topic.cleanup_compact);
    assert_eq!(topic.message_timestamp_type, crate::TimestampType::LogAppendTime);
    assert_eq!(topic.compression_type, crate::CompressionType::Zstd);
    let internal = [("internal.segment.bytes".to_owned(), "1000".to_owned())].into();
    assert_eq!(config.topic_config(&internal).segment_bytes, 1000);
}

#[test]
fn alterations_at_run_time_lie_over_the_file() {
    let config = load(&with("log.retention.hours=1\nmessage.max.bytes=1000")).unwrap().config;
    let texts = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    let default = texts(&[("log.retention.ms", "5000"), ("message.max.bytes", "2000"), ("log.dirs", "/x")]);
    let broker = texts(&[("message.max.bytes", "3000"), ("num.partitions", "many"), ("log.segment.bytes", "1")]);
    let (config, warnings) = config.with_dynamic(&default, &broker);
    assert_eq!(config.log_retention_ms(), 5000);
    assert_eq!(config.get(keys::MESSAGE_MAX_BYTES), 3000);
    assert_eq!(config.topic_config(&BTreeMap::new()).max_message_bytes, 3000);
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    let (config, _) = config.with_dynamic(&BTreeMap::new(), &BTreeMap::new());
    assert_eq!(config.get(keys::MESSAGE_MAX_BYTES), 1000);
    assert_eq!(config.log_retention_ms(), 3_600_000);
}

#[test]
fn secrets_show_nowhere() {
    let text = with(
        "ssl.key.password=hunter2\nssl.key.password=hunter2\nlistener.name.x.sasl.jaas.config=hunter2\n\
                     ssl.key.pasword=hunter2",
    );
    let sources = Sources::from_file("server.properties", text.as_bytes()).unwrap();
    let shown = format!("{sources:?}");
    let loaded = sources.load().unwrap();
    let shown = format!("{shown} {loaded:?} {:?}", crate::describe::broker(&loaded.config));
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("did you mean ssl.key.password?"));
}
