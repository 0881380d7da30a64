//! The clock, the network, the faults, and the run of a seed.

use super::check::{self, copied};
use super::coordinator::Coordinator;
use super::copier::{Copier, GROUP, Input};
use super::message::Message;
use super::partition::{OFFSETS, PARTITIONS, Partition};
use super::producer::{Outcome, Producer};
use super::watcher::{WATCHER, Watcher};
use crate::Violation;
use crate::groups::{self, History, Member, Offsets, Part, Topics};
use crate::random::Random;
use core::time::Duration;
use ottla_protocol::Str;
use std::collections::{BTreeMap, BTreeSet};

/// Transactional ids; those from the first number on are of copiers.
const COPIERS_FROM: u64 = 3;
const IDS: u64 = 6;
/// Partitions that are copied, and how often each gets a record.
const INPUTS: i32 = 4;
const INPUT_EVERY_MS: u64 = 200;
/// How often anything looks at the clock.
const STEP_MS: u64 = 5;
/// How often a consumer looks from the start on.
const LOOK_MS: u64 = 1_000;
/// How often somebody looks at the group's offsets.
const WATCH_MS: u64 = 200;
/// How long the world is given to heal when faults have stopped.
const HEALING_MS: u64 = 120_000;
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
    /// Records that were copied.
    pub copied: usize,
    /// Offsets that were said to be unstable.
    pub unstable: usize,
    /// Commits of offsets that were refused: of members that are none any more, or of another generation.
    pub refused: usize,
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
    pause_permille: u64,
}

