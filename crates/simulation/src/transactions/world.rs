//! The clock, the network, the faults, and the run of a seed.

use super::check;
use super::coordinator::Coordinator;
use super::message::Message;
use super::partition::Partition;
use super::producer::{Outcome, Producer};
use crate::Violation;
use crate::random::Random;
use core::time::Duration;
use ottla_protocol::Str;
use std::collections::BTreeMap;

const PARTITIONS: usize = 3;
const IDS: u64 = 3;
/// How often anything looks at the clock.
const STEP_MS: u64 = 5;
/// How often a consumer looks from the start on.
const LOOK_MS: u64 = 1_000;
/// How long the world is given to heal when faults have stopped.
const HEALING_MS: u64 = 60_000;
/// The longest that a transaction may take.
const TIMEOUT_MS: i32 = 5_000;

/// What came of a seed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TransactionReport {
    /// What did not hold.
    pub violation: Option<Violation>,
    /// When.
    pub at: Duration,
    /// Transactions whose producers were told that they are committed.
    pub committed: usize,
    /// Transactions that the coordinator decided to abort.
    pub aborted: usize,
    /// Times that another node took over, coordinators and leaders.
    pub failovers: usize,
    /// Messages that came twice.
    pub doubled: usize,
    /// Producers that were fenced or killed.
    pub producers: usize,
}

enum Destination {
    Coordinator,
    Partition(usize),
    Client(usize),
}

/// How unkind the world is; chosen by the seed.
struct Faults {
    lost_permille: u64,
    doubled_permille: u64,
    late_permille: u64,
    failover_permille: u64,
    takeover_permille: u64,
}

struct World {
    random: Random,
    now_ms: u64,
    version: i16,
    faults: Faults,
    coordinator: Coordinator,
    partitions: Vec<Partition>,
    producers: Vec<Producer>,
    /// Messages by the time they arrive, and a number that makes them differ.
    network: BTreeMap<(u64, u64), Message>,
    /// Commits of the coordinator's log and of the partitions': up to where, at what time.
    commits: BTreeMap<(u64, u64), Commit>,
    sent: u64,
    next_value: u64,
    report: TransactionReport,
}

#[derive(Clone, Copy)]
enum Commit {
    Coordinator { epoch: i32, end: usize },
    Partition { index: usize, leader_epoch: i32, end: i64 },
}

