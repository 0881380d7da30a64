//! CreateTopics, CreatePartitions, Metadata, DescribeTopicPartitions and DeleteTopics.

use crate::differential::run::Run;
use m::create_topics_request::{CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig};
use ottla_protocol::{ApiKey, Str, Uuid, any::AnyRequest, messages as m};

pub(super) fn play(run: &mut Run) -> anyhow::Result<()> {
    run.topic("d-base", 3, &[])?;
    create(run)?;
    refuse_to_create(run)?;
    if run.is_of_broker() {
        metadata(run)?;
        describe_topic_partitions(run)?;
    }
    create_partitions(run)
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

/// Topics that Metadata makes, internal ones too. The topic is not in the answer, which has to say so. First of all, as FindCoordinator makes
/// internal topics too.
pub(super) fn create_by_asking(run: &mut Run) -> anyhow::Result<()> {
    let ask = |run: &mut Run, step: &str, version: i16, name: &str| {
        let topic = m::metadata_request::MetadataRequestTopic { name: Some(Str::from(name)), ..Default::default() };
        let request =
            m::MetadataRequest { topics: Some(vec![topic]), allow_auto_topic_creation: true, ..Default::default() };
        run.one(step, version, &AnyRequest::Metadata(request))?;
        run.await_topic(name)
    };
    for version in run.versions(ApiKey::Metadata) {
        ask(run, "metadata-creates", version, &format!("d-asked-v{version}"))?;
    }
    ask(run, "metadata-creates-internal", run.newest(ApiKey::Metadata), "__transaction_state")
}

fn describe_topic_partitions(run: &mut Run) -> anyhow::Result<()> {
    use m::describe_topic_partitions_request::{Cursor, TopicRequest};
    let base: &[&str] = &["d-base"];
    type Case<'a> = (&'a str, &'a [&'a str], i32, Option<(&'a str, i32)>);
    let cases: [Case<'_>; 11] = [
        ("describe-partitions", base, 2000, None),
        ("describe-partitions-limit", base, 2, None),
        ("describe-partitions-limit-0", base, 0, None),
        ("describe-partitions-limit-minus-1", base, -1, None),
        ("describe-partitions-two", &["d-created-v2", "d-base", "d-base"], 3, None),
        ("describe-partitions-unknown", &["d-unknown", "d-base"], 2000, None),
        ("describe-partitions-bad-name", &["d bad/name"], 2000, None),
        ("describe-partitions-cursor", base, 2000, Some(("d-base", 1))),
        ("describe-partitions-cursor-behind", base, 2000, Some(("d-base", 7))),
        ("describe-partitions-cursor-negative", base, 2000, Some(("d-base", -1))),
        ("describe-partitions-cursor-other", &["d-base", "d-created-v2"], 2000, Some(("d-boo", 0))),
    ];
    for (step, names, response_partition_limit, cursor) in cases {
        run.each(step, ApiKey::DescribeTopicPartitions, |_| {
            let topics =
                names.iter().map(|name| TopicRequest { name: Str::from(*name), ..Default::default() }).collect();
            let cursor = cursor.map(|(topic, partition_index)| {
                Box::new(Cursor { topic_name: Str::from(topic), partition_index, ..Default::default() })
            });
            AnyRequest::DescribeTopicPartitions(m::DescribeTopicPartitionsRequest {
                topics,
                response_partition_limit,
                cursor,
                ..Default::default()
            })
        })?;
    }
    Ok(())
}

fn create_partitions(run: &mut Run) -> anyhow::Result<()> {
    use m::create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic};
    let more = |name: &str, count: i32, assignments: Option<&[&[i32]]>| CreatePartitionsTopic {
        name: Str::from(name),
        count,
        assignments: assignments.map(|all| {
            all.iter()
                .map(|ids| CreatePartitionsAssignment { broker_ids: ids.to_vec(), ..Default::default() })
                .collect()
        }),
        ..Default::default()
    };
    let request = |topics: Vec<CreatePartitionsTopic>, validate_only: bool| {
        AnyRequest::CreatePartitions(m::CreatePartitionsRequest {
            topics,
            timeout_ms: 10_000,
            validate_only,
            ..Default::default()
        })
    };
    let cases = [
        ("partitions-validate", vec![more("d-base", 5, None)]),
        ("partitions-same", vec![more("d-base", 3, None)]),
        ("partitions-fewer", vec![more("d-base", 2, None)]),
        ("partitions-0", vec![more("d-base", 0, None)]),
        ("partitions-minus-1", vec![more("d-base", -1, None)]),
        ("partitions-unknown-topic", vec![more("d-unknown", 5, None)]),
        ("partitions-bad-name", vec![more("d bad/name", 5, None)]),
        ("partitions-empty-name", vec![more("", 5, None)]),
        ("partitions-twice", vec![more("d-base", 5, None), more("d-base", 6, None)]),
        ("partitions-assigned", vec![more("d-base", 4, Some(&[&[1]]))]),
        ("partitions-assigned-too-few", vec![more("d-base", 5, Some(&[&[1]]))]),
        ("partitions-assigned-too-many", vec![more("d-base", 4, Some(&[&[1], &[1]]))]),
        ("partitions-assigned-unknown", vec![more("d-base", 4, Some(&[&[7]]))]),
        ("partitions-assigned-none", vec![more("d-base", 4, Some(&[&[]]))]),
        ("partitions-assigned-twice", vec![more("d-base", 4, Some(&[&[1, 1]]))]),
        ("partitions-nothing", vec![]),
    ];
    for (step, topics) in cases {
        run.each(step, ApiKey::CreatePartitions, |_| request(topics.clone(), true))?;
    }
    for version in run.versions(ApiKey::CreatePartitions) {
        let count = 4 + i32::from(version);
        run.one("partitions", version, &request(vec![more("d-created-v2", count, None)], false))?;
        run.await_partitions("d-created-v2", usize::try_from(count)?)?;
    }
    Ok(())
}

