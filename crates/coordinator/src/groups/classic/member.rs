//! A member of a classic group, as it is between records.

use ottla_protocol::{Bytes, Str};
use ottla_state_machine::Ticket;

/// A way of assigning that a member knows, with what the leader needs to know of the member for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// The protocol's name, `range` for one.
    pub name: Str,
    /// The member's metadata, for consumers its subscription.
    pub metadata: Bytes,
}

/// A member.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Member {
    pub(crate) member_id: Str,
    pub(crate) group_instance_id: Option<Str>,
    pub(crate) client_id: Str,
    pub(crate) client_host: Str,
    pub(crate) rebalance_timeout_ms: i32,
    pub(crate) session_timeout_ms: i32,
    /// In the order of the member's preference, each name once.
    pub(super) protocols: Vec<Protocol>,
    pub(crate) assignment: Bytes,
    /// Who waits for the generation to begin.
    pub(super) awaiting_join: Option<Ticket>,
    /// Who waits for the assignment.
    pub(super) awaiting_sync: Option<Ticket>,
    /// Has not yet been through a whole join.
    pub(crate) is_new: bool,
}

impl Member {
    pub(crate) fn is_static(&self) -> bool {
        self.group_instance_id.is_some()
    }

    pub(crate) fn is_awaiting_join(&self) -> bool {
        self.awaiting_join.is_some()
    }

    /// Whether silence is no sign of death: who waits for us does not send heartbeats. A new member is given its own
    /// time, as its first join may be of a client that is long gone.
    pub(crate) fn has_satisfied_heartbeat(&self) -> bool {
        !self.is_new && (self.awaiting_join.is_some() || self.awaiting_sync.is_some())
    }

    /// The metadata for a protocol; empty if the member does not know it.
    pub(crate) fn metadata(&self, protocol: Option<&Str>) -> Bytes {
        let known = protocol.and_then(|name| self.protocols.iter().find(|p| p.name == *name));
        known.map_or_else(Bytes::new, |p| p.metadata.clone())
    }

    pub(crate) fn protocols(&self) -> &[Protocol] {
        &self.protocols
    }
}
