//! A group that is full; the broker must be run with `group.max.size=3`.

use super::{Member, describe};
use crate::differential::run::Run;
use ottla_protocol::ApiKey;

pub(super) fn play(run: &mut Run) -> anyhow::Result<()> {
    for version in [0, run.newest(ApiKey::JoinGroup)] {
        full(run, version)?;
    }
    Ok(())
}

fn full(run: &mut Run, version: i16) -> anyhow::Result<()> {
    let group = format!("d-full-v{version}");
    let member = |name: &str| Member::new(&group, name, version);
    let (mut a, mut b, mut c, mut d) = (member("a"), member("b"), member("c"), member("d"));
    a.joins(run, "joins")?;
    a.syncs(run, "syncs", &[(&a, "all")])?;
    b.begins(run, "joins")?;
    b.waits(run, "joins-and-waits")?;
    c.begins(run, "joins")?;
    c.waits(run, "joins-and-waits")?;
    a.joins(run, "rejoins")?;
    b.joined(run, "joins")?;
    c.joined(run, "joins")?;
    d.joins(run, "one-too-many-to-complete")?;
    a.syncs(run, "syncs-again", &[(&a, "first"), (&b, "second"), (&c, "third")])?;
    d.joins(run, "one-too-many")?;
    describe(run, &group, "full")?;
    a.leaves(run, "leaves")?;
    b.leaves(run, "leaves")?;
    c.leaves(run, "leaves")?;
    d.joins(run, "alone")?;
    d.leaves(run, "leaves")
}
