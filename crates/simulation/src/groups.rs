//! Consumer groups in one thread, from a seed: members of both protocols and their coordinator over a network and failovers that
//! are made up.
//!
//! The coordinator is the machine that the broker runs, on a log that loses what was not committed from any point on when it fails
//! over. Messages are lost and late, though those of one member keep their order, as on a connection; members are killed, leave,
//! stand still for longer than their session and come back, under their name or with another protocol; topics grow.

mod check;
mod coordinator;
mod member;
mod message;
mod protocols;
mod topics;
mod world;

pub(crate) use self::check::{History, offset_goes_on};
pub(crate) use self::coordinator::{Offsets, now, settings};
pub(crate) use self::member::{Member, to_commit, to_fetch};
pub(crate) use self::message::{Caller, Message, Request};
pub(crate) use self::topics::{Part, Topics, name, number_of};
pub use self::world::{GroupReport, run};

#[cfg(test)]
mod tests;
