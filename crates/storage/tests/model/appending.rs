//! Steps that append.

use ottla_protocol::batch::{Builder, CheckedBatch, CheckedBatches, TimestampType};
use ottla_storage::{AppendError, AppendInfo, Origin, ProducerError};

use super::batch::{Batch, Marker, Sequence};
use super::draw;
use super::marks::mark;
use super::opening::Doubt;
use super::producers::Verdict;
use super::world::World;

impl World {
    /// Leader epochs never go back, also when the log knows of none.
    pub fn epoch(&mut self) -> i32 {
        self.leader_epoch = self.leader_epoch.max(self.model.epochs.latest().unwrap_or(0));
        self.leader_epoch
    }

    fn builder(&mut self) -> Builder {
        draw::records(&mut self.rng, self.now)
    }

    pub fn append_plain(&mut self) {
        mark("append plain");
        let batch = self.builder().build().unwrap();
        self.append(batch, None, Origin::Client);
    }

    pub fn append_as_coordinator(&mut self) {
        mark("append as coordinator");
        let id = self.rng.within(20, 21);
        let batch = self.builder().producer(id, 0, -1).build().unwrap();
        let batch = if self.rng.percent(50) { batch } else { self.builder().build().unwrap() };
        self.append(batch, None, Origin::Coordinator);
    }

    pub fn append_idempotent(&mut self) {
        mark("append idempotent");
        let id = self.rng.within(1, 3);
        self.append_of_producer(id, false);
    }

    pub fn append_transactional(&mut self) {
        mark("append transactional");
        let id = self.rng.within(10, 12);
        let transactional = !self.rng.percent(4);
        self.append_of_producer(id, transactional);
    }

    fn append_of_producer(&mut self, id: i64, transactional: bool) {
        let known = self.model.producers.known.get(&id).cloned().unwrap_or_default();
        let mut epoch = known.epoch.max(0);
        let last = known.batches.back().map_or(-1, |batch| batch.1);
        let mut first = if last == i32::MAX { 0 } else { last + 1 };
        let mut builder = self.builder().transactional(transactional);
        match self.rng.below(20) {
            0 => (epoch, first) = (epoch + 1, 0),
            1 => first = first.wrapping_add(self.rng.pick(&[1, 5])) & i32::MAX,
            2 => epoch -= 1,
            3..=5 if !known.batches.is_empty() => {
                // The same again: only the number of records matters.
                let (again, until, from, to) = known.batches[self.rng.below(known.batches.len())];
                (first, builder) = (again, copy_of((to - from) as usize + 1).transactional(transactional));
                assert_eq!((again.wrapping_add((to - from) as i32)) & i32::MAX, until);
            }
            6 if known.epoch < 0 => first = i32::MAX - 2,
            _ => {}
        }
        let batch = builder.producer(id, epoch.max(0), first).build().unwrap();
        self.append(batch, None, Origin::Client);
    }

    pub fn append_marker(&mut self) {
        let id = self.rng.within(10, 12);
        let known = self.model.producers.known.get(&id).cloned().unwrap_or_default();
        let version = self.rng.pick(&[1, 2]);
        let bumped = if version == 2 { known.epoch + 1 } else { known.epoch };
        let epoch = if self.rng.percent(5) { known.epoch - 1 } else { bumped };
        let coordinator_epoch = known.coordinator_epoch + self.rng.pick(&[0, 0, 0, 1, -1]);
        let abort = self.rng.percent(50);
        mark(if abort { "append marker abort" } else { "append marker commit" });
        let marker = Marker { abort, coordinator_epoch: coordinator_epoch.max(0) };
        let batch = draw::marker(self.now, Sequence { id, epoch: epoch.max(0), first: -1, last: -1 }, marker);
        self.append(batch, Some(marker), Origin::Marker { transaction_version: version });
    }

