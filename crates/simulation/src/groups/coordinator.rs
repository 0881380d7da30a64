//! The coordinator: the broker's machine on a log that fails over.

use super::check;
use super::message::{Caller, Message, Request};
use super::topics::{Part, Topics, name, number_of};
use crate::Violation;
use core::time::Duration;
use ottla_coordinator::{
    ConsumerGroupRecord, CoordinatorRecord, Decoded, Effect, Event, GroupCoordinator, Reply, Settings,
};
use ottla_protocol::{Bytes, Str};
use ottla_state_machine::{Now, Shard, Ticket};
use std::collections::{BTreeMap, BTreeSet};

/// When the world begins, by the wall clock.
const EPOCH_MS: i64 = 1_700_000_000_000;
/// How long members of the consumer protocol may be silent; those of the classic protocol say it themselves.
pub(super) const SESSION_MS: i32 = 10_000;

/// Offsets by group and partition.
pub(crate) type Offsets = BTreeMap<(Str, Part), i64>;

struct Stored {
    key: Bytes,
    value: Option<Bytes>,
    record: CoordinatorRecord,
}

pub(super) struct Coordinator {
    shard: Shard<GroupCoordinator>,
    log: Vec<Stored>,
    /// Where the records of each decision end: they are one batch, of which all is kept or nothing.
    ends: BTreeSet<usize>,
    pub(super) committed: usize,
    pub(super) epoch: i32,
    /// Nobody coordinates before then.
    pub(super) down_until_ms: Option<u64>,
    pub(super) topics: Topics,
    next_ticket: u64,
    callers: BTreeMap<u64, (Caller, Str)>,
    pub(super) out: Vec<Message>,
    /// What was told to who looks at the groups from outside.
    pub(super) described: Vec<Reply>,
    /// What of the offsets is committed.
    pub(super) offsets: Offsets,
    /// How often a group was deleted, or became one of the other protocol: then epochs may begin anew.
    lives: BTreeMap<Str, u64>,
    pub(super) rebalances: usize,
    pub(super) violation: Option<Violation>,
}

pub(crate) fn now(now_ms: u64) -> Now {
    let wall_ms = EPOCH_MS.saturating_add(i64::try_from(now_ms).unwrap_or(i64::MAX));
    Now { monotonic: Duration::from_millis(now_ms), wall_ms }
}

