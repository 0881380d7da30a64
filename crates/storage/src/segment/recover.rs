//! Rebuilding what can be told from a log file: where its batches end, its indexes, the state of producers, leader epochs.

use ottla_protocol::batch::{self, CheckedBatch, Header};

use super::offset_index::OffsetPosition;
use super::scan::{self, Batches};
use super::{AbortedTxn, Error, Indexer, Segment, TimestampOffset};
use crate::epochs::LeaderEpochs;
use crate::producers::{self, Origin, Producers, Updates};

/// What is rebuilt beside the indexes.
pub(crate) struct State<'a> {
    pub(crate) producers: &'a mut Producers,
    pub(crate) epochs: &'a mut LeaderEpochs,
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Recovered {
    /// The offset after the last whole batch.
    pub(crate) next_offset: i64,
    /// Bytes that were cut off after it.
    pub(crate) truncated: u64,
}

/// Proves every batch of a segment that may not be flushed, and cuts the file, durably, after the last sound one.
///
/// What is below `recovery_point` is flushed: its batches are not proven again, their headers are walked from the last index
/// entry on if the indexes are `indexed` so far. A bad one there is not a torn write: it is an error and nothing is cut.
pub(crate) fn recover(
    segment: &Segment,
    index_interval_bytes: u32,
    recovery_point: i64,
    indexed: bool,
    state: &mut State<'_>,
) -> Result<Recovered, Error> {
    let end = segment.file()?.len().map_err(|source| segment.io(source))?;
    let resumed = if indexed { resume(segment, recovery_point, end)? } else { None };
    let is_rebuilt = resumed.is_none();
    let mut walk = match resumed {
        Some(entry) => Walk::after_entry(segment, index_interval_bytes, entry, end)?,
        None => {
            reset_indexes(segment);
            Walk::new(segment, index_interval_bytes, end)?
        }
    };
    match walk.recover(recovery_point, state) {
        Err(Error::Corrupt { .. } | Error::OffsetOrder { .. }) if walk.next_offset >= recovery_point => {}
        stopped => stopped?,
    }
    let truncated = end - walk.valid;
    if truncated > 0 {
        say_what_is_cut(segment, walk.valid, end)?;
        // What is appended in its place must not meet it again after a power cut.
        let file = segment.file()?;
        file.truncate(walk.valid).and_then(|()| file.sync_data()).map_err(|source| segment.io(source))?;
    }
    segment.publish(walk.next_offset, walk.valid);
    if is_rebuilt && segment.offset_index.last_below(recovery_point).map_err(|source| segment.io(source))?.is_some() {
        // The next recovery relies on what is below the recovery point.
        segment.write_rebuilt()?;
    }
    Ok(Recovered { next_offset: walk.next_offset, truncated })
}

/// The last index entry below the recovery point, with the entries after it dropped; none if the indexes are not to be relied on.
///
/// The entries up to there were flushed with the batches they are of.
fn resume(segment: &Segment, recovery_point: i64, end: u64) -> Result<Option<OffsetPosition>, Error> {
    if segment.base_offset >= recovery_point || !super::indexes_are_sound(segment)? {
        return Ok(None);
    }
    let cut = || {
        // The first batch has no entry: one that says so is of zeros that a power cut left.
        let is_sound = |entry: &OffsetPosition| entry.position > 0 && entry.position < end;
        let Some(entry) = segment.offset_index.last_below(recovery_point)?.filter(is_sound) else {
            return Ok(None);
        };
        segment.offset_index.truncate_to(entry.offset + 1)?;
        segment.time_index.truncate_to(entry.offset + 1)?;
        Ok(Some((entry, segment.time_index.last()?)))
    };
    let Some((entry, max)) = cut().map_err(|source| segment.io(source))? else { return Ok(None) };
    let mut headers = scan::Headers::new(segment.file()?, entry.position, end);
    // Another batch than the index says: it is of another log, or torn.
    let found = headers.next_sound().map_err(|source| segment.io(source))?;
    if found.is_none_or(|(_, header)| header.last_offset() != entry.offset) {
        return Ok(None);
    }
    segment.set_max_timestamp(max);
    Ok(Some(entry))
}

