//! Opening a log: everything in the store is read once, and must be what a node may have left there.

use super::{
    Base, Beginning, Identity, Log, LogError, META_VERSION, Terms, decode_entry, encode_base, encode_entry,
    encode_hard, encode_identity,
};
use crate::{
    codec::{MAX_INDEX, ReadError, Reader},
    members::{Change, Members, SnapshotId, node_id},
    store::{Batch, MetaKey, Store},
};
use bytes::Bytes;
use ottla_protocol::Str;
use raft::eraftpb::{Entry, EntryType, HardState};
use std::cell::{Cell, RefCell};

/// Bytes of entries that are read at a time.
const SCAN_BYTES: u64 = 1 << 20;

impl<S: Store> Log<S> {
    /// Opens the log of a node. A store that has none yet is founded with `founding`, or waits for a snapshot.
    pub(crate) fn open(mut store: S, identity: &Identity, founding: Option<Beginning>) -> Result<Log<S>, LogError> {
        let known = read_meta(&store, MetaKey::Identity, "identity", decode_identity)?;
        if let Some(known) = known.as_ref().filter(|known| *known != identity) {
            let (node, directory) = (known.node_id, known.directory_id);
            return Err(LogError::NotOurs(format!("node {node}, directory {directory}, {}", &*known.cluster_id)));
        }
        let mut hard = read_meta(&store, MetaKey::Hard, "hard state", decode_hard)?.unwrap_or_default();
        let base = read_meta(&store, MetaKey::Snapshot, "snapshot", decode_base)?;
        let fresh = known.is_none();
        if fresh && (base.is_some() || hard != HardState::default()) {
            return Err(LogError::Contradiction("there is a vote or a snapshot, and not whose they are".into()));
        }
        let base = match (base, founding) {
            (None, Some(founding)) if hard == HardState::default() => {
                hard.term = founding.term;
                hard.commit = founding.base.index;
                found(&mut store, identity, &hard, Some(&founding))?;
                founding.base
            }
            (None, Some(_)) => {
                let reason = format!("it voted in epoch {} already and cannot found a quorum", hard.term);
                return Err(LogError::Contradiction(reason));
            }
            (None, None) => {
                if fresh {
                    found(&mut store, identity, &hard, None)?;
                }
                Base::default()
            }
            (Some(base), _) => base,
        };
        scan(store, base, hard)
    }
}

fn found<S: Store>(
    store: &mut S,
    identity: &Identity,
    hard: &HardState,
    beginning: Option<&Beginning>,
) -> Result<(), LogError> {
    let mut batch = Batch { sync: true, ..Batch::default() };
    batch.meta.push((MetaKey::Identity, encode_identity(identity)));
    if let Some(Beginning { base, entries, .. }) = beginning {
        batch.meta.push((MetaKey::Hard, encode_hard(hard)));
        batch.meta.push((MetaKey::Snapshot, encode_base(base)));
        batch.entries.extend(entries.iter().map(|entry| (entry.index, encode_entry(entry))));
    }
    Ok(store.write(batch)?)
}

/// Reads all entries, from the lowest index that the store has.
fn scan<S: Store>(store: S, base: Base, hard: HardState) -> Result<Log<S>, LogError> {
    let founded = base.index > 0;
    let mut terms = Terms::after(base.index, base.term);
    let mut members = Vec::new();
    let mut from = 0;
    loop {
        let found = store.entries(from, u64::MAX, SCAN_BYTES)?;
        if found.is_empty() {
            break;
        }
        for (index, bytes) in found {
            let expected = terms.last_index() + 1;
            if !founded || index != expected || index > MAX_INDEX {
                let reason = format!("entry {index} is there where {expected} should follow the snapshot or an entry");
                return Err(LogError::Contradiction(reason));
            }
            let entry = decode_entry(index, bytes)?;
            if entry.term < terms.last_term() || entry.term > hard.term {
                let (term, last, highest) = (entry.term, terms.last_term(), hard.term);
                let reason = format!("entry {index} is of epoch {term}, not between {last} and {highest}");
                return Err(LogError::Contradiction(reason));
            }
            if index <= hard.commit {
                take_change(&entry, &base.members, &mut members)?;
            }
            terms.push(index, entry.term);
            from = index + 1;
        }
    }
    check_hard(&hard, &base, terms.last_index())?;
    Ok(Log {
        store,
        base,
        members,
        terms,
        hard,
        hard_written: true,
        failure: RefCell::new(None),
        newer_wanted: Cell::new(false),
    })
}

fn take_change(entry: &Entry, first: &Members, members: &mut Vec<(u64, Members)>) -> Result<(), LogError> {
    if entry.get_entry_type() == EntryType::EntryNormal {
        return Ok(());
    }
    let damaged = |error| LogError::Damaged { what: "change of members", error };
    let (change, _) = Change::decode(&entry.context).map_err(damaged)?;
    let before = members.last().map_or(first, |(_, members)| members);
    let after = before.changed(change).map_err(|error| LogError::Contradiction(error.to_string()))?;
    members.push((entry.index, after));
    Ok(())
}

fn check_hard(hard: &HardState, base: &Base, last_index: u64) -> Result<(), LogError> {
    if hard.commit < base.index || hard.commit > last_index {
        let (commit, first) = (hard.commit, base.index);
        let reason = format!("index {commit} is committed, and the log is from {first} to {last_index}");
        return Err(LogError::Contradiction(reason));
    }
    if hard.term < base.term {
        let reason = format!("the epoch is {}, and the snapshot's is {}", hard.term, base.term);
        return Err(LogError::Contradiction(reason));
    }
    if hard.vote != 0 && node_id(hard.vote).is_none() {
        return Err(LogError::Contradiction(format!("the vote was given to {}, which is no node", hard.vote)));
    }
    Ok(())
}

fn read_meta<S: Store, T>(
    store: &S,
    key: MetaKey,
    what: &'static str,
    decode: impl FnOnce(&mut Reader) -> Result<T, ReadError>,
) -> Result<Option<T>, LogError> {
    let Some(bytes) = store.meta(key)? else {
        return Ok(None);
    };
    let read = |bytes: Bytes| {
        let mut from = Reader::new(bytes);
        if from.u8("the version")? != META_VERSION {
            return Err(ReadError::Range("the version"));
        }
        let value = decode(&mut from)?;
        from.end()?;
        Ok(value)
    };
    read(bytes).map(Some).map_err(|error| LogError::Damaged { what, error })
}

fn decode_identity(from: &mut Reader) -> Result<Identity, ReadError> {
    let (node_id, directory_id) = (from.i32("the node")?, from.uuid("the directory")?);
    let cluster_id = from.bytes(usize::MAX, "the cluster's id")?;
    let cluster_id = Str::from_utf8(cluster_id).ok_or(ReadError::Range("the cluster's id"))?;
    Ok(Identity { node_id, directory_id, cluster_id })
}

fn decode_hard(from: &mut Reader) -> Result<HardState, ReadError> {
    let term = from.term("the epoch")?;
    let vote = from.index("the vote")?;
    let commit = from.index("the commit index")?;
    Ok(HardState { term, vote, commit, ..HardState::default() })
}

fn decode_base(from: &mut Reader) -> Result<Base, ReadError> {
    let (index, term) = (from.index("the index")?, from.term("the epoch")?);
    if index == 0 || term == 0 {
        return Err(ReadError::Range("the snapshot"));
    }
    Ok(Base { index, term, members: Members::decode(from)?, id: SnapshotId::decode(from)? })
}
