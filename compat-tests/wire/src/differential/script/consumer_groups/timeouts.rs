//! Members that fall silent for their session, one of them while it is away; and a group that is full.

use super::{Heartbeat, Member, Run, assigned, beat, configured, describe, join};
use ottla_protocol::Str;

const SESSION: &[(&str, &str)] = &[("consumer.session.timeout.ms", "1500")];

pub(super) fn play(run: &mut Run) -> anyhow::Result<()> {
    silent(run)?;
    away(run)?;
    full(run)
}

/// What a silent member had goes to another, and it is unknown then.
fn silent(run: &mut Run) -> anyhow::Result<()> {
    const GROUP: &str = "d-consumer-silent";
    let mut a = configured(run, join(GROUP, "a", &["d-consumed"]), SESSION)?;
    let mut b = Member::joins(run, "silent-b-joins", GROUP, "b", &["d-consumed"])?;
    b.waits(run, "the end of a session", |answer| assigned(answer).is_some())?;
    describe(run, "silent", &[GROUP])?;
    a.holds(run, "silent-a-beats", &[0, 1])?;
    a.leaves(run, "silent-a-leaves")?;
    a.says(run, "silent-a-joins-again", join(GROUP, "a", &["d-consumed"]))?;
    b.leaves(run, "silent-b-leaves")?;
    a.leaves(run, "silent-a-leaves-again")
}

/// A static member that is away has its session to come back.
fn away(run: &mut Run) -> anyhow::Result<()> {
    const GROUP: &str = "d-consumer-away";
    let named = |request: Heartbeat| Heartbeat { instance_id: Some(Str::from_static("i")), ..request };
    let mut a = configured(run, named(join(GROUP, "a", &["d-consumed"])), SESSION)?;
    a.says(run, "away-leaves", named(beat(GROUP, "a", -2)))?;
    let mut b = Member::joins(run, "away-b-joins", GROUP, "b", &["d-consumed"])?;
    describe(run, "away", &[GROUP])?;
    b.waits(run, "the end of a session", |answer| assigned(answer).is_some())?;
    describe(run, "away-for-too-long", &[GROUP])?;
    let mut c = Member::new(run, GROUP, "c");
    c.says(run, "away-comes-too-late", named(join(GROUP, "c", &["d-consumed"])))?;
    describe(run, "away-came-too-late", &[GROUP])?;
    c.says(run, "away-c-leaves", named(beat(GROUP, "c", -1)))?;
    b.leaves(run, "away-b-leaves")
}

/// The broker must be run with `group.consumer.max.size=3`.
fn full(run: &mut Run) -> anyhow::Result<()> {
    const GROUP: &str = "d-consumer-full";
    for member in ["a", "b", "c", "d"] {
        Member::joins(run, &format!("full-{member}-joins"), GROUP, member, &["d-consumed"])?;
    }
    describe(run, "full", &[GROUP])?;
    Member::new(run, GROUP, "a").leaves(run, "full-a-leaves")?;
    Member::joins(run, "full-e-joins", GROUP, "e", &["d-consumed"])?;
    for member in ["b", "c", "e"] {
        Member::new(run, GROUP, member).leaves(run, &format!("full-{member}-leaves"))?;
    }
    Ok(())
}
