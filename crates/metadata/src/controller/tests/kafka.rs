//! The decisions of Apache Kafka 4.3.1, taken from its log: on the same records before, the same event must write the same.

use super::world::settings;
use crate::controller::*;
use crate::image::{BrokerFeature, Endpoint};
use crate::record::NoOpRecord;
use crate::{MetadataRecord, ResourceType};
use ottla_protocol::stored::RegisterBrokerRecord;
use ottla_protocol::{Bytes, Str, Uuid};
use ottla_state_machine::Shard;

fn kafkas_log() -> BTreeMap<i64, MetadataRecord> {
    let lines = include_str!("../../record/golden/kafka-4.3.1.txt").lines().filter(|l| !l.starts_with('#'));
    let record = |line: &str| {
        let (offset, hex) = line.split_once(' ').unwrap();
        let byte = |i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap();
        let value: Bytes = (0..hex.len()).step_by(2).map(byte).collect::<Vec<u8>>().into();
        (offset.parse().unwrap(), MetadataRecord::decode(value).unwrap())
    };
    lines.map(record).collect()
}

/// What the controller writes at `first`, told `event`, beside the `count` records that Kafka wrote there.
#[track_caller]
fn check(first: i64, count: usize, event: impl FnOnce(&BTreeMap<i64, MetadataRecord>) -> Event) {
    let log = kafkas_log();
    let mut shard = Shard::<Controller>::new();
    for offset in 0..first {
        // What is not in the file was idle time or the quorum's own business.
        let idle = NoOpRecord::default().into();
        shard.replay(offset, log.get(&offset).unwrap_or(&idle));
    }
    shard.activate(Now::default(), first, first);
    let event = event(&log);
    if !matches!(event, Event::Activate(..)) {
        let activate = Activate { settings: settings(), bootstrap: vec![] };
        assert_eq!(shard.decide(Now::default(), Event::Activate(Ticket(0), activate)), Ok(vec![]));
        shard.appended(first, &[]);
    }
    let mut found = shard.decide(Now::default(), event).unwrap();
    let mut expected: Vec<_> = log.range(first..).take(count).map(|(_, record)| record.clone()).collect();
    // Kafka goes through the partitions of a broker in the order of a hash.
    let by_partition = |r: &MetadataRecord| match r {
        MetadataRecord::PartitionChange(change) => Some((change.topic_id, change.partition_id)),
        _ => None,
    };
    for records in [&mut found, &mut expected] {
        for changes in records.chunk_by_mut(|a, b| by_partition(a).is_some() == by_partition(b).is_some()) {
            changes.sort_by_key(by_partition);
        }
    }
    assert_eq!(found, expected);
}

/// Makes the topic that the record makes.
fn create(record: &MetadataRecord, num_partitions: i32, configs: &[(&'static str, &'static str)]) -> Event {
    let MetadataRecord::Topic(topic) = record else { panic!("{record:?}") };
    let topic = CreatableTopic {
        name: topic.name.clone(),
        topic_id: topic.topic_id,
        num_partitions,
        replication_factor: -1,
        assignments: vec![],
        configs: configs.iter().map(|(name, value)| ((*name).into(), Some((*value).into()))).collect(),
    };
    Event::CreateTopics(Ticket(1), CreateTopics { topics: vec![topic], validate_only: false, seed: 7 })
}

fn set(kind: ResourceType, name: &'static str, config: &'static str, value: &'static str) -> Event {
    let change = ConfigChange { name: config.into(), operation: 0, value: Some(value.into()) };
    let resource = AlterableResource { resource_type: kind.id(), resource_name: name.into(), configs: vec![change] };
    let event =
        IncrementalAlterConfigs { node_id: Some(1), is_checked: true, resources: vec![resource], validate_only: false };
    Event::IncrementalAlterConfigs(Ticket(1), event)
}

/// The registration that the record is of.
fn register(record: &MetadataRecord, previous_broker_epoch: i64) -> Event {
    let MetadataRecord::RegisterBroker(r) = record else { panic!("{record:?}") };
    let RegisterBrokerRecord { broker_id, incarnation_id, end_points, features, rack, log_dirs, .. } = r.clone();
    let listener = |e: &ottla_protocol::stored::register_broker_record::BrokerEndpoint| Endpoint {
        name: e.name.clone(),
        host: e.host.clone(),
        port: e.port,
        security_protocol: e.security_protocol,
    };
    let feature = |f: &ottla_protocol::stored::register_broker_record::BrokerFeature| BrokerFeature {
        name: f.name.clone(),
        min_supported_version: f.min_supported_version,
        max_supported_version: f.max_supported_version,
    };
    let event = RegisterBroker {
        broker_id,
        cluster_id: Str::from_static("cluster"),
        incarnation_id,
        previous_broker_epoch,
        listeners: end_points.iter().map(listener).collect(),
        features: features.iter().map(feature).collect(),
        rack,
        log_dirs,
        cordoned_log_dirs: vec![],
    };
    Event::RegisterBroker(Ticket(1), event)
}

fn heartbeat(broker_epoch: i64, want_shut_down: bool) -> Event {
    let current_metadata_offset = i64::MAX;
    let event = BrokerHeartbeat {
        broker_id: 1,
        broker_epoch,
        current_metadata_offset,
        want_shut_down,
        ..BrokerHeartbeat::default()
    };
    Event::BrokerHeartbeat(Ticket(1), event)
}

#[test]
fn a_new_cluster_begins_the_same() {
    check(3, 9, |log| {
        let bootstrap = log.range(4..10).map(|(_, record)| record.clone()).collect();
        Event::Activate(Ticket(1), Activate { settings: settings(), bootstrap })
    });
}

#[test]
fn brokers_come_and_go_the_same() {
    check(17, 1, |log| register(&log[&17], -1));
    check(22, 1, |_| heartbeat(17, false));
    // Killed: silent for too long, then back with nothing to prove that it lost nothing.
    check(294, 5, |_| Event::Timeout(Timer::BrokerSession(1)));
    check(303, 5, |log| register(&log[&307], -1));
    check(309, 5, |_| heartbeat(303, false));
    // Stopped in order.
    check(432, 5, |_| heartbeat(303, true));
    check(437, 1, |_| heartbeat(303, true));
    check(447, 1, |log| register(&log[&447], 303));
    check(456, 5, |_| heartbeat(447, false));
}

#[test]
fn topics_are_made_grown_and_deleted_the_same() {
    check(137, 6, |log| create(&log[&137], 2, &[("retention.ms", "1000"), ("min.insync.replicas", "1")]));
    check(174, 2, |log| create(&log[&174], 1, &[]));
    check(198, 2, |_| {
        let topic = GrowingTopic { name: "baz".into(), count: 3, assignments: None };
        Event::CreatePartitions(Ticket(1), CreatePartitions { topics: vec![topic], validate_only: false, seed: 7 })
    });
    check(274, 1, |_| {
        let topic = TopicRef { name: Some("foo.bar".into()), topic_id: Uuid::ZERO };
        Event::DeleteTopics(Ticket(1), DeleteTopics { topics: vec![topic] })
    });
}

#[test]
fn configs_and_producer_ids_are_written_the_same() {
    check(215, 1, |_| set(ResourceType::Topic, "baz", "cleanup.policy", "compact"));
    check(232, 2, |_| set(ResourceType::Topic, "baz", "min.insync.replicas", "1"));
    check(242, 1, |_| set(ResourceType::Broker, "", "log.cleaner.threads", "1"));
    check(267, 1, |_| Event::AllocateProducerIds(Ticket(1), AllocateProducerIds { broker_id: 1, broker_epoch: 17 }));
}
