//! Finding where a log ends, and mending what a crash left: from the recovery point on everything is proven, below it only what is
//! missing or wrong beside the batches is built anew.

use super::{Error, Loader, replay};
use crate::log::Removal;
use crate::producers::Producers;
use crate::segment::{self, AbortedTxn, Segment, State};

impl Loader<'_> {
    /// Finds where the log ends. After a crash, what is above the recovery point is read and the producers with it.
    pub(super) fn recover(&mut self) -> Result<Option<Producers>, Error> {
        if self.segments.is_empty() {
            return Ok(None);
        }
        let recovery_point = self.options.recovery_point;
        if self.options.clean_shutdown {
            self.rebuild_indexes(self.segments.len())?;
            let Some(active) = self.segments.last() else { return Ok(None) };
            let ends_soundly = match active.find_end() {
                Err(segment::Error::Corrupt { .. } | segment::Error::OffsetOrder { .. }) => false,
                found => found.map(|()| true)?,
            };
            if ends_soundly && active.next_offset() <= recovery_point {
                return Ok(None);
            }
            // A log that was not opened since a crash, or not closed, was none of those that were cleanly stopped.
            tracing::warn!(dir = %self.dir.path().display(), recovery_point, "was not closed: recovering");
        }
        // A segment that ends at the recovery point may have been completed after its last flush: its indexes may be torn.
        let after = self.segments.partition_point(|segment| segment.base_offset < recovery_point);
        let first = after.saturating_sub(1);
        self.rebuild_indexes(first)?;
        self.recover_from(first).map(Some)
    }

    /// Rebuilds the indexes that are missing or wrong of segments before number `end`, whose data is flushed.
    fn rebuild_indexes(&mut self, end: usize) -> Result<(), Error> {
        for segment in self.segments.iter().take(end) {
            let sound = !self.unindexed.contains(&segment.base_offset) && segment::indexes_are_sound(segment)?;
            if !sound {
                tracing::warn!(file = %segment.log.path().display(), "rebuilding indexes that are missing, cut or wrong");
                segment::rebuild_indexes(segment, self.options.config.index_interval_bytes)?;
            }
        }
        for segment in self.segments.iter().take(end).cloned().collect::<Vec<_>>() {
            if !segment::txn_index_is_sound(&segment)? {
                self.rebuild_txn_index(&segment)?;
                segment.sync()?;
            }
            // A log has any number of segments, a process a limited number of open files.
            segment.close_indexes();
        }
        Ok(())
    }

    fn rebuild_txn_index(&mut self, segment: &Segment) -> Result<(), Error> {
        tracing::warn!(file = %segment.log.path().display(), "rebuilding an index of aborted transactions that is wrong");
        let start = self.options.log_start_offset.max(self.segments.first().map_or(0, |first| first.base_offset));
        let mut producers = self.load_producers(start.min(segment.base_offset), segment.base_offset)?;
        Ok(segment::rebuild_txn_index(segment, &mut producers)?)
    }

    fn recover_from(&mut self, first: usize) -> Result<Producers, Error> {
        let mut producers = self.producers_at_recovery_point(first)?;
        // Those above are taken anew: they may be of records that a truncation took away, and have outlived it.
        let flushed =
            self.options.recovery_point.max(self.segments.get(first).map_or(0, |segment| segment.base_offset));
        self.snapshots.remove(|offset| offset > flushed)?;
        let mut epochs = std::mem::take(&mut self.epochs);
        let mut state = State { producers: &mut producers, epochs: &mut epochs };
        let mut n = first;
        let mut log_end_offset = 0;
        while let Some(segment) = self.segments.get(n) {
            state.producers.set_end_offset(segment.base_offset.max(state.producers.end_offset()));
            let (interval, indexed) =
                (self.options.config.index_interval_bytes, !self.unindexed.contains(&segment.base_offset));
            let recovered = segment::recover(segment, interval, self.options.recovery_point, indexed, &mut state)?;
            log_end_offset = recovered.next_offset;
            n += 1;
            if recovered.truncated > 0 || self.is_hole(log_end_offset, n) || n == self.segments.len() {
                segment.write_indexes()?;
                break;
            }
            segment.seal()?;
            if log_end_offset <= self.options.recovery_point {
                // A snapshot below the recovery point says that the indexes are durable up to there.
                segment.sync()?;
            }
            self.snapshots.take(state.producers)?;
        }
        state.producers.set_end_offset(log_end_offset);
        self.epochs = epochs;
        self.drop_segments_from(n)?;
        Ok(producers)
    }

    /// The producers as they were at the recovery point, or where segment `first` starts if that is above. The aborted
    /// transactions found on the way are put into the indexes of that segment and those after it anew.
    fn producers_at_recovery_point(&mut self, first: usize) -> Result<Producers, Error> {
        let Some(segment) = self.segments.get(first).cloned() else { return Ok(Producers::starting_at(0)) };
        let log_start_offset = self.options.log_start_offset.max(self.segments.first().map_or(0, |s| s.base_offset));
        let up_to = segment.base_offset.max(self.options.recovery_point);
        // A snapshot below the recovery point was flushed after the index of what is below it.
        let snapshots_up_to = if segment::txn_index_is_sound(&segment)? { up_to } else { segment.base_offset };
        let (now_ms, expiration_ms) = (self.options.now_ms, self.options.config.producer_id_expiration_ms);
        let mut producers =
            self.snapshots.load(log_start_offset.min(segment.base_offset), snapshots_up_to, now_ms, expiration_ms);
        let from = producers.end_offset();
        let aborted = replay(&self.segments, up_to, &mut producers)?;
        let mut rewritten = false;
        for segment in self.segments.iter().skip(first) {
            rewritten |= reindex_aborted(segment, from, up_to, &aborted)?;
        }
        if rewritten {
            self.dir.sync().map_err(|source| Error::Io { path: self.dir.path(), source })?;
        }
        Ok(producers)
    }

    /// Whether batches are missing before segment `n`: the power was cut after that one reached the disk and before all of the
    /// one before it did. Compaction leaves such holes too, and so do followers of a compacted log.
    fn is_hole(&self, next_offset: i64, n: usize) -> bool {
        let gap = self.segments.get(n).is_some_and(|next| next.base_offset > next_offset);
        gap && next_offset >= self.options.recovery_point && !self.options.config.compact
    }

    /// Segments after a torn one were written after it and never flushed.
    pub(super) fn drop_segments_from(&mut self, n: usize) -> Result<(), Error> {
        let dropped = self.segments.split_off(n.min(self.segments.len()));
        if !dropped.is_empty() {
            tracing::warn!(dir = %self.dir.path().display(), segments = dropped.len(), "dropping segments after a torn one");
            // Durably: after a power cut they must not stand beside what is appended in their place.
            let removed = Removal::of_segments(&self.dir, &dropped)?.run().and_then(|()| self.dir.sync());
            removed.map_err(|source| Error::Io { path: self.dir.path(), source })?;
        }
        Ok(())
    }
}

