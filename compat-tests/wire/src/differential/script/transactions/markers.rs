//! WriteTxnMarkers, as coordinators send it and operators.

use super::{Producer, Script, Stage, TOPIC, reading};
use crate::differential::run::Run;
use m::write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic};
use ottla_protocol::{ApiKey, Str, any::AnyRequest, messages as m};

/// Versions of markers that say by which `transaction.version` they were made.
const HAS_LEVEL_SINCE: i16 = 2;

fn marker(producer: &Producer, committed: bool, topics: &[(&str, &[i32])]) -> WritableTxnMarker {
    let topic = |(name, partitions): &(&str, &[i32])| WritableTxnMarkerTopic {
        name: Str::from(*name),
        partition_indexes: partitions.to_vec(),
        ..Default::default()
    };
    WritableTxnMarker {
        producer_id: producer.producer_id,
        producer_epoch: producer.epoch,
        transaction_result: committed,
        topics: topics.iter().map(topic).collect(),
        ..Default::default()
    }
}

fn request(markers: Vec<WritableTxnMarker>) -> AnyRequest {
    AnyRequest::WriteTxnMarkers(m::WriteTxnMarkersRequest { markers, ..Default::default() })
}

pub(super) fn play(run: &mut Run, script: &Script) -> anyhow::Result<()> {
    let topic = topic(script);
    run.topic(topic, 4, &[])?;
    for version in run.versions(ApiKey::WriteTxnMarkers) {
        for stage in Stage::ALL {
            claims(run, script, stage, version)?;
        }
        places(run, script, version)?;
        epochs(run, script, version)?;
        if version >= HAS_LEVEL_SINCE {
            levels(run, script, version)?;
        }
    }
    Ok(())
}

/// A topic for each level, whose partitions remember no producers of others.
fn topic(script: &Script) -> &'static str {
    match script.level {
        0 => "d-marked-0",
        1 => "d-marked-1",
        _ => "d-marked-2",
    }
}

/// Markers of those who are not the producer, and of it.
fn claims(run: &mut Run, script: &Script, stage: Stage, version: i16) -> anyhow::Result<()> {
    let producer = script.producer_at(run, "mark", version, stage)?;
    let claims = producer.claims().into_iter().filter(|(name, _)| !matches!(*name, "unknown-id" | "empty-id"));
    for (name, claim) in claims {
        // Nothing is told of producers whose epoch is too new: they are taken, and the real one is fenced in the partition.
        if matches!(name, "epoch-after" | "epoch-far-after") {
            continue;
        }
        let step = script.step(&format!("mark-{}-{name}", stage.name()));
        run.one(&step, version, &request(vec![marker(&claim, false, &[(TOPIC, &[0])])]))?;
    }
    producer.leaves(run)
}

/// Topics with partitions of them.
type Named<'a> = &'a [(&'a str, &'a [i32])];

fn places(run: &mut Run, script: &Script, version: i16) -> anyhow::Result<()> {
    let producer = script.producer(run, "mark-places", version)?;
    let topic = topic(script);
    let cases: [(&str, Named); 7] = [
        ("nowhere", &[]),
        ("no-partition", &[(topic, &[])]),
        ("unknown-topic", &[("d-unknown", &[0])]),
        ("partition-7", &[(topic, &[7])]),
        ("some", &[(topic, &[0, 7]), ("d-unknown", &[0])]),
        ("groups", &[("__consumer_offsets", &[0])]),
        ("groups-partition-70", &[("__consumer_offsets", &[70])]),
    ];
    for (name, topics) in cases {
        let step = script.step(&format!("mark-{name}"));
        run.one(&step, version, &request(vec![marker(&producer, true, topics)]))?;
    }
    run.one(&script.step("mark-nobody"), version, &request(Vec::new()))?;
    let other = script.producer(run, "mark-places-too", version)?;
    let both = vec![marker(&producer, true, &[(topic, &[0])]), marker(&other, false, &[(topic, &[0, 1])])];
    run.one(&script.step("mark-both"), version, &request(both))?;
    Ok(())
}

/// Epochs of producer and coordinator that grow and shrink, in a partition that nobody writes to.
fn epochs(run: &mut Run, script: &Script, version: i16) -> anyhow::Result<()> {
    let producer = script.producer(run, "mark-epochs", version)?;
    // One for each version, so that it remembers one producer.
    let (topic, partition) = (topic(script), i32::from(version) + 1);
    for (turn, (epoch, coordinator_epoch)) in
        [(1, 0), (1, 0), (0, 0), (3, 0), (2, 0), (3, 5), (3, 4), (4, 4), (4, 5), (-1, 5), (4, -1)]
            .into_iter()
            .enumerate()
    {
        let claim = Producer { epoch, ..producer.clone() };
        let marker = WritableTxnMarker { coordinator_epoch, ..marker(&claim, turn % 2 == 0, &[(topic, &[partition])]) };
        run.one(&script.step(&format!("mark-epochs-{turn}")), version, &request(vec![marker]))?;
    }
    reading::producers(run, &script.step(&format!("marked-producers-v{version}")), topic, partition)
}

/// A marker of level 2 ends the transaction of the epoch before, others that of their own.
fn levels(run: &mut Run, script: &Script, version: i16) -> anyhow::Result<()> {
    for transaction_version in [0, 1, 2, 3, -1] {
        let name = format!("mark-level-{transaction_version}");
        let mut producer = script.producer(run, &name, version)?;
        producer.writes(run, TOPIC, 1)?;
        for bump in [0, 1, 1, 0] {
            let claim = Producer { epoch: producer.epoch + bump, ..producer.clone() };
            let marker = WritableTxnMarker { transaction_version, ..marker(&claim, true, &[(TOPIC, &[1])]) };
            run.one(&script.step(&format!("{name}-plus-{bump}")), version, &request(vec![marker]))?;
        }
        producer.leaves(run)?;
    }
    Ok(())
}
