//! Rebuilding what can be told from a log file: where its batches end, its indexes, the state of producers, leader epochs.

use ottla_protocol::batch::{self, CheckedBatch};

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

/// Proves every batch of a segment that may not be flushed, and cuts the file after the last sound one.
///
/// A bad batch where data was flushed, below `recovery_point`, is not a torn write: it is an error and nothing is cut.
pub(crate) fn recover(
    segment: &Segment,
    index_interval_bytes: u32,
    recovery_point: i64,
    state: &mut State<'_>,
) -> Result<Recovered, Error> {
    reset_indexes(segment, true)?;
    let end = segment.file()?.len().map_err(|source| segment.io(source))?;
    let mut walk = Walk::new(segment, index_interval_bytes, end)?;
    let stopped = loop {
        match walk.next() {
            Ok(Some((position, batch))) => take_in(segment, position, &batch, state)?,
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    match stopped {
        Some(Error::Corrupt { .. } | Error::OffsetOrder { .. }) if walk.next_offset >= recovery_point => {}
        Some(error) => return Err(error),
        None => {}
    }
    let truncated = end - walk.valid;
    if truncated > 0 {
        say_what_is_cut(segment, walk.valid, end)?;
        segment.file()?.truncate(walk.valid).map_err(|source| segment.io(source))?;
    }
    segment.publish(walk.next_offset, walk.valid);
    Ok(Recovered { next_offset: walk.next_offset, truncated })
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

/// Rebuilds the offset and time index of a segment whose data is flushed.
pub(crate) fn rebuild_indexes(segment: &Segment, index_interval_bytes: u32) -> Result<(), Error> {
    reset_indexes(segment, false)?;
    let mut walk = Walk::new(segment, index_interval_bytes, segment.size())?;
    while walk.next()?.is_some() {}
    Ok(())
}

fn reset_indexes(segment: &Segment, with_transactions: bool) -> Result<(), Error> {
    let reset = || {
        segment.offset_index.entries.truncate(0)?;
        segment.time_index.entries.truncate(0)?;
        if with_transactions && segment.txn_index.entries.len() > 0 {
            segment.txn_index.entries.truncate(0)
        } else {
            Ok(())
        }
    };
    segment.set_max_timestamp(TimestampOffset { timestamp: batch::NO_TIMESTAMP, offset: segment.base_offset });
    reset().map_err(|source| segment.io(source))
}

/// Walks proven batches in offset order and indexes them.
struct Walk<'a> {
    segment: &'a Segment,
    index_interval_bytes: u32,
    batches: Batches,
    indexer: Indexer,
    next_offset: i64,
    valid: u64,
}

impl<'a> Walk<'a> {
    fn new(segment: &'a Segment, index_interval_bytes: u32, end: u64) -> Result<Self, Error> {
        Ok(Self {
            segment,
            index_interval_bytes,
            batches: Batches::new(segment.file()?, 0, end),
            indexer: Indexer::default(),
            next_offset: segment.base_offset,
            valid: 0,
        })
    }

    fn next(&mut self) -> Result<Option<(u64, CheckedBatch)>, Error> {
        let segment = self.segment;
        let Some((position, batch)) = self.batches.next().map_err(|error| segment.scan(error))? else {
            return Ok(None);
        };
        let header = batch.header();
        if header.base_offset < self.next_offset || !segment.can_hold(header.last_offset()) {
            return Err(Error::OffsetOrder {
                path: segment.log.path(),
                position,
                offset: header.base_offset,
                previous: self.next_offset,
            });
        }
        self.indexer.batch(segment, header, position, self.index_interval_bytes)?;
        self.next_offset = header.next_offset();
        self.valid = position + batch.size_in_bytes() as u64;
        Ok(Some((position, batch)))
    }
}

/// Takes a batch of the log into the state of producers and leader epochs.
fn take_in(segment: &Segment, position: u64, batch: &CheckedBatch, state: &mut State<'_>) -> Result<(), Error> {
    let header = batch.header();
    state.epochs.take_in(header.partition_leader_epoch, header.base_offset);
    if header.has_producer_id() {
        let corrupt = |source| Error::Corrupt { path: segment.log.path(), position, source };
        for txn in replay(state.producers, batch).map_err(corrupt)? {
            segment.txn_index.append(txn).map_err(|source| segment.io(source))?;
        }
    }
    state.producers.set_end_offset(header.next_offset());
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
    while let Some((position, header)) = headers.next().map_err(|error| segment.scan(error))? {
        if header.base_offset >= to {
            break;
        }
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
