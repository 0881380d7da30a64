//! A store in memory that can lose what was not synced: for tests and simulation.

use super::{Batch, MetaKey, Store, StoreError};
use bytes::Bytes;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

#[derive(Clone, Default)]
struct Contents {
    meta: BTreeMap<MetaKey, Bytes>,
    entries: BTreeMap<u64, Bytes>,
}

impl Contents {
    fn apply(&mut self, batch: &Batch) {
        self.meta.extend(batch.meta.iter().cloned());
        if let Some(index) = batch.drop_before {
            self.entries = self.entries.split_off(&index);
        }
        if let Some(index) = batch.drop_from {
            self.entries.split_off(&index);
        }
        self.entries.extend(batch.entries.iter().cloned());
    }
}

#[derive(Default)]
struct Shared {
    synced: Contents,
    /// With the batches of `unsynced`.
    now: Contents,
    unsynced: Vec<Batch>,
    syncs: u64,
    failing: bool,
}

/// A store in memory. Clones are the same store, as handles to one disk would be.
#[derive(Clone, Default)]
pub struct MemoryStore(Arc<Mutex<Shared>>);

impl MemoryStore {
    pub fn new() -> Self {
        Self::default()
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        // A panic elsewhere leaves the contents whole: they change in one step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Power fails: of what was not synced the first `kept` batches are there afterwards.
    pub fn crash(&self, kept: usize) {
        let mut shared = self.shared();
        let batches = std::mem::take(&mut shared.unsynced);
        batches.iter().take(kept).for_each(|batch| shared.synced.apply(batch));
        shared.now = shared.synced.clone();
        shared.failing = false;
    }

    /// How many batches a crash could lose.
    pub fn unsynced(&self) -> usize {
        self.shared().unsynced.len()
    }

    /// How often was synced.
    pub fn syncs(&self) -> u64 {
        self.shared().syncs
    }

    /// Has every write fail, until this is said anew or power fails.
    pub fn set_failing(&self, failing: bool) {
        self.shared().failing = failing;
    }
}

impl Store for MemoryStore {
    fn meta(&self, key: MetaKey) -> Result<Option<Bytes>, StoreError> {
        Ok(self.shared().now.meta.get(&key).cloned())
    }

    fn entries(&self, low: u64, high: u64, max_bytes: u64) -> Result<Vec<(u64, Bytes)>, StoreError> {
        let mut taken = 0;
        let mut found = Vec::new();
        for (index, bytes) in self.shared().now.entries.range(low..high.max(low)) {
            taken += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            if taken > max_bytes && !found.is_empty() {
                break;
            }
            found.push((*index, bytes.clone()));
        }
        Ok(found)
    }

    fn write(&mut self, batch: Batch) -> Result<(), StoreError> {
        let mut shared = self.shared();
        if shared.failing {
            return Err(StoreError::Failed("the disk is told to fail".into()));
        }
        shared.now.apply(&batch);
        if batch.sync {
            shared.synced = shared.now.clone();
            shared.unsynced.clear();
            shared.syncs += 1;
        } else {
            shared.unsynced.push(batch);
        }
        Ok(())
    }
}
