//! What a partition knows of its producers: the checks of idempotence, and which transactions are open (KIP-98).

mod append;
mod entry;
mod marker;
pub(crate) mod snapshot;
#[cfg(test)]
mod tests;
mod verification;

use std::collections::BTreeMap;

pub(crate) use append::{CompletedTxn, Marker, Update};
pub use append::{Error, Origin};
pub use entry::{BatchMetadata, ProducerEntry};
pub(crate) use marker::marker_of;
use ottla_protocol::batch::Header;
pub(crate) use verification::Verifications;
pub use verification::{Verification, Verify};

/// The state of all producers up to an offset. It is a function of the log up to there and of expiry.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Producers {
    entries: BTreeMap<i64, ProducerEntry>,
    /// Open transactions: first offset to producer id.
    ongoing: BTreeMap<i64, i64>,
    /// Completed transactions whose markers are at or above the high watermark: first offset to marker's offset.
    unreplicated: BTreeMap<i64, i64>,
    /// The offset up to which the log is taken in.
    end_offset: i64,
}

/// What an append does to the producers in it, kept apart until the batches are written.
#[derive(Debug, Default)]
pub(crate) struct Updates {
    /// Of the first producer: mostly there is no other.
    first: Option<Update>,
    others: BTreeMap<i64, Update>,
    pub(crate) completed: Vec<CompletedTxn>,
}

impl Updates {
    /// Checks and takes in a batch. `marker` is what its control record says, none for an emptied control batch.
    pub(crate) fn add(
        &mut self,
        producers: &Producers,
        header: &Header,
        marker: Option<Marker>,
        origin: Origin,
    ) -> Result<(), Error> {
        let producer_id = header.producer_id;
        let new = || Update::new(producer_id, producers.entries.get(&producer_id), origin);
        let update = match &mut self.first {
            Some(first) if first.producer_id != producer_id => self.others.entry(producer_id).or_insert_with(new),
            first => first.get_or_insert_with(new),
        };
        match marker {
            Some(marker) => self.completed.extend(update.marker(header, marker)?),
            None if header.attributes.is_control() => {}
            None => update.data(header)?,
        }
        Ok(())
    }
}

impl Producers {
    /// No producers, of a log taken in up to `end_offset`.
    pub(crate) fn starting_at(end_offset: i64) -> Self {
        Self { end_offset, ..Self::default() }
    }

    /// The state a snapshot at `end_offset` holds, less what expired since.
    pub(crate) fn restore(
        end_offset: i64,
        entries: Vec<(i64, ProducerEntry)>,
        now_ms: i64,
        expiration_ms: i64,
    ) -> Self {
        let mut producers = Self::starting_at(end_offset);
        for (producer_id, entry) in entries {
            if !is_expired(&entry, now_ms, expiration_ms) {
                producers.ongoing.extend(entry.current_txn_first_offset.map(|offset| (offset, producer_id)));
                producers.entries.insert(producer_id, entry);
            }
        }
        producers
    }

    pub(crate) fn get(&self, producer_id: i64) -> Option<&ProducerEntry> {
        self.entries.get(&producer_id)
    }

    pub(crate) fn iter(&self) -> std::collections::btree_map::Iter<'_, i64, ProducerEntry> {
        self.entries.iter()
    }

    pub(crate) fn end_offset(&self) -> i64 {
        self.end_offset
    }

    pub(crate) fn set_end_offset(&mut self, end_offset: i64) {
        self.end_offset = end_offset;
    }

    /// The batch appended before of which `header` is a copy.
    pub(crate) fn duplicate_of(&self, header: &Header) -> Option<BatchMetadata> {
        self.entries.get(&header.producer_id)?.duplicate_of(header)
    }

    /// Makes an append's updates true; what completed is to be passed to [`Producers::complete`] one by one.
    pub(crate) fn apply(&mut self, updates: Updates) -> Vec<CompletedTxn> {
        for update in updates.first.into_iter().chain(updates.others.into_values()) {
            let producer_id = update.producer_id;
            self.ongoing.extend(update.started.iter().map(|first_offset| (*first_offset, producer_id)));
            self.entries.entry(producer_id).or_default().merge(update.entry);
        }
        updates.completed
    }

    /// The last stable offset once `txn` is complete.
    pub(crate) fn last_stable_offset_after(&self, txn: &CompletedTxn) -> i64 {
        let other = self.ongoing.iter().find(|(_, producer_id)| **producer_id != txn.producer_id);
        other.map_or(txn.last_offset + 1, |(first_offset, _)| *first_offset)
    }

    /// Completes a transaction. It holds the last stable offset back until the high watermark passes its marker.
    pub(crate) fn complete(&mut self, txn: &CompletedTxn) {
        self.ongoing.remove(&txn.first_offset);
        self.unreplicated.insert(txn.first_offset, txn.last_offset);
    }

    pub(crate) fn on_high_watermark(&mut self, high_watermark: i64) {
        self.unreplicated.retain(|_, last_offset| *last_offset >= high_watermark);
    }

    /// Where the first transaction starts that is open or whose end is not replicated.
    pub(crate) fn first_unstable_offset(&self) -> Option<i64> {
        let first = |txns: &BTreeMap<i64, i64>| txns.first_key_value().map(|(offset, _)| *offset);
        [first(&self.ongoing), first(&self.unreplicated)].into_iter().flatten().min()
    }

    /// Forgets producers that wrote nothing for `expiration_ms` and have no open transaction.
    pub(crate) fn remove_expired(&mut self, now_ms: i64, expiration_ms: i64) {
        self.entries.retain(|_, entry| !is_expired(entry, now_ms, expiration_ms));
    }

    pub(crate) fn on_log_start_offset(&mut self, log_start_offset: i64) {
        self.on_high_watermark(log_start_offset);
        self.end_offset = self.end_offset.max(log_start_offset);
    }
}

fn is_expired(entry: &ProducerEntry, now_ms: i64, expiration_ms: i64) -> bool {
    entry.current_txn_first_offset.is_none() && now_ms.saturating_sub(entry.last_timestamp) >= expiration_ms
}