    fn append(&mut self, checked: CheckedBatch, marker: Option<Marker>, origin: Origin) {
        let epoch = self.epoch();
        let mut stored = checked.clone();
        stored.set_base_offset(self.model.end);
        stored.set_leader_epoch(epoch);
        if self.config.message_timestamp_type == TimestampType::LogAppendTime {
            mark("append with log append time");
            stored.set_max_timestamp(TimestampType::LogAppendTime, self.now);
        }
        let batch = Batch::of(&stored, marker);
        self.say(|world| {
            let (bytes, records) = (batch.size(), batch.records.len());
            format!(
                "append at {} as {origin:?}: {records} records, {bytes} bytes, {:?} {}{:?} max timestamp {} now {}",
                batch.base,
                batch.producer,
                if batch.transactional { "in transaction " } else { "" },
                batch.marker,
                batch.max_timestamp,
                world.now
            )
        });
        let (now, segments) = (self.now, self.log().segment_count());
        let appended = self.log().append_as_leader(CheckedBatches::from(checked), epoch, now, origin);
        if let Err(error) = &appended
            && self.failed(error, segments, std::slice::from_ref(&batch))
        {
            return;
        }
        if batch.size() > self.config.max_message_bytes as usize {
            mark("append too large");
            assert!(matches!(appended, Err(AppendError::MessageTooLarge { .. })), "{appended:?}");
            return;
        }
        let verdict = batch.producer.map_or(Verdict::Take, |sequence| {
            self.model.producers.judge(sequence, batch.transactional, marker, origin)
        });
        if let Verdict::Duplicate(first, last) = verdict {
            mark("duplicate answered");
            let info = appended.unwrap();
            assert_eq!((info.duplicate, info.first_offset, info.last_offset), (true, first, last));
            assert!(!info.rolled && !info.flush_due);
            return;
        }
        if batch.size() > self.config.segment_bytes as usize {
            mark("append over segment.bytes");
            assert!(matches!(appended, Err(AppendError::RecordListTooLarge { .. })), "{appended:?}");
            return;
        }
        match refusal(&verdict) {
            Some(what) => {
                mark(what);
                assert_eq!(refusal_of(&appended), Some(what), "{appended:?}");
            }
            None => self.appended(appended.unwrap(), vec![batch], origin),
        }
    }

    fn appended(&mut self, info: AppendInfo, batches: Vec<Batch>, origin: Origin) {
        let (first, last) = (batches[0].base, batches[batches.len() - 1].last);
        let max_timestamp = batches.iter().map(|batch| batch.max_timestamp).max().unwrap();
        let size = batches.iter().map(Batch::size).sum();
        let reason = self.model.roll_reason(size, max_timestamp, last, self.now, &self.config);
        assert!(reason.is_none() || info.rolled, "no roll: {reason:?}");
        if info.rolled {
            let few = self.config.segment_index_bytes <= 100;
            assert!(reason.is_some() || few, "a roll for no reason");
            mark(reason.unwrap_or("roll index"));
            self.model.roll(self.roll_base(first, last), self.now);
        }
        for batch in batches {
            self.model.epochs.assign(batch.epoch, batch.base);
            self.model.take(batch);
        }
        let stamped =
            origin != Origin::Replication && self.config.message_timestamp_type == TimestampType::LogAppendTime;
        let unflushed = self.model.end - self.log().recovery_point();
        let expected = AppendInfo {
            first_offset: first,
            last_offset: last,
            max_timestamp,
            log_append_time_ms: if stamped { self.now } else { -1 },
            log_start_offset: self.model.start,
            duplicate: false,
            rolled: info.rolled,
            flush_due: unflushed >= self.config.flush_messages,
        };
        assert_eq!(info, expected);
        if self.rng.percent(50) {
            let end = self.model.end;
            self.log().set_high_watermark(end);
            self.model.set_high_watermark(end);
        }
    }

    fn roll_base(&self, first: i64, last: i64) -> i64 {
        if last - self.model.end <= i64::from(i32::MAX) { self.model.end } else { first }
    }

    /// Batches as the leader elsewhere has them: with their offsets and epochs.
    pub fn append_as_follower(&mut self) {
        let mut next = self.model.end;
        let mut epoch = self.epoch();
        let count = self.rng.pick(&[1, 1, 2, 4]);
        let mut drafts = Vec::new();
        for _ in 0..count {
            epoch += self.rng.pick(&[0, 0, 0, 1]);
            if self.config.compact && self.rng.percent(30) {
                next += self.rng.pick(&[1, 3, 3, 5_000_000_000]);
            }
            let batch = self.builder().base_offset(next).leader_epoch(epoch).build().unwrap();
            next = batch.header().next_offset();
            drafts.push(batch);
        }
        let leader_epoch = if self.rng.percent(10) { epoch - 1 } else { epoch };
        if self.rng.percent(3) && self.model.end > 0 {
            drafts[0].set_base_offset(self.model.end - 1);
        }
        self.follow(drafts, leader_epoch);
    }

