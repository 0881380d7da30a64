//! The requests that both brokers get, by subject; the order is part of the script.

mod acls;
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
use anyhow::ensure;

/// Sends everything that is for a controller's listener.
pub fn play_controller(run: &mut Run) -> anyhow::Result<()> {
    controller::play(run)
}

type Subject = fn(&mut Run) -> anyhow::Result<()>;

const SUBJECTS: [(&str, Subject); 12] = [
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
    ("consumer-groups", consumer_groups::play),
    ("transactions", transactions::play),
];

/// Sends everything that is for a broker's listener, or of one subject only.
pub fn play(run: &mut Run, only: Option<&str>) -> anyhow::Result<()> {
    ensure!(only.is_none_or(|only| SUBJECTS.iter().any(|(name, _)| *name == only)), "there is no such subject");
    run.settle("d-settled")?;
    for (_, play) in SUBJECTS.into_iter().filter(|(name, _)| only.is_none_or(|only| *name == only)) {
        play(run)?;
    }
    match only {
        None => topics::delete(run),
        Some(_) => Ok(()),
    }
}
