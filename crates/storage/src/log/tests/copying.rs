//! Copies of a log that is appended to, trimmed and cut meanwhile.

use super::*;
use crate::log::{Copied, CopyError};

const NEW_EPOCH: i32 = EPOCH + 1;

/// A log and the log that it is copied into, each on a disk of its own.
struct Pair {
    source: Log,
    copy: Log,
    fixture: Fixture,
}

impl Pair {
    fn new(records: i64) -> Self {
        let fixture = Fixture::default();
        let mut source = Fixture::default().open();
        fill(&mut source, records);
        Self { source, copy: fixture.open(), fixture }
    }

    fn step(&mut self, max_bytes: usize) -> Result<Copied, CopyError> {
        self.copy.copy_from(&self.source.reader(), max_bytes, NOW)
    }

    /// Copies to the end in small steps; the copy is the same then.
    fn finish(&mut self) {
        while self.step(300).unwrap() != Copied::default() {}
        assert_eq!(self.copy.log_end_offset(), self.source.log_end_offset());
        let start = self.source.log_start_offset();
        self.copy.advance_log_start_offset(start).unwrap();
        assert_eq!(values(&self.copy), values(&self.source));
        // The epoch that has no record yet is the leader's to begin again.
        if start < self.source.log_end_offset() {
            assert_eq!(self.copy.end_offset_for_epoch(EPOCH), self.source.end_offset_for_epoch(EPOCH), "from {start}");
        }
    }
}

#[test]
fn a_copy_catches_up_with_a_log_that_grows() {
    let mut pair = Pair::new(40);
    let first = pair.step(300).unwrap();
    assert!(first.bytes > 0 && first.bytes <= 300 && first.lag > 0, "{first:?}");
    fill(&mut pair.source, 10);
    pair.finish();
    fill(&mut pair.source, 1);
    assert_eq!(pair.step(300).unwrap().lag, 0);
    pair.finish();
}

#[test]
fn a_copy_begins_where_the_log_does() {
    for start in [0, 1, 7, 39, 40] {
        let mut pair = Pair::new(40);
        pair.source.delete_records(start).unwrap().run().unwrap();
        pair.finish();
        assert!(pair.copy.log_start_offset() >= start);
    }
}

#[test]
fn a_copy_goes_on_after_what_was_deleted_meanwhile() {
    let mut pair = Pair::new(40);
    pair.step(300).unwrap();
    pair.source.delete_records(25).unwrap().run().unwrap();
    pair.finish();
    assert_eq!(values(&pair.copy).first().unwrap().0, 25);
}

#[test]
fn a_batch_that_begins_below_the_start_is_copied_whole() {
    let mut pair = Pair::new(3);
    append(&mut pair.source, batch(&["a", "b", "c"], NOW)).unwrap();
    pair.source.set_high_watermark(6);
    pair.source.delete_records(4).unwrap().run().unwrap();
    pair.finish();
    assert_eq!(pair.copy.log_start_offset(), 4);
    assert_eq!(pair.copy.log_end_offset(), 6);
}

#[test]
fn a_copy_is_cut_to_what_the_log_has() {
    // What the source lost in a crash after it was copied, and what another epoch wrote there since.
    for (kept, rewritten) in [(20, 0), (20, 5), (0, 30), (30, 0)] {
        let mut pair = Pair::new(30);
        pair.finish();
        pair.source.truncate_to(kept, NOW).unwrap();
        pair.source.start_leader_epoch(NEW_EPOCH);
        for n in 0..rewritten {
            let value = format!("new {n}");
            pair.source.append_as_leader(built(batch(&[&value], NOW)), NEW_EPOCH, NOW, Origin::Client).unwrap();
        }
        pair.source.set_high_watermark(pair.source.log_end_offset());
        pair.copy.truncate_to_agree(&pair.source.reader(), NOW).unwrap();
        assert_eq!(pair.copy.log_end_offset(), kept, "kept {kept}, rewritten {rewritten}");
        pair.finish();
    }
}

#[test]
fn a_copy_is_opened_again_and_goes_on() {
    let mut pair = Pair::new(40);
    pair.step(300).unwrap();
    pair.copy.flush().unwrap();
    pair.fixture.fs.power_cut(|_, _| 0);
    pair.copy = pair.fixture.open();
    assert!(pair.copy.log_end_offset() > 0);
    pair.copy.truncate_to_agree(&pair.source.reader(), NOW).unwrap();
    pair.finish();
}
