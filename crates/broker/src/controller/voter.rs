//! Drives the controller where several vote: what is decided is committed once a majority has it, and whoever they elect decides.
//!
//! The metadata log has what is committed and nothing else; what is on its way is the quorum's. A node that is elected waits until
//! all before its epoch is applied, opens the epoch with a record of it, and serves when that is committed.

mod change;
mod observing;
mod snapshots;
mod succession;

use super::{
    Command, GROUP, Handle, Parts, Thread,
    leading::{Leading, Stage},
    standing::Standing,
};
use crate::{controllers::Active, metadata_log::MetadataLog, metadata_quorum::address, suspicion};
use anyhow::Context as _;
use change::Pending;
use ottla_metadata::controller::{Event, Reply};
use ottla_protocol::batch::CheckedBatch;
use ottla_quorum::{Committed, Quorum, RocksStore, Role};
use ottla_state_machine::Ticket;
use std::{
    collections::HashMap,
    sync::{
        atomic::Ordering,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};
use tokio::sync::oneshot;
use tracing::{debug, error, info};

/// How often the quorum hears that time passed.
pub(crate) const TICK: Duration = Duration::from_millis(50);
/// How often votes are sought, a tick apart, before that is left to the quorum's own time.
const SEEKS: u32 = 5;

/// One voter, or a controller that has no vote.
pub(crate) struct Voter {
    parts: Parts,
    quorum: Quorum<RocksStore>,
    handle: Handle,
    callers: HashMap<Ticket, oneshot::Sender<Reply>>,
    next_ticket: u64,
    leading: Option<Leading>,
    standing: Standing,
    next_tick: Duration,
    /// How often votes are yet to be sought in place of a leader that is gone.
    seeks: u32,
    /// A change of the voters that was begun, and has not ended.
    pending: Option<Pending>,
    /// The entry of the last change of what the log says of the voters, until it is committed.
    uncommitted: Option<u64>,
    /// When the quorum's leader was heard of last.
    attached_at: Duration,
}

impl Voter {
    /// `begin` is where the metadata log ended before the quorum's first entry.
    pub(super) fn new(parts: Parts, quorum: Quorum<RocksStore>, begin: i64, handle: Handle) -> Self {
        let now = parts.clock.monotonic();
        Self {
            parts,
            quorum,
            handle,
            callers: HashMap::new(),
            next_ticket: 0,
            leading: None,
            standing: Standing::new(begin),
            next_tick: now,
            seeks: 0,
            pending: None,
            uncommitted: None,
            attached_at: now,
        }
    }

    /// Serves on a thread of its own.
    pub(crate) fn start(parts: Parts, quorum: Quorum<RocksStore>) -> anyhow::Result<(Handle, Thread)> {
        let (handle, receiver) = Handle::new();
        let begin = quorum.status().snapshot.end_offset;
        let voter = Self::new(parts, quorum, begin, handle.clone());
        let thread = std::thread::Builder::new().name("controller".into()).spawn(move || voter.run(&receiver))?;
        Ok((handle, thread))
    }

    pub(super) fn run(mut self, commands: &Receiver<Command>) -> MetadataLog {
        self.tell_state();
        loop {
            let first = match commands.recv_timeout(self.wait()) {
                Ok(command) => Some(command),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return self.parts.log,
            };
            let mut stop = false;
            let batch = first.into_iter().chain(commands.try_iter().take(GROUP));
            let outcome = self.work(batch, &mut stop);
            if let Err(reason) = outcome {
                // What is on disk is unknown now: nothing more may be promised. Nor may this node's broker go on, which would not hear
                // who leads what.
                let reason = format!("the quorum's log failed: {reason:#}");
                error!("{reason}");
                self.step_down();
                self.parts.publisher.failed(&reason);
                self.parts.publisher.broker().give_up(reason);
                return self.parts.log;
            }
            if stop {
                self.step_down();
                return self.parts.log;
            }
        }
    }

    fn wait(&self) -> Duration {
        let now = self.parts.clock.monotonic();
        let timer = self.leading.as_ref().and_then(|leading| leading.shard.as_ref()?.next_timeout());
        let due = self.next_tick.min(self.parts.upkeep.next());
        timer.map_or(due, |timer| timer.min(due)).saturating_sub(now)
    }

    fn work(&mut self, batch: impl Iterator<Item = Command>, stop: &mut bool) -> anyhow::Result<()> {
        for command in batch {
            match command {
                Command::Submit(make, caller) => self.submit(make, caller)?,
                // Who stops does not wait for an answer for ever.
                Command::Resign(caller) => drop(caller.send(self.resign())),
                Command::Members(ask, caller) => self.ask(ask, caller)?,
                Command::News(news, taken) => {
                    self.take_news(news)?;
                    // Whoever brought it may have been told to stop meanwhile.
                    let _ = taken.send(());
                }
                Command::Notify(event) => {
                    if self.may_decide() {
                        self.decide(event)?;
                    }
                }
                Command::Lost(id) => self.lost(id),
                Command::Gone(id) => self.gone(id)?,
                Command::Raft(message) => {
                    if let Err(refused) = self.quorum.receive(message) {
                        debug!(%refused, "a message of another controller is not taken");
                    }
                }
                Command::Installed { id, bytes } => self.install(id, bytes)?,
                Command::NotInstalled(id) => self.quorum.not_installed(id),
                Command::Stop => *stop = true,
            }
        }
        let now = self.parts.clock.monotonic();
        // After a pause one tick stands for all that were missed: others are given their time again.
        if now >= self.next_tick {
            if !self.is_removed() {
                self.quorum.tick();
            }
            self.next_tick = now + TICK;
            self.seek_votes()?;
        }
        self.timers()?;
        self.settle()?;
        self.go_on_changing()?;
        self.upkeep()
    }

    fn submit(&mut self, make: super::MakeEvent, caller: oneshot::Sender<Reply>) -> anyhow::Result<()> {
        // A caller that is dropped is told that this controller is not available.
        if !self.may_decide() {
            return Ok(());
        }
        let ticket = self.new_ticket();
        self.callers.insert(ticket, caller);
        self.decide(make(ticket))
    }

    fn new_ticket(&mut self) -> Ticket {
        self.next_ticket += 1;
        Ticket(self.next_ticket)
    }

    fn may_decide(&self) -> bool {
        let serves = self.leading.as_ref().is_some_and(|leading| leading.shard.is_some());
        serves && self.quorum.may_propose()
    }

    fn decide(&mut self, event: Event) -> anyhow::Result<()> {
        let now = self.parts.clock.now();
        let Some(leading) = self.leading.as_mut() else { return Ok(()) };
        leading.decide(&mut self.quorum, now, event)
    }

    fn timers(&mut self) -> anyhow::Result<()> {
        while self.may_decide() {
            let now = self.parts.clock.now();
            let shard = self.leading.as_mut().and_then(|leading| leading.shard.as_mut());
            let Some(event) = shard.and_then(|shard| shard.pop_timeout(now)) else { break };
            self.decide(event)?;
        }
        Ok(())
    }

    /// Has the quorum make durable and send what there is, and takes in what it says, until there is nothing more.
    fn settle(&mut self) -> anyhow::Result<()> {
        loop {
            let (quorum, peers) = (&mut self.quorum, &self.parts.peers);
            let progress = quorum.advance(&mut |to, message| peers.send(to, message))?;
            if let Some(role) = progress.role {
                self.change_role(role);
            }
            if let Some(snapshot) = progress.install {
                self.fetch(snapshot);
            }
            if progress.snapshot_wanted {
                self.parts.upkeep.want_snapshot();
            }
            let is_idle = progress.committed.is_empty() && !progress.more;
            self.take_in(progress.committed)?;
            self.go_on()?;
            // What was decided without a record waits for nothing.
            self.answer(self.parts.log.end_offset());
            if is_idle {
                break;
            }
        }
        self.tell();
        Ok(())
    }

    fn change_role(&mut self, role: Role) {
        match role {
            Role::Leader { epoch } => {
                info!("this controller was elected, in epoch {epoch}");
                self.step_down();
                self.leading = Some(Leading::new(epoch, &self.parts.own));
            }
            Role::Follower { leader, epoch } => {
                self.step_down();
                info!("node {leader} is the active controller, in epoch {epoch}");
            }
            Role::Unattached { epoch } => {
                self.step_down();
                info!("no controller is active, as far as is known here, in epoch {epoch}");
            }
        }
        self.parts.log.note_epoch(role_epoch(role), role_leader(role, self.parts.node_id));
        self.set_active(role);
        // Who follows this node hears of the epoch before it gets records of it.
        self.tell();
    }

    /// Tells this node's broker who is active by the quorum.
    fn set_active(&self, role: Role) {
        let address = |id| self.parts.peers.address(id);
        let active = match role {
            Role::Follower { leader, epoch } => address(leader).map(|address| Active { id: leader, epoch, address }),
            // It is told when it serves; asked before, it would say that it is not active.
            Role::Leader { .. } | Role::Unattached { .. } => None,
        };
        self.parts.controllers.set_active(active);
    }

    /// Nobody is told anything more, and what was decided and is not committed is forgotten.
    fn step_down(&mut self) {
        self.handle.active.store(false, Ordering::Release);
        self.callers.clear();
        self.leading = None;
        self.forget_change();
    }

    /// Applies what is committed, publishes it and answers.
    fn take_in(&mut self, committed: Vec<Committed>) -> anyhow::Result<()> {
        let before = self.parts.log.end_offset();
        for entry in committed {
            if let Some(leading) = self.leading.as_mut() {
                leading.passed(&entry);
            }
            match entry.data.is_empty() {
                true => self.standing.note_nothing(entry.index),
                false => self.append(&entry)?,
            }
            if entry.members.is_some() {
                self.parts.peers.set_members(self.quorum.members());
            }
            self.changed(entry.index);
        }
        self.publish(before)
    }

    /// What was appended since the log had an end counts for all.
    fn publish(&mut self, before: i64) -> anyhow::Result<()> {
        let end = self.parts.log.end_offset();
        if end > before {
            self.parts.log.commit();
            self.parts.publisher.publish(end, self.parts.log.latest_epoch()).map_err(anyhow::Error::msg)?;
        }
        Ok(())
    }

    /// Does what comes next in a leader's time, if the quorum takes proposals: while it hands over it does not.
    fn go_on(&mut self) -> anyhow::Result<()> {
        if !self.quorum.may_propose() {
            return Ok(());
        }
        match self.leading.as_mut().and_then(|leading| leading.due.take()) {
            Some(Stage::Opening) => self.open(),
            Some(Stage::Serving) => self.serve(),
            Some(Stage::Elected) | None => Ok(()),
        }
    }

    fn append(&mut self, entry: &Committed) -> anyhow::Result<()> {
        let batch = CheckedBatch::parse(entry.data.clone())?;
        self.standing.note(entry.index, batch.header().next_offset());
        self.append_batch(batch).with_context(|| format!("entry {} of the quorum", entry.index))
    }

    /// Appends what is committed, unless the log has it: after a start, or where it was fetched, it comes again.
    fn append_batch(&mut self, batch: CheckedBatch) -> anyhow::Result<()> {
        let (base, end) = (batch.header().base_offset, self.parts.log.end_offset());
        if batch.header().next_offset() <= end {
            return Ok(());
        }
        anyhow::ensure!(base == end, "a batch begins at offset {base}, and the metadata log ends at {end}");
        let told = self.parts.state.take(&batch)?;
        let records = self.parts.log.append_committed(batch)?;
        self.parts.publisher.note(records);
        if told {
            self.tell_state();
            if self.may_decide() {
                self.decide(Event::Resettle(self.parts.activation().settings))?;
            }
        }
        Ok(())
    }

    fn answer(&mut self, end: i64) {
        let Some(leading) = self.leading.as_mut() else { return };
        for (ticket, reply) in leading.committed(end) {
            match (self.callers.remove(&ticket), reply) {
                // A caller that is gone does not hear the answer, and need not.
                (Some(caller), reply) => drop(caller.send(reply)),
                (None, Reply::Activate(Err(error))) => {
                    error!("the controller does not start: {error}");
                }
                (None, _) => {}
            }
        }
    }

    /// All before this epoch is applied: the epoch begins with a record of its leader.
    fn open(&mut self) -> anyhow::Result<()> {
        let Parts { log, clock, node_id, state, own, .. } = &self.parts;
        let Some(leading) = self.leading.as_mut() else { return Ok(()) };
        let voters: Vec<i32> = self.quorum.members().voters().map(|voter| voter.id).collect();
        let leader = (*node_id, leading.epoch);
        let batch = log.leader_change(leader, &voters, state, own, clock.now().wall_ms)?;
        leading.propose_batch(&mut self.quorum, log.end_offset(), batch)?;
        Ok(())
    }

    /// The epoch has begun: this controller decides from now on.
    fn serve(&mut self) -> anyhow::Result<()> {
        let now = self.parts.clock.now();
        let ticket = self.new_ticket();
        let (image, end) = (self.parts.publisher.image().clone(), self.parts.log.end_offset());
        let Some(leading) = self.leading.as_mut() else { return Ok(()) };
        leading.serve(&mut self.quorum, &image, end, now)?;
        leading.decide(&mut self.quorum, now, Event::Activate(ticket, self.parts.activation()))?;
        self.handle.active.store(true, Ordering::Release);
        let (id, epoch) = (self.parts.node_id, leading.epoch);
        let address = self.parts.peers.address(id);
        self.parts.controllers.set_active(address.map(|address| Active { id, epoch, address }));
        info!("this controller is active, in epoch {epoch}");
        // What ended while nobody was active is not waited for.
        self.parts.peers.spawn(suspicion::look_at_all(self.parts.publisher.broker().clone()));
        Ok(())
    }

    /// Lets everybody know how the quorum stands.
    fn tell(&mut self) {
        let status = self.quorum.status();
        let now_ms = self.parts.clock.now().wall_ms;
        let serves = self.handle.active.load(Ordering::Acquire);
        let mut view = self.standing.view(&status, self.parts.node_id, serves, now_ms);
        if let Some(active) = self.observe(&status) {
            (view.leader, view.epoch) = (Some(active.id), active.epoch);
        }
        self.parts.view.set(view, self.parts.peers.endpoints());
    }

    /// Lets everybody know what the log says of the quorum.
    fn tell_state(&mut self) {
        self.parts.tell_state();
        self.tell_addresses();
    }

    /// Where the controllers are: the log knows best, but not where one is that is to join.
    fn tell_addresses(&self) {
        let Parts { state, listener, own, fixed, peers, .. } = &self.parts;
        let mut addresses = fixed.clone();
        addresses.extend(state.addresses(listener));
        let joining = self.pending.as_ref().and_then(Pending::joining).into_iter().chain([own]);
        addresses.extend(joining.filter_map(|voter| Some((voter.voter_id, address(voter, listener)?))));
        peers.set_addresses(addresses);
    }
}

fn role_epoch(role: Role) -> i32 {
    match role {
        Role::Leader { epoch } | Role::Follower { epoch, .. } | Role::Unattached { epoch } => epoch,
    }
}

fn role_leader(role: Role, node_id: i32) -> i32 {
    match role {
        Role::Leader { .. } => node_id,
        Role::Follower { leader, .. } => leader,
        Role::Unattached { .. } => -1,
    }
}
