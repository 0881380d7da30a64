//! Several members: what one lets go another gets, whatever the order of their heartbeats.

use super::{Heartbeat, Member, Run, TopicPartitions, assigned, configured, describe, join};
use ottla_protocol::{
    Str,
    any::{AnyRequest, AnyResponse},
    messages as m,
};

pub(super) fn play(run: &mut Run) -> anyhow::Result<()> {
    two_members(run)?;
    three_members(run)?;
    range(run)?;
    too_slow(run)?;
    topics_change(run)?;
    interval(run)
}

fn two_members(run: &mut Run) -> anyhow::Result<()> {
    const GROUP: &str = "d-two";
    let mut a = Member::joins(run, "two-a-joins", GROUP, "a", &["d-consumed"])?;
    a.holds(run, "two-a-holds", &[0, 1, 2, 3])?;
    let mut b = Member::joins(run, "two-b-joins", GROUP, "b", &["d-consumed"])?;
    describe(run, "two-unreleased", &[GROUP])?;
    b.holds(run, "two-b-waits", &[])?;
    a.holds(run, "two-a-is-told", &[0, 1, 2, 3])?;
    describe(run, "two-revoking", &[GROUP])?;
    a.holds(run, "two-a-is-told-once", &[0, 1, 2, 3])?;
    a.beats(run, "two-a-says-nothing")?;
    b.beats(run, "two-b-waits-still")?;
    a.holds(run, "two-a-lets-one-go", &[0, 1, 2])?;
    a.holds(run, "two-a-lets-go", &[0, 1])?;
    a.holds(run, "two-a-again", &[0, 1])?;
    b.beats(run, "two-b-gets")?;
    b.beats(run, "two-b-gets-once")?;
    b.holds(run, "two-b-holds", &[2, 3])?;
    b.holds(run, "two-b-holds-another-s", &[0, 1, 2, 3])?;
    describe(run, "two-stable", &[GROUP])?;
    a.leaves(run, "two-a-leaves")?;
    b.beats(run, "two-b-gets-all")?;
    describe(run, "two-left", &[GROUP])?;
    b.says(run, "two-b-joins-again", join(GROUP, "b", &["d-consumed"]))?;
    b.leaves(run, "two-b-leaves")
}

/// The third comes while the second still waits.
fn three_members(run: &mut Run) -> anyhow::Result<()> {
    const GROUP: &str = "d-three";
    let mut a = Member::joins(run, "three-a-joins", GROUP, "a", &["d-consumed"])?;
    let b = Member::joins(run, "three-b-joins", GROUP, "b", &["d-consumed", "d-consumed-too"])?;
    a.holds(run, "three-a-is-told", &[0, 1, 2, 3])?;
    let c = Member::joins(run, "three-c-joins", GROUP, "c", &["d-consumed-too"])?;
    describe(run, "three-waiting", &[GROUP])?;
    let mut members = [a, b, c];
    for round in 0..6 {
        for member in &mut members {
            let request = holding_what_it_may(run, member)?;
            let step = format!("three-{}-round-{round}", member.id);
            member.says(run, &step, request)?;
        }
    }
    describe(run, "three-stable", &[GROUP])?;
    members.iter_mut().try_for_each(|member| member.leaves(run, &format!("three-{}-leaves", member.id.clone())))
}

/// A heartbeat of a member that holds at once what the broker says it may.
fn holding_what_it_may(run: &mut Run, member: &Member) -> anyhow::Result<Heartbeat> {
    let group_ids = vec![Str::from(member.group.as_str())];
    let request = m::ConsumerGroupDescribeRequest { group_ids, ..Default::default() };
    let AnyResponse::ConsumerGroupDescribe(response) = run.quietly(&AnyRequest::ConsumerGroupDescribe(request))? else {
        anyhow::bail!("no answer to ConsumerGroupDescribe");
    };
    let mut members = response.groups.into_iter().flat_map(|group| group.members);
    let assignment = members.find(|one| *one.member_id == *member.id).map(|one| one.assignment.topic_partitions);
    let held = assignment.into_iter().flatten().map(|topic| TopicPartitions {
        topic_id: topic.topic_id,
        partitions: topic.partitions,
        ..Default::default()
    });
    Ok(Heartbeat { topic_partitions: Some(held.collect()), ..member.beat() })
}

