//! The world: a queue of events in the order of a clock, a network, and faults.

use crate::broker::{Act, Broker};
use crate::client;
use crate::controller::Controller;
use crate::invariants::{self, Acknowledged, Committed, HighWatermark, Moved, OneLeader, Violation};
use crate::message::{CONTROLLER, Message};
use crate::random::Random;
use crate::swarm::Swarm;
use core::time::Duration;
use ottla_metadata::controller::Event as ControllerEvent;
use std::collections::{BTreeMap, BTreeSet};

const TICK: Duration = Duration::from_millis(25);
/// How long everything may take to be well again.
const HEALING: Duration = Duration::from_secs(60);
/// How long producers go on then.
const AFTERWARDS: Duration = Duration::from_secs(30);

/// What a seed led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What did not hold, if anything.
    pub violation: Option<Violation>,
    /// When, on the world's clock.
    pub at: Duration,
    /// A number that two runs of a seed have in common.
    pub trace: u64,
    /// Records that producers were told of.
    pub acknowledged: usize,
    /// Records that were committed.
    pub committed: usize,
    /// Epochs of leaders.
    pub leaders: usize,
    /// Faults there were.
    pub faults: usize,
    /// Logs that were cut to agree with a leader's.
    pub truncations: usize,
}

enum Event {
    Deliver(Message),
    Tick(i32, u64),
    ControllerTick,
    Synced { broker: i32, run: u64, partition: i32, end: i64, generation: u64 },
    Produce,
    Crash,
    Stop,
    Start(i32),
    Cut,
    Heal(i32, i32),
    Pause,
    Resume(i32),
    FailOver,
    Administer,
}

type Fault = fn() -> Event;

struct World {
    swarm: Swarm,
    random: Random,
    now: Duration,
    queue: BTreeMap<(Duration, u64), Event>,
    events: u64,
    trace: u64,
    controller: Controller,
    brokers: Vec<Broker>,
    /// From whom to whom nothing comes through.
    cuts: BTreeSet<(i32, i32)>,
    paused: BTreeSet<i32>,
    /// What came for those who stand still.
    kept: Vec<(i32, Event)>,
    faulty: bool,
    produces_until: Duration,
    has_topic: bool,
    values: u64,
    faults: usize,
    /// The epoch of each partition that was looked at last.
    checked: BTreeMap<i32, i32>,
    moved: Moved,
    acknowledged: Acknowledged,
    committed: Committed,
    high_watermark: HighWatermark,
    one_leader: OneLeader,
}