fn offset(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

pub(crate) fn settings() -> Settings {
    Settings {
        group_initial_rebalance_delay_ms: 300,
        group_consumer_session_timeout_ms: SESSION_MS,
        group_consumer_session_timeouts_ms: SESSION_MS..=SESSION_MS,
        group_consumer_heartbeat_interval_ms: 1_000,
        group_consumer_heartbeat_intervals_ms: 1_000..=1_000,
        ..Settings::default()
    }
}

impl Coordinator {
    pub(super) fn new(topics: Topics) -> Self {
        let mut coordinator = Self {
            shard: Shard::new(),
            log: Vec::new(),
            ends: BTreeSet::new(),
            committed: 0,
            epoch: 0,
            down_until_ms: None,
            topics,
            next_ticket: 0,
            callers: BTreeMap::new(),
            out: Vec::new(),
            described: Vec::new(),
            offsets: Offsets::new(),
            lives: BTreeMap::new(),
            rebalances: 0,
            violation: None,
        };
        coordinator.load(0);
        coordinator
    }

    /// Where the log ends.
    pub(super) fn end(&self) -> usize {
        self.log.len()
    }

    /// Fails over to whoever has `kept` records, or somewhat fewer, which is served from `up_at_ms` on.
    pub(super) fn fail_over(&mut self, kept: usize, up_at_ms: u64) {
        let kept = self.ends.range(..=kept).next_back().copied().unwrap_or(0).max(self.committed);
        self.log.truncate(kept);
        self.ends.split_off(&(kept + 1));
        self.epoch += 1;
        let callers = core::mem::take(&mut self.callers);
        self.out.extend(callers.into_values().map(|(caller, _)| Message::Told(caller, None, 0)));
        self.down_until_ms = Some(up_at_ms);
    }

    /// Reads the log and serves. What it has is committed by and by.
    fn load(&mut self, now_ms: u64) {
        self.down_until_ms = None;
        self.shard = Shard::new();
        for (at, stored) in (0..).zip(&self.log) {
            match CoordinatorRecord::decode(stored.key.clone(), stored.value.clone(), None) {
                Ok(Decoded::Record(record)) => self.shard.replay(at, &record),
                other => self.violation = Some(check::violation("what is stored can be read", format!("{other:?}"))),
            }
        }
        let (end, committed) = (offset(self.log.len()), offset(self.committed));
        let records = self.shard.activate(now(now_ms), end, committed);
        self.append(records);
        self.decide(now_ms, Event::Configure(settings()));
        self.decide(now_ms, Event::Metadata(self.topics.image()));
    }

    fn decide(&mut self, now_ms: u64, event: Event) {
        if let Ok(records) = self.shard.decide(now(now_ms), event) {
            self.append(records);
        }
    }

    fn append(&mut self, records: Vec<CoordinatorRecord>) {
        let base = offset(self.log.len());
        self.shard.appended(base, &records);
        for record in records {
            match record.encode() {
                Ok((key, value)) => self.log.push(Stored { key, value, record }),
                Err(error) => {
                    self.violation = Some(check::violation("what is decided can be stored", error.to_string()))
                }
            }
        }
        self.ends.insert(self.log.len());
        self.release();
    }

    /// All below is committed, record by record, so that each answer is told in the life of its group.
    pub(super) fn commit(&mut self, end: usize) {
        while self.committed < end.min(self.log.len()) {
            if let Some(stored) = self.log.get(self.committed) {
                let is_gone = match &stored.record {
                    CoordinatorRecord::Group { group_id, value: None }
                    | CoordinatorRecord::Consumer { group_id, record: ConsumerGroupRecord::Group(None) } => {
                        Some(group_id)
                    }
                    CoordinatorRecord::Offset { group_id, topic, partition, value, .. } => {
                        let committed = value.as_ref().map(|value| value.committed_offset);
                        let topic = number_of(|it| name(it) == *topic).unwrap_or_default();
                        let at = (group_id.clone(), (topic, *partition));
                        self.violation =
                            self.violation.take().or(check::offset_goes_on(&mut self.offsets, at, committed));
                        None
                    }
                    _ => None,
                };
                if let Some(group_id) = is_gone {
                    *self.lives.entry(group_id.clone()).or_default() += 1;
                }
            }
            self.committed += 1;
            if self.down_until_ms.is_none() {
                self.release();
            }
        }
    }

    fn release(&mut self) {
        let released = self.shard.committed(offset(self.committed));
        for (Ticket(ticket), reply) in released.replies {
            match self.callers.remove(&ticket) {
                Some((caller, group_id)) => {
                    let life = self.lives.get(&group_id).copied().unwrap_or(0);
                    self.out.push(Message::Told(caller, Some(reply), life));
                }
                None => self.described.push(reply),
            }
        }
        let is_rebalance = |effect: &&Effect| matches!(effect, Effect::Rebalance { .. });
        self.rebalances += released.effects.iter().filter(is_rebalance).count();
    }

    fn ticket(&mut self) -> Ticket {
        self.next_ticket += 1;
        Ticket(self.next_ticket)
    }

    /// Takes a request in; while nobody coordinates it is refused.
    pub(super) fn take(&mut self, now_ms: u64, caller: Caller, group_id: &Str, request: Request) {
        if self.down_until_ms.is_some() {
            return self.out.push(Message::Told(caller, None, 0));
        }
        let ticket = self.ticket();
        self.callers.insert(ticket.0, (caller, group_id.clone()));
        self.decide(now_ms, request.event(ticket));
    }

    /// Asks what the groups are; the answers come when they are committed.
    pub(super) fn describe(&mut self, now_ms: u64, groups: &[Str]) {
        if self.down_until_ms.is_some() {
            return;
        }
        let ticket = self.ticket();
        self.decide(now_ms, Event::ConsumerGroupDescribe(ticket, groups.to_vec()));
        let ticket = self.ticket();
        self.decide(now_ms, Event::DescribeGroups(ticket, groups.to_vec()));
    }

    pub(super) fn tell_topics(&mut self, now_ms: u64, topics: Topics) {
        self.topics = topics;
        if self.down_until_ms.is_none() {
            self.decide(now_ms, Event::Metadata(self.topics.image()));
        }
    }

    /// Time passes: timers run out.
    pub(super) fn tick(&mut self, now_ms: u64) {
        if self.down_until_ms.is_some_and(|at| at <= now_ms) {
            self.load(now_ms);
        }
        if self.down_until_ms.is_none() {
            while let Some(event) = self.shard.pop_timeout(now(now_ms)) {
                self.decide(now_ms, event);
            }
        }
    }
}