/// The last of all steps, as it takes the topics of the others.
pub(super) fn delete(run: &mut Run) -> anyhow::Result<()> {
    use m::delete_topics_request::DeleteTopicState;
    let id = run.id("d-base");
    let request = |version: i16, names: &[&str]| {
        let mut request = m::DeleteTopicsRequest { timeout_ms: 10_000, ..Default::default() };
        if version >= 6 {
            let state = |name: &&str| DeleteTopicState { name: Some(Str::from(*name)), ..Default::default() };
            request.topics = names.iter().map(state).collect();
        } else {
            request.topic_names = names.iter().map(|name| Str::from(*name)).collect();
        }
        AnyRequest::DeleteTopics(request)
    };
    for version in run.versions(ApiKey::DeleteTopics) {
        let name = format!("d-deleted-v{version}");
        run.topic(&name, 1, &[])?;
        run.one("delete", version, &request(version, &[&name]))?;
        run.await_gone(&name)?;
        run.one("delete-again", version, &request(version, &[&name]))?;
        run.one("delete-bad-name", version, &request(version, &["d bad/name"]))?;
        run.one("delete-empty-name", version, &request(version, &[""]))?;
        run.one("delete-unknown-twice", version, &request(version, &["d-unknown2", "d-unknown2"]))?;
        run.one("delete-nothing", version, &request(version, &[]))?;
    }
    let states = [
        ("delete-by-unknown-id", Uuid::from_bytes([7; 16]), None),
        ("delete-by-zero-id", Uuid::ZERO, None),
        ("delete-by-id-and-name", id, Some(Str::from_static("d-base"))),
        ("delete-by-id", id, None),
    ];
    for (step, topic_id, name) in states {
        let version = run.newest(ApiKey::DeleteTopics);
        let topics = vec![DeleteTopicState { topic_id, name, ..Default::default() }];
        let request = m::DeleteTopicsRequest { topics, timeout_ms: 10_000, ..Default::default() };
        run.one(step, version, &AnyRequest::DeleteTopics(request))?;
    }
    Ok(())
}