/// Runs the world of a seed with faults for so long, and then until it is well again.
pub fn run(seed: u64, faulty: Duration) -> Report {
    let mut world = World::new(seed);
    let outcome = world.history(faulty);
    Report {
        violation: outcome.err(),
        at: world.now,
        trace: world.trace,
        acknowledged: world.acknowledged.count(),
        committed: world.committed.count(),
        leaders: world.one_leader.count(),
        faults: world.faults,
        truncations: world.brokers.iter().map(Broker::truncations).sum(),
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let swarm = Swarm::draw(&mut random);
        let eligible = swarm.eligible_leader_replicas;
        let brokers = (1..=swarm.brokers).map(|id| Broker::new(id, swarm.min_insync_replicas)).collect();
        Self {
            swarm,
            random,
            now: Duration::ZERO,
            queue: BTreeMap::new(),
            events: 0,
            trace: seed,
            controller: Controller::new(eligible),
            brokers,
            cuts: BTreeSet::new(),
            paused: BTreeSet::new(),
            kept: Vec::new(),
            faulty: true,
            produces_until: Duration::MAX,
            has_topic: false,
            values: 0,
            faults: 0,
            checked: BTreeMap::new(),
            moved: Moved::default(),
            acknowledged: Acknowledged::default(),
            committed: Committed::default(),
            high_watermark: HighWatermark::default(),
            one_leader: OneLeader::default(),
        }
    }

    fn history(&mut self, faulty: Duration) -> Result<(), Violation> {
        for id in 1..=self.swarm.brokers {
            self.at(Duration::ZERO, Event::Start(id));
        }
        self.at(Duration::ZERO, Event::ControllerTick);
        self.at(Duration::from_millis(1), Event::Produce);
        for (every, fault) in self.fault_times() {
            self.sometime(every, fault);
        }
        self.run_until(faulty)?;
        self.heal()?;
        let before = self.acknowledged.count();
        self.run_until(self.produces_until)?;
        let deadline = self.now.saturating_add(HEALING);
        while let Some(wrong) = invariants::what_is_not_served(self.controller.image(), &self.brokers) {
            if self.now >= deadline {
                return Err(Violation::new("liveness", format!("after {HEALING:?} without a fault {wrong}")));
            }
            self.run_until(self.now.saturating_add(Duration::from_millis(200)))?;
        }
        if self.acknowledged.count() == before {
            return Err(Violation::new("liveness", "nothing was acknowledged since faults stopped".to_owned()));
        }
        self.check_leaders()
    }

    /// The faults of this world, and how often each is.
    fn fault_times(&self) -> Vec<(Duration, Fault)> {
        let swarm = &self.swarm;
        let fault = |every: Option<Duration>, fault: Fault| every.map(|every| (every, fault));
        let all = [
            fault(swarm.crash_every, || Event::Crash),
            fault(swarm.stop_every, || Event::Stop),
            fault(swarm.cut_every, || Event::Cut),
            fault(swarm.pause_every, || Event::Pause),
            fault(swarm.failover_every, || Event::FailOver),
            fault(swarm.admin_every, || Event::Administer),
        ];
        all.into_iter().flatten().collect()
    }

    fn sometime(&mut self, every: Duration, event: Fault) {
        let wait = self.random.between(0, micros(every).saturating_mul(2));
        self.at(self.now.saturating_add(Duration::from_micros(wait)), event());
    }

    fn at(&mut self, time: Duration, event: Event) {
        self.events += 1;
        self.queue.insert((time, self.events), event);
    }

    fn run_until(&mut self, end: Duration) -> Result<(), Violation> {
        while let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= end) {
            let ((time, number), event) = entry.remove_entry();
            self.now = time;
            self.trace = self.trace.rotate_left(5) ^ micros(time).wrapping_mul(number | 1);
            self.happen(event)?;
            self.check_controller()?;
        }
        self.now = end;
        Ok(())
    }

    fn check_controller(&mut self) -> Result<(), Violation> {
        if let Some(fault) = self.controller.fault() {
            return Err(Violation::new("metadata log", fault));
        }
        let image = self.controller.image();
        invariants::in_sync(image)?;
        self.moved.check(image)?;
        for topic in image.topics().iter() {
            for (number, partition) in &topic.partitions {
                if self.checked.insert(*number, partition.partition_epoch) == Some(partition.partition_epoch) {
                    continue;
                }
                for id in partition.isr.iter().chain(&partition.elr) {
                    let broker = self.brokers.iter().find(|broker| broker.id == *id);
                    if let Some(disk) = broker.and_then(|broker| broker.disk(*number)) {
                        self.acknowledged.check(*number, *id, disk)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Faults stop: everybody is started, connected and goes on.
    fn heal(&mut self) -> Result<(), Violation> {
        self.faulty = false;
        self.produces_until = self.now.saturating_add(AFTERWARDS);
        self.cuts.clear();
        for id in core::mem::take(&mut self.paused) {
            self.resume(id)?;
        }
        (self.swarm.loss, self.swarm.duplication, self.swarm.stragglers) = (0, 0, 0);
        let down: Vec<i32> = self.brokers.iter().filter(|broker| !broker.is_up()).map(|broker| broker.id).collect();
        for id in down {
            self.at(self.now, Event::Start(id));
        }
        Ok(())
    }

    fn happen(&mut self, event: Event) -> Result<(), Violation> {
        let concerned = match &event {
            Event::Deliver(message) => Some(message.to),
            Event::Tick(id, _) => Some(*id),
            Event::Synced { broker, .. } => Some(*broker),
            _ => None,
        };
        if let Some(id) = concerned.filter(|id| self.paused.contains(id)) {
            self.kept.push((id, event));
            return Ok(());
        }
        match event {
            Event::Deliver(message) => return self.deliver(message),
            Event::Tick(id, run) => return self.tick(id, run),
            Event::ControllerTick => {
                self.controller.tick(self.now);
                self.make_topic();
                self.at(self.now.saturating_add(TICK), Event::ControllerTick);
            }
            Event::Synced { broker, run, partition, end, generation } => {
                let now = self.now;
                return self.with(broker, |broker, acts| {
                    if broker.run() == Some(run) {
                        broker.synced(partition, end, generation, now, acts);
                    }
                });
            }
            Event::Produce => return self.produce(),
            Event::Start(id) => self.start(id),
            Event::Heal(a, b) => {
                self.cuts.remove(&(a, b));
            }
            Event::Resume(id) => return self.resume(id),
            fault => self.fault(&fault),
        }
        Ok(())
    }

    fn fault(&mut self, fault: &Event) {
        if !self.faulty {
            return;
        }
        self.faults += 1;
        match fault {
            Event::Crash => self.crash(),
            Event::Stop => {
                if let Some(id) = self.some_broker(|broker| broker.is_up()) {
                    self.brokers.iter_mut().filter(|broker| broker.id == id).for_each(Broker::begin_stop);
                }
            }
            Event::Cut => {
                let nodes: Vec<i32> = (CONTROLLER..=self.swarm.brokers).collect();
                if let Some((a, b)) = self.random.pick(&nodes).zip(self.random.pick(&nodes)) {
                    let both = self.random.permille(500);
                    for (from, to) in [(a, b), (b, a)].into_iter().take(if both { 2 } else { 1 }) {
                        self.cuts.insert((from, to));
                        let length = self.random.between(100, 15_000);
                        self.at(self.now.saturating_add(Duration::from_millis(length)), Event::Heal(from, to));
                    }
                }
            }
            Event::Pause => {
                if let Some(id) = self.some_broker(|broker| broker.is_up()) {
                    self.paused.insert(id);
                    let length = self.random.between(100, 15_000);
                    self.at(self.now.saturating_add(Duration::from_millis(length)), Event::Resume(id));
                }
            }
            Event::FailOver => self.controller.fail_over(self.now),
            Event::Administer => {
                let (brokers, replicas) = (self.swarm.brokers, self.swarm.replication_factor);
                let request = client::request(&mut self.random, self.controller.image(), brokers, replicas);
                if let Some(request) = request {
                    self.controller.decide(self.now, request);
                }
            }
            _ => {}
        }
        let kind = core::mem::discriminant(fault);
        for (every, event) in self.fault_times() {
            if core::mem::discriminant(&event()) == kind {
                self.sometime(every, event);
            }
        }
    }

    fn some_broker(&mut self, which: impl Fn(&Broker) -> bool) -> Option<i32> {
        let ids: Vec<i32> = self.brokers.iter().filter(|broker| which(broker)).map(|broker| broker.id).collect();
        self.random.pick(&ids)
    }

    fn crash(&mut self) {
        let Some(id) = self.some_broker(|broker| broker.is_up()) else { return };
        for broker in self.brokers.iter_mut().filter(|broker| broker.id == id) {
            broker.crash(&mut self.random);
        }
        self.paused.remove(&id);
        self.kept.retain(|(kept, _)| *kept != id);
        let down = self.random.between(0, 12_000);
        self.at(self.now.saturating_add(Duration::from_millis(down)), Event::Start(id));
    }

    fn start(&mut self, id: i32) {
        let Some(broker) = self.brokers.iter_mut().find(|broker| broker.id == id && !broker.is_up()) else { return };
        broker.start();
        let run = broker.run().unwrap_or(0);
        self.at(self.now, Event::Tick(id, run));
    }

    fn resume(&mut self, id: i32) -> Result<(), Violation> {
        self.paused.remove(&id);
        let (kept, others) = core::mem::take(&mut self.kept).into_iter().partition(|(of, _)| *of == id);
        self.kept = others;
        for (_, event) in kept {
            self.happen(event)?;
        }
        Ok(())
    }

    fn tick(&mut self, id: i32, run: u64) -> Result<(), Violation> {
        let now = self.now;
        let Some(broker) = self.brokers.iter_mut().find(|broker| broker.id == id && broker.run() == Some(run)) else {
            return Ok(());
        };
        if broker.has_stopped() {
            broker.end();
            let down = self.random.between(0, 12_000);
            self.at(now.saturating_add(Duration::from_millis(down)), Event::Start(id));
            return Ok(());
        }
        self.at(now.saturating_add(TICK), Event::Tick(id, run));
        self.with(id, |broker, acts| broker.tick(now, acts))
    }

    fn deliver(&mut self, message: Message) -> Result<(), Violation> {
        let now = self.now;
        if message.to == CONTROLLER {
            if let Some(answer) = self.controller.take(message, now) {
                self.send(answer, Duration::ZERO);
            }
            return Ok(());
        }
        self.with(message.to, |broker, acts| broker.take(message, now, acts))
    }

    /// Lets a broker act, and has what it wants done.
    fn with(&mut self, id: i32, act: impl FnOnce(&mut Broker, &mut Vec<Act>)) -> Result<(), Violation> {
        let mut acts = Vec::new();
        let Some(broker) = self.brokers.iter_mut().find(|broker| broker.id == id) else { return Ok(()) };
        act(broker, &mut acts);
        let run = broker.run().unwrap_or(0);
        for act in acts {
            self.carry_out(id, run, act)?;
        }
        Ok(())
    }

    fn carry_out(&mut self, id: i32, run: u64, act: Act) -> Result<(), Violation> {
        let broker = self.brokers.iter().find(|broker| broker.id == id);
        let disk = |partition| broker.and_then(|broker| broker.disk(partition));
        match act {
            Act::Send(message) => self.send(message, Duration::ZERO),
            Act::SendLater(message, wait) => self.send(message, wait),
            Act::Sync { partition, end, generation } => {
                let time = Duration::from_micros(self.random.between(50, micros(self.swarm.sync_time)));
                self.at(self.now.saturating_add(time), Event::Synced { broker: id, run, partition, end, generation });
            }
            Act::Acknowledged { partition, offset, value } => self.acknowledged.note(partition, offset, value)?,
            Act::Committed { partition, leader_epoch, high_watermark } => {
                self.high_watermark.note(partition, leader_epoch, high_watermark)?;
                if let Some(disk) = disk(partition) {
                    self.committed.note((partition, leader_epoch), id, high_watermark, disk)?;
                }
            }
            Act::Leads { partition, leader_epoch } => {
                self.one_leader.note(partition, leader_epoch, id, run)?;
                // A leader of long ago, which learns of its time only now, may lack what came after it.
                let latest = self.controller.image().topics().partition(&client::topic(), partition).cloned();
                let is_latest = latest.is_some_and(|latest| latest.leader_epoch == leader_epoch);
                if let Some(disk) = disk(partition).filter(|_| is_latest) {
                    self.committed.check(partition, id, disk)?;
                }
            }
        }
        Ok(())
    }

    fn send(&mut self, message: Message, wait: Duration) {
        let copies = if self.random.permille(self.swarm.duplication) { 2 } else { 1 };
        for _ in 0..copies {
            let lost = self.cuts.contains(&(message.from, message.to)) || self.random.permille(self.swarm.loss);
            let delay = match self.random.permille(self.swarm.stragglers) {
                true => Duration::from_millis(self.random.between(1, 10_000)),
                false => Duration::from_micros(self.random.between(50, micros(self.swarm.delay))),
            };
            if !lost {
                let at = self.now.saturating_add(wait).saturating_add(delay);
                self.at(at, Event::Deliver(message.clone()));
            }
        }
    }

    fn make_topic(&mut self) {
        let active = self.controller.image().cluster().brokers().values().filter(|broker| broker.is_active()).count();
        if self.has_topic || active < self.brokers.len() {
            return;
        }
        let swarm = &self.swarm;
        let create = client::create(&mut self.random, swarm.brokers, swarm.partitions, swarm.replication_factor);
        self.controller.decide(self.now, |ticket| ControllerEvent::CreateTopics(ticket, create));
        let min = self.swarm.min_insync_replicas;
        self.controller.decide(self.now, |ticket| client::set_min_insync_replicas(ticket, min));
        self.has_topic = !self.controller.image().topics().is_empty();
    }

    fn produce(&mut self) -> Result<(), Violation> {
        if self.now > self.produces_until {
            return Ok(());
        }
        let every = micros(self.swarm.produce_every);
        let wait = Duration::from_micros(self.random.between(1, every.saturating_mul(2)));
        self.at(self.now.saturating_add(wait), Event::Produce);
        let partition = i32::try_from(self.random.below(self.swarm.partitions.unsigned_abs().into())).unwrap_or(0);
        // Whoever takes itself for the leader, as clients' metadata may be old.
        let Some(id) = self.some_broker(|broker| broker.leads(partition)) else { return Ok(()) };
        if self.paused.contains(&id) {
            return Ok(());
        }
        self.values += 1;
        let (value, now) = (self.values, self.now);
        self.with(id, |broker, acts| broker.produce(partition, value, now, acts))
    }

    fn check_leaders(&self) -> Result<(), Violation> {
        for topic in self.controller.image().topics().iter() {
            for (number, partition) in &topic.partitions {
                let broker = self.brokers.iter().find(|broker| broker.id == partition.leader);
                let disk = broker.and_then(|broker| broker.disk(*number)).cloned().unwrap_or_default();
                self.acknowledged.check(*number, partition.leader, &disk)?;
            }
        }
        Ok(())
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