struct World {
    random: Random,
    now_ms: u64,
    version: i16,
    faults: Faults,
    coordinator: Coordinator,
    partitions: Vec<Partition>,
    producers: Vec<Producer>,
    /// Whether copiers are members of the classic protocol.
    is_classic: bool,
    input: Input,
    /// What members were told.
    history: History,
    watcher: Watcher,
    /// Up to where copies were read.
    copied: BTreeMap<Part, i64>,
    /// Messages by the time they arrive, and a number that makes them differ.
    network: BTreeMap<(u64, u64), Message>,
    /// Commits of the coordinator's log and of the partitions': up to where, at what time.
    commits: BTreeMap<(u64, u64), Commit>,
    /// When the last message of a member, or to it, arrives.
    last_ms: BTreeMap<(usize, bool), u64>,
    sent: u64,
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
    report.unstable = world.watcher.unstable;
    report.refused = world.partitions.iter().map(Partition::refused_commits).sum();
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
            pause_permille: random.below(4),
        };
        let topics = Topics { partitions: [INPUTS, 0], changes: 0 };
        let partition = |index| Partition::new(index, (index == OFFSETS).then(|| topics.clone()));
        Self {
            coordinator: Coordinator::new(version, TIMEOUT_MS),
            now_ms: 0,
            version,
            faults,
            partitions: (0..=OFFSETS).map(partition).collect(),
            producers: Vec::new(),
            is_classic: random.permille(500),
            input: Input { topics, length: 0, acknowledged: Offsets::new(), next_value: 0 },
            history: History::default(),
            watcher: Watcher::default(),
            copied: BTreeMap::new(),
            last_ms: BTreeMap::new(),
            network: BTreeMap::new(),
            commits: BTreeMap::new(),
            sent: 0,
            report: TransactionReport::default(),
            random,
        }
    }

    fn run(&mut self, end_ms: u64) -> Result<(), Violation> {
        for id in 0..IDS {
            self.start(id);
        }
        while self.now_ms < end_ms {
            self.step(true)?;
        }
        // Who writes yet ends what it has begun, and begins nothing more; copiers go on to the end of the input.
        let healed_ms = self.now_ms + HEALING_MS;
        self.network.clear();
        self.last_ms.clear();
        self.producers.iter_mut().for_each(Producer::finish);
        self.end_replaced();
        while self.now_ms < healed_ms {
            self.step(false)?;
        }
        self.look()?;
        check::epochs_grow(&self.coordinator.producers())?;
        check::all_or_nothing(self.producers.iter(), &self.partitions, true)?;
        check::nothing_hangs(&self.partitions, self.coordinator.unfinished())?;
        copied::all(&copied::once(&self.partitions)?, &self.watcher.stable, &self.input)
    }

    fn start(&mut self, id: u64) {
        let client = self.producers.len();
        // A version 1 producer waits until what it has sent has come or is lost.
        let retry_ms = if self.version >= 2 { self.random.between(50, 400) } else { 8_000 };
        let count = self.random.between(1, 40);
        let copier = (id >= COPIERS_FROM).then(|| {
            let group = Str::from_static(GROUP);
            Copier::new(Member::new(client, group, self.is_classic, None, BTreeSet::from([0])))
        });
        let id = Str::from(format!("id-{id}").as_str());
        self.producers.push(Producer::new(client, id, self.version, count, retry_ms, copier));
    }

    fn step(&mut self, faulty: bool) -> Result<(), Violation> {
        self.now_ms += STEP_MS;
        if faulty {
            self.make_faults();
            self.input.length = i64::try_from(self.now_ms / INPUT_EVERY_MS).unwrap_or(0);
        }
        self.deliver()?;
        self.commit();
        let again_ms = if self.version >= 2 { 300 } else { 8_000 };
        self.coordinator.tick(self.now_ms, again_ms);
        for partition in &mut self.partitions {
            partition.tick(self.now_ms);
        }
        for producer in &mut self.producers {
            if producer.paused_until_ms <= self.now_ms {
                producer.consume(self.now_ms, &mut self.random, &mut self.input);
                producer.tick(self.now_ms);
            }
        }
        self.collect(faulty);
        if self.now_ms.is_multiple_of(LOOK_MS) {
            self.look()?;
        }
        if self.now_ms.is_multiple_of(WATCH_MS) {
            self.watch();
        }
        if self.now_ms.is_multiple_of(500) {
            self.restart_producers(faulty);
        }
        Ok(())
    }

    fn look(&mut self) -> Result<(), Violation> {
        for (index, partition) in self.partitions.iter_mut().enumerate().take(PARTITIONS) {
            check::reads_go_on(partition, index)?;
        }
        let copies = copied::once(&self.partitions)?;
        self.report.copied = copies.values().map(BTreeSet::len).sum();
        self.copied = copies.into_iter().filter_map(|(part, read)| Some((part, read.last()? + 1))).collect();
        self.watcher.look_back(&self.producers)?;
        check::all_or_nothing(self.producers.iter(), &self.partitions, false)
    }

    /// Somebody asks for the group's offsets.
    fn watch(&mut self) {
        let copied = self.copied.clone();
        let question = self.watcher.ask(&mut self.random, &self.input, &self.producers, copied);
        if let Some(offsets) = self.partitions.get_mut(OFFSETS) {
            offsets.take(self.now_ms, question);
        }
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
                    let index = self.random.below(u64::try_from(self.partitions.len()).unwrap_or(1));
                    let index = usize::try_from(index).unwrap_or(0);
                    let random = &mut self.random;
                    if let Some(partition) = self.partitions.get_mut(index) {
                        partition.fail_over(|| random.permille(500), up_at_ms);
                    }
                }
            }
        }
        if self.random.permille(self.faults.pause_permille) {
            let until_ms = self.now_ms + self.random.between(100, 15_000);
            if let Some(producer) = self.somebody() {
                producer.paused_until_ms = until_ms;
            }
        }
        if self.random.permille(self.faults.takeover_permille) {
            // Another process with the same id; the one before may be alive or not.
            if self.random.permille(500)
                && let Some(producer) = self.somebody()
            {
                producer.kill();
            }
            let id = self.random.below(IDS);
            self.start(id);
        }
    }

    /// A producer that lives, if the one that is drawn does.
    fn somebody(&mut self) -> Option<&mut Producer> {
        let client = self.random.below(u64::try_from(self.producers.len()).unwrap_or(1));
        self.producers.get_mut(usize::try_from(client).ok()?).filter(|it| !it.is_over())
    }

    /// Processes that were replaced are gone: one after the other would be given partitions, and find out then only.
    fn end_replaced(&mut self) {
        let mut ids = BTreeSet::new();
        for producer in self.producers.iter_mut().rev() {
            if !ids.insert(producer.transactional_id.clone()) {
                producer.kill();
            }
        }
    }

    /// There is somebody to write with each id; in the end to copy, until all is copied.
    fn restart_producers(&mut self, faulty: bool) {
        for id in if faulty { 0..IDS } else { COPIERS_FROM..IDS } {
            let name = format!("id-{id}");
            if self.producers.iter().all(|it| it.is_over() || *it.transactional_id != *name) {
                self.start(id);
                if let Some(producer) = self.producers.last_mut().filter(|_| !faulty) {
                    producer.finish();
                }
            }
        }
    }

    fn deliver(&mut self) -> Result<(), Violation> {
        while let Some(entry) = self.network.first_entry() {
            if entry.key().0 > self.now_ms {
                break;
            }
            let message = entry.remove();
            match destination(&message) {
                Destination::Coordinator => self.coordinator.take(self.now_ms, message),
                Destination::Partition(index) => {
                    if let Some(partition) = self.partitions.get_mut(index) {
                        partition.take(self.now_ms, message);
                    }
                }
                Destination::Client(client) => {
                    self.tell(client, message)?;
                }
            }
            self.note_appends();
        }
        Ok(())
    }

    /// A message comes to a producer, which takes it in when it does not stand still.
    fn tell(&mut self, client: usize, message: Message) -> Result<(), Violation> {
        if let (WATCHER, Message::Group(groups::Message::Told(caller, reply, _))) = (client, &message) {
            return self.watcher.take(caller.attempt, reply.clone(), &self.producers);
        }
        let Some(producer) = self.producers.get_mut(client).filter(|it| !it.is_over()) else { return Ok(()) };
        if producer.paused_until_ms > self.now_ms {
            let until_ms = producer.paused_until_ms;
            self.put(until_ms, message);
            return Ok(());
        }
        match (message, &mut producer.copier) {
            (Message::Group(groups::Message::Told(caller, reply, life)), Some(copier)) => {
                let told = (caller.attempt, reply, life);
                copier.member.take(self.now_ms, told, &mut self.history, &Offsets::new())
            }
            (message, _) => {
                producer.take(self.now_ms, &mut self.random, &mut self.input, message);
                Ok(())
            }
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
            said.append(&mut partition.said());
        }
        for producer in &mut self.producers {
            said.append(&mut producer.out);
            if let Some(copier) = &mut producer.copier {
                said.extend(copier.member.out.drain(..).map(Message::Group));
            }
        }
        for message in said {
            self.send(message, faulty);
        }
    }

    fn send(&mut self, message: Message, faulty: bool) {
        if faulty && self.random.permille(self.faults.lost_permille) {
            return;
        }
        if let Message::Group(message) = &message {
            // On one connection, which keeps the order.
            let way = (message.member(), matches!(message, groups::Message::Asked(..)));
            let arrival_ms = self.arrival(faulty);
            let last_ms = self.last_ms.entry(way).or_default();
            *last_ms = arrival_ms.max(*last_ms);
            let at_ms = *last_ms;
            return self.put(at_ms, Message::Group(message.clone()));
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
        Message::Group(groups::Message::Asked(..)) => Destination::Partition(OFFSETS),
        Message::Group(groups::Message::Told(caller, ..)) => Destination::Client(caller.member),
        Message::Produce { partition, .. }
        | Message::LookedUp { partition, .. }
        | Message::Marker { partition, .. } => Destination::Partition(*partition),
        Message::Told { client, .. } | Message::Produced { client, .. } => Destination::Client(*client),
    }
}
