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

use super::run::Run;

/// Sends everything that is for a controller's listener.
pub fn play_controller(run: &mut Run) -> anyhow::Result<()> {
    controller::play(run)
}

/// Sends everything that is for a broker's listener.
pub fn play(run: &mut Run) -> anyhow::Result<()> {
    run.settle("d-settled")?;
    topics::create_by_asking(run)?;
    cluster::play(run)?;
    features::play(run)?;
    acls::play(run)?;
    topics::play(run)?;
    partitions::play(run)?;
    configs::play(run)?;
    produce::play(run)?;
    fetch::play(run)?;
    offsets::play(run)?;
    groups::play(run)?;
    consumer_groups::play(run)?;
    topics::delete(run)
}
