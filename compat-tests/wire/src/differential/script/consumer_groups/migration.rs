//! Groups that change protocol: classic members in consumer groups, consumer members in classic ones.

use super::{Member, Run, beat, describe};
use m::{
    join_group_request::JoinGroupRequestProtocol, leave_group_request::MemberIdentity,
    sync_group_request::SyncGroupRequestAssignment,
};
use ottla_protocol::{
    ApiKey, Bytes, Str,
    any::{AnyRequest, AnyResponse},
    messages as m,
};

/// A subscription to `d-consumed`, as a consumer of the classic protocol writes it.
const SUBSCRIPTION: &[u8] = b"\0\x01\0\0\0\x01\0\x0ad-consumed\xff\xff\xff\xff\0\0\0\0";

pub(super) fn play(run: &mut Run) -> anyhow::Result<()> {
    for version in run.versions(ApiKey::JoinGroup) {
        classic_joins_consumer(run, version)?;
    }
    unfit_classic_members(run)?;
    slow_classic_members(run)?;
    last_member_turns(run)?;
    consumer_joins_classic(run)?;
    consumer_joins_others(run)
}

fn classic(group: &str, member: &Str, protocol_type: &'static str, metadata: &'static [u8]) -> m::JoinGroupRequest {
    let protocol = JoinGroupRequestProtocol {
        name: Str::from_static("range"),
        metadata: Bytes::from_static(metadata),
        ..Default::default()
    };
    m::JoinGroupRequest {
        group_id: Str::from(group),
        session_timeout_ms: 10_000,
        member_id: member.clone(),
        protocol_type: Str::from_static(protocol_type),
        protocols: vec![protocol],
        ..Default::default()
    }
}

fn at_version(version: i16, request: m::JoinGroupRequest) -> m::JoinGroupRequest {
    let rebalance_timeout_ms = if request.rebalance_timeout_ms > 0 { request.rebalance_timeout_ms } else { 10_000 };
    m::JoinGroupRequest { rebalance_timeout_ms: if version >= 1 { rebalance_timeout_ms } else { -1 }, ..request }
}

/// Joins with the id that the broker gives; what is compared are all answers on the way.
fn join_classic(
    run: &mut Run,
    step: &str,
    version: i16,
    request: impl Fn(&Str) -> m::JoinGroupRequest,
) -> anyhow::Result<(Str, i32)> {
    let mut member = Str::default();
    for n in 0..2 {
        let request = AnyRequest::JoinGroup(at_version(version, request(&member)));
        let answer = run.one_naming(&format!("consumer-{step}-{n}"), version, &request, |response| match response {
            AnyResponse::JoinGroup(response) => Some((response.member_id.to_string(), format!("<{step}>"))),
            _ => None,
        })?;
        let Some(AnyResponse::JoinGroup(response)) = answer else { break };
        member = response.member_id.detached();
        if response.error_code == 0 {
            return Ok((member, response.generation_id));
        }
    }
    Ok((member, -1))
}

/// A consumer that joins a group with the classic protocol.
fn join_consumer(run: &mut Run, step: &str, version: i16, group: &str) -> anyhow::Result<(Str, i32)> {
    join_classic(run, step, version, |member| classic(group, member, "consumer", SUBSCRIPTION))
}

/// A consumer group's member meets one of the classic protocol.
fn classic_joins_consumer(run: &mut Run, version: i16) -> anyhow::Result<()> {
    let group = format!("d-upgraded-v{version}");
    let step = |name: &str| format!("classic-joins-{name}-v{version}");
    let mut a = Member::joins(run, &step("before"), &group, "a", &["d-consumed"])?;
    let (member, generation) = join_consumer(run, &step("self"), version, &group)?;
    describe(run, &step("joined"), &[&group])?;
    classic_life(run, version, (&group, "waiting"), &member, generation)?;
    a.holds(run, &step("is-told"), &[0, 1, 2, 3])?;
    a.holds(run, &step("lets-go"), &[0, 1])?;
    classic_life(run, version, (&group, "released"), &member, generation)?;
    let again = at_version(version, classic(&group, &member, "consumer", SUBSCRIPTION));
    let answer = run.one(&format!("consumer-{}", step("again")), version, &AnyRequest::JoinGroup(again))?;
    let generation = match answer {
        Some(AnyResponse::JoinGroup(response)) => response.generation_id,
        _ => generation,
    };
    classic_life(run, version, (&group, "again"), &member, generation)?;
    describe(run, &step("synced"), &[&group])?;
    leave(run, &step("leaves"), version, &group, &member)?;
    a.leaves(run, &step("after"))
}

