//! A controller of the world: a voter of the quorum, with the machine of production while it leads, and what of it outlives a crash.
//!
//! What it does follows the broker's `controller/voter.rs`, step by step.

mod leading;
mod log;
mod requests;
mod settings;
mod standing;
mod upkeep;

pub(crate) use self::leading::Rest;
pub(crate) use self::settings::{CLUSTER, TICK};

use self::leading::{Ended, Leading, Stage};
use self::log::{Batch, MetadataDisk};
use self::standing::Standing;
use crate::message::{Body, Message};
use crate::random::Random;
use core::time::Duration;
use ottla_metadata::Image;
use ottla_metadata::controller::{Activate, Event};
use ottla_protocol::Uuid;
use ottla_protocol::batch::control::ControlType;
use ottla_quorum::{Committed, Founding, Members, MemoryStore, Quorum, Role, SnapshotId, Voter};
use ottla_state_machine::{Now, Ticket};
use std::collections::BTreeMap;

/// What a controller wants of the world, and what is to be checked of it.
pub(crate) enum Act {
    Send(Message),
    /// An entry was handed out as committed.
    Committed(Committed),
    /// It has taken in all below an offset, which makes this image.
    Applied(Box<Image>),
    /// It serves in an epoch, of which an entry with this index is the first.
    Serves {
        epoch: i32,
        index: u64,
    },
    /// Somebody is told something that rests on a batch and all before it.
    Told(Rest),
    /// It cannot go on and must be started anew, as after a power cut.
    Died,
    /// What should not be possible.
    Broken(String),
}

/// Who waits for an answer.
struct Caller {
    id: i32,
    run: u64,
    /// The partition and the number of what it asked, if it altered one.
    altering: Option<(i32, u64)>,
}

/// A snapshot that was asked for.
struct Fetching {
    id: SnapshotId,
    since: Duration,
}

/// What a controller's process knows; gone when it ends.
struct Process {
    run: u64,
    quorum: Quorum<MemoryStore>,
    /// The metadata as it is committed.
    image: Image,
    leading: Option<Leading>,
    standing: Standing,
    callers: BTreeMap<Ticket, Option<Caller>>,
    next_ticket: u64,
    /// The last wish for another in-sync set of each run of a broker.
    asked: BTreeMap<(i32, u64), u64>,
    fetching: Option<Fetching>,
    /// A snapshot that is being written, and when it is there.
    generating: Option<(Duration, SnapshotId, crate::message::Records)>,
    wants_snapshot: bool,
}

pub(crate) struct Controller {
    pub(crate) id: i32,
    directory_id: Uuid,
    activate: Activate,
    /// The first voters, if it is one of them.
    founders: Option<Vec<Voter>>,
    seed: u64,
    runs: u64,
    /// What outlives the process.
    store: MemoryStore,
    disk: MetadataDisk,
    /// It dies with what it does next, after so many messages.
    dying: Option<u64>,
    process: Option<Process>,
    /// Snapshots of others that it put in place.
    pub(crate) installed: usize,
    /// Messages of others that were not taken.
    pub(crate) refused: usize,
}

/// The directory that a controller's log is in; another one each time its disk is replaced.
pub(crate) fn directory(id: i32, turn: u8) -> Uuid {
    let mut bytes = [turn; 16];
    for (byte, of) in bytes.iter_mut().zip(id.to_be_bytes()) {
        *byte = of;
    }
    Uuid::from_bytes(bytes)
}

