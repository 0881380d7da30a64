//! What the model says of producers: the rules of idempotence and of transactions (KIP-98, KIP-890) over a list of batches.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use ottla_storage::{Origin, ProducerEntry};

use super::batch::{Batch, Marker, Sequence};
use super::marks::mark;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub epoch: i16,
    pub coordinator_epoch: i32,
    pub last_timestamp: i64,
    pub txn: Option<i64>,
    /// Sequences and offsets of the last five batches.
    pub batches: VecDeque<(i32, i32, i64, i64)>,
}

impl Default for Entry {
    fn default() -> Self {
        Self { epoch: -1, coordinator_epoch: -1, last_timestamp: -1, txn: None, batches: VecDeque::new() }
    }
}

/// What a log should do with a batch.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    Take,
    /// First and last offset it got before.
    Duplicate(i64, i64),
    Sequence,
    Epoch,
    OutsideOfTxn,
    Coordinator,
}

impl Entry {
    pub fn take(&mut self, batch: &Batch, sequence: Sequence) {
        // It was let in while a damaged snapshot hid the transaction; the log leaves it out when it reads both again.
        if self.txn.is_some() && !batch.transactional && batch.marker.is_none() {
            return;
        }
        if self.epoch != sequence.epoch {
            self.batches.clear();
            self.epoch = sequence.epoch;
        }
        self.last_timestamp = batch.max_timestamp;
        if let Some(marker) = batch.marker {
            self.coordinator_epoch = marker.coordinator_epoch;
            self.txn = None;
            return;
        }
        // Counted from the last one, which makes a difference for batches without sequences.
        let first = sequence.last.wrapping_sub((batch.last - batch.base) as i32) & i32::MAX;
        self.batches.push_back((first, sequence.last, batch.base, batch.last));
        while self.batches.len() > 5 {
            self.batches.pop_front();
        }
        if batch.transactional {
            self.txn.get_or_insert(batch.base);
        }
    }

    pub fn of(entry: &ProducerEntry) -> Self {
        let batch =
            |b: &ottla_storage::BatchMetadata| (b.first_sequence(), b.last_sequence, b.first_offset(), b.last_offset);
        Self {
            epoch: entry.epoch,
            coordinator_epoch: entry.coordinator_epoch,
            last_timestamp: entry.last_timestamp,
            txn: entry.current_txn_first_offset,
            batches: entry.batches.iter().map(batch).collect(),
        }
    }

    /// Whether this is what is left of `whole` after a snapshot, which keeps only the last batch.
    fn is_rest_of(&self, whole: &Self) -> bool {
        let same = (self.epoch, self.coordinator_epoch, self.last_timestamp, self.txn)
            == (whole.epoch, whole.coordinator_epoch, whole.last_timestamp, whole.txn);
        let skipped = whole.batches.len().checked_sub(self.batches.len());
        let suffix = skipped.is_some_and(|n| whole.batches.iter().skip(n).eq(&self.batches));
        same && suffix && (whole.batches.is_empty() || !self.batches.is_empty())
    }

    fn is_expired(&self, now: i64, expiration_ms: i64) -> bool {
        self.txn.is_none() && now.saturating_sub(self.last_timestamp) >= expiration_ms
    }
}

#[derive(Clone, Debug, Default)]
pub struct Producers {
    pub known: BTreeMap<i64, Entry>,
    /// What a producer wrote below an offset was forgotten once, and may be for ever.
    forgotten: BTreeMap<i64, i64>,
}

impl Producers {
    pub fn knowing(known: BTreeMap<i64, Entry>) -> Self {
        Self { known, forgotten: BTreeMap::new() }
    }

    /// The batch is gone, and nobody knows whether it was deleted or lost.
    pub fn may_forget(&mut self, batch: &Batch) {
        if let Some(sequence) = batch.producer {
            let below = self.forgotten.entry(sequence.id).or_default();
            *below = (*below).max(batch.last + 1);
        }
    }

    pub fn expire(&mut self, end: i64, now: i64, expiration_ms: i64) {
        let expired = self.known.iter().filter(|(_, entry)| entry.is_expired(now, expiration_ms));
        let expired: Vec<i64> = expired.map(|(id, _)| *id).collect();
        for id in expired {
            self.known.remove(&id);
            self.forgotten.insert(id, end);
        }
    }

    pub fn take(&mut self, batch: &Batch) {
        if let Some(sequence) = batch.producer {
            self.known.entry(sequence.id).or_default().take(batch, sequence);
        }
    }

