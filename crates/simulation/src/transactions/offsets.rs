//! The coordinator of the group, on the partition that has its offsets: the broker's machine, and what the broker does around it.

use super::message::{Attempt, Client, Message, Refusal};
use super::partition::{NOW_MS, checked};
use crate::groups::{self, Caller, Topics, now, settings};
use ottla_coordinator::transactions::Producer;
use ottla_coordinator::{CoordinatorRecord, Decoded, Error, Event, GroupCoordinator, OffsetCommit, Reply};
use ottla_protocol::batch::{CheckedBatch, NO_SEQUENCE};
use ottla_protocol::compression::Limits;
use ottla_state_machine::{Shard, Ticket};
use ottla_storage::{Log, Origin};
use std::collections::BTreeMap;

/// Who waits for an answer.
enum Waiter {
    Member(Caller),
    Producer(Client, Attempt),
}

/// The log as its leader has it.
pub(super) struct Led<'a> {
    pub(super) log: &'a mut Log,
    pub(super) leader_epoch: i32,
    pub(super) high_watermark: i64,
    pub(super) now_ms: u64,
}

pub(super) struct Offsets {
    shard: Shard<GroupCoordinator>,
    topics: Topics,
    next_ticket: u64,
    waiters: BTreeMap<u64, Waiter>,
    pub(super) out: Vec<Message>,
    /// How many commits were refused.
    pub(super) refused: usize,
}

impl Offsets {
    pub(super) fn new(topics: Topics) -> Self {
        Self { shard: Shard::new(), topics, next_ticket: 0, waiters: BTreeMap::new(), out: Vec::new(), refused: 0 }
    }

    /// Another one leads: members hear of that as their connections end.
    pub(super) fn fail_over(&mut self) {
        for waiter in core::mem::take(&mut self.waiters).into_values() {
            if let Waiter::Member(caller) = waiter {
                self.out.push(refused(caller));
            }
        }
    }

    /// Reads the log and serves.
    pub(super) fn load(&mut self, mut led: Led<'_>, batches: &[CheckedBatch]) {
        self.shard = Shard::new();
        for batch in batches {
            for record in batch.records(&Limits::default()) {
                let record = record.expect("a record of the log can be read");
                let offset = record.offset;
                match CoordinatorRecord::read(batch.header(), record).expect("what was stored can be read") {
                    Decoded::Record(record) => self.shard.replay(offset, &record),
                    Decoded::Ignored { .. } => {}
                }
            }
        }
        let end = led.log.log_end_offset();
        let records = self.shard.activate(now(led.now_ms), end, led.high_watermark);
        self.append(&mut led, None, &records);
        self.decide(&mut led, None, Event::Configure(settings()));
        self.decide(&mut led, None, Event::Metadata(self.topics.image()));
    }

    /// Timers run out.
    pub(super) fn tick(&mut self, mut led: Led<'_>) {
        while let Some(event) = self.shard.pop_timeout(now(led.now_ms)) {
            self.decide(&mut led, None, event);
        }
    }

    /// A member asks.
    pub(super) fn ask(&mut self, mut led: Led<'_>, caller: Caller, request: groups::Request) {
        let ticket = self.ticket(Waiter::Member(caller));
        self.decide(&mut led, None, request.event(ticket));
    }

    /// A producer commits offsets in its transaction, of which the log was asked whether it is open.
    pub(super) fn commit(
        &mut self,
        mut led: Led<'_>,
        (client, attempt): (Client, Attempt),
        writer: Producer,
        request: OffsetCommit,
    ) {
        let ticket = self.ticket(Waiter::Producer(client, attempt));
        self.decide(&mut led, Some(writer), Event::OffsetCommit(ticket, request));
    }

    /// The end of a transaction is in the log.
    pub(super) fn ended(&mut self, offset: i64, producer_id: i64, committed: bool) {
        self.shard.appended(offset, &[CoordinatorRecord::TransactionEnd { producer_id, committed }]);
    }

    fn ticket(&mut self, waiter: Waiter) -> Ticket {
        self.next_ticket += 1;
        self.waiters.insert(self.next_ticket, waiter);
        Ticket(self.next_ticket)
    }

    fn decide(&mut self, led: &mut Led<'_>, writer: Option<Producer>, event: Event) {
        if let Ok(records) = self.shard.decide(now(led.now_ms), event) {
            self.append(led, writer, &records);
        }
    }

    fn append(&mut self, led: &mut Led<'_>, writer: Option<Producer>, records: &[CoordinatorRecord]) {
        let mut base = led.log.log_end_offset();
        if !records.is_empty() {
            let mut batch = CoordinatorRecord::write(records, NOW_MS).expect("what is decided can be stored");
            if let Some(Producer { id, epoch }) = writer {
                batch = batch.producer(id, epoch, NO_SEQUENCE).transactional(true);
            }
            let appended = led.log.append_as_leader(checked(batch), led.leader_epoch, NOW_MS, Origin::Coordinator);
            base = appended.expect("the log takes what its coordinator decided").first_offset;
        }
        self.shard.appended(base, records);
        self.release(led.high_watermark);
    }

    /// Answers those who waited for what is committed now.
    pub(super) fn release(&mut self, high_watermark: i64) {
        for (Ticket(ticket), reply) in self.shard.committed(high_watermark).replies {
            match (self.waiters.remove(&ticket), reply) {
                (Some(Waiter::Member(caller)), reply) => {
                    self.out.push(Message::Group(groups::Message::Told(caller, Some(reply), 0)));
                }
                (Some(Waiter::Producer(client, attempt)), Reply::OffsetCommit(done)) => {
                    self.refused += usize::from(done.is_err());
                    let answer = done.map(|_| ()).map_err(refusal);
                    self.out.push(Message::Produced { client, attempt, answer });
                }
                _ => {}
            }
        }
    }
}

/// Nobody coordinates here.
pub(super) fn refused(caller: Caller) -> Message {
    Message::Group(groups::Message::Told(caller, None, 0))
}

fn refusal(error: Error) -> Refusal {
    match error {
        Error::RebalanceInProgress => Refusal::Retry,
        // Another one reads the partitions, or will: what was read before is not to be committed.
        _ => Refusal::Abort,
    }
}
