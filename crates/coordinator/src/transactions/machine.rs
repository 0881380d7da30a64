//! One partition of `__transaction_state` as a state machine: which event goes where.

use super::{
    AddPartitions, Effect, Error, Event, Partitions, Producer, Reply, Settings, State, Timer, Transaction,
    TransactionRecord, add_partitions, describe, end, expire, init_producer_id, markers,
};
use crate::Level;
use core::time::Duration;
use ottla_protocol::Str;
use ottla_state_machine::{Now, Outcome, StateMachine, Ticket};
use std::collections::BTreeMap;

/// The header of a batch.
const BATCH_OVERHEAD_BYTES: usize = 64;
/// The longest string that a record has room for.
const MAX_ID_BYTES: usize = i16::MAX as usize;

/// The machine; see the module's documentation.
#[derive(Debug)]
pub struct TransactionCoordinator;

/// What the log says of transactional ids.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hard {
    pub(super) transactions: BTreeMap<Str, Transaction>,
}

/// What the log says nothing of.
#[derive(Debug, Default)]
pub struct Soft {
    pub(super) settings: Settings,
    /// The epochs before the last change that a producer made by itself: who sends that request again may have them.
    pub(super) last_epochs: BTreeMap<Str, i16>,
    /// Of transactions whose end is decided: who is being told, and is not known to have heard.
    pub(super) untold: BTreeMap<Str, (Producer, Partitions)>,
    /// Partitions that wait for the end of the transaction before.
    pub(super) waiting: BTreeMap<Str, (Ticket, AddPartitions)>,
}

impl Hard {
    /// How many ids are in each state that any is in.
    pub fn count_by_state(&self) -> BTreeMap<State, usize> {
        let mut counts = BTreeMap::new();
        self.transactions.values().for_each(|it| *counts.entry(it.state).or_default() += 1);
        counts
    }
}

impl Soft {
    /// Who is not known to have heard how a producer's transaction ended; none where nobody is to be told of that any more.
    pub fn untold(&self, transactional_id: &Str, producer: Producer) -> Option<&Partitions> {
        let untold = self.untold.get(transactional_id).filter(|(told_by, _)| *told_by == producer);
        untold.map(|(_, partitions)| partitions)
    }
}

impl StateMachine for TransactionCoordinator {
    type Hard = Hard;
    type Soft = Soft;
    type Event = Event;
    type Record = TransactionRecord;
    type Reply = Reply;
    type Effect = Effect;
    type Timer = Timer;

    fn decide(hard: &Hard, soft: &mut Soft, now: Now, event: Event, out: &mut Outcome<Self>) {
        let mut step = Step { hard, soft, now, out };
        match event {
            Event::Configure(settings) => step.configure(settings),
            Event::InitProducerId(ticket, request) => {
                let reply = init_producer_id::init(&mut step, request);
                out.reply(ticket, Reply::InitProducerId(reply));
            }
            Event::AddPartitions(ticket, request) => add_partitions::add(&mut step, ticket, request),
            Event::VerifyPartitions(ticket, request) => {
                let reply = add_partitions::verify(hard, &request);
                out.reply(ticket, Reply::VerifyPartitions(reply));
            }
            Event::EndTransaction(ticket, request) => {
                let reply = end::end(&mut step, request);
                out.reply(ticket, Reply::EndTransaction(reply));
            }
            Event::Describe(ticket, transactional_id) => {
                let reply = describe::describe(hard, soft, &transactional_id);
                out.reply(ticket, Reply::Describe(reply));
            }
            Event::List(ticket, request) => {
                let reply = describe::list(hard, now, &request);
                out.reply(ticket, Reply::List(reply));
            }
            Event::MarkersWritten { transactional_id, producer, partitions } => {
                markers::written(&mut step, &transactional_id, producer, &partitions);
            }
            Event::Abort { transactional_id, producer, new_producer_id } => {
                expire::abort(&mut step, &transactional_id, producer, new_producer_id);
            }
            Event::Timeout(Timer::Abort) => expire::abort_timed_out(&mut step),
            Event::Timeout(Timer::Expiry) => expire::forget_unused(&mut step),
            Event::Timeout(Timer::Waiting(transactional_id)) => {
                add_partitions::add_waiting(&mut step, &transactional_id);
            }
        }
    }

    fn timeout(timer: Timer) -> Event {
        Event::Timeout(timer)
    }

    fn apply(hard: &mut Hard, _offset: i64, record: &TransactionRecord) {
        match &record.transaction {
            Some(transaction) => hard.transactions.insert(record.transactional_id.clone(), transaction.clone()),
            None => hard.transactions.remove(&record.transactional_id),
        };
    }

    fn activated(hard: &Hard, soft: &mut Soft, now: Now, out: &mut Outcome<Self>) {
        let mut step = Step { hard, soft, now, out };
        for (transactional_id, transaction) in &hard.transactions {
            if transaction.state.is_prepared() {
                markers::tell(&mut step, transactional_id, transaction);
            }
        }
    }
}

/// What a decision has at hand.
pub(super) struct Step<'a> {
    pub(super) hard: &'a Hard,
    pub(super) soft: &'a mut Soft,
    pub(super) now: Now,
    pub(super) out: &'a mut Outcome<TransactionCoordinator>,
}

impl Step<'_> {
    fn configure(&mut self, settings: Settings) {
        self.soft.settings = settings;
        self.set_timer(Timer::Abort, self.soft.settings.abort_interval_ms);
        self.set_timer(Timer::Expiry, self.soft.settings.expiry_interval_ms);
    }

    /// Checks that a record of an id can be written at all.
    pub(super) fn check_id(&self, transactional_id: &Str) -> Result<(), Error> {
        if transactional_id.len() > MAX_ID_BYTES { Err(Error::IdTooLong) } else { Ok(()) }
    }

    /// The record of a transaction as it is to be.
    pub(super) fn record_of(&self, transactional_id: &Str, next: Transaction) -> TransactionRecord {
        TransactionRecord::new(transactional_id.clone(), next, self.soft.settings.transaction_version)
    }

    /// Remembers a transaction as it is to be, if a batch can hold that.
    pub(super) fn put(&mut self, transactional_id: &Str, next: Transaction) -> Result<(), Error> {
        let record = self.record_of(transactional_id, next);
        if record.max_bytes() > self.room() {
            return Err(Error::TooManyPartitions);
        }
        self.out.record(record);
        Ok(())
    }

    /// How many bytes of records a batch can hold.
    pub(super) fn room(&self) -> usize {
        self.soft.settings.max_batch_bytes.saturating_sub(BATCH_OVERHEAD_BYTES)
    }

    /// Sets a timer; a negative time is none at all.
    pub(super) fn set_timer(&mut self, timer: Timer, after_ms: i64) {
        let after = Duration::from_millis(u64::try_from(after_ms).unwrap_or(0));
        self.out.set_timer(timer, self.now.monotonic.saturating_add(after));
    }

    pub(super) fn log(&mut self, level: Level, transactional_id: &Str, message: String) {
        self.out.effect(Effect::Log { level, transactional_id: transactional_id.clone(), message });
    }
}
