//! The clock, the network, the faults, and the run of a seed.

use super::check::{History, violation};
use super::coordinator::Coordinator;
use super::member::Member;
use super::message::Message;
use super::topics::{Part, Topics};
use crate::Violation;
use crate::random::Random;
use core::time::Duration;
use ottla_protocol::Str;
use std::collections::{BTreeMap, BTreeSet};

/// How often anything looks at the clock.
const STEP_MS: u64 = 10;
/// How often something may happen to members and topics.
const CHANCE_MS: u64 = 100;
/// How often the groups are looked at.
const LOOK_MS: u64 = 500;
/// How long the world is given to heal when faults have stopped.
const HEALING_MS: u64 = 120_000;
const MOST_PARTITIONS: i32 = 6;

/// What came of a seed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GroupReport {
    /// What did not hold.
    pub violation: Option<Violation>,
    /// When.
    pub at: Duration,
    /// Times that a group began to rebalance.
    pub rebalances: usize,
    /// Times that another node took over as the coordinator.
    pub failovers: usize,
    /// Processes that were members.
    pub processes: usize,
    /// Commits that were acknowledged.
    pub commits: usize,
    /// Requests that were refused: of who is fenced, behind or unknown.
    pub refusals: usize,
    /// Times that a group was seen to be stable.
    pub stable: usize,
}

/// The protocols of a group's members.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Protocols {
    Classic,
    Consumer,
    Both,
}

/// How unkind the world is; chosen by the seed.
struct Faults {
    lost_permille: u64,
    late_permille: u64,
    failover_permille: u64,
    churn_permille: u64,
    growth_permille: u64,
}

struct World {
    random: Random,
    now_ms: u64,
    faults: Faults,
    coordinator: Coordinator,
    groups: Vec<(Str, Protocols)>,
    /// All processes there ever were.
    members: Vec<Member>,
    /// Where processes are to be: the group's number, the name over restarts, who is there, and when the next one comes.
    places: Vec<(usize, Option<Str>, usize, u64)>,
    topics: Topics,
    /// How the topics were.
    counts: Vec<Topics>,
    history: History,
    /// Messages by the time they arrive, and a number that makes them differ.
    network: BTreeMap<(u64, u64), Message>,
    /// When the last message of a member, or to it, arrives.
    last_ms: BTreeMap<(usize, bool), u64>,
    /// Commits of the coordinator's log: by the time and a number, its epoch and up to where.
    commits: BTreeMap<(u64, u64), (i32, usize)>,
    sent: u64,
    report: GroupReport,
}

