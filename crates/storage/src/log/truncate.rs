//! Cutting the end off a log: what a follower has and its leader has not.

use std::sync::Arc;

use super::open::replay;
use super::{Active, Log, OpenError, Removal};
use crate::checkpoint;
use crate::fs::is_full;
use crate::journal::Change;
use crate::segment::{Lens, Segment};

impl Log {
    /// Cuts the log so that no batch holds `offset` or ones above; false if it ended there or before.
    ///
    /// It ends where its last batch does. Kafka lets it end at `offset`, with a hole before it if that was within a batch or where
    /// compaction took records; the hole would be taken for a loss when the log is opened after a crash.
    ///
    /// The caller writes the recovery point's checkpoint, lowered to where the log will end, before it calls: when the power is cut
    /// meanwhile, what is cut off may be zeros, which below a recovery point are damage. If the disk fails, the log takes no more
    /// appends; if there is no room for it, nothing has changed.
    pub fn truncate_to(&mut self, offset: i64, now_ms: i64) -> Result<bool, OpenError> {
        self.write_what_a_cut_keeps(offset)?;
        let truncated = self.try_truncate_to(offset, now_ms);
        self.failed |= truncated.is_err();
        truncated
    }

    /// Writes the index entries that are in memory only: a cut itself is to need no room.
    fn write_what_a_cut_keeps(&mut self, offset: i64) -> Result<(), OpenError> {
        let segments = self.shared.segments();
        let last = segments.iter().rfind(|segment| segment.base_offset <= offset);
        let written = last.map_or(Ok(()), |last| last.write_indexes().map(drop));
        self.failed |= written.as_ref().is_err_and(|error| !error.is_full());
        Ok(written?)
    }

    fn try_truncate_to(&mut self, offset: i64, now_ms: i64) -> Result<bool, OpenError> {
        if offset >= self.log_end_offset() {
            // An epoch that was begun here without a record may be in conflict with the leader's.
            self.truncate_epochs(self.log_end_offset())?;
            return Ok(false);
        }
        self.abandon_swap()?;
        let segments = self.shared.segments();
        if segments.first().is_some_and(|first| first.base_offset > offset) {
            return self.start_at(offset, None, now_ms).map(|()| true);
        }
        self.truncations += 1;
        let kept = segments.partition_point(|segment| segment.base_offset <= offset);
        let (kept, removed) = segments.split_at(kept);
        let Some((last, kept)) = kept.split_last() else { return Ok(false) };
        // From the end on, so that a crash on the way leaves no hole.
        let with_last = |last: &Arc<Segment>| kept.iter().chain([last]).cloned().collect();
        self.shared.set_segments(with_last(last));
        self.finish_removal(removed)?;
        let active = self.cut(last, offset)?;
        let offset = active.next_offset();
        self.shared.set_segments(with_last(&active));
        self.active = Active::new(active, now_ms)?;
        self.after_truncation(offset, now_ms)?;
        let end = self.log_end_offset();
        self.tell_journal(|| Change::Truncate(end));
        Ok(true)
    }

    /// Drops all there is and begins anew at `offset`.
    pub fn truncate_fully_and_start_at(
        &mut self,
        offset: i64,
        log_start_offset: Option<i64>,
        now_ms: i64,
    ) -> Result<(), OpenError> {
        let truncated = self.start_at(offset, log_start_offset, now_ms);
        self.failed |= truncated.is_err();
        truncated
    }

    fn start_at(&mut self, offset: i64, log_start_offset: Option<i64>, now_ms: i64) -> Result<(), OpenError> {
        self.abandon_swap()?;
        self.truncations += 1;
        let removed = self.shared.segments();
        self.finish_removal(&removed)?;
        let segment = Arc::new(Segment::create(&self.dir, offset)?);
        // A later segment must not outlive a power cut that this one does not.
        self.dir.sync().map_err(|source| OpenError::Io { path: self.dir.path(), source })?;
        self.shared.set_segments(vec![Arc::clone(&segment)]);
        self.active = Active::new(segment, now_ms)?;
        self.snapshots.remove(|_| true)?;
        self.truncate_epochs(i64::MIN)?;
        self.shared.set_log_start_offset(log_start_offset.unwrap_or(offset));
        self.after_truncation(offset, now_ms)?;
        self.tell_journal(|| Change::StartAt(offset));
        Ok(())
    }

    /// Cuts a segment. Readers of the old one keep what they have; the new one is published in its place.
    fn cut(&self, segment: &Arc<Segment>, offset: i64) -> Result<Arc<Segment>, OpenError> {
        let place = segment.find(offset, segment.size())?;
        let len = place.map_or(segment.size(), |place| place.position);
        let cut = || {
            segment.offset_index.truncate_to(offset)?;
            segment.time_index.truncate_to(offset)?;
            segment.txn_index.truncate_to(offset)
        };
        cut().map_err(|source| segment.io(source))?;
        let lens = segment.write_indexes()?;
        let file = segment.file()?;
        file.truncate(len).and_then(|()| file.sync_data()).map_err(|source| segment.io(source))?;
        let new = Segment::open(&self.dir, segment.base_offset, Lens { log: len, ..lens }, offset);
        new.find_end()?;
        new.find_max_timestamp()?;
        Ok(Arc::new(new))
    }

    /// Removes segments, durably: after a power cut they must not stand beside what is appended in their place.
    fn finish_removal(&self, segments: &[Arc<Segment>]) -> Result<(), OpenError> {
        let from_the_end: Vec<Arc<Segment>> = segments.iter().rev().cloned().collect();
        let removal = Removal::one_by_one(&self.dir, &from_the_end)?;
        let removed = removal.run().and_then(|()| if segments.is_empty() { Ok(()) } else { self.dir.sync() });
        removed.map_err(|source| OpenError::Io { path: self.dir.path(), source })
    }

    fn truncate_epochs(&mut self, end_offset: i64) -> Result<(), OpenError> {
        let mut before = self.shared.epochs.lock().clone();
        let mut epochs = before.clone();
        if !epochs.truncate_from_end(end_offset) && self.stale_epochs.is_none() {
            return Ok(());
        }
        match self.set_epochs(epochs.clone(), true) {
            // The file keeps what it has until there is room, or nothing to append.
            Err(checkpoint::Error::Io { source, .. }) if is_full(&source) => {
                if self.epochs_unwritten
                    && let Some((_, begun)) = before.latest()
                {
                    before.truncate_from_end(begun);
                    self.epochs_unwritten = false;
                }
                self.stale_epochs.get_or_insert(before);
                *self.shared.epochs.lock() = epochs;
                Ok(())
            }
            set => Ok(set?),
        }
    }

    fn after_truncation(&mut self, offset: i64, now_ms: i64) -> Result<(), OpenError> {
        self.names_changed += 1;
        self.truncate_epochs(offset)?;
        self.recovery_point = self.recovery_point.min(offset);
        let log_start_offset = self.log_start_offset().min(offset);
        self.shared.set_log_start_offset(log_start_offset);
        self.snapshots.remove(|snapshot| snapshot > offset)?;
        let expiration_ms = self.config.producer_id_expiration_ms;
        let segments = self.shared.segments();
        // With what is below the log start offset and still there, as after a crash: a transaction may have begun there.
        let start = segments.first().map_or(log_start_offset, |first| first.base_offset);
        self.producers = self.snapshots.load(start, offset, now_ms, expiration_ms);
        replay(&segments, offset, &mut self.producers)?;
        self.set_high_watermark(self.high_watermark());
        Ok(())
    }
}