impl Controller {
    pub(crate) fn new(id: i32, founders: Option<Vec<Voter>>, eligible_leader_replicas: bool, seed: u64) -> Self {
        Self {
            id,
            directory_id: directory(id, 1),
            activate: settings::activate(id, eligible_leader_replicas),
            founders,
            seed,
            runs: 0,
            store: MemoryStore::new(),
            disk: MetadataDisk::default(),
            dying: None,
            process: None,
            installed: 0,
            refused: 0,
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.process.is_some()
    }

    pub(crate) fn run(&self) -> Option<u64> {
        self.process.as_ref().map(|process| process.run)
    }

    pub(crate) fn voter(&self) -> Voter {
        Voter { id: self.id, directory_id: self.directory_id }
    }

    /// The members as it knows them.
    pub(crate) fn members(&self) -> Option<&Members> {
        self.process.as_ref().map(|process| process.quorum.members())
    }

    /// Where its metadata log ends.
    pub(crate) fn end(&self) -> i64 {
        self.disk.end()
    }

    /// The epoch in which it serves.
    pub(crate) fn serves(&self) -> Option<i32> {
        let leading = self.process.as_ref()?.leading.as_ref()?;
        (leading.stage == Stage::Serving && leading.due.is_none()).then_some(leading.epoch)
    }

    pub(crate) fn start(&mut self) -> Result<(), String> {
        self.runs += 1;
        let settings = settings::quorum(self.id, self.directory_id, self.seed.wrapping_add(self.runs));
        let founding = self.founders.clone();
        let founding = founding.map(|voters| Founding {
            voters,
            epoch: 0,
            snapshot: SnapshotId::default(),
            inherited: Vec::new(),
        });
        let quorum =
            Quorum::open(settings, self.store.clone(), founding.as_ref()).map_err(|error| error.to_string())?;
        self.process = Some(Process {
            run: self.runs,
            quorum,
            image: self.disk.open()?,
            leading: None,
            standing: Standing::default(),
            callers: BTreeMap::new(),
            next_ticket: 0,
            asked: BTreeMap::new(),
            fetching: None,
            generating: None,
            wants_snapshot: false,
        });
        Ok(())
    }

    /// The process is killed or the power cut: any part of the end that was not synced is gone.
    pub(crate) fn crash(&mut self, random: &mut Random) {
        self.process = None;
        self.dying = None;
        let unsynced = u64::try_from(self.store.unsynced()).unwrap_or(0);
        self.store.crash(usize::try_from(random.below(unsynced + 1)).unwrap_or(0));
        self.disk.crash(random);
    }

    /// The next thing that it does is its last; only so many messages of it leave.
    pub(crate) fn crash_soon(&mut self, messages: u64) {
        self.dying = Some(messages);
    }

    /// Its disk takes no more writes until it is started anew.
    pub(crate) fn fail_disk(&mut self) {
        self.store.set_failing(true);
    }

    /// The process ends in order: another one is to lead.
    pub(crate) fn stop(&mut self, acts: &mut Vec<Act>) {
        let Some(process) = &mut self.process else { return };
        if process.leading.is_some() {
            let peers = process.quorum.status().peers;
            let others = peers.iter().filter(|peer| peer.member.voter.id != self.id && !peer.member.learner);
            if let Some(best) = others.max_by_key(|peer| peer.matched)
                && process.quorum.transfer_leadership(best.member.voter.id).is_ok()
            {
                let (from, run) = (self.id, process.run);
                let mut send = |to, bytes| acts.push(Act::Send(Message { from, to, run, body: Body::Raft(bytes) }));
                process.quorum.advance(&mut send).ok();
            }
        }
        self.process = None;
        self.disk.sync();
    }

    /// Its disk is replaced by an empty one.
    pub(crate) fn wipe(&mut self, turn: u8) {
        self.process = None;
        self.store = MemoryStore::new();
        self.disk = MetadataDisk::default();
        self.directory_id = directory(self.id, turn);
        self.founders = None;
    }

    pub(crate) fn tick(&mut self, now: Duration, acts: &mut Vec<Act>) {
        let Some(process) = &mut self.process else { return };
        process.quorum.tick();
        self.timers(now, acts);
        self.settle(now, acts);
    }

    fn timers(&mut self, now: Duration, acts: &mut Vec<Act>) {
        while self.may_decide() {
            let leading = self.process.as_mut().and_then(|process| process.leading.as_mut());
            let shard = leading.and_then(|leading| leading.shard.as_mut());
            let Some(event) = shard.and_then(|shard| shard.pop_timeout(at(now))) else { return };
            self.decide(now, None, event, acts);
        }
    }

    fn decide(&mut self, now: Duration, ticket: Option<Ticket>, event: Event, acts: &mut Vec<Act>) {
        let Some(process) = &mut self.process else { return };
        let Some(leading) = &mut process.leading else { return };
        let decided = leading.decide(&mut process.quorum, at(now), ticket, event);
        self.ended(decided, acts);
    }

    fn ended(&mut self, outcome: Result<(), Ended>, acts: &mut Vec<Act>) {
        match outcome {
            Ok(()) => {}
            Err(Ended::Refused) => self.step_down(),
            Err(Ended::Broken(reason)) => acts.push(Act::Broken(format!("{}: {reason}", self.id))),
        }
    }

    /// Nobody is told anything more, and what was decided and is not committed is forgotten.
    fn step_down(&mut self) {
        if let Some(process) = &mut self.process {
            process.leading = None;
            process.callers.clear();
        }
    }

    /// Has the quorum make durable and send what there is, and takes in what it says, until there is nothing more.
    fn settle(&mut self, now: Duration, acts: &mut Vec<Act>) {
        loop {
            let Some(process) = &mut self.process else { return };
            let (from, run, mut left) = (self.id, process.run, self.dying);
            let mut send = |to, bytes| {
                let lost = left.as_mut().is_some_and(|left| core::mem::replace(left, left.saturating_sub(1)) == 0);
                if !lost {
                    acts.push(Act::Send(Message { from, to, run, body: Body::Raft(bytes) }));
                }
            };
            let advanced = process.quorum.advance(&mut send);
            let progress = match advanced {
                Ok(progress) if self.dying.is_none() => progress,
                Ok(_) | Err(_) => return acts.push(Act::Died),
            };
            if let Some(role) = progress.role {
                self.change_role(role);
            }
            if let Some(snapshot) = progress.install {
                self.fetch(&snapshot, now, acts);
            }
            if progress.snapshot_wanted {
                self.want_snapshot();
            }
            let is_idle = progress.committed.is_empty() && !progress.more;
            if let Err(reason) = self.take_in(progress.committed, now, acts) {
                return acts.push(Act::Broken(format!("{}: {reason}", self.id)));
            }
            if is_idle {
                break;
            }
        }
        self.upkeep(now, acts);
    }

    fn change_role(&mut self, role: Role) {
        self.step_down();
        if let (Role::Leader { epoch }, Some(process)) = (role, &mut self.process) {
            process.leading = Some(Leading::new(epoch));
        }
    }

    /// Applies what is committed and answers.
    fn take_in(&mut self, committed: Vec<Committed>, now: Duration, acts: &mut Vec<Act>) -> Result<(), String> {
        let is_news = !committed.is_empty();
        for entry in committed {
            let Some(process) = &mut self.process else { return Ok(()) };
            if let Some(leading) = &mut process.leading {
                leading.passed(&entry);
            }
            if !entry.data.is_empty() {
                self.append(&entry)?;
            }
            acts.push(Act::Committed(entry));
        }
        if let Some(process) = self.process.as_ref().filter(|_| is_news) {
            acts.push(Act::Applied(Box::new(process.image.clone())));
        }
        self.answer(acts);
        self.begin_stage(now, acts);
        Ok(())
    }

    /// Does what a stage begins with, unless the leadership is being handed over: that may come to nothing.
    fn begin_stage(&mut self, now: Duration, acts: &mut Vec<Act>) {
        let Some(process) = self.process.as_mut().filter(|process| process.quorum.may_propose()) else { return };
        let Some(leading) = &mut process.leading else { return };
        match (leading.stage, leading.due.take()) {
            (Stage::Opening, Some(_)) => self.open(acts),
            (Stage::Serving, Some(index)) => self.serve(now, index, acts),
            _ => {}
        }
    }

    /// Whether an event may be decided now.
    fn may_decide(&self) -> bool {
        let Some(process) = &self.process else { return false };
        let serves = |leading: &Leading| leading.stage == Stage::Serving && leading.due.is_none();
        process.leading.as_ref().is_some_and(serves) && process.quorum.may_propose()
    }

    fn append(&mut self, entry: &Committed) -> Result<(), String> {
        let batch = Batch::parse(entry.data.clone())?;
        let end = self.disk.end();
        if let Some(process) = &mut self.process {
            process.standing.note(entry.index, batch.end);
        }
        // After a start what the log has already is handed out again.
        if batch.end <= end {
            return Ok(());
        }
        if batch.base != end {
            return Err(format!("entry {} holds offset {}, and the log ends at {end}", entry.index, batch.base));
        }
        if let Some(process) = &mut self.process {
            log::apply(&mut process.image, &batch.records)?;
            process.image.advance(batch.end, batch.epoch);
        }
        self.disk.append(batch);
        Ok(())
    }

    /// All before this epoch is applied: the epoch begins with a record of its leader.
    fn open(&mut self, acts: &mut Vec<Act>) {
        let end = self.disk.end();
        let Some(process) = &mut self.process else { return };
        let Some(leading) = &mut process.leading else { return };
        let batch = leading::control(ControlType::LeaderChange, (end, leading.epoch));
        let opened = batch.and_then(|batch| leading.propose_batch(&mut process.quorum, &batch));
        self.ended(opened, acts);
    }

    /// The epoch has begun: this controller decides from now on.
    fn serve(&mut self, now: Duration, index: u64, acts: &mut Vec<Act>) {
        let end = self.disk.end();
        let ticket = self.new_ticket(None);
        let Some(process) = &mut self.process else { return };
        let Some(leading) = &mut process.leading else { return };
        let epoch = leading.epoch;
        let served = leading.serve(&mut process.quorum, &process.image, end, at(now));
        let served = served.and_then(|()| {
            let event = Event::Activate(ticket, self.activate.clone());
            leading.decide(&mut process.quorum, at(now), Some(ticket), event)
        });
        acts.push(Act::Serves { epoch, index });
        self.ended(served, acts);
    }

    fn new_ticket(&mut self, caller: Option<Caller>) -> Ticket {
        let Some(process) = &mut self.process else { return Ticket(0) };
        process.next_ticket += 1;
        let ticket = Ticket(process.next_ticket);
        process.callers.insert(ticket, caller);
        ticket
    }

    /// What it is, for who looks into a violation.
    pub(crate) fn describe(&self) -> String {
        let Some(process) = &self.process else { return format!("\n{} is down", self.id) };
        let status = process.quorum.status();
        let stage = process.leading.as_ref().map(|leading| leading.stage);
        let peers = status.peers.iter().map(|peer| (peer.member.voter.id, peer.member.learner, peer.matched));
        format!(
            "\n{} {:?} {stage:?}, dropped, committed, last {:?}, log ends at {}, fetches {:?}, snapshot {:?}, wanted {}, {:?}",
            self.id,
            status.role,
            (status.compacted_index, status.commit_index, status.last_index),
            self.disk.end(),
            process.fetching.as_ref().map(|fetching| fetching.id),
            self.disk.latest(),
            process.wants_snapshot || process.generating.is_some(),
            peers.collect::<Vec<_>>(),
        )
    }
}

fn at(now: Duration) -> Now {
    Now { monotonic: now, wall_ms: 0 }
}
