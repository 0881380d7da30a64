//! Static members (KIP-345): who comes back under its name takes its place, in each state of the group.

use super::{Member, describe, rejoin, two};
use crate::differential::run::Run;
use ottla_protocol::{ApiKey, Str, any::AnyRequest};

/// The first version that has static members, and the newest, which tells a leader not to assign (KIP-814).
const FIRST: i16 = 5;

pub(super) fn play(run: &mut Run) -> anyhow::Result<()> {
    for version in [FIRST, run.newest(ApiKey::JoinGroup)] {
        if run.versions(ApiKey::JoinGroup).contains(&version) {
            back_in_a_stable_group(run, version)?;
            back_while_others_join(run, version)?;
            back_while_others_sync(run, version)?;
            wrong_ids(run, version)?;
        }
    }
    Ok(())
}

fn pair(run: &mut Run, group: &str, version: i16) -> anyhow::Result<(Member, Member)> {
    let a = Member::of_instance(group, "a", version, "one");
    two(run, a, Member::of_instance(group, "b", version, "two"))
}

/// The same name, and no id yet.
fn again(member: &Member, name: &str) -> Member {
    let instance = member.instance.as_deref().unwrap_or_default();
    Member::of_instance(&member.group, name, member.version, instance)
}

fn back_in_a_stable_group(run: &mut Run, version: i16) -> anyhow::Result<()> {
    let group = format!("d-static-back-v{version}");
    let (a, b) = pair(run, &group, version)?;
    describe(run, &group, "both")?;
    let mut twin = again(&b, "b-again");
    twin.joins(run, "comes-back")?;
    describe(run, &group, "follower-back")?;
    b.lives(run, "fenced")?;
    b.syncs(run, "fenced", &[])?;
    b.leaves(run, "fenced")?;
    twin.syncs(run, "syncs", &[])?;
    a.lives(run, "not-disturbed")?;
    let mut leader = again(&a, "a-again");
    leader.joins(run, "comes-back")?;
    a.lives(run, "fenced")?;
    leader.syncs(run, "syncs", &[(&leader, "ignored")])?;
    // With something else to say it takes its place all the same, as long as the protocol stays.
    let mut third = Member { protocols: &[("range", b"other")], ..again(&b, "b-changed") };
    third.joins(run, "comes-changed")?;
    third.syncs(run, "changed", &[])?;
    describe(run, &group, "changed")?;
    let mut fourth = Member { protocols: &[("sticky", b"s")], ..again(&b, "b-sticky") };
    fourth.joins(run, "comes-with-another-protocol")?;
    describe(run, &group, "with-another-protocol")?;
    leader.leaves(run, "leaves")?;
    third.leaves(run, "leaves")
}

/// Who is waiting with a join is told that another has its name, which waits in its place.
fn back_while_others_join(run: &mut Run, version: i16) -> anyhow::Result<()> {
    let group = format!("d-static-joining-v{version}");
    let (mut a, mut b) = pair(run, &group, version)?;
    b.protocols = &[("range", b"other")];
    b.begins(run, "rejoins")?;
    b.waits(run, "rejoins-and-waits")?;
    let mut twin = again(&b, "b-again");
    twin.begins(run, "comes-back")?;
    b.joined(run, "replaced")?;
    twin.waits(run, "comes-back-and-waits")?;
    describe(run, &group, "replaced")?;
    a.joins(run, "rejoins")?;
    twin.joined(run, "comes-back")?;
    twin.begins_sync(run, &[])?;
    a.syncs(run, "syncs-with-the-new", &[(&a, "first"), (&twin, "second")])?;
    twin.synced(run, "syncs")?;
    a.leaves(run, "leaves")?;
    twin.leaves(run, "leaves")
}

/// Who is waiting with a sync is told too, and everybody has to join again.
fn back_while_others_sync(run: &mut Run, version: i16) -> anyhow::Result<()> {
    let group = format!("d-static-syncing-v{version}");
    let (mut a, mut b) = pair(run, &group, version)?;
    rejoin(run, &mut a, &mut b)?;
    let mut twin = again(&b, "b-again");
    twin.begins(run, "comes-back")?;
    b.synced(run, "replaced")?;
    describe(run, &group, "replaced")?;
    a.syncs(run, "too-late", &[(&a, "first"), (&b, "second")])?;
    a.joins(run, "once-more")?;
    twin.joined(run, "comes-back")?;
    a.leaves(run, "leaves")?;
    twin.leaves(run, "leaves")
}

/// A name with another's id, an id with no name, a name that nobody has.
fn wrong_ids(run: &mut Run, version: i16) -> anyhow::Result<()> {
    let group = format!("d-static-wrong-v{version}");
    let (a, b) = pair(run, &group, version)?;
    let (stranger, three) = (Str::from_static("stranger"), Str::from_static("three"));
    for (step, id, instance) in [
        ("another-id", &a.id, b.instance.clone()),
        ("unknown-id", &stranger, b.instance.clone()),
        ("no-name", &b.id, None),
        ("unknown-name", &b.id, Some(three.clone())),
        ("unknown-both", &stranger, Some(three)),
    ] {
        let name = format!("b-{step}");
        let wrong =
            Member { id: id.clone(), instance, generation: b.generation, ..Member::new(&group, &name, version) };
        wrong.lives(run, step)?;
        wrong.syncs(run, step, &[])?;
        run.one(&wrong.step("joins"), version, &AnyRequest::JoinGroup(wrong.join()))?;
    }
    describe(run, &group, "after-wrong-ids")?;
    a.leaves(run, "leaves")?;
    b.leaves(run, "leaves")
}
