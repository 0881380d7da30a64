//! One member's life in each version: it joins, says again what it knows, changes its mind, is fenced and leaves.

use super::{Heartbeat, Member, Run, assigned, beat, describe, join, names, owned};
use ottla_protocol::{
    ApiKey, Str,
    any::{AnyRequest, AnyResponse},
};

const ALL: &[i32] = &[0, 1, 2, 3];

pub(super) fn play(run: &mut Run) -> anyhow::Result<()> {
    for version in run.versions(ApiKey::ConsumerGroupHeartbeat) {
        let mut member = first_join(run, version)?;
        says_what_is_known(run, &mut member)?;
        changes_its_mind(run, &mut member)?;
        leaves(run, &mut member)?;
    }
    unknown_topics(run)
}

/// In version 0 the broker makes the member's id, which is no other broker's.
fn first_join(run: &mut Run, version: i16) -> anyhow::Result<Member> {
    let id = if version > 0 { "the member" } else { "" };
    let mut member = Member { version, ..Member::new(run, &format!("d-life-v{version}"), id) };
    let request = AnyRequest::ConsumerGroupHeartbeat(join(&member.group, id, &["d-consumed"]));
    run.one_naming("consumer-join", version, &request, |response| {
        let AnyResponse::ConsumerGroupHeartbeat(answer) = response else { return None };
        member.id = answer.member_id.as_deref().unwrap_or_default().to_owned();
        member.learn(answer);
        id.is_empty().then(|| (member.id.clone(), "<the broker's member id>".to_owned()))
    })?;
    Ok(member)
}

fn says_what_is_known(run: &mut Run, member: &mut Member) -> anyhow::Result<()> {
    let all = owned(run, &[("d-consumed", ALL)]);
    let living = member.beat();
    let full = Heartbeat {
        member_epoch: member.epoch,
        topic_partitions: all.clone(),
        ..join(&member.group, &member.id, &["d-consumed"])
    };
    let text = |text: &'static str| Some(Str::from_static(text));
    for (step, request) in [
        ("beat", living.clone()),
        ("beat-owning-all", Heartbeat { topic_partitions: all, ..living.clone() }),
        ("full-request", full.clone()),
        ("full-request-owning-nothing", Heartbeat { topic_partitions: Some(Vec::new()), ..full.clone() }),
        ("almost-full-request", Heartbeat { rebalance_timeout_ms: -1, ..full.clone() }),
        ("join-again", join(&member.group, &member.id, &["d-consumed"])),
        ("beat-newer-epoch", Heartbeat { member_epoch: member.epoch + 1, ..living.clone() }),
        ("beat-older-epoch", Heartbeat { member_epoch: member.epoch - 1, ..living.clone() }),
        ("beat-stranger", beat(&member.group, "a stranger", member.epoch)),
        ("beat-other-rack", Heartbeat { rack_id: text("rack"), ..living.clone() }),
        ("beat-other-timeout", Heartbeat { rebalance_timeout_ms: 7_000, ..living.clone() }),
        ("beat-with-instance", Heartbeat { instance_id: text("i"), ..living.clone() }),
        ("beat-assignor", Heartbeat { server_assignor: text("range"), ..living.clone() }),
        ("beat-after-all", living),
    ] {
        member.says(run, step, request)?;
    }
    describe(run, &format!("joined-v{}", member.version), &[&member.group])
}

fn changes_its_mind(run: &mut Run, member: &mut Member) -> anyhow::Result<()> {
    let to =
        |member: &Member, topics: &[&str]| Heartbeat { subscribed_topic_names: Some(names(topics)), ..member.beat() };
    let old = owned(run, &[("d-consumed", ALL)]);
    let new = owned(run, &[("d-consumed", ALL), ("d-consumed-too", &[0, 1])]);
    let before = member.beat();
    member.says(run, "change-to-both", to(member, &["d-consumed", "d-consumed-too"]))?;
    member.says(run, "change-in-other-order", to(member, &["d-consumed-too", "d-consumed"]))?;
    member.says(run, "change-twice-the-same", to(member, &["d-consumed", "d-consumed-too", "d-consumed"]))?;
    member.says(run, "change-older-epoch", before.clone())?;
    member.says(run, "change-older-epoch-owning-old", Heartbeat { topic_partitions: old, ..before.clone() })?;
    member.says(run, "change-older-epoch-owning-new", Heartbeat { topic_partitions: new, ..before })?;
    describe(run, &format!("changed-v{}", member.version), &[&member.group])?;
    member.says(run, "change-to-one", to(member, &["d-consumed-too"]))?;
    let kept = owned(run, &[("d-consumed-too", &[0, 1])]);
    member.says(run, "change-acknowledged", Heartbeat { topic_partitions: kept, ..member.beat() })?;
    member.says(run, "change-to-none", to(member, &[]))?;
    member.says(run, "change-none-acknowledged", Heartbeat { topic_partitions: Some(Vec::new()), ..member.beat() })?;
    describe(run, &format!("to-none-v{}", member.version), &[&member.group])
}

fn leaves(run: &mut Run, member: &mut Member) -> anyhow::Result<()> {
    let (group, version) = (member.group.clone(), member.version);
    member.says(run, "leave-stranger", beat(&group, "a stranger", -1))?;
    member.leaves(run, "leave")?;
    member.leaves(run, "leave-again")?;
    member.beats(run, "beat-after-leaving")?;
    describe(run, &format!("left-v{version}"), &[&group])?;
    let mut another = Member { version, ..Member::new(run, &group, "another") };
    another.says(run, "come-back", join(&group, "another", &["d-consumed"]))?;
    another.leaves(run, "leave-at-last")
}

/// Topics that are not there are subscribed to all the same.
fn unknown_topics(run: &mut Run) -> anyhow::Result<()> {
    let mut member = Member::joins(run, "join-unknown-topic", "d-nothing", "a", &["d-consumed-later"])?;
    let mut other = Member::joins(run, "join-bad-topic", "d-nothing", "b", &["d bad/name", ""])?;
    let mut internal = Member::joins(run, "join-internal-topic", "d-internal", "a", &["__consumer_offsets"])?;
    describe(run, "nothing", &["d-nothing", "d-internal"])?;
    other.leaves(run, "leave-bad-topic")?;
    internal.leaves(run, "leave-internal-topic")?;
    run.topic("d-consumed-later", 1, &[])?;
    member.waits(run, "a topic that came", |answer| assigned(answer) == Some(1))?;
    describe(run, "topic-came", &["d-nothing"])?;
    member.leaves(run, "leave-topic-that-came")
}
