//! AddOffsetsToTxn and TxnOffsetCommit, and who asks for offsets meanwhile.

use super::{NONE, Producer, Script, Stage, TOPIC};
use crate::differential::run::Run;
use m::{
    offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics},
    txn_offset_commit_request::{TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic},
};
use ottla_protocol::{
    ApiKey, Str,
    any::{AnyRequest, AnyResponse},
    messages as m,
};

/// Since this version TxnOffsetCommit puts the group's partition into the transaction.
pub(super) const COMMIT_ADDS_SINCE: i16 = 5;
const COMMIT_HAS_MEMBER_SINCE: i16 = 3;

fn add_offsets(producer: &Producer, group: &str) -> AnyRequest {
    AnyRequest::AddOffsetsToTxn(m::AddOffsetsToTxnRequest {
        transactional_id: producer.id(),
        producer_id: producer.producer_id,
        producer_epoch: producer.epoch,
        group_id: Str::from(group),
        ..Default::default()
    })
}

/// What a commit says besides who commits.
#[derive(Clone)]
struct Commit<'a> {
    group: &'a str,
    topic: &'a str,
    partition: i32,
    offset: i64,
    generation: i32,
    member: &'a str,
    metadata: &'a str,
}

impl<'a> Commit<'a> {
    fn of(group: &'a str, offset: i64) -> Self {
        Self { group, topic: TOPIC, partition: 0, offset, generation: -1, member: "", metadata: "note" }
    }

    fn request(&self, producer: &Producer) -> AnyRequest {
        let partition = TxnOffsetCommitRequestPartition {
            partition_index: self.partition,
            committed_offset: self.offset,
            committed_metadata: Some(Str::from(self.metadata)),
            ..Default::default()
        };
        let topic = TxnOffsetCommitRequestTopic {
            name: Str::from(self.topic),
            partitions: vec![partition],
            ..Default::default()
        };
        AnyRequest::TxnOffsetCommit(m::TxnOffsetCommitRequest {
            transactional_id: producer.id(),
            group_id: Str::from(self.group),
            producer_id: producer.producer_id,
            producer_epoch: producer.epoch,
            generation_id: self.generation,
            member_id: Str::from(self.member),
            topics: vec![topic],
            ..Default::default()
        })
    }
}

pub(super) fn play(run: &mut Run, script: &Script) -> anyhow::Result<()> {
    for version in run.versions(ApiKey::AddOffsetsToTxn) {
        for stage in Stage::ALL {
            add_at_stage(run, script, stage, version)?;
        }
    }
    for version in script.versions(run, ApiKey::TxnOffsetCommit) {
        for stage in Stage::ALL {
            commit_at_stage(run, script, stage, version)?;
        }
        unfit(run, script, version)?;
        life(run, script, version)?;
    }
    Ok(())
}

fn add_at_stage(run: &mut Run, script: &Script, stage: Stage, version: i16) -> anyhow::Result<()> {
    let step = |name: &str| script.step(&format!("add-offsets-{}-{name}", stage.name()));
    let producer = script.producer_at(run, "add-offsets", version, stage)?;
    for (name, claim) in producer.claims() {
        run.one(&step(name), version, &add_offsets(&claim, "d-txn-group"))?;
    }
    run.one(&step("again"), version, &add_offsets(&producer, "d-txn-group"))?;
    run.one(&step("no-group"), version, &add_offsets(&producer, ""))?;
    producer.leaves(run)
}

fn group(script: &Script, name: &str, version: i16) -> String {
    format!("d-txn{}-{name}-v{version}", script.level)
}

/// Puts a group's partition into a transaction as clients of level 1 do.
fn adds_offsets(run: &mut Run, producer: &Producer, group: &str) -> anyhow::Result<()> {
    const OF_CLIENTS: i16 = 3;
    run.until("offsets to be added", |run| match run.quietly_at(OF_CLIENTS, &add_offsets(producer, group))? {
        AnyResponse::AddOffsetsToTxn(answer) => Ok(answer.error_code == NONE),
        _ => Ok(false),
    })
}

/// Others commit offsets, first when the group is not in the transaction.
fn commit_at_stage(run: &mut Run, script: &Script, stage: Stage, version: i16) -> anyhow::Result<()> {
    let group = group(script, &format!("stage-{}", stage.name()), version);
    let producer = script.producer_at(run, "commit", version, stage)?;
    for turn in ["not-added", "added"] {
        for (name, claim) in producer.claims() {
            let step = script.step(&format!("commit-{turn}-{}-{name}", stage.name()));
            run.one(&step, version, &Commit::of(&group, 5).request(&claim))?;
        }
        adds_offsets(run, &producer, &group)?;
    }
    producer.leaves(run)?;
    fetch(run, script, &format!("left-{}-v{version}", stage.name()), &group)
}

