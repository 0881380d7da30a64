//! The world: a queue of events in the order of a clock, a network, and faults.

mod faults;
mod operator;
mod report;

use crate::broker::{Act, Broker};
use crate::client;
use crate::controller::{Act as ControllerAct, Controller, TICK as CONTROLLER_TICK, directory};
use crate::disk::Disk;
use crate::invariants::{
    self, Acknowledged, Committed, HighWatermark, MetadataLog, Moved, OneController, OneLeader, Violation,
};
use crate::message::{FIRST_CONTROLLER, Message};
use crate::random::Random;
use crate::swarm::Swarm;
use core::time::Duration;
use ottla_quorum::{Members, Voter};
use std::collections::{BTreeMap, BTreeSet};

pub use self::report::{Report, run, run_on_logs};

const TICK: Duration = Duration::from_millis(25);
/// How long everything may take to be well again.
const HEALING: Duration = Duration::from_secs(60);

/// More than anything useful takes.
const MOST_EVENTS: u64 = 3_000_000;

enum Event {
    Deliver(Message),
    Tick(i32, u64),
    ControllerTick(i32, u64),
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
    Rest,
    Snapshot,
    ChangeVoters,
    Wipe,
    Short,
    Room(i32),
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
    controllers: Vec<Controller>,
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
    /// The last number of a disk that replaced another.
    turn: u8,
    metadata_log: MetadataLog,
    one_controller: OneController,
    moved: Moved,
    acknowledged: Acknowledged,
    committed: Committed,
    high_watermark: HighWatermark,
    one_leader: OneLeader,
}

impl World {
    fn new(seed: u64, on_logs: bool) -> Self {
        let mut random = Random::new(seed);
        let swarm = Swarm::draw(seed, &mut random);
        let eligible = swarm.eligible_leader_replicas;
        let founders = FIRST_CONTROLLER..FIRST_CONTROLLER + swarm.controllers;
        let ids: Vec<i32> = (FIRST_CONTROLLER..founders.end + swarm.spare_controllers).collect();
        let voters: Vec<Voter> = founders.map(|id| Voter { id, directory_id: directory(id, 1) }).collect();
        let members = Members::of_voters(&voters).unwrap_or_default();
        let controller = |id: &i32| {
            let founders = members.is_voter(*id).then(|| voters.clone());
            Controller::new(*id, founders, eligible, seed)
        };
        let controllers = ids.iter().map(controller).collect();
        let disk_seed =
            |id: i32| on_logs.then(|| seed.wrapping_mul(1_000).wrapping_add(u64::from(id.unsigned_abs()) * 100));
        let broker = |id| Broker::new(id, ids.clone(), swarm.min_insync_replicas, disk_seed(id));
        let brokers = (1..=swarm.brokers).map(broker).collect();
        Self {
            swarm,
            random,
            now: Duration::ZERO,
            queue: BTreeMap::new(),
            events: 0,
            trace: seed,
            controllers,
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
            turn: 1,
            metadata_log: MetadataLog::new(members),
            one_controller: OneController::default(),
            moved: Moved::default(),
            acknowledged: Acknowledged::default(),
            committed: Committed::default(),
            high_watermark: HighWatermark::default(),
            one_leader: OneLeader::default(),
        }
    }

