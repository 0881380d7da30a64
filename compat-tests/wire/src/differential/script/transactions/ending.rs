//! EndTxn, by state and by epoch.

use super::{END_TXN_BY_STATE, Producer, Script, Stage, TOPIC};
use crate::differential::run::Run;
use ottla_protocol::{
    ApiKey,
    any::{AnyRequest, AnyResponse},
    messages as m,
};

pub(super) fn end(producer: &Producer, committed: bool) -> AnyRequest {
    AnyRequest::EndTxn(m::EndTxnRequest {
        transactional_id: producer.id(),
        producer_id: producer.producer_id,
        producer_epoch: producer.epoch,
        committed,
        ..Default::default()
    })
}

fn name(committed: bool) -> &'static str {
    if committed { "commit" } else { "abort" }
}

pub(super) fn play(run: &mut Run, script: &Script) -> anyhow::Result<()> {
    for version in script.versions(run, ApiKey::EndTxn) {
        for stage in Stage::ALL {
            for committed in [true, false] {
                at_stage(run, script, stage, version, committed)?;
            }
        }
        repeated(run, script, version)?;
    }
    Ok(())
}

/// Others end the transaction, then its producer does, and again and otherwise.
fn at_stage(run: &mut Run, script: &Script, stage: Stage, version: i16, committed: bool) -> anyhow::Result<()> {
    let by = name(committed);
    let step = |name: &str| script.step(&format!("{by}-{}-{name}", stage.name()));
    let mut producer = script.producer_at(run, &format!("end-by-{by}"), version, stage)?;
    for (name, claim) in producer.claims() {
        let answer = run.one(&step(name), version, &end(&claim, committed))?;
        producer.settles(run)?;
        if let Some(AnyResponse::EndTxn(answer)) = answer
            && name == "itself"
            && version > END_TXN_BY_STATE
            && answer.error_code == 0
        {
            producer.epoch = answer.producer_epoch;
        }
    }
    let before = Producer { epoch: producer.epoch - 1, ..producer.clone() };
    for (name, claim, committed) in [
        ("then-before", &before, committed),
        ("then-before-otherwise", &before, !committed),
        ("then-again", &producer, committed),
        ("then-otherwise", &producer, !committed),
    ] {
        run.one(&step(name), version, &end(claim, committed))?;
        producer.settles(run)?;
    }
    run.one(&step("then-described"), 0, &super::ask::describe(&[producer.id.as_str()]))?;
    producer.leaves(run)
}

/// Transactions one after the other, each with the epoch that the end of the one before gave.
fn repeated(run: &mut Run, script: &Script, version: i16) -> anyhow::Result<()> {
    let mut producer = script.producer(run, "end-repeated", version)?;
    for (turn, committed) in [true, true, false, false, true].into_iter().enumerate() {
        producer.sequence = if version > END_TXN_BY_STATE { 0 } else { producer.sequence };
        producer.writes(run, TOPIC, 0)?;
        let step = script.step(&format!("end-repeated-{turn}-{}", name(committed)));
        let answer = run.one(&step, version, &end(&producer, committed))?;
        if let Some(AnyResponse::EndTxn(answer)) = answer
            && version > END_TXN_BY_STATE
            && answer.error_code == 0
        {
            producer.epoch = answer.producer_epoch;
        }
        producer.settles(run)?;
    }
    Ok(())
}
