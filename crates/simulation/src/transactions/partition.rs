//! A partition: a log of `storage` that fails over, what its leader does before it appends, and the coordinator of the group where
//! it has the offsets.

use super::message::{Attempt, Batch, Client, Content, End, Message, Refusal};
use super::offsets::{Led, Offsets, refused};
use crate::groups::{self, Topics};
use ottla_coordinator::transactions::Producer;
use ottla_protocol::Str;
use ottla_protocol::batch::{Builder, CheckedBatch, CheckedBatches, NewRecord, control::EndTxnMarker};
use ottla_storage::fs::{Fs, SimFs};
use ottla_storage::{Isolation, Log, OpenOptions, Origin, ProducerError, Verification, Verify};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Partitions that records are written into.
pub(super) const PARTITIONS: usize = 3;
/// The one with the group's offsets, which comes after them.
pub(super) const OFFSETS: usize = PARTITIONS;
/// What the former are of, and the latter.
const TOPICS: [&str; 2] = ["t", "__consumer_offsets"];
pub(super) const NOW_MS: i64 = 1_700_000_000_000;
/// Bytes read at a time: a few batches.
const READ_BYTES: usize = 4_096;

/// A batch that waits for its transaction to be looked up.
struct Waiting {
    client: Client,
    attempt: Attempt,
    batch: Batch,
    verification: Verification,
}

pub(super) struct Partition {
    index: usize,
    log: Log,
    pub(super) leader_epoch: i32,
    pub(super) high_watermark: i64,
    down_until_ms: Option<u64>,
    /// The group's coordinator, where the partition has its offsets.
    offsets: Option<Offsets>,
    waiting: BTreeMap<u64, Waiting>,
    next_token: u64,
    /// Answers that wait until the high watermark reaches their offset.
    parked: Vec<(i64, Message)>,
    out: Vec<Message>,
    /// All that anybody has read so far, as committed.
    pub(super) read: Vec<u64>,
}

fn open() -> Log {
    let fs: Arc<dyn Fs> = Arc::new(SimFs::new());
    let options = OpenOptions { now_ms: NOW_MS, ..OpenOptions::default() };
    Log::open(fs, Path::new("/data/t-0"), &options).expect("a disk in memory opens")
}

/// What a transaction's coordinator knows a partition as.
pub(super) fn topic_partition(partition: usize) -> (Str, i32) {
    let [records, offsets] = TOPICS;
    match partition {
        OFFSETS => (Str::from_static(offsets), 0),
        _ => (Str::from_static(records), i32::try_from(partition).unwrap_or(i32::MAX)),
    }
}

/// The same the other way round.
pub(super) fn index_of(topic: &Str, index: i32) -> usize {
    (0..=OFFSETS).find(|it| topic_partition(*it) == (topic.clone(), index)).unwrap_or(OFFSETS)
}

pub(super) fn checked(batch: Builder) -> CheckedBatches {
    CheckedBatches::from(batch.build().expect("a batch of a simulation can be built"))
}

impl Partition {
    /// A partition; that with the offsets of a group which reads these topics, if there are any.
    pub(super) fn new(index: usize, read: Option<Topics>) -> Self {
        Self {
            index,
            log: open(),
            leader_epoch: 0,
            high_watermark: 0,
            // Whoever leads first takes over too.
            down_until_ms: Some(0),
            offsets: read.map(Offsets::new),
            waiting: BTreeMap::new(),
            next_token: 0,
            parked: Vec::new(),
            out: Vec::new(),
            read: Vec::new(),
        }
    }

    pub(super) fn end(&self) -> i64 {
        self.log.log_end_offset()
    }

    pub(super) fn last_stable_offset(&self) -> i64 {
        self.log.last_stable_offset()
    }

    fn batches(&self) -> Vec<CheckedBatch> {
        let mut batches: Vec<CheckedBatch> = Vec::new();
        let mut next = 0;
        while next < self.end() {
            let read = self.log.reader().read(next, READ_BYTES, true, Isolation::LogEnd).expect("the log is there");
            let bytes = read.bytes().expect("memory can be read");
            let (whole, _) = CheckedBatches::parse_whole(bytes).expect("the log has whole batches");
            batches.extend(whole.iter().cloned());
            next = batches.last().map_or(i64::MAX, |batch| batch.header().next_offset());
        }
        batches
    }

    /// Fails over to a follower that has what `keeps` says of each batch that is not committed, from the first it lacks on none.
    pub(super) fn fail_over(&mut self, mut keeps: impl FnMut() -> bool, up_at_ms: u64) {
        let committed = self.high_watermark;
        let has = |batch: &CheckedBatch| batch.header().next_offset() <= committed || keeps();
        let kept: Vec<CheckedBatch> = self.batches().into_iter().take_while(has).collect();
        let mut log = open();
        for batch in kept {
            let appended = log.append_as_follower(batch.into(), self.leader_epoch, NOW_MS);
            appended.expect("a follower takes what its leader has");
        }
        log.set_high_watermark(committed);
        self.log = log;
        self.leader_epoch += 1;
        self.waiting.clear();
        self.parked.clear();
        self.down_until_ms = Some(up_at_ms);
        if let Some(offsets) = &mut self.offsets {
            offsets.fail_over();
        }
    }

