//! Offsets of consumer groups: commits and fetches with a member's epoch, older, newer and of strangers.

use super::{Member, Run};
use m::{
    offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
    offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics},
};
use ottla_protocol::{ApiKey, Str, Uuid, any::AnyRequest, messages as m};

const GROUP: &str = "d-committing";
/// Since this version topics are named by id.
const BY_ID_SINCE: i16 = 10;
/// Since this version a fetch says who asks.
const MEMBER_SINCE: i16 = 9;
/// Since this version several groups are asked for at once.
const BATCHED_SINCE: i16 = 8;

pub(super) fn play(run: &mut Run) -> anyhow::Result<()> {
    let mut a = Member::joins(run, "offsets-a-joins", GROUP, "a", &["d-consumed"])?;
    let mut b = Member::joins(run, "offsets-b-joins", GROUP, "b", &["d-consumed"])?;
    a.holds(run, "offsets-a-is-told", &[0, 1, 2, 3])?;
    // Now `a` has two partitions to let go of before it comes to the epoch of `b`, which has none yet.
    let (old, new) = (a.epoch, b.epoch);
    let cases = [("a", old, 0), ("a", old, 3), ("a", new, 0), ("a", 0, 0), ("b", new, 0), ("b", old, 0)];
    commits(run, "revoking", (old, new), &cases)?;
    fetches(run, "revoking", (old, new), &[("a", old), ("b", new), ("b", old), ("b", new + 1)])?;
    a.holds(run, "offsets-a-lets-go", &[0, 1])?;
    b.beats(run, "offsets-b-gets")?;
    let cases =
        [("a", new, 0), ("a", old, 0), ("a", old, 3), ("a", 0, 0), ("a", new + 1, 0), ("b", new, 3), ("b", old, 3)];
    commits(run, "stable", (old, new), &cases)?;
    let cases = [("c", new, 0), ("c", -1, 0), ("", new, 0), ("", -1, 0), ("a", -1, 0), ("a", -2, 0)];
    commits(run, "stranger", (old, new), &cases)?;
    let cases = [("a", new), ("a", old), ("a", new + 1), ("a", -1), ("c", new), ("c", -1), ("", new), ("", -1)];
    fetches(run, "stable", (old, new), &cases)?;
    anonymous(run, "stable")?;
    a.leaves(run, "offsets-a-leaves")?;
    b.leaves(run, "offsets-b-leaves")?;
    commits(run, "empty", (old, new), &[("a", new, 0), ("", -1, 0), ("", 0, 0)])?;
    fetches(run, "empty", (old, new), &[("a", new), ("", -1)])?;
    anonymous(run, "empty")
}

/// The epoch for the name of a step, which must be the same where a broker counts from another number.
fn called((old, new): (i32, i32), epoch: i32) -> String {
    match epoch {
        _ if epoch == old => "old".to_owned(),
        _ if epoch == new => "new".to_owned(),
        _ if epoch == new + 1 => "newer".to_owned(),
        _ => epoch.to_string(),
    }
}

/// One commit a case: member, epoch, partition.
fn commits(run: &mut Run, when: &str, known: (i32, i32), cases: &[(&str, i32, i32)]) -> anyhow::Result<()> {
    let topic_id = run.id("d-consumed");
    for (member, epoch, partition_index) in cases {
        let step = format!("consumer-commit-{when}-{member:?}-{}-{partition_index}", called(known, *epoch));
        run.each(&step, ApiKey::OffsetCommit, |version| commit(version, member, *epoch, *partition_index, topic_id))?;
    }
    Ok(())
}

fn commit(version: i16, member: &str, epoch: i32, partition_index: i32, topic_id: Uuid) -> AnyRequest {
    let partition = OffsetCommitRequestPartition {
        partition_index,
        committed_offset: 5,
        committed_metadata: Some(Str::from_static("note")),
        ..Default::default()
    };
    let mut topic = OffsetCommitRequestTopic { partitions: vec![partition], ..Default::default() };
    if version >= BY_ID_SINCE {
        topic.topic_id = topic_id;
    } else {
        topic.name = Str::from_static("d-consumed");
    }
    AnyRequest::OffsetCommit(m::OffsetCommitRequest {
        group_id: Str::from_static(GROUP),
        generation_id_or_member_epoch: epoch,
        member_id: Str::from(member),
        topics: vec![topic],
        ..Default::default()
    })
}

/// One fetch of some partitions and one of all a case: member, epoch.
fn fetches(run: &mut Run, when: &str, known: (i32, i32), cases: &[(&str, i32)]) -> anyhow::Result<()> {
    let topic_id = run.id("d-consumed");
    for (member, epoch) in cases {
        let epoch_called = called(known, *epoch);
        for all in [false, true] {
            let what = if all { "all" } else { "some" };
            for version in run.versions(ApiKey::OffsetFetch).into_iter().filter(|version| *version >= MEMBER_SINCE) {
                let request = fetch(version, Some(member), *epoch, all, topic_id);
                run.one(&format!("consumer-fetch-{what}-{when}-{member:?}-{epoch_called}"), version, &request)?;
            }
        }
    }
    Ok(())
}

/// Fetches of who is no member, at each version that can ask for several groups.
fn anonymous(run: &mut Run, when: &str) -> anyhow::Result<()> {
    let topic_id = run.id("d-consumed");
    for version in run.versions(ApiKey::OffsetFetch).into_iter().filter(|version| *version >= BATCHED_SINCE) {
        for epoch in [-1, 0] {
            let request = fetch(version, None, if version >= MEMBER_SINCE { epoch } else { -1 }, false, topic_id);
            run.one(&format!("consumer-fetch-anonymous-{when}-{epoch}"), version, &request)?;
        }
    }
    Ok(())
}

fn fetch(version: i16, member: Option<&str>, member_epoch: i32, all: bool, topic_id: Uuid) -> AnyRequest {
    let mut topic = OffsetFetchRequestTopics { partition_indexes: vec![0, 3], ..Default::default() };
    if version >= BY_ID_SINCE {
        topic.topic_id = topic_id;
    } else {
        topic.name = Str::from_static("d-consumed");
    }
    let group = OffsetFetchRequestGroup {
        group_id: Str::from_static(GROUP),
        member_id: member.map(Str::from),
        member_epoch,
        topics: if all { None } else { Some(vec![topic]) },
        ..Default::default()
    };
    AnyRequest::OffsetFetch(m::OffsetFetchRequest { groups: vec![group], ..Default::default() })
}
