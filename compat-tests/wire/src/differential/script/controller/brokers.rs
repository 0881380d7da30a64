//! Registrations, heartbeats, AlterPartition, AssignReplicasToDirs and AllocateProducerIds of brokers that do not exist.

use super::Known;
use crate::differential::run::Run;
use anyhow::{Context, bail};
use m::broker_registration_request::{Feature, Listener};
use ottla_protocol::{
    ApiKey, Str, Uuid,
    any::{AnyRequest, AnyResponse},
    messages as m,
};

/// Two brokers that take part, and two that never registered.
const FIRST: i32 = 70;
const SECOND: i32 = 71;
const NOBODY: i32 = 79;

pub(super) fn play(run: &mut Run, known: &Known) -> anyhow::Result<()> {
    register(run, known)?;
    let first = registered(run, known, FIRST, 1)?;
    let second = registered(run, known, SECOND, 1)?;
    heartbeats(run, first)?;
    for (id, epoch) in [(FIRST, first), (SECOND, second)] {
        run.quietly(&AnyRequest::BrokerHeartbeat(beat(id, epoch)))?;
    }
    let newest = run.newest(ApiKey::BrokerRegistration);
    let other = AnyRequest::BrokerRegistration(registration(newest, known, FIRST, 5));
    run.one("register-another-run", newest, &other)?;
    let topic = topic(run)?;
    alter_partition(run, (first, second), topic)?;
    assign(run, first, topic)?;
    producer_ids(run, first)?;
    run.each("register-controller", ApiKey::ControllerRegistration, |_| {
        let controller_id = NOBODY;
        AnyRequest::ControllerRegistration(m::ControllerRegistrationRequest { controller_id, ..Default::default() })
    })?;
    for (step, epoch) in [("heartbeat-stops", first), ("heartbeat-stops-again", first)] {
        let request = m::BrokerHeartbeatRequest { want_fence: true, want_shut_down: true, ..beat(FIRST, epoch) };
        run.one(step, run.newest(ApiKey::BrokerHeartbeat), &AnyRequest::BrokerHeartbeat(request))?;
    }
    for (step, broker_id) in [("unregister", FIRST), ("unregister-again", FIRST), ("unregister-nobody", NOBODY)] {
        let request = m::UnregisterBrokerRequest { broker_id, ..Default::default() };
        run.each(step, ApiKey::UnregisterBroker, |_| AnyRequest::UnregisterBroker(request.clone()))?;
    }
    Ok(())
}

/// A registration that is in order; `run` tells the runs of a broker apart.
fn registration(version: i16, known: &Known, broker_id: i32, run: u8) -> m::BrokerRegistrationRequest {
    let id = u8::try_from(broker_id).unwrap_or(0);
    let listener = Listener {
        name: Str::from_static("PLAINTEXT"),
        host: Str::from_static("nowhere.invalid"),
        port: 9092,
        security_protocol: 0,
        ..Default::default()
    };
    m::BrokerRegistrationRequest {
        broker_id,
        cluster_id: known.cluster_id.clone(),
        incarnation_id: Uuid::from_bytes([run; 16]),
        listeners: vec![listener],
        features: known.features.clone(),
        log_dirs: if version >= 2 { vec![Uuid::from_bytes([id; 16])] } else { Vec::new() },
        ..Default::default()
    }
}

fn register(run: &mut Run, known: &Known) -> anyhow::Result<()> {
    type Change<'a> = &'a dyn Fn(&mut m::BrokerRegistrationRequest);
    let without = |name: &'static str| {
        move |r: &mut m::BrokerRegistrationRequest| r.features.retain(|feature| feature.name != name)
    };
    let at = |name: &'static str, min: i16, max: i16| {
        move |r: &mut m::BrokerRegistrationRequest| {
            r.features.retain(|feature| feature.name != name);
            r.features.push(Feature {
                name: Str::from_static(name),
                min_supported_version: min,
                max_supported_version: max,
                ..Default::default()
            });
        }
    };
    let reserved = Uuid::ONE;
    let cases: [(&str, i32, Change<'_>); 12] = [
        ("register-other-cluster", NOBODY, &|r| r.cluster_id = Str::from_static("another")),
        ("register-zookeeper", NOBODY, &|r| r.is_migrating_zk_broker = true),
        ("register-no-dirs", NOBODY, &|r| r.log_dirs = Vec::new()),
        ("register-reserved-dir", NOBODY, &|r| r.log_dirs = vec![reserved]),
        ("register-twice-a-dir", NOBODY, &|r| r.log_dirs = vec![Uuid::from_bytes([3; 16]), Uuid::from_bytes([3; 16])]),
        ("register-another-s-dir", NOBODY, &|r| r.log_dirs = vec![known.log_dir]),
        ("register-no-metadata-version", NOBODY, &without("metadata.version")),
        ("register-low-metadata-version", NOBODY, &at("metadata.version", 7, 8)),
        ("register-no-group-version", NOBODY, &without("group.version")),
        ("register-high-transaction-version", NOBODY, &at("transaction.version", 7, 9)),
        ("register-unknown-feature", NOBODY, &at("what.version", 1, 2)),
        ("register-as-broker-1", 1, &|_| {}),
    ];
    for (step, id, change) in cases {
        run.each(step, ApiKey::BrokerRegistration, |version| {
            let mut request = registration(version, known, id, 9);
            change(&mut request);
            AnyRequest::BrokerRegistration(request)
        })?;
    }
    Ok(())
}

