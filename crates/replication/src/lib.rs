//! One partition's replica: what a leader knows of its followers, who is in sync and what is committed, and what a follower
//! does to its log to agree with the leader's.
//!
//! Invariants: the high watermark only rises while a leader leads in one epoch, is passed by nothing that is not durable on the
//! leader and fetched past by everybody who is or may be in sync, and stands still while fewer than `min.insync.replicas`
//! are in sync (KIP-966); the in-sync set is what the controller last said, and until it answers a wish to change it both what
//! is and what is wished for count (KIP-497); a follower joins it only with the records that this leader's epoch began with.
//!
//! The crate does not know logs, sockets, clocks or threads: offsets and `now` are arguments.
//!
//! # How it is used
//!
//! The driver makes a [`Leader`] when the metadata says that this broker leads, tells it of appends ([`Leader::appended`]), syncs
//! ([`Leader::synced`]), followers' fetches ([`Leader::fetched`]) and time ([`Leader::shrink`]), and asks after each for what
//! follows: [`Leader::advance`] for a new high watermark, [`Leader::proposal`] for what to ask of the controller, whose answer
//! goes to [`Leader::answered`]. A follower fetches at [`follower::fetch_at`] and does what [`follower::diverged`] or
//! [`follower::out_of_range`] says when the leader has another history.

pub mod follower;
mod isr;
mod leader;
mod meter;
mod progress;
mod room;

pub use self::isr::Proposal;
pub use self::leader::{Admission, Ends, Fetched, Leader, Limits};
pub use self::meter::Meter;
pub use self::room::directory_to_tell;
