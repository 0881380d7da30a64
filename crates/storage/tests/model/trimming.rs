//! Steps that roll, flush, delete and truncate.

use ottla_storage::DeleteError;

use super::marks::mark;
use super::opening::Doubt;
use super::state::Segment;
use super::world::World;

impl World {
    pub fn start_leader_epoch(&mut self) {
        let epoch = self.epoch() + 1;
        self.say(|_| format!("start leader epoch {epoch}"));
        self.log().start_leader_epoch(epoch);
        self.model.epochs.assign(epoch, self.model.end);
    }

    pub fn roll(&mut self) {
        self.say(|_| "roll".to_owned());
        let now = self.now;
        let segments = self.log().segment_count();
        match self.log().roll(now) {
            Ok(rolled) => {
                let active = self.model.active();
                let expected = !active.batches.is_empty() || active.base != self.model.end;
                assert_eq!(rolled, expected);
                if rolled {
                    mark("roll asked");
                    self.model.roll(self.model.end, now);
                }
            }
            Err(error) => {
                assert!(self.has_fired(), "{error}");
                if !self.is_full_fault() {
                    return self.crash(Doubt::default());
                }
                if self.log().segment_count() > segments {
                    self.model.roll(self.model.end, now);
                }
            }
        }
    }

    pub fn flush(&mut self) {
        self.say(|_| "flush".to_owned());
        mark("flush");
        match self.log().flush() {
            Ok(()) => {
                self.model.flushed = self.model.end;
                let (end, point) = (self.model.end, self.log().recovery_point());
                assert_eq!(point, end);
            }
            Err(error) if error.is_full() => {
                assert!(self.has_fired(), "{error}");
            }
            Err(error) => {
                assert!(self.has_fired(), "{error}");
                if self.is_power_fault() {
                    mark("power cut in a flush");
                }
                assert!(self.log().flush_task().unwrap().is_none(), "a failed flush is not tried again");
                self.crash(Doubt::default());
            }
        }
    }

    /// Begins a flush, or ends the one that was begun.
    pub fn flush_beside(&mut self) {
        let Some((task, up_to, truncated)) = self.flushing.take() else {
            self.say(|_| "begin a flush".to_owned());
            let end = self.model.end;
            match self.log().flush_task() {
                Ok(task) => self.flushing = task.map(|task| (task, end, false)),
                Err(error) => {
                    assert!(self.has_fired(), "{error}");
                    if !error.is_full() {
                        self.crash(Doubt::default());
                    }
                }
            }
            return;
        };
        self.say(|_| format!("end a flush up to {up_to}"));
        match task.run() {
            Ok(flushed) => {
                mark("flush beside appends");
                self.log().mark_flushed(flushed);
                if truncated {
                    mark("flush overtaken by a truncation");
                } else {
                    self.model.flushed = self.model.flushed.max(up_to);
                }
                let point = self.log().recovery_point();
                assert!(point >= self.model.flushed.min(up_to) || truncated);
            }
            Err(error) => {
                assert!(self.has_fired(), "{error}");
                self.log().mark_failed();
                self.crash(Doubt::default());
            }
        }
    }

    pub fn delete_records(&mut self) {
        let offset = self.rng.within(self.model.start, self.model.high_watermark + 1);
        self.say(|_| format!("delete records up to {offset}"));
        let deleted = self.log().delete_records(offset);
        match deleted {
            Ok(removal) => {
                mark("records deleted");
                assert!(offset <= self.model.high_watermark);
                self.removals.push(removal);
                self.deleted_to(offset);
            }
            Err(DeleteError::OffsetOutOfRange { .. }) => assert!(offset > self.model.high_watermark),
            Err(error) => self.failed_to_delete(&error, offset),
        }
        self.run_removals();
    }

    fn deleted_to(&mut self, start: i64) {
        if start > self.model.start {
            self.model.set_start(start);
        }
        self.drop_segments();
        if self.rng.percent(60) {
            self.write_start();
        }
    }

    fn drop_segments(&mut self) {
        let start = self.model.start;
        while self.model.segments.len() > 1 && self.model.segments[1].base <= start {
            mark("segments deleted");
            self.model.bury(1);
        }
    }

    fn failed_to_delete(&mut self, error: &DeleteError, offset: i64) {
        assert!(self.has_fired(), "{error}");
        if self.is_full_fault() {
            return;
        }
        self.model.deleted = self.model.deleted.max(offset);
        self.model.epochs.start_at(offset.min(self.model.high_watermark));
        self.crash(Doubt { epochs: true, ..Doubt::default() });
    }

    fn run_removals(&mut self) {
        if self.rng.percent(70) {
            for removal in std::mem::take(&mut self.removals) {
                if removal.run().is_err() && !self.is_full_fault() {
                    return self.crash(Doubt::default());
                }
            }
        }
    }

    pub fn retention(&mut self) {
        self.say(|world| format!("retention at {}", world.now));
        let now = self.now;
        match self.log().delete_old_segments(now) {
            Ok(removals) => {
                self.removals.extend(removals);
                self.retain();
            }
            Err(error) => {
                if self.is_full_fault() {
                    // Rolled or not, deleted or not: opening it again tells.
                    self.end_fault();
                }
                let end = self.model.high_watermark;
                self.model.deleted = self.model.deleted.max(end);
                let io = !matches!(error, DeleteError::OffsetOutOfRange { .. });
                assert!(io, "{error}");
                self.crash(Doubt { epochs: true, ..Doubt::default() });
            }
        }
        self.run_removals();
    }

