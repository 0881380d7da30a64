//! The coordinator: the broker's machine on a log that fails over, and the broker's sender of markers.

use super::message::{Answer, Attempt, Client, End, Message, Refusal};
use super::partition::{index_of, topic_partition};
use crate::groups::now;
use ottla_coordinator::transactions::{
    AddPartitions, Effect, EndTransaction, Error, Event, InitProducerId, Markers, Partitions, Producer, Reply,
    Settings, State, TransactionCoordinator, TransactionRecord, VerifyPartitions,
};
use ottla_protocol::{Bytes, Str};
use ottla_state_machine::{Shard, Ticket};
use std::collections::BTreeMap;

/// Who waits for an answer.
#[derive(Clone, Copy, Debug)]
enum Caller {
    Client(Client, Attempt),
    Leader(usize, u64),
}

/// A request that is asked again when a producer id was brought.
#[derive(Clone, Debug)]
enum Request {
    Init(InitProducerId),
    End(EndTransaction),
}

pub(super) struct Coordinator {
    shard: Shard<TransactionCoordinator>,
    log: Vec<(Bytes, Option<Bytes>)>,
    pub(super) committed: usize,
    pub(super) epoch: i32,
    /// Nobody coordinates before then.
    pub(super) down_until_ms: Option<u64>,
    version: i16,
    timeout_ms: i32,
    next_producer_id: i64,
    next_ticket: u64,
    callers: BTreeMap<u64, (Caller, Option<Request>)>,
    /// What was to be told, and when each partition was last told.
    ends: BTreeMap<Str, (Markers, BTreeMap<usize, u64>)>,
    pub(super) out: Vec<Message>,
    /// How often it was decided to abort a transaction.
    pub(super) aborts: usize,
}

impl Coordinator {
    pub(super) fn new(version: i16, timeout_ms: i32) -> Self {
        let mut coordinator = Self {
            shard: Shard::new(),
            log: Vec::new(),
            committed: 0,
            epoch: 0,
            down_until_ms: None,
            version,
            timeout_ms,
            next_producer_id: 1_000,
            next_ticket: 0,
            callers: BTreeMap::new(),
            ends: BTreeMap::new(),
            out: Vec::new(),
            aborts: 0,
        };
        coordinator.load(0);
        coordinator
    }

    /// Where the log ends.
    pub(super) fn end(&self) -> usize {
        self.log.len()
    }

    /// Fails over to whoever has `kept` records, which is served from `up_at_ms` on.
    pub(super) fn fail_over(&mut self, kept: usize, up_at_ms: u64) {
        self.log.truncate(kept.max(self.committed));
        self.epoch += 1;
        self.callers.clear();
        self.ends.clear();
        self.down_until_ms = Some(up_at_ms);
    }

    /// Reads the log and serves. What it has is committed by and by.
    pub(super) fn load(&mut self, now_ms: u64) {
        self.down_until_ms = None;
        self.shard = Shard::new();
        for (offset, (key, value)) in (0..).zip(&self.log) {
            if let Ok(Some(record)) = TransactionRecord::decode(key.clone(), value.clone()) {
                self.shard.replay(offset, &record);
            }
        }
        let (end, committed) = (offset(self.log.len()), offset(self.committed));
        let records = self.shard.activate(now(now_ms), end, committed);
        self.append(&records);
        let settings = Settings { transaction_version: self.version, abort_interval_ms: 500, ..Settings::default() };
        self.decide(now_ms, Event::Configure(settings));
    }

    fn decide(&mut self, now_ms: u64, event: Event) {
        if let Ok(records) = self.shard.decide(now(now_ms), event) {
            self.append(&records);
        }
    }

    fn append(&mut self, records: &[TransactionRecord]) {
        let base = offset(self.log.len());
        for record in records {
            let is_abort = record.transaction.as_ref().is_some_and(|it| it.state == State::PrepareAbort);
            self.aborts += usize::from(is_abort);
            self.log.extend(record.encode());
        }
        self.shard.appended(base, records);
        self.release();
    }