/// What is wrong with the group or the partition.
fn unfit(run: &mut Run, script: &Script, version: i16) -> anyhow::Result<()> {
    let group = group(script, "unfit", version);
    let producer = script.producer(run, "commit-unfit", version)?;
    adds_offsets(run, &producer, &group)?;
    let long = "m".repeat(5000);
    let good = Commit::of(&group, 5);
    let cases = [
        ("good", good.clone()),
        ("unknown-topic", Commit { topic: "d-unknown", ..good.clone() }),
        ("partition-7", Commit { partition: 7, ..good.clone() }),
        ("negative-offset", Commit { offset: -5, ..good.clone() }),
        ("long-metadata", Commit { metadata: &long, ..good.clone() }),
        ("no-metadata", Commit { metadata: "", ..good.clone() }),
        ("no-group", Commit { group: "", ..good.clone() }),
    ];
    for (name, commit) in cases {
        run.one(&script.step(&format!("commit-{name}")), version, &commit.request(&producer))?;
    }
    let members = [
        ("stranger", Commit { member: "stranger", generation: 1, ..good.clone() }),
        ("generation-5", Commit { generation: 5, ..good.clone() }),
        ("member-without-generation", Commit { member: "stranger", ..good }),
    ];
    for (name, commit) in members.into_iter().filter(|_| version >= COMMIT_HAS_MEMBER_SINCE) {
        run.one(&script.step(&format!("commit-{name}")), version, &commit.request(&producer))?;
    }
    producer.leaves(run)
}

/// Offsets of one group through an abort and a commit, with those who ask for them before and after.
fn life(run: &mut Run, script: &Script, version: i16) -> anyhow::Result<()> {
    let group = group(script, "life", version);
    let mut producer = script.producer(run, "commit-life", version)?;
    for (name, offset, committed) in [("abort", 5, false), ("commit", 7, true), ("second-abort", 9, false)] {
        if version < COMMIT_ADDS_SINCE {
            adds_offsets(run, &producer, &group)?;
        }
        let commit = Commit::of(&group, offset).request(&producer);
        run.one(&script.step(&format!("commit-life-{name}")), version, &commit)?;
        let newer = Commit::of(&group, offset + 1).request(&producer);
        run.one(&script.step(&format!("commit-life-{name}-again")), version, &newer)?;
        fetch(run, script, &format!("during-{name}-v{version}"), &group)?;
        producer.ends(run, committed)?;
        fetch(run, script, &format!("after-{name}-v{version}"), &group)?;
    }
    Ok(())
}

/// Asks for the offsets of a group, those that are stable and any, at the versions that differ in how they answer.
fn fetch(run: &mut Run, script: &Script, step: &str, group: &str) -> anyhow::Result<()> {
    const STABLE_SINCE: i16 = 7;
    let topic_id = run.id(TOPIC);
    for require_stable in [false, true] {
        for version in run.versions(ApiKey::OffsetFetch).into_iter().filter(|version| [1, 7, 8, 10].contains(version)) {
            if require_stable && version < STABLE_SINCE {
                continue;
            }
            let mut request = m::OffsetFetchRequest { require_stable, ..Default::default() };
            if version < 8 {
                let name = Str::from_static(TOPIC);
                request.group_id = Str::from(group);
                request.topics =
                    Some(vec![OffsetFetchRequestTopic { name, partition_indexes: vec![0, 1], ..Default::default() }]);
            } else {
                let mut topic = OffsetFetchRequestTopics { partition_indexes: vec![0, 1], ..Default::default() };
                if version >= 10 {
                    topic.topic_id = topic_id;
                } else {
                    topic.name = Str::from_static(TOPIC);
                }
                let mut asked = OffsetFetchRequestGroup {
                    group_id: Str::from(group),
                    topics: Some(vec![topic]),
                    ..Default::default()
                };
                if version >= 9 {
                    asked.member_epoch = -1;
                }
                request.groups = vec![asked];
            }
            let stable = if require_stable { "stable" } else { "any" };
            let step = script.step(&format!("fetch-offsets-{stable}-{step}"));
            run.one(&step, version, &AnyRequest::OffsetFetch(request))?;
        }
    }
    Ok(())
}
