//! Produce with batches of transactions.

use super::{Producer, Script, Stage, TOPIC};
use crate::differential::{
    run::Run,
    script::records::{Batch, batch},
};
use m::produce_request::{PartitionProduceData, TopicProduceData};
use ottla_protocol::{ApiKey, Bytes, Records, Str, any::AnyRequest, messages as m};

/// In each batch.
pub(super) const RECORDS: i32 = 3;
/// For what belongs to no producer.
const NOBODYS: &str = "d-nobodys";
/// Since this version Produce puts the partition into the transaction.
pub(super) const ADDS_SINCE: i16 = 12;

/// A request for one partition.
pub(super) fn request(
    run: &Run,
    version: i16,
    id: Option<&str>,
    (topic, index): (&str, i32),
    records: Bytes,
) -> AnyRequest {
    let data = PartitionProduceData { index, records: Some(Records::Bytes(records)), ..Default::default() };
    let mut target = TopicProduceData { partition_data: vec![data], ..Default::default() };
    if version >= 13 {
        target.topic_id = run.id(topic);
    } else {
        target.name = Str::from(topic);
    }
    AnyRequest::Produce(m::ProduceRequest {
        transactional_id: id.map(Str::from),
        acks: -1,
        timeout_ms: 5000,
        topic_data: vec![target],
        ..Default::default()
    })
}

pub(super) fn play(run: &mut Run, script: &Script) -> anyhow::Result<()> {
    for version in script.versions(run, ApiKey::Produce) {
        for stage in Stage::ALL {
            at_stage(run, script, stage, version)?;
        }
        life(run, script, version)?;
        unlike(run, script, version)?;
    }
    run.topic(NOBODYS, 1, &[])?;
    nobody(run, script)
}

/// Others write into the partition that has records of the transaction, and into one that has none.
fn at_stage(run: &mut Run, script: &Script, stage: Stage, version: i16) -> anyhow::Result<()> {
    let producer = script.producer_at(run, "produce", version, stage)?;
    for partition in [0, 1] {
        for (name, claim) in producer.claims().into_iter().filter(|(name, _)| *name != "no-producer") {
            let claim = Producer { sequence: if partition == 0 { claim.sequence } else { 0 }, ..claim };
            let records = claim.records(run, true)?;
            let request = request(run, version, Some(&claim.id), (TOPIC, partition), records);
            run.one(&script.step(&format!("produce-{}-{name}-{partition}", stage.name())), version, &request)?;
        }
    }
    producer.leaves(run)
}

/// Two transactions with batches in and out of sequence.
fn life(run: &mut Run, script: &Script, version: i16) -> anyhow::Result<()> {
    let mut producer = script.producer(run, "produce-life", version)?;
    for committed in [true, false] {
        for partition in [2, 3].into_iter().filter(|_| version < ADDS_SINCE) {
            producer.adds(run, TOPIC, partition)?;
        }
        let first = producer.sequence;
        for (name, sequence) in [
            ("first", first),
            ("next", first + RECORDS),
            ("duplicate", first + RECORDS),
            ("gap", first + 5 * RECORDS),
            ("last", first + 2 * RECORDS),
        ] {
            producer.sequence = sequence;
            let request = request(run, version, Some(&producer.id), (TOPIC, 2), producer.records(run, true)?);
            run.one(&script.step(&format!("produce-life-{committed}-{name}")), version, &request)?;
        }
        producer.sequence = first + 3 * RECORDS;
        producer.ends(run, committed)?;
    }
    Ok(())
}

/// Batches and requests that do not agree about there being a transaction.
fn unlike(run: &mut Run, script: &Script, version: i16) -> anyhow::Result<()> {
    let mut producer = script.producer(run, "produce-unlike", version)?;
    producer.writes(run, TOPIC, 3)?;
    let transactional = producer.records(run, true)?;
    let plain = producer.records(run, false)?;
    let cases = [
        ("no-id", None, transactional),
        ("plain-in-transaction", Some(producer.id.clone()), plain.clone()),
        ("plain-without-id", None, plain),
        ("anonymous", Some(producer.id.clone()), batch(run, Batch::default())?),
    ];
    for (name, id, records) in cases {
        let request = request(run, version, id.as_deref(), (TOPIC, 3), records);
        run.one(&script.step(&format!("produce-{name}")), version, &request)?;
    }
    producer.leaves(run)
}

/// A batch that is said to be in a transaction of no producer.
fn nobody(run: &mut Run, script: &Script) -> anyhow::Result<()> {
    let records = batch(run, Batch { transactional: true, ..Batch::default() })?;
    for version in script.versions(run, ApiKey::Produce) {
        let request = request(run, version, Some("d-nobody"), (NOBODYS, 0), records.clone());
        run.one(&script.step("produce-no-producer"), version, &request)?;
    }
    Ok(())
}