    /// All below is committed.
    pub(super) fn commit(&mut self, now_ms: u64, end: usize) {
        self.committed = self.committed.max(end.min(self.log.len()));
        if self.down_until_ms.is_none() {
            self.release();
            self.answer_again(now_ms);
        }
    }

    fn release(&mut self) {
        let released = self.shard.committed(offset(self.committed));
        for (Ticket(ticket), reply) in released.replies {
            let Some((caller, request)) = self.callers.remove(&ticket) else { continue };
            let needs_id = matches!(
                &reply,
                Reply::InitProducerId(Err(Error::NeedsProducerId)) | Reply::EndTransaction(Err(Error::NeedsProducerId))
            );
            match request.filter(|_| needs_id) {
                // Its turn comes with the next commit, as an id is on its way for a while.
                Some(request) => {
                    self.callers.insert(ticket, (caller, Some(request)));
                }
                None => self.answer(caller, reply),
            }
        }
        for effect in released.effects {
            match effect {
                Effect::WriteMarkers(markers) => {
                    self.ends.insert(markers.transactional_id.clone(), (markers, BTreeMap::new()));
                }
                Effect::NeedProducerId { .. } | Effect::Log { .. } => {}
            }
        }
    }

    /// Those that need a producer id ask again with one.
    fn answer_again(&mut self, now_ms: u64) {
        let again: Vec<u64> = self.callers.iter().filter(|(_, (_, it))| it.is_some()).map(|(at, _)| *at).collect();
        for at in again {
            let Some((caller, Some(request))) = self.callers.remove(&at) else { continue };
            let new_producer_id = Some(self.next_producer_id);
            self.next_producer_id += 1;
            match request {
                Request::Init(request) => {
                    self.ask(now_ms, caller, None, |at| {
                        Event::InitProducerId(at, InitProducerId { new_producer_id, ..request })
                    });
                }
                Request::End(request) => {
                    self.ask(now_ms, caller, None, |at| {
                        Event::EndTransaction(at, EndTransaction { new_producer_id, ..request })
                    });
                }
            }
        }
    }

    fn answer(&mut self, caller: Caller, reply: Reply) {
        let message = match caller {
            Caller::Client(client, attempt) => {
                let answer = match reply {
                    Reply::InitProducerId(given) | Reply::EndTransaction(given) => Answer::Producer(given),
                    Reply::AddPartitions(added) => Answer::Added(added),
                    _ => return,
                };
                Message::Told { client, attempt, answer }
            }
            Caller::Leader(partition, token) => {
                let answer = match reply {
                    Reply::AddPartitions(added) => added.map_err(Refusal::from),
                    Reply::VerifyPartitions(Ok(missing)) if missing.is_empty() => Ok(()),
                    Reply::VerifyPartitions(Ok(_)) => Err(Refusal::Abort),
                    Reply::VerifyPartitions(Err(error)) => Err(error.into()),
                    _ => return,
                };
                Message::LookedUp { partition, token, answer }
            }
        };
        self.out.push(message);
    }

    fn ask(&mut self, now_ms: u64, caller: Caller, request: Option<Request>, event: impl FnOnce(Ticket) -> Event) {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.callers.insert(ticket, (caller, request));
        self.decide(now_ms, event(Ticket(ticket)));
        self.answer_again_now(now_ms, ticket);
    }

    /// An id is brought at once where the answer did not have to wait.
    fn answer_again_now(&mut self, now_ms: u64, ticket: u64) {
        if self.callers.contains_key(&ticket) && self.shard.parked_since(Ticket(ticket)).is_none() {
            self.answer_again(now_ms);
        }
    }