fn say_what_is_cut(segment: &Segment, position: u64, end: u64) -> Result<(), Error> {
    let (file, bytes) = (segment.log.path(), end - position);
    // A preallocated segment ends in zeros; there is nothing in them that was lost.
    if scan::is_zero(&*segment.file()?, position, end).map_err(|source| segment.io(source))? {
        tracing::info!(file = %file.display(), position, bytes, "cutting off what was preallocated");
    } else {
        tracing::warn!(file = %file.display(), position, bytes, "cutting a torn tail off the log");
    }
    Ok(())
}

/// Rebuilds the offset and time index of a sealed segment whose data is flushed, durably.
pub(crate) fn rebuild_indexes(segment: &Segment, index_interval_bytes: u32) -> Result<(), Error> {
    reset_indexes(segment);
    let mut walk = Walk::new(segment, index_interval_bytes, segment.size())?;
    walk.prove(|_, _| Ok(()))?;
    segment.complete_time_index()?;
    segment.write_rebuilt()
}

fn reset_indexes(segment: &Segment) {
    segment.offset_index.entries.begin_anew();
    segment.time_index.entries.begin_anew();
    segment.set_max_timestamp(TimestampOffset { timestamp: batch::NO_TIMESTAMP, offset: segment.base_offset });
}

/// Walks batches in offset order and indexes them.
struct Walk<'a> {
    segment: &'a Segment,
    index_interval_bytes: u32,
    indexer: Indexer,
    next_offset: i64,
    /// Where the last batch ends.
    valid: u64,
    end: u64,
    /// The entries of what is below the recovery point are there: another one would not be durable.
    is_indexed: bool,
}

impl<'a> Walk<'a> {
    fn new(segment: &'a Segment, index_interval_bytes: u32, end: u64) -> Result<Self, Error> {
        let next_offset = segment.base_offset;
        Ok(Self {
            segment,
            index_interval_bytes,
            indexer: Indexer::default(),
            next_offset,
            valid: 0,
            end,
            is_indexed: false,
        })
    }

    /// Goes on after the batch of an index entry.
    fn after_entry(
        segment: &'a Segment,
        index_interval_bytes: u32,
        entry: OffsetPosition,
        end: u64,
    ) -> Result<Self, Error> {
        let mut walk = Self::new(segment, index_interval_bytes, end)?;
        let mut headers = scan::Headers::new(segment.file()?, entry.position, end);
        if let Some((position, header)) = headers.next().map_err(|error| segment.scan(error))? {
            walk.is_indexed = true;
            walk.indexer = Indexer::after_entry(&header);
            walk.next_offset = header.next_offset();
            walk.valid = position + header.size_in_bytes() as u64;
        }
        Ok(walk)
    }

    /// Takes in everything: up to `recovery_point` by the headers, what is not wholly below it with proof.
    fn recover(&mut self, recovery_point: i64, state: &mut State<'_>) -> Result<(), Error> {
        let segment = self.segment;
        self.skim(recovery_point)?;
        self.prove(|position, batch| take_in(segment, position, batch, state))
    }

    /// Walks what is wholly below an offset by its headers.
    fn skim(&mut self, to: i64) -> Result<(), Error> {
        let segment = self.segment;
        let mut headers = scan::Headers::new(segment.file()?, self.valid, self.end);
        while self.next_offset < to
            && let Some((position, header)) = headers.next().map_err(|error| segment.scan(error))?
            && header.next_offset() <= to
        {
            self.take(position, &header)?;
        }
        self.is_indexed = false;
        Ok(())
    }

    fn prove(&mut self, mut each: impl FnMut(u64, &CheckedBatch) -> Result<(), Error>) -> Result<(), Error> {
        let segment = self.segment;
        let from = self.valid;
        let mut batches = Batches::new(segment.file()?, from, self.end);
        while let Some((position, batch)) = batches.next().map_err(|error| segment.scan(error))? {
            self.take(position, batch.header())?;
            each(position, &batch)?;
            segment.set_proven(from, self.valid);
        }
        Ok(())
    }

