//! What must hold whatever happens, a file each.

mod acknowledged;
mod committed;
mod high_watermark;
mod in_sync;
mod liveness;
mod metadata_log;
mod moved;
mod one_controller;
mod one_leader;
mod told;

pub(crate) use self::acknowledged::Acknowledged;
pub(crate) use self::committed::Committed;
pub(crate) use self::high_watermark::HighWatermark;
pub(crate) use self::in_sync::check as in_sync;
pub(crate) use self::liveness::{what_is_not_served, who_lacks_metadata};
pub(crate) use self::metadata_log::MetadataLog;
pub(crate) use self::moved::Moved;
pub(crate) use self::one_controller::{OneController, is_voter};
pub(crate) use self::one_leader::OneLeader;
pub(crate) use self::told::check as told;

use core::fmt;

/// What did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The invariant.
    pub invariant: &'static str,
    /// What was seen.
    pub seen: String,
}

impl Violation {
    pub(crate) fn new(invariant: &'static str, seen: String) -> Self {
        Self { invariant, seen }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.seen)
    }
}
