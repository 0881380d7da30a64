//! Random histories of one log on a simulated disk, against a model in memory.
#![allow(unreachable_pub, clippy::unwrap_used, reason = "shared by a test and an example")]

pub mod marks;
pub mod runner;

mod appending;
mod batch;
mod checks;
mod draw;
mod epochs;
mod faults;
mod opening;
mod producers;
mod rng;
mod state;
mod trimming;
mod world;

/// Name of the thread that histories run on.
pub const THREAD: &str = "model";
