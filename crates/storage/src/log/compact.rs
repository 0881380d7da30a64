//! Compaction as the owner of a log sees it: what may be cleaned, and putting cleaned segments in place of old ones.

use std::sync::Arc;

use super::{Log, Removal};
use crate::compaction::{
    self, CleanTask, Cleanable, CleanedSegment, CompactionConfig, Error, LastRecord, LogState, SegmentState,
};
use crate::producers::ProducerEntry;
use crate::segment::file::{Dir, LazyFile};
use crate::segment::scan::Headers;
use crate::segment::{self, Segment, names};

/// A cleaned segment that is about to take the place of others: from here on, opening the log would complete that.
#[derive(Debug)]
#[must_use = "the segment takes its place when the swap is finished"]
pub struct Swap {
    dir: Arc<Dir>,
    cleaned: CleanedSegment,
}

impl Swap {
    /// Makes the decision durable. It blocks for as long as the disk takes and needs no lock.
    ///
    /// Were the old segments renamed before, a power cut could leave neither.
    pub fn sync(&self) -> Result<(), segment::Error> {
        self.dir.sync().map_err(|source| segment::Error::Io { path: self.dir.path(), source })
    }
}

impl Log {
    /// Which part may be cleaned of a log that is clean up to an offset from `cleaner-offset-checkpoint`.
    pub fn cleanable(&self, checkpoint: Option<i64>, now_ms: i64) -> Result<Cleanable, segment::Error> {
        let offsets = self.offsets();
        let segments = self.shared.segments();
        let state = LogState {
            log_start_offset: offsets.log_start_offset,
            log_end_offset: offsets.log_end_offset,
            last_stable_offset: offsets.last_stable_offset,
            segments: segments.iter().map(|segment| self.segment_state(segment)).collect::<Result<_, _>>()?,
        };
        Ok(compaction::cleanable(&state, &self.config, checkpoint, now_ms))
    }

    /// What no setting asks for is not read.
    fn segment_state(&self, segment: &Segment) -> Result<SegmentState, segment::Error> {
        let largest_timestamp = match self.config.min_compaction_lag_ms > 0 {
            true => segment.largest_timestamp()?,
            false => 0,
        };
        let first_timestamp = match self.config.max_compaction_lag_ms < i64::MAX && segment.size() > 0 {
            true => first_timestamp(segment)?,
            false => 0,
        };
        Ok(SegmentState { base_offset: segment.base_offset, size: segment.size(), largest_timestamp, first_timestamp })
    }

    /// A task that cleans the log; none if there is nothing to clean.
    ///
    /// The log must be flushed before the task is run: recovery starts with what a snapshot below the recovery point says of
    /// transactions, and must find their ends.
    pub fn clean_task(&self, cleanable: &Cleanable, now_ms: i64, config: &CompactionConfig) -> Option<CleanTask> {
        if cleanable.cleanable_bytes == 0 || self.failed {
            return None;
        }
        let last_record = |entry: &ProducerEntry| LastRecord {
            data_offset: entry.batches.back().map(|batch| batch.last_offset),
            producer_epoch: entry.epoch,
        };
        Some(CleanTask {
            dir: Arc::clone(&self.dir),
            segments: self.shared.segments().to_vec(),
            cleanable: *cleanable,
            last_records: self.producers().map(|(id, entry)| (id, last_record(entry))).collect(),
            now_ms,
            log_config: self.config.clone(),
            config: *config,
        })
    }

    /// Puts a cleaned segment in place of those it was made of, and gives their files to be removed.
    ///
    /// It syncs the folder while the owner's lock is held: see [`Log::begin_swap`].
    pub fn install(&mut self, cleaned: CleanedSegment) -> Result<Removal, Error> {
        let swap = self.begin_swap(cleaned)?;
        swap.sync()?;
        self.finish_swap(swap)
    }

