//! What members and their coordinator say to one another.

use ottla_coordinator::{
    ConsumerHeartbeat, Event, Heartbeat, JoinGroup, LeaveGroup, OffsetCommit, OffsetFetch, Reply, SyncGroup,
};
use ottla_state_machine::Ticket;

/// What a member asks for.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    Join(JoinGroup),
    Sync(SyncGroup),
    Heartbeat(Heartbeat),
    Leave(LeaveGroup),
    ConsumerHeartbeat(ConsumerHeartbeat),
    Commit(OffsetCommit),
    Fetch(OffsetFetch),
}

impl Request {
    pub(crate) fn event(self, ticket: Ticket) -> Event {
        match self {
            Self::Join(request) => Event::JoinGroup(ticket, request),
            Self::Sync(request) => Event::SyncGroup(ticket, request),
            Self::Heartbeat(request) => Event::Heartbeat(ticket, request),
            Self::Leave(request) => Event::LeaveGroup(ticket, request),
            Self::ConsumerHeartbeat(request) => Event::ConsumerGroupHeartbeat(ticket, request),
            Self::Commit(request) => Event::OffsetCommit(ticket, request),
            Self::Fetch(request) => Event::OffsetFetch(ticket, request),
        }
    }
}

/// Who asks, and which of its requests it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) member: usize,
    pub(crate) attempt: u64,
}

/// A message on the network.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    Asked(Caller, Request),
    /// The answer, or none where nobody coordinates any more; and how often the group was gone before it.
    Told(Caller, Option<Reply>, u64),
}

impl Message {
    pub(crate) fn member(&self) -> usize {
        match self {
            Self::Asked(caller, _) | Self::Told(caller, ..) => caller.member,
        }
    }
}
