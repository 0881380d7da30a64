//! Ottla: a broker that Kafka's clients and tools take for Apache Kafka.
//!
//! This crate does what the others decide: sockets, files, threads, clocks and wiring. It knows no rules of groups,
//! metadata or logs; those are in the crates it drives.

mod assignments;
mod broker;
mod check;
mod checkpoint_file;
mod cleaner;
mod cli;
mod client;
mod clock;
mod commit;
mod config_schema;
mod controller;
mod controller_registration;
mod controllers;
mod cordons;
mod dialer;
mod dir;
mod entropy;
mod error_code;
mod fetch;
mod fetchers;
mod format;
mod future;
mod groups;
mod handlers;
mod housekeeping;
mod http;
mod isr_changes;
mod joining;
mod log_dirs;
mod logging;
mod metadata_log;
mod metadata_quorum;
mod metrics;
mod moves;
mod network;
mod node;
mod partition;
mod placement;
mod producer_ids;
mod publisher;
mod registration;
mod removals;
mod replica;
mod replicas;
mod room;
mod settings;
mod shards;
mod site;
mod stall;
mod suspicion;
mod throttles;
mod transactions;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
