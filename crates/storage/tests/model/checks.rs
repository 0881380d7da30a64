//! Compares the log with the model.

use std::rc::Rc;

use ottla_storage::{
    EARLIEST, EARLIEST_LOCAL, EpochEndOffset, Found, Isolation, LATEST, LATEST_TIERED, MAX_TIMESTAMP, ReadError,
};

use super::batch::Batch;
use super::marks::mark;
use super::producers::Entry;
use super::state::Segment;
use super::world::World;

const ISOLATIONS: [Isolation; 3] = [Isolation::LogEnd, Isolation::HighWatermark, Isolation::LastStableOffset];

impl World {
    /// What is cheap, and some reads.
    pub fn check_some(&mut self) {
        if self.over {
            return;
        }
        self.check_offsets();
        self.check_epochs();
        self.check_producers();
        for _ in 0..2 {
            let offset = self.rng.within(self.model.start - 1, self.model.end + 1);
            let isolation = self.rng.pick(&ISOLATIONS);
            let max_bytes = self.rng.pick(&[0, 1, 61, 200, 1000, 100_000]);
            let min_one_batch = self.rng.percent(60);
            self.check_read(offset, max_bytes, min_one_batch, isolation);
        }
        let (from, to) = (self.model.start, self.model.end);
        let from = self.rng.within(from, to);
        let to = self.rng.within(from, to);
        self.check_aborted(from, to);
        let timestamp = match self.model.batches().count() {
            0 => self.now,
            count => {
                let n = self.rng.below(count);
                self.model.batches().nth(n).unwrap().max_timestamp + self.rng.pick(&[-1, 0, 1])
            }
        };
        let timestamp = if self.rng.percent(20) { self.now - 100_000 } else { timestamp.max(0) };
        self.check_timestamp(timestamp);
    }

    /// Every offset, every transaction, all special timestamps.
    pub fn check_all(&mut self) {
        self.check_some();
        if self.over {
            return;
        }
        let mut offset = self.model.start;
        let bases: Vec<i64> = self.model.batches().map(|batch| batch.base).collect();
        for base in bases.into_iter().filter(|base| *base >= offset) {
            self.check_read(base, 100_000, true, Isolation::LogEnd);
            self.check_read(base, 1, true, Isolation::LastStableOffset);
        }
        while offset < self.model.end.min(self.model.start + 50) {
            self.check_read(offset, 200, true, Isolation::HighWatermark);
            offset += 1;
        }
        self.check_aborted(self.model.start, self.model.end);
        for timestamp in [LATEST, EARLIEST, EARLIEST_LOCAL, LATEST_TIERED, MAX_TIMESTAMP, 0, self.now, i64::MAX] {
            self.check_timestamp(timestamp);
        }
        let timestamps: Vec<i64> = self.model.batches().map(|batch| batch.max_timestamp).collect();
        timestamps.into_iter().filter(|t| *t >= 0).for_each(|timestamp| self.check_timestamp(timestamp));
    }

    fn check_offsets(&mut self) {
        let offsets = self.log().offsets();
        let model = &self.model;
        let expected = (model.start, model.high_watermark, model.end);
        assert_eq!((offsets.log_start_offset, offsets.high_watermark, offsets.log_end_offset), expected);
        let (low, high) = model.last_stable();
        let found = offsets.last_stable_offset;
        assert!((low..=high).contains(&found), "last stable offset {found}, not in {low}..={high}");
        if found < model.high_watermark {
            mark("last stable offset held back");
        }
        let size = model.size() as u64;
        let segments = model.segments.len();
        assert_eq!((self.log().size(), self.log().segment_count()), (size, segments), "bytes and segments");
    }

    fn check_epochs(&mut self) {
        let latest = self.model.epochs.latest();
        assert_eq!(self.log().latest_epoch(), latest);
        for epoch in -1..=latest.unwrap_or(0) + 1 {
            let expected = self.model.epochs.end_of(epoch, self.model.end);
            let expected = expected.map(|(epoch, end_offset)| EpochEndOffset { epoch, end_offset });
            assert_eq!(self.log().end_offset_for_epoch(epoch), expected, "end of epoch {epoch}");
        }
        let offset = self.rng.within(self.model.start - 1, self.model.end + 1);
        let expected = self.model.epochs.at(offset);
        assert_eq!(self.log().reader().epoch_for(offset), expected, "epoch at {offset}");
    }

    fn check_producers(&mut self) {
        let found: std::collections::BTreeMap<i64, Entry> =
            self.log.as_ref().unwrap().producers().map(|(id, entry)| (id, Entry::of(entry))).collect();
        assert_eq!(found, self.model.producers.known, "producers");
    }

    fn check_read(&mut self, offset: i64, max_bytes: usize, min_one_batch: bool, isolation: Isolation) {
        let what = format_args!("read of {offset}, {max_bytes} bytes, {min_one_batch}, {isolation:?}").to_string();
        let reader = self.log().reader();
        let read = reader.read(offset, max_bytes, min_one_batch, isolation);
        if offset < self.model.start || offset > self.model.end {
            assert!(matches!(read, Err(ReadError::OffsetOutOfRange { .. })), "{what}: {read:?}");
            return;
        }
        let read = read.unwrap_or_else(|error| panic!("{what}: {error}"));
        let last_stable = reader.offsets().last_stable_offset;
        let bound = self.model.bound(isolation, last_stable);
        if self.model.batches().any(|batch| batch.base < bound && bound <= batch.last) {
            mark("high watermark inside a batch");
        }
        let expected = self.expected_read(offset, max_bytes, min_one_batch, bound);
        let bytes = read.bytes().unwrap();
        assert!(bytes == expected, "{what}: {} bytes, not {}, or others", bytes.len(), expected.len());
        if isolation == Isolation::LastStableOffset && !bytes.is_empty() {
            self.check_aborted_of_read(offset, &bytes, &read.aborted, &what);
        }
    }

