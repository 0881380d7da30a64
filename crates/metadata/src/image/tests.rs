//! What records make of an image, those of a real node among them.

use super::*;
use crate::{ConfigResource, MetadataRecord, MetadataVersion, ResourceType, snapshot};
use ottla_protocol::Bytes;
use ottla_protocol::stored::*;

/// The metadata log of a real node; see the file.
fn kafkas_log() -> Vec<Bytes> {
    let lines = include_str!("../record/golden/kafka-4.3.1.txt").lines().filter(|l| !l.starts_with('#'));
    let value = |line: &str| {
        let hex = line.split_once(' ').unwrap().1;
        let byte = |i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap();
        (0..hex.len()).step_by(2).map(byte).collect::<Vec<u8>>().into()
    };
    lines.map(value).collect()
}

#[test]
fn kafkas_records_are_read_and_written_the_same() {
    for value in kafkas_log() {
        let record = MetadataRecord::decode(value.clone()).unwrap();
        assert_eq!(record.encode(MetadataVersion::LATEST).unwrap(), value, "{record:?}");
    }
}

#[test]
fn kafkas_log_makes_the_cluster_that_it_was() {
    let mut image = Image::default();
    let mut delta = Delta::default();
    for value in kafkas_log() {
        image.apply_noting(&MetadataRecord::decode(value).unwrap(), &mut delta).unwrap();
    }
    assert!(!image.in_transaction());
    let levels: Vec<String> = image.features().all().iter().map(|(name, level)| format!("{name}={level}")).collect();
    assert_eq!(
        levels.join(" "),
        "eligible.leader.replicas.version=1 group.version=1 metadata.version=30 share.version=1 streams.version=1 \
         transaction.version=2"
    );
    let broker = image.cluster().broker(1).unwrap();
    assert_eq!((broker.epoch, broker.fenced, broker.in_controlled_shutdown), (447, false, false));
    assert_eq!(broker.listener("PLAINTEXT").map(|l| (l.host.as_str(), l.port)), Some(("localhost", 39192)));
    assert_eq!(image.cluster().controllers().len(), 1);
    let names: Vec<&str> = image.topics().iter().map(|t| t.name.as_str()).collect();
    assert_eq!(names, ["auto", "baz"]);
    let p = image.topics().partition("baz", 2).unwrap();
    assert_eq!((p.leader, p.leader_epoch, p.partition_epoch), (1, 4, 5));
    assert_eq!((p.isr.as_slice(), p.elr.as_slice(), p.last_known_elr.as_slice()), (&[1][..], &[][..], &[][..]));
    assert_eq!(p.directories, broker.log_dirs);
    assert_eq!(image.next_producer_id(), Some(1000));
    let config = |resource, name| image.configs().value(&resource, name).map(Str::as_str);
    assert_eq!(config(ConfigResource::topic("baz"), "cleanup.policy"), Some("compact"));
    assert_eq!(config(ConfigResource::default_broker(), "log.cleaner.threads"), Some("1"));
    assert!(image.configs().of_topic(&"foo.bar".into()).is_none());
    assert_eq!(delta.topics_created.len(), 2, "what was made and deleted did not happen");
    assert!(delta.topics_deleted.is_empty());

    let mut loaded = Image::default();
    for value in snapshot::encoded(&image).unwrap() {
        loaded.apply(&MetadataRecord::decode(value).unwrap()).unwrap();
    }
    assert_eq!(loaded, image);
}

fn topic(name: &'static str, id: u8) -> MetadataRecord {
    TopicRecord { name: name.into(), topic_id: Uuid::from_bytes([id; 16]), ..Default::default() }.into()
}

fn partition(id: u8, partition_id: i32) -> MetadataRecord {
    let topic_id = Uuid::from_bytes([id; 16]);
    PartitionRecord { topic_id, partition_id, replicas: vec![1], isr: vec![1], leader: 1, ..Default::default() }.into()
}

fn remove(id: u8) -> MetadataRecord {
    RemoveTopicRecord { topic_id: Uuid::from_bytes([id; 16]), ..Default::default() }.into()
}

fn config(topic: &'static str, name: &'static str, value: Option<&'static str>) -> MetadataRecord {
    ConfigRecord {
        resource_type: ResourceType::Topic.id(),
        resource_name: topic.into(),
        name: name.into(),
        value: value.map(Str::from),
        ..Default::default()
    }
    .into()
}