fn registered(run: &mut Run, known: &Known, id: i32, number: u8) -> anyhow::Result<i64> {
    let newest = run.newest(ApiKey::BrokerRegistration);
    let mut send = |step: &str, number: u8| {
        let request = registration(newest, known, id, number);
        run.one(&format!("{step}-{id}"), newest, &AnyRequest::BrokerRegistration(request))
    };
    let Some(AnyResponse::BrokerRegistration(response)) = send("register", number)? else {
        bail!("broker {id} was not registered");
    };
    send("register-again", number)?;
    // It was not heard of yet, so another may take its place.
    let Some(AnyResponse::BrokerRegistration(other)) = send("register-at-once", number + 1)? else {
        bail!("broker {id} was not registered again");
    };
    anyhow::ensure!(other.broker_epoch > response.broker_epoch, "{other:?}");
    Ok(other.broker_epoch)
}

/// Of a broker that has read everything there could be.
fn beat(broker_id: i32, broker_epoch: i64) -> m::BrokerHeartbeatRequest {
    m::BrokerHeartbeatRequest { broker_id, broker_epoch, current_metadata_offset: 1 << 40, ..Default::default() }
}

fn heartbeats(run: &mut Run, epoch: i64) -> anyhow::Result<()> {
    let cases = [
        ("heartbeat-of-nobody", beat(NOBODY, 1)),
        ("heartbeat-of-old", beat(FIRST, epoch - 1)),
        ("heartbeat-of-new", beat(FIRST, epoch + 1)),
        ("heartbeat-of-1", beat(1, 1 << 40)),
        ("heartbeat-far-behind", m::BrokerHeartbeatRequest { current_metadata_offset: 1, ..beat(FIRST, epoch) }),
        ("heartbeat-stays-fenced", m::BrokerHeartbeatRequest { want_fence: true, ..beat(FIRST, epoch) }),
        ("heartbeat", beat(FIRST, epoch)),
        ("heartbeat-fences", m::BrokerHeartbeatRequest { want_fence: true, ..beat(FIRST, epoch) }),
    ];
    for (step, request) in cases {
        run.each(step, ApiKey::BrokerHeartbeat, |_| AnyRequest::BrokerHeartbeat(request.clone()))?;
    }
    Ok(())
}

/// A topic whose one partition both brokers have, the first as its leader.
fn topic(run: &mut Run) -> anyhow::Result<Uuid> {
    use m::create_topics_request::{CreatableReplicaAssignment, CreatableTopic};
    let assignment = CreatableReplicaAssignment { broker_ids: vec![FIRST, SECOND], ..Default::default() };
    let topic = CreatableTopic {
        name: Str::from_static("d-controller"),
        num_partitions: -1,
        replication_factor: -1,
        assignments: vec![assignment],
        ..Default::default()
    };
    let request = m::CreateTopicsRequest { topics: vec![topic], timeout_ms: 10_000, ..Default::default() };
    let answer = run.one("create-topic", run.newest(ApiKey::CreateTopics), &AnyRequest::CreateTopics(request))?;
    let Some(AnyResponse::CreateTopics(response)) = answer else { bail!("no topic was created") };
    let topic_id = response.topics.first().context("no topic was created")?.topic_id;
    run.alias(&topic_id.to_string(), "<topic>");
    Ok(topic_id)
}

/// What a leader asks for, in order and in sync with what the controller knows.
struct Isr {
    broker: (i32, i64),
    topic: Uuid,
    partition: i32,
    leader_epoch: i32,
    partition_epoch: i32,
    isr: Vec<(i32, i64)>,
    recovery: i8,
}