    fn expected_read(&self, offset: i64, max_bytes: usize, min_one_batch: bool, bound: i64) -> Vec<u8> {
        if offset >= bound {
            return Vec::new();
        }
        let first = self.model.segments.iter().rposition(|segment| segment.base <= offset).unwrap_or(0);
        let holds = |segment: &&Segment| segment.batches.iter().any(|batch| batch.last >= offset);
        let Some(segment) = self.model.segments.iter().skip(first).find(holds) else { return Vec::new() };
        let wanted = segment.batches.iter().skip_while(|batch| batch.last < offset);
        let first_size = wanted.clone().next().unwrap().size();
        let limit = match min_one_batch {
            true => max_bytes.max(first_size),
            false if max_bytes < first_size => 0,
            false => max_bytes,
        };
        let mut bytes = Vec::new();
        for batch in wanted.take_while(|batch| batch.last < bound) {
            bytes.extend_from_slice(&batch.bytes);
        }
        bytes.truncate(limit);
        bytes
    }

    /// The reader must be told of all aborted transactions in what it read, and of none that was not aborted.
    fn check_aborted_of_read(&self, offset: i64, bytes: &[u8], found: &[ottla_storage::AbortedTxn], what: &str) {
        let mut len = 0;
        let fits = |batch: &&Rc<Batch>| {
            len += batch.size();
            len <= bytes.len() + batch.size()
        };
        let to =
            self.model.batches().filter(|batch| batch.last >= offset).take_while(fits).map(|batch| batch.base).max();
        let expected = self.aborted(offset, to.unwrap_or(offset));
        for txn in &expected {
            let told = found.iter().any(|f| (f.producer_id, f.last_offset) == (txn.0, txn.2));
            assert!(told, "{what}: {txn:?} is not among the aborted transactions {found:?}");
        }
        let all = self.aborted(i64::MIN, i64::MAX);
        for txn in found {
            let known = all.iter().any(|known| (txn.producer_id, txn.last_offset) == (known.0, known.2));
            assert!(known || txn.first_offset < self.model.deleted, "{what}: {txn:?} was not aborted");
        }
    }

    /// Aborted transactions in a range whose data is all there: producer, first and last offset.
    fn aborted(&self, from: i64, to: i64) -> Vec<(i64, i64, i64)> {
        let aborted = self.model.txns.iter().filter_map(|txn| match txn.end {
            Some((last, true)) => Some((txn.producer_id, txn.first, last)),
            _ => None,
        });
        let mut found: Vec<_> = aborted.filter(|txn| txn.1 < to && txn.2 >= from).collect();
        found.retain(|txn| from == i64::MIN || txn.1 >= self.model.deleted);
        found.sort_by_key(|txn| txn.2);
        found
    }

    fn check_aborted(&mut self, from: i64, to: i64) {
        let found = self.log().reader().aborted_transactions(from, to).unwrap();
        let mut found: Vec<_> = found.iter().map(|txn| (txn.producer_id, txn.first_offset, txn.last_offset)).collect();
        // Of one whose start was deleted the log may know only the rest.
        let (all, deleted) = (self.aborted(i64::MIN, i64::MAX), self.model.deleted);
        let same = |txn: &(i64, i64, i64), known: &(i64, i64, i64)| (txn.0, txn.2) == (known.0, known.2);
        let rests: Vec<_> = all.into_iter().filter(|known| known.1 < deleted).collect();
        found.retain(|txn| !rests.iter().any(|known| same(txn, known)));
        let expected = self.aborted(from, to);
        if !expected.is_empty() {
            mark("aborted transactions found");
        }
        assert_eq!(found, expected, "aborted transactions in [{from}, {to})");
    }

    fn check_timestamp(&mut self, timestamp: i64) {
        let found = self.log().reader().offset_for_timestamp(timestamp).unwrap();
        let expected = self.expected_for(timestamp);
        if timestamp >= 0 && expected.is_some() {
            mark("timestamp found");
        }
        assert_eq!(found, expected, "offset for timestamp {timestamp}");
    }

    fn expected_for(&self, timestamp: i64) -> Option<Found> {
        let model = &self.model;
        let end = |offset, leader_epoch| Some(Found { timestamp: -1, offset, leader_epoch });
        match timestamp {
            LATEST => end(model.end, model.epochs.latest()),
            EARLIEST | EARLIEST_LOCAL => {
                let first = model.epochs.0.first().filter(|first| first.1 <= model.start);
                end(model.start, first.map(|first| first.0))
            }
            LATEST_TIERED => end(-1, Some(-1)),
            MAX_TIMESTAMP => {
                let max = model.batches().map(|batch| batch.max_timestamp).max().filter(|max| *max >= 0)?;
                let batch = model.batches().find(|batch| batch.max_timestamp == max)?;
                first_record(batch, |record| record.1 == max)
            }
            _ => {
                // As in Kafka, only the first segment that reaches the timestamp is looked into.
                let segment = model.segments.iter().find(|segment| segment.max_timestamp() >= timestamp)?;
                let wanted = |record: &(i64, i64)| record.1 >= timestamp && record.0 >= model.start;
                segment.batches.iter().find_map(|batch| first_record(batch, wanted))
            }
        }
    }
}

fn first_record(batch: &Batch, wanted: impl Fn(&(i64, i64)) -> bool) -> Option<Found> {
    let (offset, timestamp) = batch.records.iter().find(|record| wanted(record))?;
    Some(Found { timestamp: *timestamp, offset: *offset, leader_epoch: Some(batch.epoch).filter(|epoch| *epoch >= 0) })
}
