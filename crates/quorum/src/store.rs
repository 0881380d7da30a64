//! Where the log, the vote and the members are kept: what a store must do, and the two that there are.

mod memory;
#[cfg(feature = "rocksdb")]
mod rocks;
#[cfg(test)]
#[cfg(feature = "rocksdb")]
mod tests;

pub use memory::MemoryStore;
#[cfg(feature = "rocksdb")]
pub use rocks::RocksStore;

use bytes::Bytes;

/// Why a store does not answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// What the disk or the library under the store says.
    #[error("the store of the quorum failed: {0}")]
    Failed(String),
    /// What is there was not written by a store.
    #[error("the store of the quorum is damaged: {0}")]
    Damaged(String),
}

/// What is kept beside the entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MetaKey {
    /// Whose store this is.
    Identity,
    /// Term, vote and commit index.
    Hard,
    /// What stands for the entries that were dropped.
    Snapshot,
}

impl MetaKey {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Identity, Self::Hard, Self::Snapshot];
}

/// Changes that happen together or not at all, in the order of the fields.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub meta: Vec<(MetaKey, Bytes)>,
    /// Entries below this index are dropped.
    pub drop_before: Option<u64>,
    /// Entries from this index on are dropped.
    pub drop_from: Option<u64>,
    pub entries: Vec<(u64, Bytes)>,
    /// Whether it must outlive a power cut, with all that was written before, when `write` returns.
    pub sync: bool,
}

/// Keeps entries by their index and a few values beside them.
///
/// What was written without `sync` may be lost in a crash, but only from some batch on: no batch is lost from among others.
pub trait Store {
    fn meta(&self, key: MetaKey) -> Result<Option<Bytes>, StoreError>;

    /// The entries in `low..high`, in order: the first, and more until they have `max_bytes`.
    fn entries(&self, low: u64, high: u64, max_bytes: u64) -> Result<Vec<(u64, Bytes)>, StoreError>;

    /// Writes a batch. After an error nothing may be believed that was not synced before, and nothing more be written.
    fn write(&mut self, batch: Batch) -> Result<(), StoreError>;
}
