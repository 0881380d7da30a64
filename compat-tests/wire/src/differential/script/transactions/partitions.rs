//! AddPartitionsToTxn as clients send it, and as brokers do.

use super::{ADD_PARTITIONS_OF_CLIENTS, Producer, Script, Stage, TOPIC};
use crate::differential::run::Run;
use m::add_partitions_to_txn_request::{AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction};
use ottla_protocol::{ApiKey, Str, any::AnyRequest, messages as m};

pub(super) type Topics<'a> = &'a [(&'a str, &'a [i32])];

fn named(topics: Topics<'_>) -> Vec<AddPartitionsToTxnTopic> {
    let topic = |(name, partitions): &(&str, &[i32])| AddPartitionsToTxnTopic {
        name: Str::from(*name),
        partitions: partitions.to_vec(),
        ..Default::default()
    };
    topics.iter().map(topic).collect()
}

fn transaction(producer: &Producer, topics: Topics<'_>, verify_only: bool) -> AddPartitionsToTxnTransaction {
    AddPartitionsToTxnTransaction {
        transactional_id: producer.id(),
        producer_id: producer.producer_id,
        producer_epoch: producer.epoch,
        verify_only,
        topics: named(topics),
        ..Default::default()
    }
}

/// The request of one transaction at a version; clients cannot only verify.
pub(super) fn add(version: i16, producer: &Producer, topics: Topics<'_>, verify_only: bool) -> AnyRequest {
    let request = match version <= ADD_PARTITIONS_OF_CLIENTS {
        true => m::AddPartitionsToTxnRequest {
            v3_and_below_transactional_id: producer.id(),
            v3_and_below_producer_id: producer.producer_id,
            v3_and_below_producer_epoch: producer.epoch,
            v3_and_below_topics: named(topics),
            ..Default::default()
        },
        false => m::AddPartitionsToTxnRequest {
            transactions: vec![transaction(producer, topics, verify_only)],
            ..Default::default()
        },
    };
    AnyRequest::AddPartitionsToTxn(request)
}

pub(super) fn play(run: &mut Run, script: &Script) -> anyhow::Result<()> {
    for version in script.versions(run, ApiKey::AddPartitionsToTxn) {
        for stage in Stage::ALL {
            at_stage(run, script, stage, version)?;
        }
        places(run, script, version)?;
    }
    several(run, script)
}

fn at_stage(run: &mut Run, script: &Script, stage: Stage, version: i16) -> anyhow::Result<()> {
    let step = |name: &str| script.step(&format!("add-{}-{name}", stage.name()));
    let producer = script.producer_at(run, "add", version, stage)?;
    for (name, claim) in producer.claims() {
        if version > ADD_PARTITIONS_OF_CLIENTS {
            run.one(&step(&format!("verify-{name}")), version, &add(version, &claim, &[(TOPIC, &[0, 1])], true))?;
        }
        run.one(&step(name), version, &add(version, &claim, &[(TOPIC, &[1])], false))?;
    }
    run.one(&step("again"), version, &add(version, &producer, &[(TOPIC, &[1])], false))?;
    run.one(&step("more"), version, &add(version, &producer, &[(TOPIC, &[1, 2])], false))?;
    if version > ADD_PARTITIONS_OF_CLIENTS {
        run.one(&step("verify-some"), version, &add(version, &producer, &[(TOPIC, &[0, 1, 2, 3])], true))?;
    }
    producer.leaves(run)
}

/// Partitions that there are not, and those that come with them.
fn places(run: &mut Run, script: &Script, version: i16) -> anyhow::Result<()> {
    let producer = script.producer(run, "add-places", version)?;
    let cases: [(&str, Topics<'_>); 8] = [
        ("none", &[]),
        ("no-partition", &[(TOPIC, &[])]),
        ("unknown-topic", &[("d-unknown", &[0])]),
        ("partition-7", &[(TOPIC, &[7])]),
        ("partition-minus-1", &[(TOPIC, &[-1])]),
        ("one-unknown", &[(TOPIC, &[0, 7]), ("d-unknown", &[0])]),
        ("internal", &[("__transaction_state", &[0])]),
        ("twice", &[(TOPIC, &[3, 3])]),
    ];
    for (name, topics) in cases {
        for verify_only in [false, true] {
            if verify_only && version <= ADD_PARTITIONS_OF_CLIENTS {
                continue;
            }
            let step = script.step(&format!("add{}-{name}", if verify_only { "-verify" } else { "" }));
            run.one(&step, version, &add(version, &producer, topics, verify_only))?;
        }
    }
    producer.leaves(run)
}

/// A broker asks for several transactions at once.
fn several(run: &mut Run, script: &Script) -> anyhow::Result<()> {
    for version in
        script.versions(run, ApiKey::AddPartitionsToTxn).into_iter().filter(|it| *it > ADD_PARTITIONS_OF_CLIENTS)
    {
        let one = script.producer(run, "add-one", version)?;
        let two = script.producer(run, "add-two", version)?;
        let fenced = Producer { epoch: 0, ..script.producer(run, "add-three", version)? };
        let transactions = vec![
            transaction(&one, &[(TOPIC, &[0])], false),
            transaction(&two, &[(TOPIC, &[0])], true),
            transaction(&fenced, &[(TOPIC, &[0, 1])], false),
        ];
        let request = m::AddPartitionsToTxnRequest { transactions, ..Default::default() };
        run.one(&script.step("add-several"), version, &AnyRequest::AddPartitionsToTxn(request))?;
        let nobody = AnyRequest::AddPartitionsToTxn(m::AddPartitionsToTxnRequest::default());
        run.one_or_silence(&script.step("add-nobody"), version, &nobody)?;
        one.leaves(run)?;
    }
    Ok(())
}