    fn retain(&mut self) {
        self.drop_segments();
        if self.config.delete {
            let by_size = self.over_size();
            self.take_out(by_size, "retention by size");
            let by_time = self.over_time();
            self.take_out(by_time, "retention by time");
        }
        if self.rng.percent(60) {
            self.write_start();
        }
    }

    fn over_size(&self) -> usize {
        let Ok(limit) = usize::try_from(self.config.retention_bytes) else { return 0 };
        let mut excess = self.model.size().saturating_sub(limit);
        self.deletable(|segment| {
            let delete = excess > 0 && segment.size() <= excess;
            excess = excess.saturating_sub(segment.size());
            delete
        })
    }

    fn over_time(&self) -> usize {
        let (limit, now) = (self.config.retention_ms, self.now);
        // The simulated disk says that all files changed at 0.
        self.deletable(|segment| limit >= 0 && now - segment.max_timestamp().max(0) > limit)
    }

    fn deletable(&self, mut delete: impl FnMut(&Segment) -> bool) -> usize {
        let segments = &self.model.segments;
        let mut count = 0;
        for (n, segment) in segments.iter().enumerate() {
            let end = segments.get(n + 1).map_or(self.model.end, |next| next.base);
            let empty_active = n + 1 == segments.len() && segment.batches.is_empty();
            if end > self.model.high_watermark || empty_active || !delete(segment) {
                break;
            }
            count += 1;
        }
        count
    }

    fn take_out(&mut self, mut count: usize, what: &'static str) {
        // With no room for another the active segment stays.
        if count == self.model.segments.len() && self.is_full_fault() && self.log().size() > 0 {
            count -= 1;
        }
        if count == 0 {
            return;
        }
        mark(what);
        if count == self.model.segments.len() {
            self.model.roll(self.model.end, self.now);
        }
        let start = self.model.segments[count].base;
        if start > self.model.start {
            self.model.set_start(start);
        }
        self.model.bury(count);
    }

    pub fn truncate(&mut self) {
        let first = self.model.segments[0].base;
        let anywhere = self.rng.within(self.model.start, self.model.end + 1);
        let offset = if first > 0 && self.rng.percent(10) { self.rng.within(0, first - 1) } else { anywhere };
        // A batch that began below the log start is not there to be cut: what it says of its producer may be forgotten.
        if self.model.batches().any(|batch| batch.base < self.model.start && offset <= batch.last) && offset >= first {
            return;
        }
        self.say(|_| format!("truncate to {offset}"));
        let held = self.model.batches().find(|batch| offset <= batch.last).map_or(offset, |batch| batch.base);
        if !self.lower_recovery_point(held.min(offset)) {
            return;
        }
        let now = self.now;
        match self.log().truncate_to(offset, now) {
            Ok(cut) => {
                assert_eq!(cut, offset < self.model.end);
                if cut {
                    self.note_truncation(offset);
                    if offset < first {
                        self.model.start = offset;
                    }
                    self.truncated(offset, offset < first);
                } else {
                    self.model.epochs.end_at(self.model.end);
                }
            }
            Err(error) => {
                assert!(self.has_fired(), "{error}");
                if self.is_power_fault() {
                    mark("power cut in a truncation");
                }
                let doubt = Doubt { kept_below: offset, epochs: true, anew: offset < first, ..Doubt::default() };
                self.crash(doubt);
            }
        }
    }

    fn note_truncation(&self, offset: i64) {
        let model = &self.model;
        mark(match model.segments.last().unwrap().base {
            _ if offset < model.segments[0].base => "truncation below the first segment",
            base if base <= offset => "truncation in the active segment",
            _ => "truncation across segments",
        });
        if model.batches().any(|batch| batch.base < offset && offset <= batch.last) {
            mark("truncation inside a batch");
        }
    }

    pub fn start_anew(&mut self) {
        let offset = self.rng.within((self.model.start - 5).max(0), self.model.end + 50);
        let start = self.rng.percent(30).then(|| (offset - 2).max(0));
        self.say(|_| format!("truncate fully and start at {offset}, log start {start:?}"));
        if !self.lower_recovery_point(0) {
            return;
        }
        let now = self.now;
        match self.log().truncate_fully_and_start_at(offset, start, now) {
            Ok(()) => {
                mark("began anew");
                self.model.start = start.unwrap_or(offset);
                self.truncated(offset, true);
            }
            Err(error) => {
                assert!(self.has_fired(), "{error}");
                self.crash(Doubt { kept_below: i64::MIN, epochs: true, anew: true, ..Doubt::default() });
            }
        }
    }

    /// The log ends at `offset` now: all of it went, or what was above. The caller's duty is to write the checkpoints.
    fn truncated(&mut self, offset: i64, all: bool) {
        let now = self.now;
        if all {
            self.model.segments = vec![Segment::new(offset, now)];
            self.model.epochs.0.clear();
            self.model.history.clear();
            self.model.graveyard.clear();
        }
        self.model.cut(offset);
        let active = self.model.segments.last().unwrap();
        let offset = active.batches.last().map_or(active.base, |batch| batch.last + 1);
        self.model.cut(offset);
        self.model.active().created = now;
        self.model.start = self.model.start.min(offset);
        self.model.deleted = self.model.deleted.min(self.model.start);
        if let Some((_, _, truncated)) = &mut self.flushing {
            *truncated = true;
        }
        // What it was, before the transactions are known anew.
        self.model.high_watermark = self.model.high_watermark.min(offset).max(self.model.start);
        self.adopt_producers();
        self.fs.heal();
        self.write_start();
        self.write_recovery_point();
    }
}
