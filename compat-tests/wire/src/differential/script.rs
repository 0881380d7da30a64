//! The requests that both brokers get, by subject; the order is part of the script.

mod acls;
mod classic_groups;
mod cluster;
mod configs;
mod consumer_groups;
mod controller;
mod features;
mod fetch;
mod groups;
mod offsets;
mod partitions;
mod produce;
mod records;
mod topics;
mod transactions;

use super::run::Run;
use anyhow::Context;

/// Sends everything that is for a controller's listener.
pub fn play_controller(run: &mut Run) -> anyhow::Result<()> {
    controller::play(run)
}

type Subject = fn(&mut Run) -> anyhow::Result<()>;

const SUBJECTS: [(&str, Subject); 13] = [
    ("cluster", cluster::play),
    ("features", features::play),
    ("acls", acls::play),
    ("topics", topics::play),
    ("partitions", partitions::play),
    ("configs", configs::play),
    ("produce", produce::play),
    ("fetch", fetch::play),
    ("offsets", offsets::play),
    ("groups", groups::play),
    ("classic-groups", classic_groups::play),
    ("consumer-groups", consumer_groups::play),
    ("transactions", transactions::play),
];

/// What takes so long that it must be asked for.
const LONG: [(&str, Subject); 2] =
    [("older-transactions", transactions::play_older), ("epochs", transactions::exhaust)];

/// Sends everything that is for a broker's listener, or of one subject only.
pub fn play(run: &mut Run, only: Option<&str>) -> anyhow::Result<()> {
    run.settle("d-settled")?;
    let Some(only) = only else {
        topics::create_by_asking(run)?;
        SUBJECTS.into_iter().try_for_each(|(_, play)| play(run))?;
        return topics::delete(run);
    };
    let subject = SUBJECTS.into_iter().chain(LONG).find(|(name, _)| *name == only);
    let (_, play) = subject.with_context(|| format!("there is no subject {only}"))?;
    play(run)
}