/// Runs a seed for so long; then faults stop, and all must be well in the end.
pub fn run(seed: u64, time: Duration) -> TransactionReport {
    let mut world = World::new(seed);
    let end_ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let violation = world.run(end_ms).err();
    let mut report = world.report;
    report.at = Duration::from_millis(world.now_ms);
    report.aborted = world.coordinator.aborts;
    report.producers = world.producers.len();
    let transactions = world.producers.iter().flat_map(|producer| &producer.transactions);
    report.committed = transactions.filter(|it| it.outcome == Outcome::Committed).count();
    report.violation = violation;
    report
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let version = if random.permille(700) { 2 } else { 1 };
        // What is too late, or comes again, is fenced by an epoch a transaction alone.
        let fenced = |permille: u64| if version >= 2 { permille } else { 0 };
        let faults = Faults {
            lost_permille: random.below(60),
            doubled_permille: fenced(random.below(60)),
            late_permille: fenced(random.below(60)),
            failover_permille: random.below(8),
            takeover_permille: random.below(4),
        };
        Self {
            coordinator: Coordinator::new(version, TIMEOUT_MS),
            random,
            now_ms: 0,
            version,
            faults,
            partitions: (0..PARTITIONS).map(Partition::new).collect(),
            producers: Vec::new(),
            network: BTreeMap::new(),
            commits: BTreeMap::new(),
            sent: 0,
            next_value: 0,
            report: TransactionReport::default(),
        }
    }

    fn run(&mut self, end_ms: u64) -> Result<(), Violation> {
        for id in 0..IDS {
            self.start(id);
        }
        while self.now_ms < end_ms {
            self.step(true)?;
        }
        // Who writes yet ends what it has begun, and begins nothing more.
        let healed_ms = self.now_ms + HEALING_MS;
        self.network.clear();
        self.producers.iter_mut().for_each(Producer::finish);
        while self.now_ms < healed_ms {
            self.step(false)?;
        }
        self.look()?;
        check::epochs_grow(&self.coordinator.producers())?;
        check::all_or_nothing(self.producers.iter(), &self.partitions, true)?;
        check::nothing_hangs(&self.partitions, self.coordinator.unfinished())
    }

    fn start(&mut self, id: u64) {
        let client = self.producers.len();
        // A version 1 producer waits until what it has sent has come or is lost.
        let retry_ms = if self.version >= 2 { self.random.between(50, 400) } else { 8_000 };
        let count = self.random.between(1, 40);
        let id = Str::from(format!("id-{id}").as_str());
        self.producers.push(Producer::new(client, id, self.version, count, retry_ms));
    }

    fn step(&mut self, faulty: bool) -> Result<(), Violation> {
        self.now_ms += STEP_MS;
        if faulty {
            self.make_faults();
        }
        self.deliver();
        self.commit();
        let again_ms = if self.version >= 2 { 300 } else { 8_000 };
        self.coordinator.tick(self.now_ms, again_ms);
        for partition in &mut self.partitions {
            if partition.down_until_ms.is_some_and(|at| at <= self.now_ms) {
                partition.down_until_ms = None;
            }
        }
        for producer in &mut self.producers {
            producer.tick(self.now_ms);
        }
        self.collect(faulty);
        if self.now_ms.is_multiple_of(LOOK_MS) {
            self.look()?;
        }
        if faulty && self.now_ms.is_multiple_of(500) {
            self.restart_producers();
        }
        Ok(())
    }

    fn look(&mut self) -> Result<(), Violation> {
        for (index, partition) in self.partitions.iter_mut().enumerate() {
            check::reads_go_on(partition, index)?;
        }
        check::all_or_nothing(self.producers.iter(), &self.partitions, false)
    }

    fn make_faults(&mut self) {
        if self.random.permille(self.faults.failover_permille) {
            self.report.failovers += 1;
            let up_at_ms = self.now_ms + self.random.between(5, 2_000);
            match self.random.below(2) {
                0 => {
                    let (low, high) = (self.coordinator.committed, self.coordinator.end());
                    let more = self.random.below(u64::try_from(high - low).unwrap_or(0) + 1);
                    self.coordinator.fail_over(low + usize::try_from(more).unwrap_or(0), up_at_ms);
                }
                _ => {
                    let index = usize::try_from(self.random.below(3)).unwrap_or(0);
                    let random = &mut self.random;
                    if let Some(partition) = self.partitions.get_mut(index) {
                        partition.fail_over(|| random.permille(500), up_at_ms);
                    }
                }
            }
        }
        if self.random.permille(self.faults.takeover_permille) {
            // Another process with the same id; the one before may be alive or not.
            let client = self.random.below(u64::try_from(self.producers.len()).unwrap_or(1));
            let kills = self.random.permille(500);
            if let Some(producer) = usize::try_from(client).ok().and_then(|client| self.producers.get_mut(client))
                && kills
            {
                producer.kill();
            }
            let id = self.random.below(IDS);
            self.start(id);
        }
    }

    /// There is somebody to write with each id.
    fn restart_producers(&mut self) {
        for id in 0..IDS {
            let name = format!("id-{id}");
            if self.producers.iter().all(|it| it.is_over() || *it.transactional_id != *name) {
                self.start(id);
            }
        }
    }

    fn deliver(&mut self) {
        while let Some(entry) = self.network.first_entry() {
            if entry.key().0 > self.now_ms {
                break;
            }
            let message = entry.remove();
            match destination(&message) {
                Destination::Coordinator => self.coordinator.take(self.now_ms, message),
                Destination::Partition(index) => {
                    if let Some(partition) = self.partitions.get_mut(index) {
                        partition.take(message);
                    }
                }
                Destination::Client(client) => {
                    if let Some(producer) = self.producers.get_mut(client) {
                        producer.take(&mut self.random, PARTITIONS, &mut self.next_value, message);
                    }
                }
            }
            self.note_appends();
        }
    }

    /// What was appended is committed a while later, unless it is lost before.
    fn note_appends(&mut self) {
        let mut noted = vec![Commit::Coordinator { epoch: self.coordinator.epoch, end: self.coordinator.end() }];
        let partitions = self.partitions.iter().enumerate();
        noted.extend(partitions.map(|(index, it)| Commit::Partition {
            index,
            leader_epoch: it.leader_epoch,
            end: it.end(),
        }));
        for commit in noted {
            let is_news = match commit {
                Commit::Coordinator { end, .. } => end > self.coordinator.committed,
                Commit::Partition { index, end, .. } => {
                    self.partitions.get(index).is_some_and(|it| end > it.high_watermark)
                }
            };
            if is_news {
                let at_ms = self.now_ms + self.random.between(1, 30);
                self.sent += 1;
                self.commits.insert((at_ms, self.sent), commit);
            }
        }
    }

    fn commit(&mut self) {
        self.note_appends();
        while let Some(entry) = self.commits.first_entry() {
            if entry.key().0 > self.now_ms {
                break;
            }
            match entry.remove() {
                Commit::Coordinator { epoch, end } if epoch == self.coordinator.epoch => {
                    self.coordinator.commit(self.now_ms, end);
                }
                Commit::Coordinator { .. } => {}
                Commit::Partition { index, leader_epoch, end } => {
                    if let Some(partition) = self.partitions.get_mut(index) {
                        partition.commit(leader_epoch, end);
                    }
                }
            }
        }
    }

    /// Puts what was said on the network.
    fn collect(&mut self, faulty: bool) {
        let mut said = std::mem::take(&mut self.coordinator.out);
        for partition in &mut self.partitions {
            said.append(&mut partition.out);
        }
        for producer in &mut self.producers {
            said.extend(producer.out.drain(..).map(|(_, message)| message));
        }
        for message in said {
            self.send(message, faulty);
        }
    }

    fn send(&mut self, message: Message, faulty: bool) {
        if faulty && self.random.permille(self.faults.lost_permille) {
            return;
        }
        if faulty && self.random.permille(self.faults.doubled_permille) {
            self.report.doubled += 1;
            let at_ms = self.arrival(faulty);
            self.put(at_ms, message.clone());
        }
        let at_ms = self.arrival(faulty);
        self.put(at_ms, message);
    }

    fn arrival(&mut self, faulty: bool) -> u64 {
        let late = faulty && self.random.permille(self.faults.late_permille);
        self.now_ms + if late { self.random.between(100, 8_000) } else { self.random.between(1, 40) }
    }

    fn put(&mut self, at_ms: u64, message: Message) {
        self.sent += 1;
        self.network.insert((at_ms, self.sent), message);
    }
}

fn destination(message: &Message) -> Destination {
    match message {
        Message::Init { .. }
        | Message::Add { .. }
        | Message::EndTxn { .. }
        | Message::LookUp { .. }
        | Message::Marked { .. } => Destination::Coordinator,
        Message::Produce { partition, .. }
        | Message::LookedUp { partition, .. }
        | Message::Marker { partition, .. } => Destination::Partition(*partition),
        Message::Told { client, .. } | Message::Produced { client, .. } => Destination::Client(*client),
    }
}
