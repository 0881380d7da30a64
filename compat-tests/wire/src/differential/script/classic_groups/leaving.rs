//! Members that leave while others wait for them, and that others put out.

use super::{Member, describe, rejoin, two};
use crate::differential::run::Run;
use m::leave_group_request::MemberIdentity;
use ottla_protocol::{ApiKey, Str, any::AnyRequest, messages as m};

pub(super) fn play(run: &mut Run) -> anyhow::Result<()> {
    let version = run.newest(ApiKey::JoinGroup);
    who_is_waited_for(run, version)?;
    leader_of_who_syncs(run, version)?;
    who_waits(run, version)?;
    by_another(run, version)
}

/// Of two the one leaves that has not joined again: the other goes on alone.
fn who_is_waited_for(run: &mut Run, version: i16) -> anyhow::Result<()> {
    let group = "d-left-waiting";
    let (a, mut b) = two(run, Member::new(group, "a", version), Member::new(group, "b", version))?;
    b.protocols = &[("range", b"other")];
    b.begins(run, "rejoins")?;
    b.waits(run, "rejoins-and-waits")?;
    a.leaves(run, "leaves")?;
    b.joined(run, "rejoins")?;
    describe(run, group, "alone")?;
    b.leaves(run, "leaves")
}

/// Who waits for its assignment is told to join again when the leader leaves.
fn leader_of_who_syncs(run: &mut Run, version: i16) -> anyhow::Result<()> {
    let group = "d-left-syncing";
    let (mut a, mut b) = two(run, Member::new(group, "a", version), Member::new(group, "b", version))?;
    rejoin(run, &mut a, &mut b)?;
    a.leaves(run, "leaves")?;
    b.synced(run, "without-a-leader")?;
    describe(run, group, "without-a-leader")?;
    b.joins(run, "leads")?;
    b.leaves(run, "leaves")
}

/// Who leaves while it waits is answered.
fn who_waits(run: &mut Run, version: i16) -> anyhow::Result<()> {
    let group = "d-leaves-waiting";
    let (mut a, mut b) = two(run, Member::new(group, "a", version), Member::new(group, "b", version))?;
    b.protocols = &[("range", b"other")];
    b.begins(run, "rejoins")?;
    b.waits(run, "rejoins-and-waits")?;
    b.leaves(run, "leaves")?;
    b.joined(run, "left")?;
    describe(run, group, "one-left")?;
    a.joins(run, "alone")?;
    a.leaves(run, "leaves")
}

/// One request names several, known and unknown.
fn by_another(run: &mut Run, version: i16) -> anyhow::Result<()> {
    let group = "d-put-out";
    let b = Member::of_instance(group, "b", version, "two");
    let (a, b) = two(run, Member::new(group, "a", version), b)?;
    let identity = |member: &Str, instance: Option<&'static str>| MemberIdentity {
        member_id: member.clone(),
        group_instance_id: instance.map(Str::from_static),
        ..Default::default()
    };
    let nobody = Str::default();
    for (step, members) in [
        ("strangers", vec![identity(&Str::from_static("stranger"), None), identity(&nobody, Some("three"))]),
        ("of-another-id", vec![identity(&a.id, Some("two"))]),
        ("both", vec![identity(&nobody, Some("two")), identity(&a.id, None), identity(&b.id, None)]),
    ] {
        let request = m::LeaveGroupRequest { group_id: Str::from_static(group), members, ..Default::default() };
        let version = run.newest(ApiKey::LeaveGroup);
        run.one(&format!("classic-{group}-{step}"), version, &AnyRequest::LeaveGroup(request))?;
        describe(run, group, step)?;
    }
    Ok(())
}
