//! DescribeConfigs, AlterConfigs, IncrementalAlterConfigs, ListConfigResources and DescribeLogDirs.

use crate::differential::run::Run;
use ottla_protocol::{
    ApiKey, Str,
    any::{AnyRequest, AnyResponse},
    messages as m,
};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

pub(super) fn play(run: &mut Run) -> anyhow::Result<()> {
    run.topic("d-configs", 1, &[("retention.ms", "5000000"), ("cleanup.policy", "compact")])?;
    // Apache Kafka's controller describes what was published in its process, a moment after it was decided.
    run.until("the configs of d-configs", |run| match run.quietly(&description(TOPIC, "d-configs", None, false))? {
        AnyResponse::DescribeConfigs(response) => Ok(response.results.iter().all(|result| result.error_code == 0)),
        _ => Ok(false),
    })?;
    describe(run)?;
    if !run.is_of_broker() {
        // Apache Kafka's controller does not survive some of what follows, which its brokers do not let through.
        return Ok(());
    }
    incremental(run)?;
    alter(run)?;
    for types in [vec![], vec![TOPIC], vec![BROKER], vec![8], vec![16], vec![32], vec![99]] {
        run.each(&format!("list-config-resources-{types:?}"), ApiKey::ListConfigResources, |_| {
            let request = m::ListConfigResourcesRequest { resource_types: types.clone(), ..Default::default() };
            AnyRequest::ListConfigResources(request)
        })?;
    }
    log_dirs(run)
}

fn description(resource_type: i8, name: &str, keys: Option<&[&str]>, include_synonyms: bool) -> AnyRequest {
    let resource = m::describe_configs_request::DescribeConfigsResource {
        resource_type,
        resource_name: Str::from(name),
        configuration_keys: keys.map(|keys| keys.iter().map(|key| Str::from(*key)).collect()),
        ..Default::default()
    };
    let resources = vec![resource];
    AnyRequest::DescribeConfigs(m::DescribeConfigsRequest { resources, include_synonyms, ..Default::default() })
}

fn describe(run: &mut Run) -> anyhow::Result<()> {
    let some: Option<&[&str]> = Some(&["retention.ms", "no.such.config"]);
    let none: Option<&[&str]> = Some(&[]);
    let cases: [(&str, i8, &str, Option<&[&str]>); 16] = [
        ("describe-topic", TOPIC, "d-configs", None),
        ("describe-topic-some", TOPIC, "d-configs", some),
        ("describe-topic-no-keys", TOPIC, "d-configs", none),
        ("describe-topic-unknown", TOPIC, "d-unknown", None),
        ("describe-topic-bad-name", TOPIC, "d bad/name", None),
        ("describe-topic-no-name", TOPIC, "", None),
        ("describe-broker", BROKER, "1", None),
        ("describe-broker-some", BROKER, "1", Some(&["log.retention.ms", "log.segment.bytes", "retention.ms"])),
        ("describe-broker-default", BROKER, "", None),
        ("describe-broker-other", BROKER, "7", None),
        ("describe-broker-bad-name", BROKER, "one", None),
        ("describe-logger", 8, "1", Some(&["no.such.Logger"])),
        ("describe-group", 32, "d-group", None),
        ("describe-client-metrics", 16, "d-metrics", None),
        ("describe-type-0", 0, "x", None),
        ("describe-type-99", 99, "x", None),
    ];
    for (step, resource_type, name, keys) in cases {
        for include_synonyms in [false, true] {
            let step = if include_synonyms { format!("{step}-synonyms") } else { step.to_owned() };
            run.each(&format!("configs-{step}"), ApiKey::DescribeConfigs, |_| {
                description(resource_type, name, keys, include_synonyms)
            })?;
        }
    }
    Ok(())
}

/// Type and name of the resource, config, operation and value.
type Change = (&'static str, i8, &'static str, &'static str, i8, Option<&'static str>);

const CHANGES: [Change; 25] = [
    ("set", TOPIC, "d-configs", "retention.ms", 0, Some("6000000")),
    ("set-bad-value", TOPIC, "d-configs", "retention.ms", 0, Some("soon")),
    ("set-out-of-range", TOPIC, "d-configs", "retention.ms", 0, Some("-2")),
    ("set-null", TOPIC, "d-configs", "retention.ms", 0, None),
    ("set-empty", TOPIC, "d-configs", "retention.ms", 0, Some("")),
    ("set-unknown", TOPIC, "d-configs", "no.such.config", 0, Some("1")),
    ("set-empty-name", TOPIC, "d-configs", "", 0, Some("1")),
    ("set-segment-too-small", TOPIC, "d-configs", "segment.bytes", 0, Some("1")),
    ("set-bad-boolean", TOPIC, "d-configs", "preallocate", 0, Some("perhaps")),
    ("set-bad-codec", TOPIC, "d-configs", "compression.type", 0, Some("rar")),
    ("delete", TOPIC, "d-configs", "retention.ms", 1, None),
    ("delete-unset", TOPIC, "d-configs", "segment.ms", 1, None),
    ("delete-unknown", TOPIC, "d-configs", "no.such.config", 1, None),
    ("append", TOPIC, "d-configs", "cleanup.policy", 2, Some("delete")),
    ("append-to-number", TOPIC, "d-configs", "retention.ms", 2, Some("1")),
    ("append-null", TOPIC, "d-configs", "cleanup.policy", 2, None),
    ("subtract", TOPIC, "d-configs", "cleanup.policy", 3, Some("compact")),
    ("subtract-absent", TOPIC, "d-configs", "cleanup.policy", 3, Some("delete")),
    ("operation-9", TOPIC, "d-configs", "retention.ms", 9, Some("1")),
    ("unknown-topic", TOPIC, "d-unknown", "retention.ms", 0, Some("1")),
    ("no-topic", TOPIC, "", "retention.ms", 0, Some("1")),
    ("broker-dynamic", BROKER, "1", "log.cleaner.threads", 0, Some("2")),
    ("broker-read-only", BROKER, "1", "broker.id", 0, Some("2")),
    ("broker-other", BROKER, "7", "log.cleaner.threads", 0, Some("2")),
    ("type-99", 99, "x", "y", 0, Some("2")),
];

