//! A second member comes to a group, changes its mind and goes; each of them asks in each state.

use super::{Member, describe};
use crate::differential::run::Run;
use ottla_protocol::ApiKey;

/// The first that join at once, those that get an id first, those that may be static, and the newest.
const VERSIONS: [i16; 4] = [0, 4, 5, 9];

pub(super) fn play(run: &mut Run) -> anyhow::Result<()> {
    for version in VERSIONS {
        if run.versions(ApiKey::JoinGroup).contains(&version) {
            together(run, version)?;
        }
    }
    Ok(())
}

fn together(run: &mut Run, version: i16) -> anyhow::Result<()> {
    let group = format!("d-together-v{version}");
    let (mut a, mut b) = (Member::new(&group, "a", version), Member::new(&group, "b", version));
    a.joins(run, "first")?;
    describe(run, &group, "first")?;
    a.lives(run, "before-its-sync")?;
    a.syncs(run, "first-sync", &[(&a, "all")])?;
    describe(run, &group, "alone")?;
    second_comes(run, &mut a, &mut b)?;
    second_changes(run, &mut a, &mut b)?;
    first_rejoins(run, &mut a, &mut b)?;
    b.leaves(run, "goes")?;
    describe(run, &group, "second-gone")?;
    a.lives(run, "second-gone")?;
    a.joins(run, "alone-again")?;
    a.syncs(run, "alone-again", &[(&a, "all")])?;
    b.lives(run, "gone")?;
    b.leaves(run, "goes-again")?;
    a.leaves(run, "goes")?;
    describe(run, &group, "empty")?;
    a.lives(run, "gone")
}

fn second_comes(run: &mut Run, a: &mut Member, b: &mut Member) -> anyhow::Result<()> {
    let group = a.group.to_string();
    b.begins(run, "comes")?;
    b.waits(run, "comes-and-waits")?;
    describe(run, &group, "preparing")?;
    a.lives(run, "preparing")?;
    a.syncs(run, "preparing", &[])?;
    a.joins(run, "second-came")?;
    b.joined(run, "comes")?;
    describe(run, &group, "completing")?;
    a.lives(run, "completing")?;
    b.lives(run, "completing")?;
    b.begins_sync(run, &[])?;
    b.waits(run, "waits-for-the-leader")?;
    let old =
        Member { generation: a.generation - 1, name: format!("{}-old", a.name), ..Member::new(&group, "", a.version) };
    let old = Member { id: a.id.clone(), ..old };
    old.lives(run, "completing")?;
    old.syncs(run, "completing", &[])?;
    a.syncs(run, "with-both", &[(a, "first"), (b, "second")])?;
    b.synced(run, "with-both")?;
    b.syncs(run, "once-more", &[])?;
    old.lives(run, "stable")?;
    describe(run, &group, "stable")
}

/// A follower that joins again as it was is answered at once; with something new everybody has to.
fn second_changes(run: &mut Run, a: &mut Member, b: &mut Member) -> anyhow::Result<()> {
    b.joins(run, "as-before")?;
    b.lives(run, "as-before")?;
    b.protocols = &[("range", b"other")];
    b.begins(run, "changes")?;
    b.waits(run, "changes-and-waits")?;
    a.lives(run, "second-changes")?;
    a.joins(run, "second-changes")?;
    b.joined(run, "changes")?;
    b.begins_sync(run, &[])?;
    a.syncs(run, "second-changed", &[(a, "changed"), (b, "changed too")])?;
    b.synced(run, "changed")
}

/// A leader that joins again as it was has found something that it must assign anew.
fn first_rejoins(run: &mut Run, a: &mut Member, b: &mut Member) -> anyhow::Result<()> {
    let group = a.group.to_string();
    a.begins(run, "as-before")?;
    a.waits(run, "as-before-and-waits")?;
    b.lives(run, "first-rejoins")?;
    b.joins(run, "first-rejoins")?;
    a.joined(run, "as-before")?;
    a.syncs(run, "without-the-second", &[(a, "everything")])?;
    b.syncs(run, "without-anything", &[])?;
    describe(run, &group, "unevenly")
}
