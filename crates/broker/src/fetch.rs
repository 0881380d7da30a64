//! Reading for consumers: sessions, and waiting until there is enough.

pub(crate) mod read;
pub(crate) mod session;
pub(crate) mod sessions;
pub(crate) mod waiters;

use ottla_storage::Isolation;

/// How far a client reads that asks for an `isolation_level`; none if there is no such level.
pub(crate) fn isolation(level: i8) -> Option<Isolation> {
    match level {
        0 => Some(Isolation::HighWatermark),
        1 => Some(Isolation::LastStableOffset),
        _ => None,
    }
}