fn applied(image: &mut Image, records: &[MetadataRecord]) -> Delta {
    let mut delta = Delta::default();
    for record in records {
        image.apply_noting(record, &mut delta).unwrap();
    }
    delta
}

#[test]
fn a_delta_says_what_changed() {
    let mut image = Image::default();
    let delta = applied(&mut image, &[topic("a", 1), config("a", "x", Some("1")), partition(1, 0), partition(1, 1)]);
    let id = Uuid::from_bytes([1; 16]);
    assert!(delta.topics_created.contains(&id));
    assert_eq!(delta.partitions_changed[&id].iter().copied().collect::<Vec<_>>(), [0, 1]);
    assert!(delta.configs_changed.contains(&ConfigResource::topic("a")));
    assert!(!delta.is_empty() && Delta::default().is_empty());

    let change = PartitionChangeRecord { topic_id: id, partition_id: 1, leader: 2, ..Default::default() };
    let delta = applied(&mut image, &[change.into()]);
    assert!(delta.topics_created.is_empty());
    assert_eq!(delta.partitions_changed[&id].iter().copied().collect::<Vec<_>>(), [1]);

    let delta = applied(&mut image, &[remove(1), topic("a", 2), partition(2, 0)]);
    assert_eq!(delta.topics_deleted[&id].partitions.len(), 2);
    assert_eq!(delta.topics_created.iter().copied().collect::<Vec<_>>(), [Uuid::from_bytes([2; 16])]);
    assert!(delta.configs_changed.contains(&ConfigResource::topic("a")));
    assert!(image.configs().of_topic(&"a".into()).is_none());
}

#[test]
fn a_clone_does_not_change_with_its_origin() {
    let mut image = Image::default();
    applied(&mut image, &[topic("a", 1), partition(1, 0)]);
    let before = image.clone();
    applied(&mut image, &[partition(1, 1), topic("b", 2), remove(2), config("a", "x", Some("1"))]);
    assert_eq!(before.topics().partition_count(), 1);
    assert_eq!(before.configs().iter().count(), 0);
    assert_eq!(image.topics().partition_count(), 2);
}

#[test]
fn an_aborted_transaction_never_was() {
    let begin = MetadataRecord::from(BeginTransactionRecord::default());
    let abort = MetadataRecord::from(AbortTransactionRecord::default());
    let end = MetadataRecord::EndTransaction(Default::default());
    let mut image = Image::default();
    applied(&mut image, &[topic("a", 1), partition(1, 0)]);
    let before = image.clone();
    let delta = applied(&mut image, &[begin.clone(), topic("b", 2), remove(1), abort.clone()]);
    assert_eq!(image, before);
    assert!(delta.is_empty());
    let delta = applied(&mut image, &[begin.clone(), topic("b", 2)]);
    assert!(image.in_transaction());
    assert_eq!(snapshot::records(&image), snapshot::records(&before));
    assert!(image.apply(&begin).is_err());
    let delta = {
        let mut delta = delta;
        image.apply_noting(&end, &mut delta).unwrap();
        delta
    };
    assert!(!image.in_transaction() && delta.before_transaction.is_none());
    assert_eq!(delta.topics_created.len(), 1);
    assert!(image.apply(&end).is_err() && image.apply(&abort).is_err());
}

#[track_caller]
fn refused(records: &[MetadataRecord], wrong: MetadataRecord) -> String {
    let mut image = Image::default();
    applied(&mut image, records);
    let before = image.clone();
    let error = image.apply(&wrong).unwrap_err();
    assert_eq!(image, before, "an error changes nothing");
    error.to_string()
}