/// What a classic member asks for in turn, right and wrong.
fn classic_life(
    run: &mut Run,
    version: i16,
    (group, when): (&str, &str),
    member: &Str,
    generation: i32,
) -> anyhow::Result<()> {
    let group_id = Str::from(group);
    let at = |run: &Run, api: ApiKey| run.newest(api).min(version).max(*api.stable_versions().start());
    for (name, generation_id, member_id) in [
        ("right", generation, member.clone()),
        ("newer", generation + 1, member.clone()),
        ("consumer", 1, Str::from_static("a")),
        ("stranger", generation, Str::from_static("a stranger")),
    ] {
        let group_id = group_id.clone();
        let sync = m::SyncGroupRequest { group_id, generation_id, member_id, ..Default::default() };
        let beat = m::HeartbeatRequest {
            group_id: sync.group_id.clone(),
            generation_id,
            member_id: sync.member_id.clone(),
            ..Default::default()
        };
        let version = at(run, ApiKey::Heartbeat);
        run.one(&format!("consumer-{group}-{when}-heartbeat-{name}"), version, &AnyRequest::Heartbeat(beat))?;
        let version = at(run, ApiKey::SyncGroup);
        run.one(&format!("consumer-{group}-{when}-sync-{name}"), version, &AnyRequest::SyncGroup(sync))?;
    }
    Ok(())
}

fn leave(run: &mut Run, step: &str, version: i16, group: &str, member: &Str) -> anyhow::Result<()> {
    let version = run.newest(ApiKey::LeaveGroup).min(version);
    let mut request = m::LeaveGroupRequest { group_id: Str::from(group), ..Default::default() };
    if version >= 3 {
        request.members = vec![MemberIdentity { member_id: member.clone(), ..Default::default() }];
    } else {
        request.member_id = member.clone();
    }
    run.one(&format!("consumer-{step}"), version, &AnyRequest::LeaveGroup(request)).map(drop)
}

/// Classic members that a consumer group cannot take.
fn unfit_classic_members(run: &mut Run) -> anyhow::Result<()> {
    const GROUP: &str = "d-unfit";
    let mut a = Member::joins(run, "unfit-before", GROUP, "a", &["d-consumed"])?;
    let nobody = Str::default();
    let stranger = Str::from_static("a stranger");
    let fit = || classic(GROUP, &nobody, "consumer", SUBSCRIPTION);
    let no_protocols = m::JoinGroupRequest { protocols: Vec::new(), ..fit() };
    for (step, request) in [
        ("connect", classic(GROUP, &nobody, "connect", SUBSCRIPTION)),
        ("no-type", classic(GROUP, &nobody, "", SUBSCRIPTION)),
        ("no-protocols", no_protocols),
        ("stranger", classic(GROUP, &stranger, "consumer", SUBSCRIPTION)),
        ("no-metadata", classic(GROUP, &stranger, "consumer", b"")),
        ("cut-metadata", classic(GROUP, &stranger, "consumer", b"\0\x01\0\0\0\x01\0\x0ad-con")),
        ("session-1", m::JoinGroupRequest { session_timeout_ms: 1, ..fit() }),
    ] {
        run.each(&format!("consumer-unfit-{step}"), ApiKey::JoinGroup, |version| {
            AnyRequest::JoinGroup(at_version(version, request.clone()))
        })?;
    }
    describe(run, "unfit", &[GROUP])?;
    leave(run, "unfit-stranger-leaves", run.newest(ApiKey::LeaveGroup), GROUP, &stranger)?;
    a.leaves(run, "unfit-after")
}

/// A classic member that is told to join again and does not, or does and never asks for its assignment, is out in time.
fn slow_classic_members(run: &mut Run) -> anyhow::Result<()> {
    const GROUP: &str = "d-slow-classic";
    let version = run.newest(ApiKey::JoinGroup);
    let slow = |member: &Str| m::JoinGroupRequest {
        rebalance_timeout_ms: 1_500,
        ..classic(GROUP, member, "consumer", SUBSCRIPTION)
    };
    let mut a = Member::joins(run, "slow-classic-before", GROUP, "a", &["d-consumed"])?;
    for joins_again in [false, true] {
        let step = |name: &str| format!("slow-classic-{name}-{}", if joins_again { "unsynced" } else { "absent" });
        let (member, generation) = join_classic(run, &step("joins"), version, slow)?;
        a.holds(run, &step("is-told"), &[0, 1, 2, 3])?;
        a.holds(run, &step("lets-go"), &[0, 1])?;
        classic_life(run, version, (GROUP, &step("released")), &member, generation)?;
        if joins_again {
            let again = at_version(version, slow(&member));
            run.one(&format!("consumer-{}", step("again")), version, &AnyRequest::JoinGroup(again))?;
        }
        run.until("the end of a slow member", |run| {
            const UNKNOWN_MEMBER_ID: i16 = 25;
            let group_id = Str::from_static(GROUP);
            let beat = m::HeartbeatRequest { group_id, member_id: member.clone(), ..Default::default() };
            match run.quietly(&AnyRequest::Heartbeat(beat))? {
                AnyResponse::Heartbeat(answer) => Ok(answer.error_code == UNKNOWN_MEMBER_ID),
                _ => Ok(false),
            }
        })?;
        describe(run, &step("gone"), &[GROUP])?;
        a.holds(run, &step("gets-all"), &[0, 1])?;
        a.holds(run, &step("has-all"), &[0, 1, 2, 3])?;
    }
    a.leaves(run, "slow-classic-after")
}