    fn history(&mut self, faulty: Duration) -> Result<(), Violation> {
        for id in self.nodes() {
            self.at(Duration::ZERO, Event::Start(id));
        }
        self.at(Duration::from_millis(1), Event::Produce);
        for (every, fault) in self.fault_times() {
            self.sometime(every, fault);
        }
        self.run_until(faulty)?;
        self.heal()?;
        let before = self.acknowledged.count();
        self.run_until(self.produces_until)?;
        let deadline = self.now.saturating_add(HEALING);
        while let Some(wrong) = self.what_is_wrong() {
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

    fn what_is_wrong(&self) -> Option<String> {
        let log = &self.metadata_log;
        let metadata = invariants::who_lacks_metadata(log, &self.controllers);
        metadata.or_else(|| invariants::what_is_not_served(log.image(), &self.brokers))
    }

    /// Brokers and controllers.
    fn nodes(&self) -> Vec<i32> {
        let brokers = self.brokers.iter().map(|broker| broker.id);
        brokers.chain(self.controllers.iter().map(|controller| controller.id)).collect()
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
            fault(swarm.controller_rest_every, || Event::Rest),
            fault(swarm.snapshot_every, || Event::Snapshot),
            fault(swarm.change_voters_every, || Event::ChangeVoters),
            fault(swarm.wipe_every, || Event::Wipe),
            fault(swarm.short_every, || Event::Short),
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
            if self.events > MOST_EVENTS {
                return Err(Violation::new("livelock", format!("{MOST_EVENTS} events, and no end")));
            }
            self.now = time;
            self.trace = self.trace.rotate_left(5) ^ micros(time).wrapping_mul(number | 1);
            self.happen(event)?;
        }
        self.now = end;
        Ok(())
    }

    /// What is newly committed of the metadata must be in order.
    fn check_metadata(&mut self) -> Result<(), Violation> {
        let image = self.metadata_log.image();
        if image.in_transaction() {
            return Ok(());
        }
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

    fn happen(&mut self, event: Event) -> Result<(), Violation> {
        let concerned = match &event {
            Event::Deliver(message) => Some(message.to),
            Event::Tick(id, _) | Event::ControllerTick(id, _) => Some(*id),
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
            Event::ControllerTick(id, run) => return self.controller_tick(id, run),
            Event::Synced { broker, run, partition, end, generation } => {
                let now = self.now;
                return self.with(broker, |broker, acts| {
                    if broker.run() == Some(run) {
                        broker.synced(partition, end, generation, now, acts);
                    }
                });
            }
            Event::Produce => return self.produce(),
            Event::Start(id) => return self.start(id),
            Event::Heal(a, b) => {
                self.cuts.remove(&(a, b));
            }
            Event::Resume(id) => return self.resume(id),
            Event::Room(id) => self.set_short(id, false),
            fault => return self.fault(&fault),
        }
        Ok(())
    }

    fn some_broker(&mut self, which: impl Fn(&Broker) -> bool) -> Option<i32> {
        let ids: Vec<i32> = self.brokers.iter().filter(|broker| which(broker)).map(|broker| broker.id).collect();
        self.random.pick(&ids)
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
        if message.to >= FIRST_CONTROLLER {
            return self.with_controller(message.to, |controller, acts| controller.take(message, now, acts));
        }
        self.with(message.to, |broker, acts| broker.take(message, now, acts))
    }

    /// Lets a broker act, and has what it wants done.
    fn with(&mut self, id: i32, act: impl FnOnce(&mut Broker, &mut Vec<Act>)) -> Result<(), Violation> {
        let mut acts = Vec::new();
        let Some(broker) = self.brokers.iter_mut().find(|broker| broker.id == id) else { return Ok(()) };
        act(broker, &mut acts);
        // Also what went wrong while it was down.
        if let Some(reason) = broker.broken() {
            return Err(Violation::new("log", format!("broker {id}: {reason}")));
        }
        let run = broker.run().unwrap_or(0);
        for act in acts {
            self.carry_out(id, run, act)?;
        }
        Ok(())
    }

    /// Lets a controller act, has what it wants done, and checks what it did.
    fn with_controller(
        &mut self,
        id: i32,
        act: impl FnOnce(&mut Controller, &mut Vec<ControllerAct>),
    ) -> Result<(), Violation> {
        let mut acts = Vec::new();
        let Some(controller) = self.controllers.iter_mut().find(|controller| controller.id == id) else {
            return Ok(());
        };
        act(controller, &mut acts);
        let (run, voter) = (controller.run().unwrap_or(0), controller.voter());
        for act in acts {
            match act {
                ControllerAct::Send(message) => self.send(message, Duration::ZERO),
                // After each, as one decision may undo what another did.
                ControllerAct::Committed(entry) => {
                    if self.metadata_log.note(id, &entry)? {
                        self.check_metadata()?;
                    }
                }
                ControllerAct::Applied(image) => self.metadata_log.check(id, &image)?,
                ControllerAct::Serves { epoch, index } => {
                    self.one_controller.note(epoch, id, run)?;
                    invariants::is_voter(voter, epoch, self.metadata_log.members_at(index))?;
                }
                ControllerAct::Told(rest) => invariants::told(id, &rest, &self.metadata_log)?,
                ControllerAct::Died => self.crash_controller(id),
                ControllerAct::Broken(reason) => return Err(Violation::new("controller", reason)),
            }
        }
        Ok(())
    }

    fn controller_tick(&mut self, id: i32, run: u64) -> Result<(), Violation> {
        let now = self.now;
        if !self.controllers.iter().any(|controller| controller.id == id && controller.run() == Some(run)) {
            return Ok(());
        }
        self.at(now.saturating_add(CONTROLLER_TICK), Event::ControllerTick(id, run));
        self.with_controller(id, |controller, acts| controller.tick(now, acts))?;
        self.make_topic(id)
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
                let latest = self.metadata_log.image().topics().partition(&client::topic(), partition).cloned();
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
        for topic in self.metadata_log.image().topics().iter() {
            for (number, partition) in &topic.partitions {
                let broker = self.brokers.iter().find(|broker| broker.id == partition.leader);
                let nothing = Disk::new(None);
                let disk = broker.and_then(|broker| broker.disk(*number)).unwrap_or(&nothing);
                self.acknowledged.check(*number, partition.leader, disk)?;
            }
        }
        Ok(())
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