#[test]
fn records_that_cannot_follow_are_refused() {
    let id = Uuid::from_bytes([1; 16]);
    assert_eq!(
        refused(&[topic("a", 1)], topic("a", 2)),
        format!("topic a with id {} exists already", Uuid::from_bytes([2; 16]))
    );
    assert_eq!(refused(&[topic("a", 1)], topic("b", 1)), format!("topic b with id {id} exists already"));
    assert_eq!(refused(&[], partition(1, 0)), format!("PartitionRecord names topic id {id}, which does not exist"));
    assert_eq!(refused(&[], remove(1)), format!("RemoveTopicRecord names topic id {id}, which does not exist"));
    let change = PartitionChangeRecord { topic_id: id, partition_id: 5, ..Default::default() };
    assert_eq!(
        refused(&[topic("a", 1)], change.into()),
        format!("PartitionChangeRecord names partition 5 of topic id {id}, which does not exist")
    );
    let directories = vec![id; 2];
    let lopsided = PartitionRecord { topic_id: id, replicas: vec![1], directories, ..Default::default() };
    assert_eq!(refused(&[topic("a", 1)], lopsided.into()), "PartitionRecord has 2 directories for 1 replicas");
    let fence = FenceBrokerRecord { id: 1, epoch: 5, ..Default::default() };
    assert_eq!(refused(&[], fence.into()), "FenceBrokerRecord names broker 1, which is not registered with epoch 5");
    let unknown = ConfigRecord { resource_type: 3, ..Default::default() };
    assert_eq!(refused(&[], unknown.into()), "ConfigRecord has ResourceType 3, which is unknown");
    let future = FeatureLevelRecord { name: "metadata.version".into(), feature_level: 31, ..Default::default() };
    assert_eq!(refused(&[], future.into()), "FeatureLevelRecord has metadata.version 31, which is unknown");
    let ids = |next_producer_id| MetadataRecord::from(ProducerIdsRecord { next_producer_id, ..Default::default() });
    assert_eq!(refused(&[ids(1000)], ids(1000)), "ProducerIdsRecord goes from 1000 back to 1000");
    let clear = ClearElrRecord { topic_name: "x".into(), ..Default::default() };
    assert_eq!(refused(&[], clear.into()), "ClearElrRecord names topic x, which does not exist");
}

/// Records of features that come later are kept, so that a log which has them is not robbed of them.
#[test]
fn security_records_are_kept_as_they_are() {
    use ottla_protocol::stored::client_quota_record::EntityData;
    let entity = |name: Option<&'static str>| {
        vec![EntityData { entity_type: "user".into(), entity_name: name.map(Str::from), ..Default::default() }]
    };
    let quota = |name, value, remove| ClientQuotaRecord {
        entity: entity(name),
        key: "producer_byte_rate".into(),
        value,
        remove,
        ..Default::default()
    };
    let acl = |id| AccessControlEntryRecord {
        id: Uuid::from_bytes([id; 16]),
        resource_type: 2,
        resource_name: "t".into(),
        principal: "User:a".into(),
        host: "*".into(),
        ..Default::default()
    };
    let scram = |name: &'static str| UserScramCredentialRecord {
        name: name.into(),
        mechanism: 1,
        salt: Bytes::from_static(b"s"),
        iterations: 4096,
        ..Default::default()
    };
    let token = |id: &'static str| DelegationTokenRecord {
        token_id: id.into(),
        owner: "User:a".into(),
        renewers: vec!["User:b".into()],
        ..Default::default()
    };
    let mut image = Image::default();
    let records: Vec<MetadataRecord> = vec![
        quota(Some("a"), 5.0, false).into(),
        quota(None, 6.0, false).into(),
        quota(Some("a"), 0.0, true).into(),
        acl(1).into(),
        acl(2).into(),
        RemoveAccessControlEntryRecord { id: Uuid::from_bytes([1; 16]), ..Default::default() }.into(),
        scram("a").into(),
        scram("b").into(),
        RemoveUserScramCredentialRecord { name: "a".into(), mechanism: 1, ..Default::default() }.into(),
        token("x").into(),
        token("y").into(),
        RemoveDelegationTokenRecord { token_id: "x".into(), ..Default::default() }.into(),
    ];
    let delta = applied(&mut image, &records);
    assert!(
        delta.client_quotas_changed && delta.acls_changed && delta.scram_changed && delta.delegation_tokens_changed
    );
    let kept: Vec<MetadataRecord> =
        vec![quota(None, 6.0, false).into(), acl(2).into(), scram("b").into(), token("y").into()];
    assert_eq!(snapshot::records(&image), kept);
    let mut loaded = Image::default();
    applied(&mut loaded, &kept);
    assert_eq!(loaded, image);
}
