//! Heartbeats that are refused whatever the group is, and those of members that are none.

use super::{Heartbeat, Run, beat, join, owned};
use ottla_protocol::{ApiKey, Str, any::AnyRequest};

pub(super) fn play(run: &mut Run) -> anyhow::Result<()> {
    for (step, request) in malformed(run).into_iter().chain(strange()) {
        run.each(&format!("consumer-{step}"), ApiKey::ConsumerGroupHeartbeat, |_| {
            AnyRequest::ConsumerGroupHeartbeat(request.clone())
        })?;
    }
    super::describe(run, "refused", &["d-refused", "d-strange", "d-odd"])?;
    for member in ["a", "b"] {
        super::newest(run, &format!("odd-{member}-leaves"), beat("d-odd", member, -1))?;
    }
    Ok(())
}

/// What is wrong with the request itself, and with two things at a time, as the order tells which is seen first.
fn malformed(run: &Run) -> Vec<(&'static str, Heartbeat)> {
    let joining = || join("d-refused", "a", &["d-consumed"]);
    let living = || beat("d-refused", "a", 1);
    let text = |text: &str| Some(Str::from(text));
    vec![
        ("no-group", Heartbeat { group_id: Str::default(), ..joining() }),
        ("blank-group", Heartbeat { group_id: Str::from(" "), ..joining() }),
        ("no-member", Heartbeat { member_id: Str::default(), ..living() }),
        ("blank-member", Heartbeat { member_id: Str::from(" \t"), ..living() }),
        ("no-member-leaves", Heartbeat { member_id: Str::default(), ..beat("d-refused", "a", -1) }),
        ("no-group-no-member", Heartbeat { group_id: Str::default(), member_id: Str::default(), ..living() }),
        ("no-instance", Heartbeat { instance_id: text(""), ..joining() }),
        ("no-rack", Heartbeat { rack_id: text("  "), ..joining() }),
        ("no-instance-no-rack", Heartbeat { instance_id: text(""), rack_id: text(""), ..living() }),
        ("join-no-timeout", Heartbeat { rebalance_timeout_ms: -1, ..joining() }),
        ("join-timeout-minus-2", Heartbeat { rebalance_timeout_ms: -2, ..join("d-odd", "a", &[]) }),
        ("join-timeout-0", Heartbeat { rebalance_timeout_ms: 0, ..join("d-odd", "b", &[]) }),
        ("join-no-partitions", Heartbeat { topic_partitions: None, ..joining() }),
        ("join-owning", Heartbeat { topic_partitions: owned(run, &[("d-consumed", &[0])]), ..joining() }),
        (
            "join-owning-none-of-a-topic",
            Heartbeat { topic_partitions: owned(run, &[("d-consumed", &[])]), ..joining() },
        ),
        ("join-no-subscription", Heartbeat { subscribed_topic_names: None, ..joining() }),
        ("join-nothing", beat("d-refused", "a", 0)),
        ("away-no-instance", beat("d-refused", "a", -2)),
        ("epoch-minus-3", beat("d-refused", "a", -3)),
        ("epoch-minus-max", beat("d-refused", "a", i32::MIN)),
        ("unknown-assignor", Heartbeat { server_assignor: text("sticky"), ..joining() }),
        ("no-assignor", Heartbeat { server_assignor: text(""), ..joining() }),
        ("assignor-in-other-case", Heartbeat { server_assignor: text("Range"), ..joining() }),
        (
            "unknown-assignor-no-timeout",
            Heartbeat { server_assignor: text("sticky"), rebalance_timeout_ms: -1, ..joining() },
        ),
        ("unknown-assignor-leaves", Heartbeat { server_assignor: text("sticky"), ..beat("d-refused", "a", -1) }),
    ]
}

/// Groups and members that are not there.
fn strange() -> Vec<(&'static str, Heartbeat)> {
    let instance_id = Some(Str::from_static("i"));
    vec![
        ("unknown-group", beat("d-strange", "a", 1)),
        ("unknown-group-leaves", beat("d-strange", "a", -1)),
        ("unknown-group-away", Heartbeat { instance_id: instance_id.clone(), ..beat("d-strange", "a", -2) }),
        ("unknown-group-instance", Heartbeat { instance_id, ..beat("d-strange", "a", 1) }),
    ]
}
