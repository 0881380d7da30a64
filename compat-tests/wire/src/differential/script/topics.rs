//! CreateTopics, CreatePartitions, Metadata, DescribeTopicPartitions and DeleteTopics.

use crate::differential::run::Run;
use m::create_topics_request::{CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig};
use ottla_protocol::{ApiKey, Str, Uuid, any::AnyRequest, messages as m};

pub(super) fn play(run: &mut Run) -> anyhow::Result<()> {
    run.topic("d-base", 3, &[])?;
    create(run)?;
    refuse_to_create(run)?;
    metadata(run)
}

fn topic(name: &str, num_partitions: i32, replication_factor: i16) -> CreatableTopic {
    CreatableTopic { name: Str::from(name), num_partitions, replication_factor, ..Default::default() }
}

fn request(topics: Vec<CreatableTopic>, validate_only: bool) -> AnyRequest {
    AnyRequest::CreateTopics(m::CreateTopicsRequest { topics, timeout_ms: 10_000, validate_only, ..Default::default() })
}

fn create(run: &mut Run) -> anyhow::Result<()> {
    run.each("create-validate", ApiKey::CreateTopics, |_| request(vec![topic("d-validated", 2, 1)], true))?;
    for version in run.versions(ApiKey::CreateTopics) {
        let name = format!("d-created-v{version}");
        run.one("create", version, &request(vec![topic(&name, 2, 1)], false))?;
        run.await_topic(&name)?;
        run.one("create-again", version, &request(vec![topic(&name, 2, 1)], false))?;
        let defaults = format!("d-defaults-v{version}");
        run.one("create-defaults", version, &request(vec![topic(&defaults, -1, -1)], true))?;
    }
    Ok(())
}

fn assigned(name: &str, partitions: &[(i32, &[i32])]) -> CreatableTopic {
    let assignments = partitions
        .iter()
        .map(|(index, brokers)| CreatableReplicaAssignment {
            partition_index: *index,
            broker_ids: brokers.to_vec(),
            ..Default::default()
        })
        .collect();
    CreatableTopic { assignments, ..topic(name, -1, -1) }
}

fn configured(name: &str, config: &str, value: Option<&str>) -> CreatableTopic {
    let config = CreatableTopicConfig { name: Str::from(config), value: value.map(Str::from), ..Default::default() };
    CreatableTopic { configs: vec![config], ..topic(name, 1, 1) }
}

fn refuse_to_create(run: &mut Run) -> anyhow::Result<()> {
    let long = "d".repeat(250);
    let cases = [
        ("create-bad-name", vec![topic("d bad/name", 1, 1)]),
        ("create-empty-name", vec![topic("", 1, 1)]),
        ("create-dot", vec![topic(".", 1, 1)]),
        ("create-long-name", vec![topic(&long, 1, 1)]),
        ("create-colliding-name", vec![topic("d.base", 1, 1)]),
        ("create-internal-name", vec![topic("__consumer_offsets", 1, 1)]),
        ("create-metadata-name", vec![topic("__cluster_metadata", 1, 1)]),
        ("create-twice-in-one", vec![topic("d-twice", 1, 1), topic("d-twice", 1, 1), topic("d-once", 1, 1)]),
        ("create-replication-0", vec![topic("d-r", 1, 0)]),
        ("create-replication-2", vec![topic("d-r", 1, 2)]),
        ("create-replication-minus-2", vec![topic("d-r", 1, -2)]),
        ("create-partitions-0", vec![topic("d-p", 0, 1)]),
        ("create-partitions-minus-2", vec![topic("d-p", -2, 1)]),
        ("create-assigned", vec![assigned("d-a", &[(0, &[1]), (1, &[1])])]),
        ("create-assigned-gap", vec![assigned("d-a", &[(0, &[1]), (2, &[1])])]),
        ("create-assigned-from-1", vec![assigned("d-a", &[(1, &[1])])]),
        ("create-assigned-twice", vec![assigned("d-a", &[(0, &[1]), (0, &[1])])]),
        ("create-assigned-to-same", vec![assigned("d-a", &[(0, &[1, 1])])]),
        ("create-assigned-to-unknown", vec![assigned("d-a", &[(0, &[7])])]),
        ("create-assigned-to-none", vec![assigned("d-a", &[(0, &[])])]),
        ("create-assigned-uneven", vec![assigned("d-a", &[(0, &[1]), (1, &[1, 2])])]),
        ("create-assigned-and-counted", vec![CreatableTopic { num_partitions: 1, ..assigned("d-a", &[(0, &[1])]) }]),
        ("create-config", vec![configured("d-c", "retention.ms", Some("1000"))]),
        ("create-config-bad-value", vec![configured("d-c", "retention.ms", Some("soon"))]),
        ("create-config-out-of-range", vec![configured("d-c", "retention.ms", Some("-2"))]),
        ("create-config-bad-policy", vec![configured("d-c", "cleanup.policy", Some("shred"))]),
        ("create-config-unknown", vec![configured("d-c", "no.such.config", Some("1"))]),
        ("create-config-null", vec![configured("d-c", "retention.ms", None)]),
        ("create-nothing", vec![]),
    ];
    for (step, topics) in cases {
        run.each(step, ApiKey::CreateTopics, |_| request(topics.clone(), true))?;
    }
    Ok(())
}

fn metadata(run: &mut Run) -> anyhow::Result<()> {
    use m::metadata_request::MetadataRequestTopic;
    let named = |name: &str| MetadataRequestTopic { name: Some(Str::from(name)), ..Default::default() };
    let by_id = |topic_id: Uuid| MetadataRequestTopic { topic_id, name: None, ..Default::default() };
    let id = run.id("d-base");
    let both = MetadataRequestTopic { topic_id: id, name: Some(Str::from_static("d-base")), ..Default::default() };
    let cases = [
        ("metadata-all", None),
        ("metadata-none", Some(vec![])),
        ("metadata-named", Some(vec![named("d-base")])),
        ("metadata-twice", Some(vec![named("d-base"), named("d-base")])),
        ("metadata-unknown", Some(vec![named("d-unknown")])),
        ("metadata-bad-name", Some(vec![named("d bad/name")])),
        ("metadata-empty-name", Some(vec![named("")])),
        ("metadata-by-id", Some(vec![by_id(id)])),
        ("metadata-by-unknown-id", Some(vec![by_id(Uuid::from_bytes([7; 16]))])),
        ("metadata-by-zero-id", Some(vec![by_id(Uuid::ZERO)])),
        ("metadata-by-id-and-name", Some(vec![both])),
    ];
    for (step, topics) in cases {
        for operations in [false, true] {
            let step = if operations { format!("{step}-operations") } else { step.to_owned() };
            run.each(&step, ApiKey::Metadata, |version| {
                AnyRequest::Metadata(m::MetadataRequest {
                    topics: topics.clone(),
                    // Before version 4 every request allows it, so that one of an unknown topic would make the topic.
                    allow_auto_topic_creation: version < 4 && !step.starts_with("metadata-unknown"),
                    include_topic_authorized_operations: operations,
                    ..Default::default()
                })
            })?;
        }
    }
    Ok(())
}
