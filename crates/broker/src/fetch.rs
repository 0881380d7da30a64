//! Reading for consumers: sessions, and waiting until there is enough.

pub(crate) mod read;
pub(crate) mod session;
pub(crate) mod sessions;
pub(crate) mod waiters;