    /// Takes a message in; while nobody coordinates it is lost.
    pub(super) fn take(&mut self, now_ms: u64, message: Message) {
        if self.down_until_ms.is_some() {
            return;
        }
        match message {
            Message::Init { client, attempt, transactional_id } => {
                let request = InitProducerId {
                    transactional_id,
                    timeout_ms: self.timeout_ms,
                    expected: None,
                    new_producer_id: None,
                };
                let again = Some(Request::Init(request.clone()));
                self.ask(now_ms, Caller::Client(client, attempt), again, |at| Event::InitProducerId(at, request));
            }
            Message::Add { client, attempt, transactional_id, producer, partitions } => {
                let request = AddPartitions { transactional_id, producer, partitions, client_version: 0 };
                self.ask(now_ms, Caller::Client(client, attempt), None, |at| Event::AddPartitions(at, request));
            }
            Message::EndTxn { client, attempt, transactional_id, producer, committed, version } => {
                let client_version = if version >= 2 { 2 } else { 0 };
                let request =
                    EndTransaction { transactional_id, producer, committed, client_version, new_producer_id: None };
                let again = Some(Request::End(request.clone()));
                self.ask(now_ms, Caller::Client(client, attempt), again, |at| Event::EndTransaction(at, request));
            }
            Message::LookUp { partition, token, transactional_id, producer, adds } => {
                let partitions = one(partition);
                let caller = Caller::Leader(partition, token);
                self.ask(now_ms, caller, None, |at| match adds {
                    true => {
                        let request = AddPartitions { transactional_id, producer, partitions, client_version: 2 };
                        Event::AddPartitions(at, request)
                    }
                    false => Event::VerifyPartitions(at, VerifyPartitions { transactional_id, producer, partitions }),
                });
            }
            Message::Marked { partition, transactional_id, producer, answer: Ok(()) } => {
                self.decide(now_ms, Event::MarkersWritten { transactional_id, producer, partitions: one(partition) });
            }
            _ => {}
        }
    }

    /// Time passes: timers run out, and who has not heard of an end is told again.
    pub(super) fn tick(&mut self, now_ms: u64, again_after_ms: u64) {
        if self.down_until_ms.is_some_and(|at| at <= now_ms) {
            self.load(now_ms);
        }
        if self.down_until_ms.is_some() {
            return;
        }
        while let Some(event) = self.shard.pop_timeout(now(now_ms)) {
            self.decide(now_ms, event);
        }
        let soft = self.shard.soft();
        self.ends.retain(|id, (markers, _)| soft.untold(id, markers.producer).is_some());
        for (id, (markers, told)) in &mut self.ends {
            let Some(untold) = soft.untold(id, markers.producer) else { continue };
            for (topic, index) in untold.iter() {
                let partition = index_of(topic, index);
                if told.get(&partition).is_some_and(|at| now_ms < at + again_after_ms) {
                    continue;
                }
                told.insert(partition, now_ms);
                let end = End {
                    transactional_id: id.clone(),
                    producer: markers.producer,
                    committed: markers.committed,
                    coordinator_epoch: self.epoch,
                    transaction_version: markers.transaction_version,
                };
                self.out.push(Message::Marker { partition, end });
            }
        }
    }

    /// Transactions that are neither over nor without partitions.
    pub(super) fn unfinished(&self) -> usize {
        let is_open = |it: &TransactionRecord| {
            it.transaction.as_ref().is_some_and(|it| it.state == State::Ongoing || it.state.is_prepared())
        };
        let mut last = BTreeMap::new();
        for (key, value) in &self.log {
            if let Ok(Some(record)) = TransactionRecord::decode(key.clone(), value.clone()) {
                last.insert(record.transactional_id.clone(), is_open(&record));
            }
        }
        last.values().filter(|open| **open).count()
    }

    /// Who had which transactional id, record by record.
    pub(super) fn producers(&self) -> Vec<(Str, Producer)> {
        let decoded =
            self.log.iter().filter_map(|(key, value)| TransactionRecord::decode(key.clone(), value.clone()).ok()?);
        decoded.filter_map(|it| Some((it.transactional_id.clone(), it.transaction?.producer))).collect()
    }
}

fn one(partition: usize) -> Partitions {
    Partitions::from_iter([topic_partition(partition)])
}

fn offset(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