fn incremental(run: &mut Run) -> anyhow::Result<()> {
    use m::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
    let request = |change: Change, times: usize, validate_only: bool| {
        let (_, resource_type, resource, config, config_operation, value) = change;
        let config = AlterableConfig {
            name: Str::from(config),
            config_operation,
            value: value.map(Str::from),
            ..Default::default()
        };
        let resource = AlterConfigsResource {
            resource_type,
            resource_name: Str::from(resource),
            configs: vec![config; times],
            ..Default::default()
        };
        let request =
            m::IncrementalAlterConfigsRequest { resources: vec![resource], validate_only, ..Default::default() };
        AnyRequest::IncrementalAlterConfigs(request)
    };
    for change in CHANGES {
        let step = format!("incremental-{}", change.0);
        run.each(&step, ApiKey::IncrementalAlterConfigs, |_| request(change, 1, true))?;
    }
    run.each("incremental-twice", ApiKey::IncrementalAlterConfigs, |_| request(CHANGES[0], 2, true))?;
    run.each("incremental-for-good", ApiKey::IncrementalAlterConfigs, |_| request(CHANGES[0], 1, false))
}

fn alter(run: &mut Run) -> anyhow::Result<()> {
    use m::alter_configs_request::{AlterConfigsResource, AlterableConfig};
    for (name, resource_type, resource, config, _, value) in CHANGES.into_iter().filter(|change| change.4 == 0) {
        run.each(&format!("alter-{name}"), ApiKey::AlterConfigs, |_| {
            let config = AlterableConfig { name: Str::from(config), value: value.map(Str::from), ..Default::default() };
            let resource = AlterConfigsResource {
                resource_type,
                resource_name: Str::from(resource),
                configs: vec![config],
                ..Default::default()
            };
            AnyRequest::AlterConfigs(m::AlterConfigsRequest {
                resources: vec![resource],
                validate_only: true,
                ..Default::default()
            })
        })?;
    }
    Ok(())
}

fn log_dirs(run: &mut Run) -> anyhow::Result<()> {
    use m::describe_log_dirs_request::DescribableLogDirTopic;
    let topic = |topic: &str, partitions: &[i32]| DescribableLogDirTopic {
        topic: Str::from(topic),
        partitions: partitions.to_vec(),
        ..Default::default()
    };
    let cases = [
        ("log-dirs-all", None),
        ("log-dirs-none", Some(vec![])),
        ("log-dirs-one", Some(vec![topic("d-base", &[0, 2])])),
        ("log-dirs-unknown", Some(vec![topic("d-unknown", &[0]), topic("d-base", &[7])])),
    ];
    for (step, topics) in cases {
        run.each(step, ApiKey::DescribeLogDirs, |_| {
            AnyRequest::DescribeLogDirs(m::DescribeLogDirsRequest { topics: topics.clone(), ..Default::default() })
        })?;
    }
    moves(run)
}

/// Moves that no broker makes: the log dirs of each are its own.
fn moves(run: &mut Run) -> anyhow::Result<()> {
    use m::alter_replica_log_dirs_request::{AlterReplicaLogDir, AlterReplicaLogDirTopic};
    let dir = |path: &str, topic: &str, partitions: &[i32]| AlterReplicaLogDir {
        path: Str::from(path),
        topics: vec![AlterReplicaLogDirTopic {
            name: Str::from(topic),
            partitions: partitions.to_vec(),
            ..Default::default()
        }],
        ..Default::default()
    };
    let long = "n".repeat(240);
    let cases = [
        ("move-nothing", vec![]),
        ("move-no-partition", vec![dir("/nowhere", "d-base", &[])]),
        ("move-nowhere", vec![dir("/nowhere", "d-base", &[0])]),
        ("move-twice", vec![dir("/nowhere", "d-base", &[0]), dir("/elsewhere", "d-base", &[0, 0])]),
        ("move-unknown", vec![dir("", "d-unknown", &[-1])]),
        ("move-too-long", vec![dir("/nowhere", &long, &[0])]),
    ];
    for (step, dirs) in cases {
        run.each(step, ApiKey::AlterReplicaLogDirs, |_| {
            AnyRequest::AlterReplicaLogDirs(m::AlterReplicaLogDirsRequest { dirs: dirs.clone(), ..Default::default() })
        })?;
    }
    Ok(())
}
