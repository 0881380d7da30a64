//! Sockets: listeners, connections, their limits, and the bytes that leave.

mod complaints;
mod connection;
mod limits;
mod listener;
mod outgoing;
mod voters;

pub(crate) use self::complaints::Complaints;
pub(crate) use self::connection::Peer;
pub(crate) use self::limits::Limits;
pub(crate) use self::listener::{Bound, Scope, serve};
pub(crate) use self::outgoing::Outgoing;
