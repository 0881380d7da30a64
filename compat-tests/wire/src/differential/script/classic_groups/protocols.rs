//! The protocol that all members have is chosen by their votes; who has none of them stays outside.

use super::{Member, Protocols, describe, two};
use crate::differential::run::Run;
use ottla_protocol::{ApiKey, Str, any::AnyRequest};

const BOTH: Protocols = &[("range", b"r"), ("roundrobin", b"rr")];
const OTHER: Protocols = &[("roundrobin", b"rr"), ("sticky", b"s")];
const NONE_OF_THEM: Protocols = &[("sticky", b"s")];

pub(super) fn play(run: &mut Run) -> anyhow::Result<()> {
    let version = run.newest(ApiKey::JoinGroup);
    choice(run, version)?;
    outsiders(run, version)?;
    wrong_syncs(run, version)
}

fn choice(run: &mut Run, version: i16) -> anyhow::Result<()> {
    let group = "d-choosing";
    let mut a = Member { protocols: BOTH, ..Member::new(group, "a", version) };
    let mut b = Member { protocols: OTHER, ..Member::new(group, "b", version) };
    a.joins(run, "alone")?;
    b.begins(run, "joins")?;
    b.waits(run, "joins-and-waits")?;
    a.joins(run, "joins")?;
    b.joined(run, "joins")?;
    describe(run, group, "chosen")?;
    a.leaves(run, "leaves")?;
    b.leaves(run, "leaves")
}

fn outsiders(run: &mut Run, version: i16) -> anyhow::Result<()> {
    let group = "d-outside";
    let mut a = Member { protocols: BOTH, ..Member::new(group, "a", version) };
    a.joins(run, "joins")?;
    a.syncs(run, "syncs", &[(&a, "all")])?;
    let mut b = Member { protocols: NONE_OF_THEM, ..Member::new(group, "b", version) };
    b.joins(run, "none-of-them")?;
    let mut c = Member::new(group, "c", version);
    let request = ottla_protocol::messages::JoinGroupRequest { protocol_type: Str::from_static("connect"), ..c.join() };
    run.one(&c.step("of-another-type"), version, &AnyRequest::JoinGroup(request))?;
    c.protocols = &[];
    run.one(&c.step("of-no-protocol"), version, &AnyRequest::JoinGroup(c.join()))?;
    // A member that is in and comes with none of them has not left by that.
    a.protocols = NONE_OF_THEM;
    a.joins(run, "with-another")?;
    describe(run, group, "with-another")?;
    a.lives(run, "with-another")?;
    a.leaves(run, "leaves")
}

/// Who syncs must know what was chosen.
fn wrong_syncs(run: &mut Run, version: i16) -> anyhow::Result<()> {
    let group = "d-wrong-sync";
    let (a, b) = two(run, Member::new(group, "a", version), Member::new(group, "b", version))?;
    let version = a.at(run, ApiKey::SyncGroup);
    for (step, kind, name) in [
        ("type", Some("connect"), Some("range")),
        ("name", Some("consumer"), Some("sticky")),
        ("neither", None, None),
        ("no-name", Some("consumer"), None),
    ] {
        let mut request = b.sync(version, &[]);
        request.protocol_type = kind.map(Str::from_static);
        request.protocol_name = name.map(Str::from_static);
        run.one(&b.step(&format!("syncs-with-{step}")), version, &AnyRequest::SyncGroup(request))?;
    }
    a.leaves(run, "leaves")?;
    b.leaves(run, "leaves")
}