    /// Time passes: whoever takes over is there at last, and timers run out.
    pub(super) fn tick(&mut self, now_ms: u64) {
        let comes_up = self.down_until_ms.take_if(|at| *at <= now_ms).is_some();
        if self.down_until_ms.is_some() {
            return;
        }
        let batches = if comes_up && self.offsets.is_some() { self.batches() } else { Vec::new() };
        if let Some((offsets, led)) = self.coordinator(now_ms) {
            match comes_up {
                true => offsets.load(led, &batches),
                false => offsets.tick(led),
            }
        }
    }

    /// The group's coordinator with what it works on.
    fn coordinator(&mut self, now_ms: u64) -> Option<(&mut Offsets, Led<'_>)> {
        let Self { log, leader_epoch, high_watermark, offsets, .. } = self;
        let led = Led { log, leader_epoch: *leader_epoch, high_watermark: *high_watermark, now_ms };
        offsets.as_mut().map(|offsets| (offsets, led))
    }

    /// How many commits of offsets the group's coordinator has refused.
    pub(super) fn refused_commits(&self) -> usize {
        self.offsets.as_ref().map_or(0, |offsets| offsets.refused)
    }

    /// What was said since the last time.
    pub(super) fn said(&mut self) -> Vec<Message> {
        let mut said = core::mem::take(&mut self.out);
        said.extend(self.offsets.iter_mut().flat_map(|offsets| offsets.out.drain(..)));
        said
    }

    /// What is below is committed.
    pub(super) fn commit(&mut self, leader_epoch: i32, end: i64) {
        if leader_epoch != self.leader_epoch || self.down_until_ms.is_some() {
            return;
        }
        self.high_watermark = self.log.set_high_watermark(end.min(self.end()).max(self.high_watermark));
        let high_watermark = self.high_watermark;
        let (ready, parked) = std::mem::take(&mut self.parked).into_iter().partition(|(end, _)| *end <= high_watermark);
        self.parked = parked;
        self.out.extend(Vec::into_iter(ready).map(|(_, message): (i64, Message)| message));
        if let Some(offsets) = &mut self.offsets {
            offsets.release(high_watermark);
        }
    }

    /// Takes a message in; while nobody leads it is lost, but to members, whose connections are refused.
    pub(super) fn take(&mut self, now_ms: u64, message: Message) {
        if self.down_until_ms.is_some() {
            if let Message::Group(groups::Message::Asked(caller, _)) = message {
                self.out.push(refused(caller));
            }
            return;
        }
        match message {
            Message::Produce { client, attempt, transactional_id, batch, version, .. } => {
                self.produce(now_ms, (client, attempt), transactional_id, batch, version);
            }
            Message::LookedUp { token, answer, .. } => {
                let Some(waiting) = self.waiting.remove(&token) else { return };
                match answer {
                    Ok(()) => {
                        let Waiting { client, attempt, batch, verification } = waiting;
                        self.write(now_ms, (client, attempt), batch, Some(verification));
                    }
                    Err(refusal) => self.refuse(waiting.client, waiting.attempt, refusal),
                }
            }
            Message::Marker { end, .. } => self.mark(&end),
            Message::Group(groups::Message::Asked(caller, request)) => {
                if let Some((offsets, led)) = self.coordinator(now_ms) {
                    offsets.ask(led, caller, request);
                }
            }
            _ => {}
        }
    }

    fn produce(
        &mut self,
        now_ms: u64,
        (client, attempt): (Client, Attempt),
        transactional_id: Str,
        batch: Batch,
        version: i16,
    ) {
        let adds = version >= 2;
        let verify = Verify {
            producer_id: batch.producer.id,
            epoch: batch.producer.epoch,
            sequence: batch.sequence,
            bumps_epoch: adds,
        };
        match self.log.begin_verification(verify, NOW_MS) {
            Ok(None) => self.write(now_ms, (client, attempt), batch, None),
            Ok(Some(verification)) => {
                let (partition, token, producer) = (self.index, self.next_token, batch.producer);
                self.next_token += 1;
                self.waiting.insert(token, Waiting { client, attempt, batch, verification });
                self.out.push(Message::LookUp { partition, token, transactional_id, producer, adds });
            }
            Err(error) => self.refuse(client, attempt, refusal(&error)),
        }
    }

    fn write(
        &mut self,
        now_ms: u64,
        (client, attempt): (Client, Attempt),
        batch: Batch,
        verification: Option<Verification>,
    ) {
        let Batch { producer, sequence, content } = batch;
        match content {
            Content::Values(values) => self.append(client, attempt, (producer, sequence), &values, verification),
            Content::Offsets(request) => {
                if let Err(error) = self.log.check_transaction((producer.id, producer.epoch), verification) {
                    return self.refuse(client, attempt, refusal(&error));
                }
                if let Some((offsets, led)) = self.coordinator(now_ms) {
                    offsets.commit(led, (client, attempt), producer, request);
                }
            }
        }
    }