    fn follow(&mut self, drafts: Vec<CheckedBatch>, leader_epoch: i32) {
        let bytes: Vec<u8> = drafts.iter().flat_map(|batch| batch.to_bytes()).collect();
        let reach = drafts[0].header().base_offset + i64::from(i32::MAX);
        let known = drafts.iter().take_while(|batch| {
            batch.header().partition_leader_epoch <= leader_epoch && batch.header().last_offset() <= reach
        });
        let batches: Vec<Batch> = known.map(|batch| Batch::of(batch, None)).collect();
        self.say(|_| {
            let places: Vec<_> = batches.iter().map(|b| (b.base, b.last, b.epoch, b.size())).collect();
            format!("append as follower of epoch {leader_epoch}: {places:?} of {}", drafts.len())
        });
        if drafts.iter().any(|batch| batch.header().partition_leader_epoch > leader_epoch) {
            mark("follower left out an unknown epoch");
        }
        let (now, segments) = (self.now, self.log().segment_count());
        let checked = CheckedBatches::parse(bytes.into()).unwrap();
        let appended = self.log().append_as_follower(checked, leader_epoch, now);
        if let Err(error) = &appended
            && self.failed(error, segments, &batches)
        {
            return;
        }
        let size: usize = batches.iter().map(Batch::size).sum();
        match batches.first() {
            None => assert!(matches!(appended, Ok(None)), "{appended:?}"),
            Some(first) if first.base < self.model.end => {
                mark("follower offset below the end");
                let refused = matches!(
                    appended,
                    Err(AppendError::UnexpectedOffset { .. } | AppendError::OffsetsOutOfOrder { .. })
                );
                assert!(refused, "{appended:?}");
            }
            Some(_) if size > self.config.segment_bytes as usize => {
                assert!(matches!(appended, Err(AppendError::RecordListTooLarge { .. })), "{appended:?}");
            }
            Some(_) => {
                mark("append as follower");
                self.appended(appended.unwrap().unwrap(), batches, Origin::Replication);
            }
        }
    }

    /// Whether an append failed because the disk did. With a full disk the log goes on, else it is opened anew.
    fn failed(&mut self, error: &AppendError, segments: usize, batches: &[Batch]) -> bool {
        if !self.has_fired() {
            return false;
        }
        match error {
            AppendError::DiskFull(_) => {
                mark("disk full rolled back");
                self.follow_failed_append(segments, batches);
                true
            }
            AppendError::Segment(_) | AppendError::Epochs(_) | AppendError::Failed => {
                mark(if self.is_power_fault() { "power cut in an append" } else { "disk failed in an append" });
                self.must_refuse();
                self.crash(Doubt { appended: batches.to_vec(), ..Doubt::default() });
                true
            }
            _ => false,
        }
    }

    /// After a failed write the log takes nothing more, even if the disk would.
    fn must_refuse(&mut self) {
        self.fs.heal();
        let batch = draw::records(&mut self.rng, self.now).build().unwrap();
        if batch.size_in_bytes() <= self.config.segment_bytes.min(self.config.max_message_bytes) as usize {
            let (epoch, now) = (self.epoch(), self.now);
            let again = self.log().append_as_leader(batch.into(), epoch, now, Origin::Client);
            assert!(matches!(again, Err(AppendError::Failed)), "{again:?}");
        }
    }

    /// An append for which there was no room may have begun a segment.
    fn follow_failed_append(&mut self, segments: usize, batches: &[Batch]) {
        if self.log().segment_count() > segments {
            mark("disk full in a roll");
            let (first, last) = (batches[0].base, batches[batches.len() - 1].last);
            let base = self.roll_base(first, last);
            self.model.roll(base, self.now);
            self.model.end = base;
        }
    }
}

fn copy_of(count: usize) -> Builder {
    let mut builder = Builder::new();
    (0..count).for_each(|_| builder.push(ottla_protocol::batch::NewRecord::default()));
    builder
}

fn refusal(verdict: &Verdict) -> Option<&'static str> {
    match verdict {
        Verdict::Take | Verdict::Duplicate(..) => None,
        Verdict::Sequence => Some("refused sequence"),
        Verdict::Epoch => Some("refused epoch"),
        Verdict::OutsideOfTxn => Some("refused outside of transaction"),
        Verdict::Coordinator => Some("refused coordinator"),
    }
}

fn refusal_of(appended: &Result<AppendInfo, AppendError>) -> Option<&'static str> {
    match appended {
        Err(AppendError::Producer(error)) => Some(match error {
            ProducerError::InvalidEpoch { .. } => "refused epoch",
            ProducerError::OutOfOrderSequence { .. } => "refused sequence",
            ProducerError::InvalidTxnState { .. } | ProducerError::NotInTransaction { .. } => {
                "refused outside of transaction"
            }
            ProducerError::CoordinatorFenced { .. } => "refused coordinator",
        }),
        _ => None,
    }
}
