//! Static members (KIP-345): away and back, replaced, fenced.

use super::{Heartbeat, Member, Run, beat, describe, join};
use ottla_protocol::Str;

const GROUP: &str = "d-static";
const ALL: &[i32] = &[0, 1, 2, 3];

fn named(request: Heartbeat) -> Heartbeat {
    Heartbeat { instance_id: Some(Str::from_static("i")), ..request }
}

fn joining(member: &str) -> Heartbeat {
    named(join(GROUP, member, &["d-consumed"]))
}

pub(super) fn play(run: &mut Run) -> anyhow::Result<()> {
    let mut a = Member::new(run, GROUP, "a");
    let mut b = Member::new(run, GROUP, "b");
    a.says(run, "static-joins", joining("a"))?;
    let holding = named(a.holding(run, ALL));
    a.says(run, "static-holds", holding)?;
    b.says(run, "static-taken", joining("b"))?;
    a.says(run, "static-joins-again", joining("a"))?;
    a.beats(run, "static-without-name")?;
    a.says(run, "static-other-name", Heartbeat { instance_id: Some(Str::from_static("j")), ..a.beat() })?;
    a.says(run, "static-stranger", named(beat(GROUP, "b", a.epoch)))?;
    a.says(run, "static-newer-epoch", named(beat(GROUP, "a", a.epoch + 1)))?;
    a.says(run, "static-stranger-away", named(beat(GROUP, "b", -2)))?;
    a.says(run, "static-away", named(beat(GROUP, "a", -2)))?;
    describe(run, "static-away", &[GROUP])?;
    a.says(run, "static-away-beats", named(a.beat()))?;
    a.says(run, "static-away-again", named(beat(GROUP, "a", -2)))?;
    b.says(run, "static-back", joining("b"))?;
    describe(run, "static-back", &[GROUP])?;
    a.says(run, "static-old-id", named(a.beat()))?;
    a.says(run, "static-old-id-leaves", named(beat(GROUP, "a", -1)))?;
    let holding = named(b.holding(run, ALL));
    b.says(run, "static-back-holds", holding)?;
    with_another(run, &mut b)?;
    b.says(run, "static-leaves", named(beat(GROUP, "b", -1)))?;
    b.says(run, "static-left", named(b.beat()))?;
    describe(run, "static-left", &[GROUP])
}

/// What a member that is away had stays its own, and it comes back with another subscription.
fn with_another(run: &mut Run, b: &mut Member) -> anyhow::Result<()> {
    let mut c = Member::joins(run, "static-dynamic-joins", GROUP, "c", &["d-consumed"])?;
    b.says(run, "static-away-with-more", named(beat(GROUP, "b", -2)))?;
    c.beats(run, "static-dynamic-waits")?;
    describe(run, "static-away-with-more", &[GROUP])?;
    b.says(run, "static-back-with-more", named(join(GROUP, "b", &["d-consumed", "d-consumed-too"])))?;
    describe(run, "static-back-with-more", &[GROUP])?;
    c.says(run, "static-dynamic-away", beat(GROUP, "c", -2))?;
    c.says(run, "static-dynamic-away-by-name", named(beat(GROUP, "c", -2)))?;
    c.leaves(run, "static-dynamic-leaves")
}