/// Has the index of a segment say of transactions that ended in `[from, to)` what the batches say, durably, and nothing of later
/// ones. True if it was another file before.
fn reindex_aborted(segment: &Segment, from: i64, to: i64, aborted: &[AbortedTxn]) -> Result<bool, Error> {
    let io = |source| Error::Segment(segment.io(source));
    let within = |txn: &&AbortedTxn| (segment.base_offset..segment.next_offset()).contains(&txn.last_offset);
    let wanted: Vec<AbortedTxn> = aborted.iter().filter(within).copied().collect();
    let index = &segment.txn_index;
    if segment.base_offset >= to {
        return if index.file_len() > 0 { index.entries.truncate(0).map(|()| false).map_err(io) } else { Ok(false) };
    }
    let mut known = index.all().map_err(io)?;
    if let Some(known) = &mut known {
        // All that there is where all is replayed: zeros that a power cut left are below any offset.
        known.retain(|txn| txn.last_offset < to && (txn.last_offset >= from || from <= segment.base_offset));
    }
    if known.as_ref() == Some(&wanted) {
        index.truncate_to(to).map_err(io)?;
        return Ok(false);
    }
    let rewrite = || {
        match from > segment.base_offset {
            true => index.truncate_to(from)?,
            false => index.entries.truncate(0)?,
        }
        wanted.iter().try_for_each(|txn| index.append(*txn))?;
        index.entries.write_tail()?;
        index.entries.file().created()?.sync_data()
    };
    rewrite().map_err(io)?;
    Ok(true)
}
