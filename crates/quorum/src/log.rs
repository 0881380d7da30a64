//! The log as raft sees it: places and terms in memory, entries in the store, and every contradiction found at the start.

mod open;
mod terms;
#[cfg(test)]
mod tests;

use crate::{
    codec::{self, ReadError, Reader},
    entry,
    members::{Members, SnapshotId, node_id},
    message,
    store::{Batch, MetaKey, Store, StoreError},
};
use bytes::{BufMut as _, Bytes, BytesMut};
use ottla_protocol::{Str, Uuid};
use raft::{
    GetEntriesContext, RaftState, Storage, StorageError,
    eraftpb::{Entry, HardState, Snapshot},
};
use std::cell::{Cell, RefCell};
use terms::Terms;

const META_VERSION: u8 = 1;

/// Why a log cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Bytes in the store that are nothing a node wrote.
    #[error("the quorum's {what} is damaged: {error}")]
    Damaged { what: &'static str, error: ReadError },
    /// Each part is whole, and they do not fit together.
    #[error("the quorum's store contradicts itself: {0}")]
    Contradiction(String),
    #[error("the quorum's store belongs to {0}")]
    NotOurs(String),
}

/// Whose log it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) node_id: i32,
    pub(crate) directory_id: Uuid,
    pub(crate) cluster_id: Str,
}

/// What stands for the entries up to an index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Base {
    /// Zero before the log was founded.
    pub(crate) index: u64,
    pub(crate) term: u64,
    pub(crate) members: Members,
    pub(crate) id: SnapshotId,
}

/// A first log.
pub(crate) struct Beginning {
    pub(crate) base: Base,
    /// The last term that there was.
    pub(crate) term: u64,
    pub(crate) entries: Vec<Entry>,
}

/// The log of a node over its store.
pub(crate) struct Log<S> {
    store: S,
    base: Base,
    /// The members from each index on, since the base.
    members: Vec<(u64, Members)>,
    terms: Terms,
    /// As written or to be written with the next batch.
    hard: HardState,
    hard_written: bool,
    /// A read that failed: raft cannot be told, and is not to be asked further.
    failure: RefCell<Option<LogError>>,
    /// A node was made a member, perhaps anew, after the base, and so cannot begin from it.
    newer_wanted: Cell<bool>,
}

impl<S: Store> Log<S> {
    pub(crate) fn base(&self) -> &Base {
        &self.base
    }

    /// The present members.
    pub(crate) fn members(&self) -> &Members {
        self.members.last().map_or(&self.base.members, |(_, members)| members)
    }

    /// The members that an entry brought.
    pub(crate) fn members_from(&self, index: u64) -> Option<&Members> {
        self.members.iter().find(|(from, _)| *from == index).map(|(_, members)| members)
    }

    /// Notes the members that a committed entry brings.
    pub(crate) fn set_members(&mut self, index: u64, members: Members) {
        self.members.push((index, members));
    }

    pub(crate) fn commit(&self) -> u64 {
        self.hard.commit
    }

    /// The first read that failed.
    pub(crate) fn take_failure(&self) -> Option<LogError> {
        self.failure.borrow_mut().take()
    }

    /// Whether a node needs a base that is newer than this one.
    pub(crate) fn take_newer_wanted(&self) -> bool {
        self.newer_wanted.take()
    }

    /// The entries in `low..high` that the store has: the first, and more up to `max_bytes`.
    pub(crate) fn read(&self, low: u64, high: u64, max_bytes: u64) -> Result<Vec<Entry>, LogError> {
        let found = self.store.entries(low, high, max_bytes)?;
        let mut entries = Vec::with_capacity(found.len());
        for (expected, (index, bytes)) in (low..high).zip(found) {
            if index != expected {
                return Err(LogError::Contradiction(format!("entry {expected} is missing, {index} follows")));
            }
            entries.push(decode_entry(index, bytes)?);
        }
        if entries.is_empty() && low < high {
            return Err(LogError::Contradiction(format!("entry {low} is missing")));
        }
        Ok(entries)
    }

    /// Takes a new term, vote or commit index; it is written with the next batch.
    pub(crate) fn set_hard(&mut self, hard: HardState) {
        self.hard_written &= hard == self.hard;
        self.hard = hard;
    }

    pub(crate) fn set_commit(&mut self, commit: u64) {
        self.set_hard(HardState { commit, ..self.hard.clone() });
    }

    /// Makes term, vote and commit index durable.
    pub(crate) fn sync_hard(&mut self) -> Result<(), LogError> {
        self.hard_written = false;
        self.write(Batch { sync: true, ..Batch::default() })
    }

