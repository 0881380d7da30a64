//! Which brokers were heard of lately.

use core::time::Duration;
use std::collections::BTreeMap;

/// What is known of a broker from its heartbeats; lost with the controller's activity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::controller) struct Session {
    /// When it is taken for dead unless it is heard of before.
    pub(super) ends: Duration,
    /// How far it has followed the metadata log.
    pub(super) metadata_offset: i64,
    /// The offset that the others must have reached before it may stop, so that they know it leads nothing.
    pub(super) shutdown_offset: Option<i64>,
    /// Whether it was told that it may stop now: a heartbeat that was under way does not bring it back.
    pub(super) told_to_stop: bool,
}

/// The sessions by broker.
#[derive(Debug, Default)]
pub(in crate::controller) struct Sessions(BTreeMap<i32, Session>);

impl Sessions {
    pub(super) fn is_valid(&self, broker_id: i32, now: Duration) -> bool {
        self.0.get(&broker_id).is_some_and(|s| s.ends > now)
    }

    pub(super) fn get(&self, broker_id: i32) -> Session {
        self.0.get(&broker_id).copied().unwrap_or_default()
    }

    /// The session to note things in; made if there is none.
    pub(in crate::controller) fn touch(&mut self, broker_id: i32, ends: Duration) -> &mut Session {
        let session = self.0.entry(broker_id).or_default();
        session.ends = ends;
        session
    }

    pub(super) fn end(&mut self, broker_id: i32) {
        self.0.remove(&broker_id);
    }
}