    fn take(&mut self, position: u64, header: &Header) -> Result<(), Error> {
        let segment = self.segment;
        if header.base_offset < self.next_offset || !segment.can_hold(header.last_offset()) {
            return Err(Error::OffsetOrder {
                path: segment.log.path(),
                position,
                offset: header.base_offset,
                previous: self.next_offset,
            });
        }
        match self.is_indexed {
            true => self.indexer.pass(segment, header)?,
            false => self.indexer.batch(segment, header, position, self.index_interval_bytes)?,
        }
        self.next_offset = header.next_offset();
        self.valid = position + header.size_in_bytes() as u64;
        Ok(())
    }
}

/// Takes a batch of the log into the state of producers and leader epochs.
fn take_in(segment: &Segment, position: u64, batch: &CheckedBatch, state: &mut State<'_>) -> Result<(), Error> {
    let header = batch.header();
    state.epochs.take_in(header.partition_leader_epoch, header.base_offset);
    if header.has_producer_id() && header.base_offset >= state.producers.end_offset() {
        let corrupt = |source| Error::Corrupt { path: segment.log.path(), position, source };
        for txn in replay(state.producers, batch).map_err(corrupt)? {
            segment.txn_index.append(txn).map_err(|source| segment.io(source))?;
        }
    }
    state.producers.set_end_offset(state.producers.end_offset().max(header.next_offset()));
    Ok(())
}

/// Takes a batch into the state of producers; the transactions it aborted are for the index.
pub(crate) fn replay(producers: &mut Producers, batch: &CheckedBatch) -> Result<Vec<AbortedTxn>, batch::Error> {
    let marker = producers::marker_of(batch)?;
    let mut updates = Updates::default();
    if let Err(error) = updates.add(producers, batch.header(), marker, Origin::Replication) {
        tracing::warn!(offset = batch.header().base_offset, %error, "a batch in the log breaks a rule of its producer");
        return Ok(Vec::new());
    }
    let mut aborted = Vec::new();
    for txn in producers.apply(updates) {
        let last_stable_offset = producers.last_stable_offset_after(&txn);
        if txn.abort {
            let (first_offset, last_offset) = (txn.first_offset, txn.last_offset);
            aborted.push(AbortedTxn { producer_id: txn.producer_id, first_offset, last_offset, last_stable_offset });
        }
        producers.complete(&txn);
    }
    Ok(aborted)
}

/// Rebuilds the index of aborted transactions of a segment whose data is flushed, from the state of producers at its start.
pub(crate) fn rebuild_txn_index(segment: &Segment, producers: &mut Producers) -> Result<(), Error> {
    let aborted = replay_producers(segment, segment.base_offset, i64::MAX, producers)?;
    let index = || {
        segment.txn_index.entries.truncate(0)?;
        aborted.into_iter().try_for_each(|txn| segment.txn_index.append(txn))?;
        segment.txn_index.entries.write_tail()
    };
    index().map_err(|source| segment.io(source))
}

/// Takes the batches of `[from, to)` into the state of producers, reading headers alone where they say enough, and tells
/// which transactions they aborted.
pub(crate) fn replay_producers(
    segment: &Segment,
    from: i64,
    to: i64,
    producers: &mut Producers,
) -> Result<Vec<AbortedTxn>, Error> {
    let end = segment.size();
    let mut aborted = Vec::new();
    let Some(start) = segment.find(from, end)? else { return Ok(aborted) };
    let file = segment.file()?;
    let mut headers = scan::Headers::new(file.clone(), start.position, end);
    // What is behind `to` may be torn: it is not looked at.
    while producers.end_offset() < to
        && let Some((position, header)) = headers.next().map_err(|error| segment.scan(error))?
        && header.base_offset < to
    {
        if header.has_producer_id() && header.attributes.is_control() {
            let mut batches = Batches::new(file.clone(), position, position + header.size_in_bytes() as u64);
            if let Some((_, batch)) = batches.next().map_err(|error| segment.scan(error))? {
                let corrupt = |source| Error::Corrupt { path: segment.log.path(), position, source };
                aborted.extend(replay(producers, &batch).map_err(corrupt)?);
            }
        } else if header.has_producer_id() {
            let mut updates = Updates::default();
            match updates.add(producers, &header, None, Origin::Replication) {
                Ok(()) => _ = producers.apply(updates),
                Err(error) => {
                    tracing::warn!(offset = header.base_offset, %error, "a batch breaks a rule of its producer")
                }
            }
        }
        producers.set_end_offset(header.next_offset());
    }
    Ok(aborted)
}