/// Runs a seed for so long; then faults stop, and all must be well in the end.
pub fn run(seed: u64, time: Duration) -> GroupReport {
    let mut world = World::new(seed);
    let end_ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let violation = world.run(end_ms).err();
    let history = &world.history;
    GroupReport {
        violation,
        at: Duration::from_millis(world.now_ms),
        rebalances: world.coordinator.rebalances,
        processes: world.members.len(),
        commits: history.commits,
        refusals: history.refusals,
        stable: history.stable,
        ..world.report
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let faults = Faults {
            lost_permille: random.below(40),
            late_permille: random.below(60),
            failover_permille: random.below(30),
            churn_permille: random.below(60),
            growth_permille: random.below(12),
        };
        let protocols = [Protocols::Classic, Protocols::Consumer, Protocols::Both];
        let groups: Vec<(Str, Protocols)> = ["g", "h"]
            .into_iter()
            .map(|group| (Str::from_static(group), random.pick(&protocols).unwrap_or(Protocols::Both)))
            .collect();
        let topics = Topics { partitions: [i32::try_from(random.between(1, 4)).unwrap_or(1), 0], changes: 0 };
        let mut world = Self {
            coordinator: Coordinator::new(topics.clone()),
            random,
            now_ms: 0,
            faults,
            groups,
            members: Vec::new(),
            places: Vec::new(),
            counts: vec![topics.clone()],
            topics,
            history: History::default(),
            network: BTreeMap::new(),
            last_ms: BTreeMap::new(),
            commits: BTreeMap::new(),
            sent: 0,
            report: GroupReport::default(),
        };
        for group in 0..world.groups.len() {
            for place in 0..world.random.between(2, 4) {
                let instance = world.random.permille(300).then(|| Str::from(format!("i-{place}").as_str()));
                let member = world.start(group, instance.clone(), None);
                world.places.push((group, instance, member, 0));
            }
        }
        world
    }

    /// A process begins in a group, maybe in another's place.
    fn start(&mut self, group: usize, instance: Option<Str>, before: Option<usize>) -> usize {
        let number = self.members.len();
        let (id, protocols) = self.groups.get(group).cloned().unwrap_or((Str::default(), Protocols::Both));
        let before = before.and_then(|before| self.members.get(before));
        let is_classic = match protocols {
            Protocols::Classic => true,
            Protocols::Consumer => false,
            // A static member does not come back with another protocol.
            Protocols::Both => match before.filter(|_| instance.is_some()) {
                Some(before) => before.is_classic,
                None => self.random.permille(500),
            },
        };
        let reads = match before.filter(|_| instance.is_some()) {
            Some(before) => before.reads.clone(),
            None => some_topics(&mut self.random),
        };
        let assigned_last = before.filter(|_| instance.is_some()).and_then(|before| before.assigned_last.clone());
        let mut member = Member::new(number, id, is_classic, instance, reads);
        member.assigned_last = assigned_last;
        self.members.push(member);
        number
    }

    fn run(&mut self, end_ms: u64) -> Result<(), Violation> {
        while self.now_ms < end_ms {
            self.step(true)?;
        }
        // What is under way yet is lost, and whoever is there stays.
        self.network.clear();
        self.members.iter_mut().for_each(|member| member.paused_until_ms = None);
        let healed_ms = self.now_ms + HEALING_MS;
        while self.now_ms < healed_ms {
            self.step(false)?;
        }
        (0..self.groups.len()).try_for_each(|group| self.has_settled(group))
    }

    /// Members of one epoch own all that they read, each partition by one of them.
    fn has_settled(&self, group: usize) -> Result<(), Violation> {
        let places = self.places.iter().filter(|place| place.0 == group);
        let members: Vec<&Member> = places.filter_map(|place| self.members.get(place.2)).collect();
        let owned: Vec<Part> = members.iter().flat_map(|member| &member.owned).copied().collect();
        let distinct: BTreeSet<Part> = owned.iter().copied().collect();
        let read = members.iter().flat_map(|member| &member.reads).copied().collect();
        let epochs: BTreeSet<i32> = members.iter().map(|member| member.epoch).collect();
        if distinct.len() != owned.len() || distinct != self.topics.of(&read) || epochs.len() > 1 {
            return Err(violation("members converge", format!("{:?}: {members:#?}", self.topics)));
        }
        Ok(())
    }

    fn step(&mut self, faulty: bool) -> Result<(), Violation> {
        self.now_ms += STEP_MS;
        if faulty && self.now_ms.is_multiple_of(CHANCE_MS) {
            self.make_faults();
        }
        self.restart();
        self.deliver()?;
        self.commit();
        self.coordinator.tick(self.now_ms);
        for member in &mut self.members {
            member.tick(self.now_ms, &mut self.random, &self.topics, &self.history.acknowledged);
        }
        self.collect(faulty);
        if self.now_ms.is_multiple_of(LOOK_MS) {
            let groups: Vec<Str> = self.groups.iter().map(|(group, _)| group.clone()).collect();
            self.coordinator.describe(self.now_ms, &groups);
        }
        for reply in core::mem::take(&mut self.coordinator.described) {
            self.history.described(&reply, &self.counts)?;
        }
        self.coordinator.violation.take().map_or(Ok(()), Err)
    }

    fn make_faults(&mut self) {
        if self.random.permille(self.faults.failover_permille) && self.coordinator.down_until_ms.is_none() {
            self.report.failovers += 1;
            let (low, high) = (self.coordinator.committed, self.coordinator.end());
            let more = self.random.below(u64::try_from(high - low).unwrap_or(0) + 1);
            let up_at_ms = self.now_ms + self.random.between(5, 6_000);
            self.coordinator.fail_over(low + usize::try_from(more).unwrap_or(0), up_at_ms);
        }
        if self.random.permille(self.faults.growth_permille) {
            let topic = usize::try_from(self.random.below(2)).unwrap_or(0);
            if let Some(count) = self.topics.partitions.get_mut(topic).filter(|count| **count < MOST_PARTITIONS) {
                *count += 1;
                self.topics.changes += 1;
                self.counts.push(self.topics.clone());
                self.coordinator.tell_topics(self.now_ms, self.topics.clone());
            }
        }
        if self.random.permille(self.faults.churn_permille) {
            self.meet_somebody();
        }
    }

    /// Something happens to a process.
    fn meet_somebody(&mut self) {
        let at = self.random.below(u64::try_from(self.places.len()).unwrap_or(1));
        let Some(place) = usize::try_from(at).ok().and_then(|at| self.places.get_mut(at)) else { return };
        let Some(member) = self.members.get_mut(place.2).filter(|member| !member.is_dead) else { return };
        match self.random.below(5) {
            0 => member.is_dead = true,
            1 => member.leave(self.random.permille(500)),
            2 | 3 => member.paused_until_ms = Some(self.now_ms + self.random.between(500, 25_000)),
            // Static members of the classic protocol are not heard when they come back and read something else.
            _ if member.instance.is_none() => {
                let reads = some_topics(&mut self.random);
                member.changes_to(reads);
            }
            _ => {}
        }
        if member.is_dead {
            place.3 = self.now_ms + self.random.between(10, 15_000);
        }
    }

    /// Where a process has ended another begins.
    fn restart(&mut self) {
        for at in 0..self.places.len() {
            let Some((group, instance, before, at_ms)) = self.places.get(at).cloned() else { continue };
            let is_dead = self.members.get(before).is_none_or(|member| member.is_dead);
            if is_dead && at_ms <= self.now_ms {
                let member = self.start(group, instance, Some(before));
                if let Some(place) = self.places.get_mut(at) {
                    place.2 = member;
                }
            }
        }
    }

    fn deliver(&mut self) -> Result<(), Violation> {
        while let Some(entry) = self.network.first_entry() {
            let ((at_ms, number), message) = (*entry.key(), entry.get());
            if at_ms > self.now_ms {
                break;
            }
            let member = message.member();
            let message = entry.remove();
            match message {
                Message::Asked(caller, request) => {
                    if let Some(member) = self.members.get(member) {
                        let group = member.group.clone();
                        self.coordinator.take(self.now_ms, caller, &group, request);
                        self.note_append();
                    }
                }
                Message::Told(caller, reply, life) => {
                    let Some(member) = self.members.get_mut(member).filter(|member| !member.is_dead) else { continue };
                    if let Some(until_ms) = member.paused_until_ms.filter(|until_ms| *until_ms > self.now_ms) {
                        self.network.insert((until_ms, number), Message::Told(caller, reply, life));
                        continue;
                    }
                    let told = (caller.attempt, reply, life);
                    member.take(self.now_ms, told, &mut self.history, &self.coordinator.offsets)?;
                }
            }
        }
        Ok(())
    }

    /// What was appended is committed a while later, unless it is lost before.
    fn note_append(&mut self) {
        if self.coordinator.end() > self.coordinator.committed {
            let at_ms = self.now_ms + self.random.between(1, 40);
            self.sent += 1;
            self.commits.insert((at_ms, self.sent), (self.coordinator.epoch, self.coordinator.end()));
        }
    }

    fn commit(&mut self) {
        self.note_append();
        while let Some(entry) = self.commits.first_entry() {
            if entry.key().0 > self.now_ms {
                break;
            }
            let (epoch, end) = entry.remove();
            if epoch == self.coordinator.epoch {
                self.coordinator.commit(end);
            }
        }
    }

    /// Puts what was said on the network.
    fn collect(&mut self, faulty: bool) {
        let mut said = core::mem::take(&mut self.coordinator.out);
        for member in &mut self.members {
            said.append(&mut member.out);
        }
        for message in said {
            if faulty && self.random.permille(self.faults.lost_permille) {
                continue;
            }
            let late = faulty && self.random.permille(self.faults.late_permille);
            let after_ms = if late { self.random.between(100, 15_000) } else { self.random.between(1, 40) };
            let way = (message.member(), matches!(message, Message::Asked(..)));
            let last_ms = self.last_ms.entry(way).or_default();
            *last_ms = (*last_ms).max(self.now_ms + after_ms);
            self.sent += 1;
            self.network.insert((*last_ms, self.sent), message);
        }
    }
}

fn some_topics(random: &mut Random) -> BTreeSet<usize> {
    match random.below(3) {
        0 => BTreeSet::from([0]),
        1 => BTreeSet::from([1]),
        _ => BTreeSet::from([0, 1]),
    }
}
