//! A shard with its log, its clock and its callers.

use crate::{CoordinatorRecord, Decoded, Effect, Event, GroupCoordinator, Hard, Reply, Settings};
use core::time::Duration;
use ottla_metadata::Image;
use ottla_protocol::Bytes;
use ottla_state_machine::{Now, Shard, Ticket};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// When the world begins, by the wall clock.
const EPOCH_MS: i64 = 1_700_000_000_000;

type Stored = (Bytes, Option<Bytes>, Option<i64>);

pub(super) struct World {
    pub(super) shard: Shard<GroupCoordinator>,
    pub(super) log: Vec<Stored>,
    pub(super) settings: Settings,
    pub(super) image: Arc<Image>,
    now_ms: u64,
    /// Records from here on are lost by a failover.
    pub(super) committed: usize,
    /// Whether records are committed as soon as they are appended.
    pub(super) commits_at_once: bool,
    pub(super) waiting: BTreeSet<u64>,
    pub(super) replies: Vec<(u64, Reply)>,
    pub(super) lines: Vec<String>,
    /// The protocols and causes of rebalances.
    pub(super) rebalances: Vec<String>,
    /// How many records were there when they were last looked at.
    pub(super) seen: usize,
}

impl World {
    pub(super) fn new() -> Self {
        let mut world = Self {
            shard: Shard::new(),
            log: Vec::new(),
            settings: Settings::default(),
            image: Arc::default(),
            now_ms: 0,
            committed: 0,
            commits_at_once: true,
            waiting: BTreeSet::new(),
            replies: Vec::new(),
            lines: Vec::new(),
            rebalances: Vec::new(),
            seen: 0,
        };
        world.load();
        world
    }

    pub(super) fn now(&self) -> Now {
        let wall_ms = EPOCH_MS + i64::try_from(self.now_ms).unwrap();
        Now { monotonic: Duration::from_millis(self.now_ms), wall_ms }
    }

    /// Sends an event of a caller.
    pub(super) fn ask(&mut self, ticket: u64, event: Event) {
        assert!(self.waiting.insert(ticket), "ticket {ticket} is used twice");
        self.send(event);
    }

    pub(super) fn send(&mut self, event: Event) {
        let records = self.shard.decide(self.now(), event).expect("the shard is active");
        self.append(&records);
    }

    fn append(&mut self, records: &[CoordinatorRecord]) {
        let base = i64::try_from(self.log.len()).unwrap();
        for record in records {
            let (key, value) = record.encode().expect("what is decided can be written");
            let producer_id = match record {
                CoordinatorRecord::Offset { producer_id, .. } => *producer_id,
                _ => None,
            };
            self.log.push((key, value, producer_id));
        }
        self.shard.appended(base, records);
        if self.commits_at_once {
            self.commit(self.log.len());
        } else {
            // What needs no commit gets out.
            self.commit(self.committed);
        }
    }

    /// Commits up to a number of records, and hears of what that lets go.
    pub(super) fn commit(&mut self, committed: usize) {
        self.committed = self.committed.max(committed);
        let released = self.shard.committed(i64::try_from(self.committed).unwrap());
        for (Ticket(ticket), reply) in released.replies {
            assert!(self.waiting.remove(&ticket), "ticket {ticket} is answered and does not wait");
            self.replies.push((ticket, reply));
        }
        for effect in released.effects {
            match effect {
                Effect::Log { message, .. } => self.lines.push(message),
                Effect::Rebalance { group_type, cause } => {
                    self.rebalances.push(format!("{group_type} {}", cause.name()));
                }
            }
        }
    }

    /// Lets time pass, timers running out at their time.
    pub(super) fn wait(&mut self, ms: u64) {
        let end = self.now_ms + ms;
        while let Some(due) = self.shard.next_timeout() {
            let due_ms = u64::try_from(due.as_millis()).unwrap();
            if due_ms > end {
                break;
            }
            self.now_ms = self.now_ms.max(due_ms);
            if let Some(event) = self.shard.pop_timeout(self.now()) {
                self.send(event);
            }
        }
        self.now_ms = end;
    }

    /// Leadership moves: what was not committed is lost, as are callers.
    pub(super) fn fail_over(&mut self) -> BTreeSet<u64> {
        self.log.truncate(self.committed);
        self.shard = Shard::new();
        self.load();
        core::mem::take(&mut self.waiting)
    }

    fn load(&mut self) {
        for (offset, record) in self.decoded() {
            self.shard.replay(offset, &record);
        }
        let end = i64::try_from(self.log.len()).unwrap();
        let records = self.shard.activate(self.now(), end, end);
        self.append(&records);
        self.send(Event::Configure(self.settings.clone()));
        self.send(Event::Metadata(self.image.clone()));
    }

    fn decoded(&self) -> Vec<(i64, CoordinatorRecord)> {
        let decode = |(offset, (key, value, producer_id)): (usize, &Stored)| {
            let decoded = CoordinatorRecord::decode(key.clone(), value.clone(), *producer_id).unwrap();
            match decoded {
                Decoded::Record(record) => Some((i64::try_from(offset).unwrap(), record)),
                Decoded::Ignored { .. } => None,
            }
        };
        self.log.iter().enumerate().filter_map(decode).collect()
    }

    /// What another broker would make of the log.
    pub(super) fn replayed(&self) -> Hard {
        replay(self.decoded())
    }

    /// What another broker would make of the log after compaction.
    pub(super) fn compacted(&self) -> Hard {
        let last: BTreeMap<&Bytes, usize> = self.log.iter().enumerate().map(|(i, (key, ..))| (key, i)).collect();
        let is_last = |(offset, _): &(i64, CoordinatorRecord)| {
            let index = usize::try_from(*offset).unwrap();
            last.get(&self.log[index].0) == Some(&index)
        };
        replay(self.decoded().into_iter().filter(is_last).collect())
    }
}

fn replay(records: Vec<(i64, CoordinatorRecord)>) -> Hard {
    let mut shard = Shard::<GroupCoordinator>::new();
    for (offset, record) in records {
        shard.replay(offset, &record);
    }
    shard.hard().clone()
}
