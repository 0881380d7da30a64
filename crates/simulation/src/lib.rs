//! A cluster in one thread, from a seed: the machines of controller and replicas as they run in production, on a clock, a network
//! and disks that are made up and fail as the seed says.
//!
//! Invariants: a seed gives the same history each time; nothing that is checked is known to what is checked; whatever the faults,
//! once they stop the cluster must serve again.
//!
//! What is made up is kind in no way that a real one is not: messages are lost, late, twice and out of order, also between runs
//! of a process; what was not synced before a crash is lost, any part of it; processes stand still and go on.
//!
//! The crate does not know the broker's sockets, threads and files: those are tested with processes, in `compat-tests`.

mod broker;
mod client;
mod controller;
mod disk;
mod groups;
mod invariants;
mod message;
mod random;
mod swarm;
mod transactions;
mod world;

pub use self::groups::{GroupReport, run as run_groups};
pub use self::invariants::Violation;
pub use self::swarm::Swarm;
pub use self::transactions::{TransactionReport, run as run_transactions};
pub use self::world::{Report, run, run_on_logs};

#[cfg(test)]
mod tests;