/// The only member goes on with the classic protocol, and so does the group.
fn last_member_turns(run: &mut Run) -> anyhow::Result<()> {
    const GROUP: &str = "d-turned";
    let mut a = Member::joins(run, "turned-before", GROUP, "a", &["d-consumed"])?;
    let version = run.newest(ApiKey::JoinGroup);
    let member = Str::from_static("a");
    let request = at_version(version, classic(GROUP, &member, "consumer", SUBSCRIPTION));
    run.one("consumer-turned", version, &AnyRequest::JoinGroup(request))?;
    describe(run, "turned", &[GROUP])?;
    a.beats(run, "turned-beats")?;
    leave(run, "turned-leaves", version, GROUP, &member)
}

/// A classic group's member meets one of a consumer group, which takes the group over.
fn consumer_joins_classic(run: &mut Run) -> anyhow::Result<()> {
    const GROUP: &str = "d-taken-over";
    let version = run.newest(ApiKey::JoinGroup);
    let (member, generation) = join_consumer(run, "taken-over-classic", version, GROUP)?;
    let assignment = SyncGroupRequestAssignment {
        member_id: member.clone(),
        assignment: Bytes::from_static(b"\0\0\0\0\0\x01\0\x0ad-consumed\0\0\0\x02\0\0\0\0\0\0\0\x01\xff\xff\xff\xff"),
        ..Default::default()
    };
    let sync = m::SyncGroupRequest {
        group_id: Str::from_static(GROUP),
        generation_id: generation,
        member_id: member.clone(),
        protocol_type: Some(Str::from_static("consumer")),
        protocol_name: Some(Str::from_static("range")),
        assignments: vec![assignment],
        ..Default::default()
    };
    run.one("consumer-taken-over-synced", run.newest(ApiKey::SyncGroup), &AnyRequest::SyncGroup(sync))?;
    describe(run, "taken-over-before", &[GROUP])?;
    let mut a = Member::joins(run, "taken-over", GROUP, "a", &["d-consumed"])?;
    describe(run, "taken-over", &[GROUP])?;
    run.each("consumer-taken-over-described-as-classic", ApiKey::DescribeGroups, |_| {
        let groups = vec![Str::from_static(GROUP)];
        AnyRequest::DescribeGroups(m::DescribeGroupsRequest { groups, ..Default::default() })
    })?;
    classic_life(run, version, (GROUP, "taken-over"), &member, generation)?;
    // The last member of the consumer protocol leaves, so the group is classic again.
    a.leaves(run, "taken-over-leaves")?;
    describe(run, "taken-over-after", &[GROUP])?;
    leave(run, "taken-over-classic-leaves", version, GROUP, &member)
}

/// Groups that are empty, or none of consumers.
fn consumer_joins_others(run: &mut Run) -> anyhow::Result<()> {
    let version = run.newest(ApiKey::JoinGroup);
    let (member, _) = join_consumer(run, "emptied-classic", version, "d-emptied")?;
    leave(run, "emptied-leaves", version, "d-emptied", &member)?;
    let mut a = Member::joins(run, "emptied-joins", "d-emptied", "a", &["d-consumed"])?;
    describe(run, "emptied", &["d-emptied"])?;
    a.leaves(run, "emptied-leaves-too")?;
    // Its offsets alone made this one.
    let mut a = Member::joins(run, "committed-joins", "d-committed", "a", &["d-consumed"])?;
    describe(run, "committed", &["d-committed"])?;
    a.leaves(run, "committed-leaves")?;
    connect(run, version)
}

/// A group of another protocol type, with a member.
fn connect(run: &mut Run, version: i16) -> anyhow::Result<()> {
    const GROUP: &str = "d-connect";
    let (member, _) =
        join_classic(run, "connect-worker", version, |member| classic(GROUP, member, "connect", b"worker"))?;
    let mut a = Member::joins(run, "connect-joins", GROUP, "a", &["d-consumed"])?;
    a.says(run, "connect-beats", beat(GROUP, "a", 1))?;
    a.leaves(run, "connect-leaves")?;
    describe(run, "connect", &[GROUP])?;
    leave(run, "connect-worker-leaves", version, GROUP, &member)
}