    /// The first half of [`Log::install`]. The owner's lock need not be held from here to [`Log::finish_swap`], but
    /// [`Swap::sync`] must be called between. Truncations and deletions meanwhile take the swap back.
    pub fn begin_swap(&mut self, cleaned: CleanedSegment) -> Result<Swap, Error> {
        self.check_not_failed()?;
        self.abandon_swap()?;
        if self.place_of(&cleaned).is_none() {
            cleaned.segment.remove_files().map_err(|source| cleaned.segment.io(source))?;
            return Err(Error::Stale);
        }
        self.swap = Some(Arc::clone(&cleaned.segment));
        // While one of the files has its old name, opening the log takes all of it back.
        if let Err(error) = rename(&cleaned.segment, names::SWAP) {
            self.abandon_swap()?;
            return Err(error.into());
        }
        Ok(Swap { dir: Arc::clone(&self.dir), cleaned })
    }

    /// The second half of [`Log::install`]: the old segments go, the new one is published to readers.
    pub fn finish_swap(&mut self, swap: Swap) -> Result<Removal, Error> {
        self.check_not_failed()?;
        let is_pending = self.swap.as_ref().is_some_and(|pending| Arc::ptr_eq(pending, &swap.cleaned.segment));
        let Some(place) = self.place_of(&swap.cleaned).filter(|_| is_pending) else { return Err(Error::Stale) };
        let replaced = self.replace(place, &swap.cleaned);
        // Half of it done, only opening the log again tells what there is.
        self.failed |= replaced.is_err();
        Ok(replaced?)
    }

    /// Where the segments are that a cleaned one replaces; none if they are no longer there, as they were.
    fn place_of(&self, cleaned: &CleanedSegment) -> Option<usize> {
        let segments = self.shared.segments();
        let first = cleaned.replaced.first()?;
        let place = segments.iter().position(|segment| Arc::ptr_eq(segment, first))?;
        let there = segments.get(place..place + cleaned.replaced.len())?;
        let same = there.iter().zip(&cleaned.replaced).all(|(there, replaced)| Arc::ptr_eq(there, replaced));
        let is_sealed = place + there.len() < segments.len();
        (same && is_sealed).then_some(place)
    }

    fn replace(&mut self, place: usize, cleaned: &CleanedSegment) -> Result<Removal, segment::Error> {
        let removal = Removal::of_segments(&self.dir, &cleaned.replaced)?;
        rename(&cleaned.segment, "")?;
        self.swap = None;
        let mut segments = self.shared.segments().to_vec();
        segments.splice(place..place + cleaned.replaced.len(), [Arc::clone(&cleaned.segment)]);
        self.shared.set_segments(segments);
        let gone: Vec<i64> = cleaned.replaced.iter().skip(1).map(|segment| segment.base_offset).collect();
        self.snapshots.remove(|offset| gone.contains(&offset))?;
        Ok(removal)
    }

    /// Takes a swap back that was begun and not finished, durably: what comes next changes the segments it is about.
    pub(super) fn abandon_swap(&mut self) -> Result<(), segment::Error> {
        let Some(segment) = self.swap.take() else { return Ok(()) };
        let abandoned = self.take_back(&segment);
        self.failed |= abandoned.is_err();
        abandoned
    }

    fn take_back(&self, segment: &Segment) -> Result<(), segment::Error> {
        // With the log file under this name, opening the log would take the rest back.
        segment.log.rename(names::CLEANED).map_err(|source| segment.io(source))?;
        segment.remove_files().and_then(|()| self.dir.sync()).map_err(|source| segment.io(source))
    }
}

/// Renames all files of a segment, the log first: without it, opening the log would not know what the others belong to.
fn rename(segment: &Segment, suffix: &'static str) -> Result<(), segment::Error> {
    let [offset_index, time_index, txn_index, log] = segment.files();
    let rename = |file: &LazyFile| {
        file.rename(suffix).map(|_| ()).map_err(|source| segment::Error::Io { path: file.path(), source })
    };
    [log, offset_index, time_index, txn_index].into_iter().try_for_each(rename)
}

fn first_timestamp(segment: &Segment) -> Result<i64, segment::Error> {
    let mut headers = Headers::new(segment.file()?, 0, segment.size());
    let first = headers.next().map_err(|error| segment.scan(error))?;
    Ok(first.map_or(0, |(_, header)| header.max_timestamp))
}
