//! InitProducerId with a transactional id.

use super::{Producer, Script, Stage};
use crate::differential::run::Run;
use ottla_protocol::{ApiKey, Str, any::AnyRequest, messages as m};

fn init(id: &str, timeout_ms: i32, producer_id: i64, producer_epoch: i16) -> AnyRequest {
    AnyRequest::InitProducerId(m::InitProducerIdRequest {
        transactional_id: Some(Str::from(id)),
        transaction_timeout_ms: timeout_ms,
        producer_id,
        producer_epoch,
        ..Default::default()
    })
}

pub(super) fn play(run: &mut Run, script: &Script) -> anyhow::Result<()> {
    for (name, timeout_ms) in [("no-timeout", 0), ("negative-timeout", -1), ("longest", 900_000), ("too-long", 900_001)]
    {
        run.each(&script.step(&format!("init-{name}")), ApiKey::InitProducerId, |version| {
            init(&format!("d-txn{}-{name}-v{version}", script.level), timeout_ms, -1, -1)
        })?;
    }
    for version in run.versions(ApiKey::InitProducerId) {
        let id = format!("d-txn{}-init-v{version}", script.level);
        for turn in ["first", "second", "third"] {
            run.one(&script.step(&format!("init-{turn}")), version, &init(&id, 60_000, -1, -1))?;
        }
        unknown(run, script, version)?;
        for stage in Stage::ALL {
            at_stage(run, script, stage, version)?;
        }
        retries(run, script, version)?;
    }
    Ok(())
}

/// Who goes on with an id that the coordinator does not know (any more).
fn unknown(run: &mut Run, script: &Script, version: i16) -> anyhow::Result<()> {
    let id = format!("d-txn{}-never-v{version}", script.level);
    for (name, producer_id, epoch) in
        [("no-epoch", 5, -1), ("no-producer", -1, 5), ("unknown", 100_000, 3), ("unknown-again", 100_000, 3)]
    {
        run.one(&script.step(&format!("init-{name}")), version, &init(&id, 60_000, producer_id, epoch))?;
    }
    Ok(())
}

fn at_stage(run: &mut Run, script: &Script, stage: Stage, version: i16) -> anyhow::Result<()> {
    for (name, producer_id, epoch) in [
        ("epoch-before", 0, -1),
        ("epoch-after", 0, 1),
        ("epoch-far-after", 0, 7),
        ("other-producer", 100_000, 0),
        ("itself", 0, 0),
    ] {
        let step = |turn: &str| script.step(&format!("init-{}-{name}{turn}", stage.name()));
        let producer = script.producer_at(run, &format!("init-{name}"), version, stage)?;
        let claim = init(&producer.id, 60_000, producer.producer_id + producer_id, producer.epoch + epoch);
        // With a transaction open the first is told to come again while it is aborted.
        for turn in ["", "-again"] {
            run.one(&step(turn), version, &claim)?;
            producer.settles(run)?;
        }
        run.one(&step("-anew"), version, &init(&producer.id, 60_000, -1, -1))?;
        producer.settles(run)?;
        producer.leaves(run)?;
    }
    Ok(())
}

/// Who was given an epoch and asks again as the one before, and who asks after that.
fn retries(run: &mut Run, script: &Script, version: i16) -> anyhow::Result<()> {
    let Producer { id, producer_id, epoch, .. } = script.producer(run, "retried", version)?;
    for (name, epoch) in [("bump", epoch), ("bump-again", epoch), ("bump-next", epoch + 1), ("bump-old", epoch)] {
        run.one(&script.step(&format!("init-{name}")), version, &init(&id, 60_000, producer_id, epoch))?;
    }
    Ok(())
}
