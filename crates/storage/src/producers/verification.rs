//! Whether the coordinator of a producer's transaction knows of this partition: looked up before the first batch (KIP-890).

use std::collections::BTreeMap;

use ottla_protocol::batch::Header;

use super::{Error, Producers};

/// Stands for one look-up, which is good until the transaction has a batch here or is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verification(u64);

/// A producer that is to write its first batch of a transaction.
#[derive(Clone, Copy, Debug)]
pub struct Verify {
    /// Its id.
    pub producer_id: i64,
    /// Its epoch.
    pub epoch: i16,
    /// The first sequence of the batch, -1 of a coordinator's.
    pub sequence: i32,
    /// Whether its epoch grows with each transaction: `transaction.version` is 2 or more.
    pub bumps_epoch: bool,
}

/// The look-ups that are under way, or were of no use yet.
#[derive(Debug, Default)]
pub(crate) struct Verifications {
    last: u64,
    by_producer: BTreeMap<i64, Entry>,
}

#[derive(Debug)]
struct Entry {
    verification: Verification,
    epoch: i16,
    /// The lowest that was to be written: one above it may not overtake it, or the one below would be refused for good.
    lowest_sequence: i32,
    bumps_epoch: bool,
    since_ms: i64,
}

impl Verifications {
    /// Begins a look-up, or goes on with that of an earlier batch. None is needed in a transaction that has batches here.
    pub(crate) fn begin(
        &mut self,
        producers: &Producers,
        verify: Verify,
        now_ms: i64,
    ) -> Result<Option<Verification>, Error> {
        let Verify { producer_id, epoch, sequence, bumps_epoch } = verify;
        check_epoch(producers, producer_id, epoch)?;
        if is_ongoing(producers, producer_id, epoch) {
            return Ok(None);
        }
        let entry = self.by_producer.entry(producer_id).or_insert_with(|| {
            self.last += 1;
            let verification = Verification(self.last);
            Entry { verification, epoch, lowest_sequence: sequence, bumps_epoch, since_ms: now_ms }
        });
        if epoch > entry.epoch {
            (entry.epoch, entry.lowest_sequence) = (epoch, sequence);
        } else if epoch == entry.epoch {
            entry.lowest_sequence = entry.lowest_sequence.min(sequence);
        }
        Ok(Some(entry.verification))
    }

    /// Whether a batch is in a transaction that has batches here, or whose look-up is still good.
    pub(crate) fn check(
        &self,
        producers: &Producers,
        (producer_id, epoch): (i64, i16),
        verification: Option<Verification>,
    ) -> Result<(), Error> {
        if is_ongoing(producers, producer_id, epoch) {
            return Ok(());
        }
        check_epoch(producers, producer_id, epoch)?;
        let known = self.by_producer.get(&producer_id).map(|entry| entry.verification);
        match known.is_some() && known == verification {
            true => Ok(()),
            false => Err(Error::NotInTransaction { producer_id }),
        }
    }

    /// Whether a batch overtakes one whose look-up failed.
    pub(crate) fn check_sequence(&self, producers: &Producers, header: &Header) -> Result<(), Error> {
        let Some(entry) = self.by_producer.get(&header.producer_id) else { return Ok(()) };
        let sequence = header.base_sequence;
        let has_none = producers.get(header.producer_id).is_none_or(|it| it.batches.is_empty());
        if (entry.bumps_epoch && sequence != 0 && has_none) || sequence > entry.lowest_sequence {
            return Err(Error::OutOfOrderSequence { producer_id: header.producer_id, sequence, last: -1 });
        }
        Ok(())
    }

    /// Takes note of a batch that was appended: the transaction has begun here, or is over. Where each has an epoch of its own
    /// the end of the one before is no end of the one that is looked up.
    pub(crate) fn appended(&mut self, header: &Header) {
        let is_before =
            |entry: &Entry| entry.bumps_epoch && header.attributes.is_control() && header.producer_epoch == entry.epoch;
        if self.by_producer.get(&header.producer_id).is_some_and(|entry| !is_before(entry)) {
            self.by_producer.remove(&header.producer_id);
        }
    }

    /// Forgets what nobody came back to.
    pub(crate) fn remove_expired(&mut self, now_ms: i64, expiration_ms: i64) {
        self.by_producer.retain(|_, entry| now_ms.saturating_sub(entry.since_ms) < expiration_ms);
    }
}

/// Whether the producer has a transaction here. With a newer epoch it may be over.
fn is_ongoing(producers: &Producers, producer_id: i64, epoch: i16) -> bool {
    let entry = producers.get(producer_id);
    entry.is_some_and(|entry| entry.current_txn_first_offset.is_some() && entry.epoch == epoch)
}

fn check_epoch(producers: &Producers, producer_id: i64, epoch: i16) -> Result<(), Error> {
    match producers.get(producer_id).map(|entry| entry.epoch) {
        Some(current) if epoch < current => Err(Error::InvalidEpoch { producer_id, epoch, current }),
        _ => Ok(()),
    }
}