    /// Writes what changed. `restored` replaces the whole log; `entries` replace what the log has from the first of them on.
    pub(crate) fn persist(
        &mut self,
        restored: Option<Base>,
        entries: &[Entry],
        must_sync: bool,
    ) -> Result<(), LogError> {
        let mut batch = Batch { sync: must_sync, ..Batch::default() };
        if let Some(base) = restored {
            batch.meta.push((MetaKey::Snapshot, encode_base(&base)));
            batch.drop_from = Some(0);
            batch.sync = true;
            self.terms = Terms::after(base.index, base.term);
            self.members.clear();
            self.base = base;
        }
        if let Some(first) = entries.first() {
            if first.index <= self.terms.last_index() {
                batch.drop_from = batch.drop_from.or(Some(first.index));
            }
            // What a message promises must be there, whatever else the batch is.
            batch.sync = true;
            self.terms.truncate(first.index);
        }
        for entry in entries {
            self.terms.push(entry.index, entry.term);
            batch.entries.push((entry.index, encode_entry(entry)));
        }
        self.write(batch)
    }

    /// Drops the entries up to one that is committed; a snapshot stands for them from now on.
    pub(crate) fn compact(&mut self, index: u64, id: SnapshotId) -> Result<(), LogError> {
        let term = self.terms.term(index).expect("only what was handed out is dropped");
        let after = self.members.partition_point(|(from, _)| *from <= index);
        let members = self.members.drain(..after).next_back();
        let members = members.map_or_else(|| self.base.members.clone(), |(_, members)| members);
        self.base = Base { index, term, members, id };
        self.terms.compact(index);
        let mut batch = Batch { sync: true, ..Batch::default() };
        batch.meta.push((MetaKey::Snapshot, encode_base(&self.base)));
        batch.drop_before = Some(index + 1);
        // The commit index on disk may not be less than the base.
        self.hard_written = false;
        self.write(batch)
    }

    fn write(&mut self, mut batch: Batch) -> Result<(), LogError> {
        if !self.hard_written {
            batch.meta.push((MetaKey::Hard, encode_hard(&self.hard)));
            self.hard_written = true;
        }
        let nothing = batch.meta.is_empty() && batch.entries.is_empty();
        if nothing { Ok(()) } else { Ok(self.store.write(batch)?) }
    }

    /// Keeps a failure for the driver, and has raft go on with nothing until it is asked.
    fn fail<T: Default>(&self, error: LogError) -> T {
        self.failure.borrow_mut().get_or_insert(error);
        T::default()
    }
}

impl<S: Store> Storage for Log<S> {
    fn initial_state(&self) -> raft::Result<RaftState> {
        Ok(RaftState::new(self.hard.clone(), self.members().to_raft()))
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _context: GetEntriesContext,
    ) -> raft::Result<Vec<Entry>> {
        if low <= self.base.index {
            return Err(StorageError::Compacted.into());
        }
        let max_bytes = max_size.into().unwrap_or(u64::MAX);
        Ok(self.read(low, high, max_bytes).unwrap_or_else(|error| self.fail(error)))
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        match self.terms.term(index) {
            Some(term) => Ok(term),
            None if index < self.base.index => Err(StorageError::Compacted.into()),
            None => Err(StorageError::Unavailable.into()),
        }
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(self.base.index + 1)
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(self.terms.last_index())
    }

    fn snapshot(&self, request_index: u64, to: u64) -> raft::Result<Snapshot> {
        let voter = |members: &Members| node_id(to).and_then(|id| members.get(id)).map(|member| member.voter);
        let known = voter(&self.base.members).is_some() && voter(&self.base.members) == voter(self.members());
        if !known || self.base.index < request_index {
            self.newer_wanted.set(true);
            return Err(StorageError::SnapshotTemporarilyUnavailable.into());
        }
        Ok(message::snapshot(self.base.index, self.base.term, &self.base.members, self.base.id))
    }
}

fn encode_entry(entry: &Entry) -> Bytes {
    let mut bytes = BytesMut::with_capacity(entry::MIN_BYTES + entry.context.len() + entry.data.len());
    entry::encode(entry, &mut bytes);
    bytes.freeze()
}

fn decode_entry(index: u64, bytes: Bytes) -> Result<Entry, LogError> {
    let mut from = Reader::new(bytes);
    let entry = entry::decode(&mut from, index).and_then(|entry| from.end().map(|()| entry));
    entry.map_err(|error| LogError::Damaged { what: "log", error })
}

fn encode_identity(identity: &Identity) -> Bytes {
    let mut out = BytesMut::new();
    out.put_u8(META_VERSION);
    out.put_i32(identity.node_id);
    codec::put_uuid(&mut out, identity.directory_id);
    codec::put_bytes(&mut out, identity.cluster_id.as_bytes());
    out.freeze()
}

fn encode_hard(hard: &HardState) -> Bytes {
    let mut out = BytesMut::new();
    out.put_u8(META_VERSION);
    codec::put_term(&mut out, hard.term);
    out.put_u64(hard.vote);
    out.put_u64(hard.commit);
    out.freeze()
}

fn encode_base(base: &Base) -> Bytes {
    let mut out = BytesMut::new();
    out.put_u8(META_VERSION);
    out.put_u64(base.index);
    codec::put_term(&mut out, base.term);
    base.members.encode(&mut out);
    base.id.encode(&mut out);
    out.freeze()
}
