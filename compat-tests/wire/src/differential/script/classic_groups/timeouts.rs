//! Members that fall silent: within their session, in a rebalance, before they sync, and before they join with their id.

use super::{Member, describe, rejoin, two};
use crate::differential::run::Run;
use ottla_protocol::ApiKey;

const SOON_MS: i32 = 1500;

pub(super) fn play(run: &mut Run) -> anyhow::Result<()> {
    let version = run.newest(ApiKey::JoinGroup);
    session(run, version)?;
    rebalance(run, version)?;
    leader_that_never_syncs(run, version)?;
    id_that_is_never_used(run, version)
}

/// The group is told when a member's session is over, and the member is unknown then.
fn session(run: &mut Run, version: i16) -> anyhow::Result<()> {
    let group = "d-silent";
    let b = Member { session_ms: SOON_MS, ..Member::new(group, "b", version) };
    let (mut a, b) = two(run, Member::new(group, "a", version), b)?;
    a.until_refused(run)?;
    a.lives(run, "other-is-silent")?;
    describe(run, group, "other-is-silent")?;
    a.joins(run, "alone")?;
    b.lives(run, "too-late")?;
    b.syncs(run, "too-late", &[])?;
    a.leaves(run, "leaves")
}

/// Who does not join again in time is out, though it sends heartbeats; who waited leads.
fn rebalance(run: &mut Run, version: i16) -> anyhow::Result<()> {
    let group = "d-slow";
    let a = Member { rebalance_ms: SOON_MS, ..Member::new(group, "a", version) };
    let b = Member { rebalance_ms: SOON_MS, ..Member::new(group, "b", version) };
    let (a, mut b) = two(run, a, b)?;
    b.protocols = &[("range", b"other")];
    b.begins(run, "rejoins")?;
    b.waits(run, "rejoins-and-waits")?;
    a.lives(run, "but-does-not-rejoin")?;
    b.joined(run, "rejoins")?;
    describe(run, group, "one-was-too-slow")?;
    a.lives(run, "too-slow")?;
    b.leaves(run, "leaves")
}

/// Nobody gets an assignment, and who has not asked for one is out.
fn leader_that_never_syncs(run: &mut Run, version: i16) -> anyhow::Result<()> {
    let group = "d-never-synced";
    let a = Member { rebalance_ms: SOON_MS, ..Member::new(group, "a", version) };
    let b = Member { rebalance_ms: SOON_MS, ..Member::new(group, "b", version) };
    let (mut a, mut b) = two(run, a, b)?;
    rejoin(run, &mut a, &mut b)?;
    b.synced(run, "the-leader-never-came")?;
    describe(run, group, "the-leader-never-came")?;
    b.joins(run, "leads")?;
    a.lives(run, "too-late")?;
    b.leaves(run, "leaves")
}

/// An id is kept for a session, within which the group waits for who has it.
fn id_that_is_never_used(run: &mut Run, version: i16) -> anyhow::Result<()> {
    let group = "d-never-joined";
    let mut a = Member::new(group, "a", version);
    a.joins(run, "joins")?;
    a.syncs(run, "syncs", &[(&a, "all")])?;
    let mut b = Member { session_ms: SOON_MS, ..Member::new(group, "b", version) };
    run.asks(&b.name, version, &ottla_protocol::any::AnyRequest::JoinGroup(b.join()))?;
    b.joined(run, "gets-an-id")?;
    a.begins(run, "rejoins")?;
    a.waits(run, "rejoins-and-waits-for-the-id")?;
    describe(run, group, "with-an-id-to-come")?;
    a.joined(run, "rejoins")?;
    b.joins(run, "too-late")?;
    a.leaves(run, "leaves")
}
