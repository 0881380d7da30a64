//! The last epochs of a producer id, behind which there is another id. It takes 32,767 requests to come there.

use super::{END_TXN_BY_STATE, NEWEST_LEVEL, Producer, Script, TOPIC, ending, finalize};
use crate::differential::run::Run;
use ottla_protocol::{
    ApiKey, Str,
    any::{AnyRequest, AnyResponse},
    messages as m,
};

/// Shortly before the last.
const LATE: i16 = i16::MAX - 6;

pub(in crate::differential::script) fn play(run: &mut Run) -> anyhow::Result<()> {
    run.topic(TOPIC, 1, &[])?;
    super::find_coordinator(run)?;
    for level in [NEWEST_LEVEL, 1] {
        finalize(run, level)?;
        let script = Script { level };
        by_beginning(run, &script)?;
        by_fencing(run, &script)?;
        by_ending(run, &script)?;
    }
    finalize(run, NEWEST_LEVEL)
}

fn init(id: &str, producer_id: i64, producer_epoch: i16) -> AnyRequest {
    AnyRequest::InitProducerId(m::InitProducerIdRequest {
        transactional_id: Some(Str::from(id)),
        transaction_timeout_ms: 60_000,
        producer_id,
        producer_epoch,
        ..Default::default()
    })
}

/// A producer with few epochs left.
fn late(run: &mut Run, script: &Script, name: &str) -> anyhow::Result<Producer> {
    let id = format!("d-txn{}-{name}", script.level);
    loop {
        let producer = Producer::begins(run, &id)?;
        if producer.epoch >= LATE {
            return Ok(producer);
        }
    }
}

fn by_beginning(run: &mut Run, script: &Script) -> anyhow::Result<()> {
    let producer = late(run, script, "late-begins")?;
    let version = run.newest(ApiKey::InitProducerId);
    for turn in 0..9 {
        run.one(&script.step(&format!("late-begins-{turn}")), version, &init(&producer.id, -1, -1))?;
    }
    Ok(())
}

/// It begins again with a transaction open, which takes an epoch to fence it.
fn by_fencing(run: &mut Run, script: &Script) -> anyhow::Result<()> {
    let mut producer = late(run, script, "late-fenced")?;
    let version = run.newest(ApiKey::InitProducerId);
    for turn in 0..5 {
        producer.writes(run, TOPIC, 0)?;
        for again in ["", "-again"] {
            let step = script.step(&format!("late-fenced-{turn}{again}"));
            let answer = run.one(&step, version, &init(&producer.id, -1, -1))?;
            if let Some(AnyResponse::InitProducerId(answer)) = answer
                && answer.error_code == 0
            {
                (producer.producer_id, producer.epoch) = (answer.producer_id, answer.producer_epoch);
                producer.sequence = 0;
            }
            producer.settles(run)?;
        }
    }
    Ok(())
}

/// It ends transactions, each of which takes an epoch when it goes by level 2.
fn by_ending(run: &mut Run, script: &Script) -> anyhow::Result<()> {
    let mut producer = late(run, script, "late-ends")?;
    let version = run.newest(ApiKey::EndTxn);
    for turn in 0..9 {
        producer.writes(run, TOPIC, 0)?;
        let before = producer.clone();
        let step = |name: &str| script.step(&format!("late-ends-{turn}{name}"));
        let answer = run.one(&step(""), version, &ending::end(&producer, turn % 2 == 0))?;
        producer.settles(run)?;
        run.one(&step("-again"), version, &ending::end(&before, turn % 2 == 0))?;
        if let Some(AnyResponse::EndTxn(answer)) = answer
            && version > END_TXN_BY_STATE
            && answer.error_code == 0
        {
            (producer.producer_id, producer.epoch) = (answer.producer_id, answer.producer_epoch);
            producer.sequence = 0;
        }
    }
    Ok(())
}