    fn append(
        &mut self,
        client: Client,
        attempt: Attempt,
        (producer, sequence): (Producer, i32),
        values: &[u64],
        verification: Option<Verification>,
    ) {
        let mut builder = Builder::new().producer(producer.id, producer.epoch, sequence).transactional(true);
        for value in values {
            let value = value.to_be_bytes();
            builder.push(NewRecord { timestamp: NOW_MS, value: Some(&value), ..NewRecord::default() });
        }
        let batches = checked(builder);
        let header = batches.iter().next().map(|batch| *batch.header());
        let check = header.map_or(Ok(()), |header| self.log.check_transactional(&header, verification));
        if let Err(error) = check {
            return self.refuse(client, attempt, refusal(&error));
        }
        match self.log.append_as_leader(batches, self.leader_epoch, NOW_MS, Origin::Client) {
            Ok(info) => {
                let answer = Message::Produced { client, attempt, answer: Ok(()) };
                self.park(info.last_offset + 1, answer);
            }
            Err(ottla_storage::AppendError::Producer(error)) => self.refuse(client, attempt, refusal(&error)),
            Err(error) => panic!("a log in memory fails: {error}"),
        }
    }

    fn mark(&mut self, end: &End) {
        let End { transactional_id, producer, committed, coordinator_epoch, transaction_version } = end.clone();
        let marker = EndTxnMarker { coordinator_epoch };
        let batch = Builder::end_transaction(NOW_MS, producer.id, producer.epoch, committed, marker);
        let origin = Origin::Marker { transaction_version };
        let marked = |answer| Message::Marked { partition: self.index, transactional_id, producer, answer };
        match self.log.append_as_leader(checked(batch), self.leader_epoch, NOW_MS, origin) {
            Ok(info) => {
                if let Some(offsets) = &mut self.offsets {
                    offsets.ended(info.first_offset, producer.id, committed);
                }
                let message = marked(Ok(()));
                self.park(info.last_offset + 1, message);
            }
            Err(ottla_storage::AppendError::Producer(error)) => {
                let message = marked(Err(refusal(&error)));
                self.out.push(message);
            }
            Err(error) => panic!("a log in memory fails: {error}"),
        }
    }

    fn park(&mut self, end: i64, message: Message) {
        match end <= self.high_watermark {
            true => self.out.push(message),
            false => self.parked.push((end, message)),
        }
    }

    fn refuse(&mut self, client: Client, attempt: Attempt, refusal: Refusal) {
        self.out.push(Message::Produced { client, attempt, answer: Err(refusal) });
    }

    /// What a consumer reads that sees only what is committed, from the start on.
    pub(super) fn read_committed(&self) -> Vec<u64> {
        let mut values = Vec::new();
        let mut next = 0;
        while next < self.last_stable_offset() {
            let isolation = Isolation::LastStableOffset;
            let read = self.log.reader().read(next, READ_BYTES, true, isolation).expect("the log is there");
            if read.is_empty() {
                break;
            }
            let (whole, _) = CheckedBatches::parse_whole(read.bytes().expect("memory")).expect("whole batches");
            let aborted: Vec<(i64, i64)> = read.aborted.iter().map(|txn| (txn.producer_id, txn.first_offset)).collect();
            next = whole.iter().last().map_or(i64::MAX, |batch| batch.header().next_offset());
            take_committed(&whole, aborted, &mut values);
        }
        values
    }
}

/// What a client makes of batches and the list of aborted transactions that came with them.
fn take_committed(batches: &CheckedBatches, mut aborted: Vec<(i64, i64)>, values: &mut Vec<u64>) {
    let mut skipped = std::collections::BTreeSet::new();
    aborted.sort_by_key(|(_, first_offset)| std::cmp::Reverse(*first_offset));
    for batch in batches.iter() {
        let header = batch.header();
        while let Some((producer_id, _)) = aborted.pop_if(|(_, first_offset)| *first_offset <= header.last_offset()) {
            skipped.insert(producer_id);
        }
        if header.attributes.is_control() {
            skipped.remove(&header.producer_id);
        } else if !skipped.contains(&header.producer_id) {
            let records = batch.records(&ottla_protocol::compression::Limits::default());
            let value = |record: ottla_protocol::batch::Record| {
                let bytes = record.value.unwrap_or_default();
                bytes.first_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes))
            };
            values.extend(records.filter_map(|record| value(record.ok()?)));
        }
    }
}

fn refusal(error: &ProducerError) -> Refusal {
    match error {
        ProducerError::InvalidEpoch { .. } | ProducerError::CoordinatorFenced { .. } => Refusal::Fenced,
        ProducerError::OutOfOrderSequence { .. }
        | ProducerError::InvalidTxnState { .. }
        | ProducerError::NotInTransaction { .. } => Refusal::Abort,
    }
}