fn alter_partition(run: &mut Run, (first, second): (i64, i64), topic: Uuid) -> anyhow::Result<()> {
    let good = || Isr {
        broker: (FIRST, first),
        topic,
        partition: 0,
        leader_epoch: 0,
        partition_epoch: 0,
        isr: vec![(FIRST, first), (SECOND, second)],
        recovery: 0,
    };
    let cases = [
        ("isr-by-nobody", Isr { broker: (NOBODY, 1), ..good() }),
        ("isr-by-old", Isr { broker: (FIRST, first - 1), ..good() }),
        ("isr-by-follower", Isr { broker: (SECOND, second), ..good() }),
        ("isr-no-topic", Isr { topic: Uuid::from_bytes([9; 16]), ..good() }),
        ("isr-zero-topic", Isr { topic: Uuid::ZERO, ..good() }),
        ("isr-no-partition", Isr { partition: 7, ..good() }),
        ("isr-old-leader-epoch", Isr { leader_epoch: -1, ..good() }),
        ("isr-new-leader-epoch", Isr { leader_epoch: 5, ..good() }),
        ("isr-old-partition-epoch", Isr { partition_epoch: -1, ..good() }),
        ("isr-new-partition-epoch", Isr { partition_epoch: 5, ..good() }),
        ("isr-empty", Isr { isr: Vec::new(), ..good() }),
        ("isr-without-leader", Isr { isr: vec![(SECOND, second)], ..good() }),
        ("isr-twice", Isr { isr: vec![(FIRST, first), (FIRST, first)], ..good() }),
        ("isr-of-no-replica", Isr { isr: vec![(FIRST, first), (1, -1)], ..good() }),
        ("isr-of-old-member", Isr { isr: vec![(FIRST, first), (SECOND, second - 1)], ..good() }),
        ("isr-recovering", Isr { recovery: 1, ..good() }),
        ("isr-recovering-alone", Isr { recovery: 1, isr: vec![(FIRST, first)], ..good() }),
        ("isr-same", good()),
    ];
    for (step, case) in cases {
        run.each(step, ApiKey::AlterPartition, |version| AnyRequest::AlterPartition(isr_request(version, &case)))?;
    }
    let newest = run.newest(ApiKey::AlterPartition);
    let shrink = Isr { isr: vec![(FIRST, first)], ..good() };
    run.one("isr-shrinks", newest, &AnyRequest::AlterPartition(isr_request(newest, &shrink)))?;
    run.one("isr-shrinks-again", newest, &AnyRequest::AlterPartition(isr_request(newest, &shrink)))?;
    Ok(())
}

fn isr_request(version: i16, case: &Isr) -> m::AlterPartitionRequest {
    use m::alter_partition_request::{BrokerState, PartitionData, TopicData};
    let state = |(broker_id, broker_epoch): &(i32, i64)| BrokerState {
        broker_id: *broker_id,
        broker_epoch: *broker_epoch,
        ..Default::default()
    };
    let has_epochs = version >= 3;
    let partition = PartitionData {
        partition_index: case.partition,
        leader_epoch: case.leader_epoch,
        partition_epoch: case.partition_epoch,
        new_isr: if has_epochs { Vec::new() } else { case.isr.iter().map(|(id, _)| *id).collect() },
        new_isr_with_epochs: if has_epochs { case.isr.iter().map(state).collect() } else { Vec::new() },
        leader_recovery_state: case.recovery,
        ..Default::default()
    };
    let topic = TopicData { topic_id: case.topic, partitions: vec![partition], ..Default::default() };
    let (broker_id, broker_epoch) = case.broker;
    m::AlterPartitionRequest { broker_id, broker_epoch, topics: vec![topic], ..Default::default() }
}

fn assign(run: &mut Run, epoch: i64, topic: Uuid) -> anyhow::Result<()> {
    use m::assign_replicas_to_dirs_request::{DirectoryData, PartitionData, TopicData};
    let own = Uuid::from_bytes([u8::try_from(FIRST)?; 16]);
    let cases = [
        ("assign-by-nobody", (NOBODY, 1), own, topic, 0),
        ("assign-by-old", (FIRST, epoch - 1), own, topic, 0),
        ("assign-no-topic", (FIRST, epoch), own, Uuid::from_bytes([9; 16]), 0),
        ("assign-no-partition", (FIRST, epoch), own, topic, 7),
        ("assign", (FIRST, epoch), own, topic, 0),
    ];
    for (step, (broker_id, broker_epoch), id, topic_id, partition_index) in cases {
        let partition = PartitionData { partition_index, ..Default::default() };
        let topic = TopicData { topic_id, partitions: vec![partition], ..Default::default() };
        let directory = DirectoryData { id, topics: vec![topic], ..Default::default() };
        let request = m::AssignReplicasToDirsRequest {
            broker_id,
            broker_epoch,
            directories: vec![directory],
            ..Default::default()
        };
        run.each(step, ApiKey::AssignReplicasToDirs, |_| AnyRequest::AssignReplicasToDirs(request.clone()))?;
    }
    Ok(())
}

fn producer_ids(run: &mut Run, epoch: i64) -> anyhow::Result<()> {
    let cases = [
        ("ids-of-nobody", NOBODY, 1),
        ("ids-of-old", FIRST, epoch - 1),
        ("ids", FIRST, epoch),
        ("ids-more", FIRST, epoch),
    ];
    for (step, broker_id, broker_epoch) in cases {
        let request = m::AllocateProducerIdsRequest { broker_id, broker_epoch, ..Default::default() };
        run.each(step, ApiKey::AllocateProducerIds, |_| AnyRequest::AllocateProducerIds(request.clone()))?;
    }
    Ok(())
}