/// Most members ask for the assignor, and so it is used; on a tie the default. With one topic, as the ids of topics decide
/// in which order they are spread.
fn range(run: &mut Run) -> anyhow::Result<()> {
    const GROUP: &str = "d-range";
    for (id, assignor, step) in [("a", "range", "one"), ("b", "uniform", "tie"), ("c", "range", "most")] {
        let server_assignor = Some(Str::from_static(assignor));
        let joining = Heartbeat { server_assignor, ..join(GROUP, id, &["d-consumed"]) };
        Member::new(run, GROUP, id).says(run, &format!("range-{id}-joins"), joining)?;
        describe(run, &format!("range-{step}"), &[GROUP])?;
    }
    for id in ["a", "b", "c"] {
        Member::new(run, GROUP, id).leaves(run, &format!("range-{id}-leaves"))?;
    }
    Ok(())
}

/// Who does not let go within its rebalance timeout is put out.
fn too_slow(run: &mut Run) -> anyhow::Result<()> {
    const GROUP: &str = "d-slow";
    let mut a = Member::new(run, GROUP, "a");
    let joining = Heartbeat { rebalance_timeout_ms: 300, ..join(GROUP, "a", &["d-consumed"]) };
    a.says(run, "slow-a-joins", joining)?;
    let mut b = Member::joins(run, "slow-b-joins", GROUP, "b", &["d-consumed"])?;
    a.holds(run, "slow-a-is-told", &[0, 1, 2, 3])?;
    b.waits(run, "the end of a member's time", |answer| assigned(answer).is_some())?;
    a.holds(run, "slow-a-is-gone", &[0, 1])?;
    describe(run, "slow", &[GROUP])?;
    b.leaves(run, "slow-b-leaves")
}

/// Topics that grow and go.
fn topics_change(run: &mut Run) -> anyhow::Result<()> {
    const GROUP: &str = "d-growing";
    let mut member = Member::joins(run, "growing-joins", GROUP, "a", &["d-growing", "d-consumed-too"])?;
    let name = Str::from_static("d-growing");
    let topic =
        m::create_partitions_request::CreatePartitionsTopic { name, count: 3, assignments: None, ..Default::default() };
    let grow = m::CreatePartitionsRequest { topics: vec![topic], timeout_ms: 10_000, ..Default::default() };
    run.quietly(&AnyRequest::CreatePartitions(grow))?;
    member.waits(run, "a topic that grew", |answer| assigned(answer) == Some(5))?;
    describe(run, "grown", &[GROUP])?;
    let name = Some(Str::from_static("d-growing"));
    let topic = m::delete_topics_request::DeleteTopicState { name, ..Default::default() };
    let delete = m::DeleteTopicsRequest { topics: vec![topic], timeout_ms: 10_000, ..Default::default() };
    run.quietly(&AnyRequest::DeleteTopics(delete))?;
    run.await_gone("d-growing")?;
    member.waits(run, "the end of a topic", |answer| assigned(answer) == Some(2))?;
    describe(run, "topic-gone", &[GROUP])?;
    member.leaves(run, "growing-leaves")
}

/// With an interval between assignments the second member has to wait for its first one.
fn interval(run: &mut Run) -> anyhow::Result<()> {
    const GROUP: &str = "d-interval";
    let mut a = configured(run, join(GROUP, "a", &["d-consumed"]), &[("consumer.assignment.interval.ms", "15000")])?;
    let mut b = Member::joins(run, "interval-b-joins", GROUP, "b", &["d-consumed"])?;
    a.holds(run, "interval-a-goes-on", &[0, 1, 2, 3])?;
    describe(run, "interval", &[GROUP])?;
    b.leaves(run, "interval-b-leaves")?;
    a.leaves(run, "interval-a-leaves")
}