    pub fn judge(&self, sequence: Sequence, transactional: bool, marker: Option<Marker>, origin: Origin) -> Verdict {
        let unknown = Entry::default();
        let entry = self.known.get(&sequence.id).unwrap_or(&unknown);
        if let (Origin::Client, Some(original)) = (origin, duplicate(entry, sequence)) {
            return original;
        }
        let replicated = origin == Origin::Replication;
        let strict = marker.is_some() && origin == Origin::Marker { transaction_version: 2 };
        let again = entry.txn.is_none() || sequence.epoch == i16::MAX;
        let old = sequence.epoch < entry.epoch || (strict && sequence.epoch == entry.epoch && !again);
        if !replicated && old {
            return Verdict::Epoch;
        }
        if let Some(marker) = marker {
            let fenced = !replicated && marker.coordinator_epoch < entry.coordinator_epoch;
            return if fenced { Verdict::Coordinator } else { Verdict::Take };
        }
        if origin == Origin::Client && !follows(entry, sequence) {
            return Verdict::Sequence;
        }
        if entry.txn.is_some() && !transactional { Verdict::OutsideOfTxn } else { Verdict::Take }
    }

    /// Compares what an opened or truncated log knows with what its batches say, and goes on from there.
    ///
    /// Snapshots keep the last batch of each producer; producers that expired or wrote nothing that is still there may be
    /// missing, wholly or what they did before.
    pub fn adopt(&mut self, history: &[Rc<Batch>], actual: &Self, start: i64, now: i64, expiration_ms: i64) {
        let mut by_producer: BTreeMap<i64, Vec<&Rc<Batch>>> = BTreeMap::new();
        for batch in history {
            batch.producer.iter().for_each(|p| by_producer.entry(p.id).or_default().push(batch));
        }
        for id in actual.known.keys() {
            assert!(by_producer.contains_key(id), "producer {id} is known and wrote nothing");
        }
        for (id, batches) in &by_producer {
            let found = actual.known.get(id);
            let kept = batches.iter().position(|batch| batch.base >= start).unwrap_or(batches.len());
            let forgotten = self.forgotten.get(id).copied().unwrap_or(0);
            // The most that may be forgotten: what is left may look the same as with more before it, as markers do.
            let mut wholes = (0..=batches.len()).rev().map(|from| (from, replay(&batches[from..])));
            let fits = wholes.find(|(from, whole)| {
                let from = *from;
                let expired = |entry: &Option<Entry>| entry.as_ref().is_none_or(|e| e.is_expired(now, expiration_ms));
                let gone = |from: usize| from <= kept || batches[from - 1].base < forgotten;
                let may_forget = (0..=from).any(|first| gone(first) && expired(&replay(&batches[first..from])));
                may_forget
                    && match (found, &whole) {
                        (None, None) => true,
                        (Some(found), Some(whole)) => found.is_rest_of(whole),
                        _ => false,
                    }
            });
            if found.is_none() && kept < batches.len() {
                mark("producer expired");
            }
            if let Some((from @ 1.., _)) = fits {
                let below = batches[from - 1].last + 1;
                self.forgotten.entry(*id).and_modify(|known| *known = below.max(*known)).or_insert(below);
            }
            let full = replay(batches);
            assert!(fits.is_some(), "producer {id}: {found:?} is not what the log says: {full:?}, log start {start}");
        }
        self.known = actual.known.clone();
    }
}

fn replay(batches: &[&Rc<Batch>]) -> Option<Entry> {
    let mut entry = None;
    for batch in batches {
        let sequence = batch.producer.unwrap();
        entry.get_or_insert_with(Entry::default).take(batch, sequence);
    }
    entry
}

fn duplicate(entry: &Entry, sequence: Sequence) -> Option<Verdict> {
    let same =
        |b: &&(i32, i32, i64, i64)| sequence.epoch == entry.epoch && (b.0, b.1) == (sequence.first, sequence.last);
    entry.batches.iter().find(same).map(|b| Verdict::Duplicate(b.2, b.3))
}

fn follows(entry: &Entry, sequence: Sequence) -> bool {
    if sequence.epoch != entry.epoch {
        return sequence.first == 0 || entry.epoch == -1;
    }
    let last = entry.batches.back().map_or(-1, |batch| batch.1);
    sequence.first == if last == i32::MAX { 0 } else { last + 1 }
}
