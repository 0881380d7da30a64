//! Drives the controller where several vote: what is decided is committed once a majority has it, and whoever they elect decides.
//!
//! The metadata log has what is committed and nothing else; what is on its way is the quorum's. A node that is elected waits until
//! all before its epoch is applied, opens the epoch with a record of it, and serves when that is committed.

use super::{
    Command, GROUP, Handle, QUEUE,
    leading::{Leading, Stage},
    peers::Peers,
    standing::Standing,
};
use crate::{
    clock::Clock,
    controllers::{Active, Controllers},
    metadata_log::MetadataLog,
    metadata_quorum::{self, MetadataQuorum, Upkeep},
    publisher::Publisher,
    suspicion,
};
use bytes::Bytes;
use ottla_metadata::controller::{Activate, Event, Reply};
use ottla_protocol::{batch::CheckedBatch, stored::VotersRecord};
use ottla_quorum::{Committed, Quorum, RocksStore, Role, Snapshot, SnapshotId};
use ottla_state_machine::Ticket;
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::JoinHandle,
    time::Duration,
};
use tokio::sync::oneshot;
use tracing::{debug, error, info, warn};

/// How often the quorum hears that time passed.
pub(crate) const TICK: Duration = Duration::from_millis(50);
/// How often votes are sought, a tick apart, before that is left to the quorum's own time.
const SEEKS: u32 = 5;

/// What the thread works with.
pub(crate) struct Parts {
    pub(crate) node_id: i32,
    pub(crate) quorum: Quorum<RocksStore>,
    pub(crate) log: MetadataLog,
    pub(crate) publisher: Publisher,
    pub(crate) upkeep: Upkeep,
    pub(crate) clock: Clock,
    pub(crate) peers: Arc<Peers>,
    /// What followers and clients are told of the quorum.
    pub(crate) view: Arc<MetadataQuorum>,
    /// Where this node's broker finds the active controller.
    pub(crate) controllers: Arc<Controllers>,
    /// What the controller is told when it becomes active.
    pub(crate) activate: Activate,
    /// The voters that the cluster was formatted with.
    pub(crate) founders: Option<VotersRecord>,
}

/// One voter.
pub(crate) struct Voter {
    parts: Parts,
    callers: HashMap<Ticket, oneshot::Sender<Reply>>,
    next_ticket: u64,
    leading: Option<Leading>,
    standing: Standing,
    next_tick: Duration,
    /// How often votes are yet to be sought in place of a leader that is gone.
    seeks: u32,
    active: Arc<AtomicBool>,
    /// For those who fetch snapshots beside the thread.
    commands: SyncSender<Command>,
}

impl Voter {
    /// Serves on a thread of its own.
    pub(crate) fn start(parts: Parts) -> anyhow::Result<(Handle, JoinHandle<MetadataLog>)> {
        let (commands, receiver) = sync_channel(QUEUE);
        let active = Arc::new(AtomicBool::new(false));
        let handle = Handle::of_voter(commands.clone(), active.clone());
        let next_tick = parts.clock.monotonic();
        let voter = Self {
            parts,
            callers: HashMap::new(),
            next_ticket: 0,
            leading: None,
            standing: Standing::default(),
            next_tick,
            seeks: 0,
            active,
            commands,
        };
        let thread = std::thread::Builder::new().name("controller".into()).spawn(move || voter.run(&receiver))?;
        Ok((handle, thread))
    }

    fn run(mut self, commands: &Receiver<Command>) -> MetadataLog {
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
                // What is on disk is unknown now: nothing more may be promised.
                error!("the quorum's log failed, the node must be restarted: {reason:#}");
                self.step_down();
                self.parts.publisher.failed(&format!("{reason:#}"));
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
                Command::Resign => self.resign(),
                Command::Notify(event) => {
                    if self.may_decide() {
                        self.decide(event)?;
                    }
                }
                Command::Lost(id) => self.lost(id),
                Command::Gone(id) => self.gone(id)?,
                Command::Raft(message) => {
                    if let Err(refused) = self.parts.quorum.receive(message) {
                        debug!(%refused, "a message of another controller is not taken");
                    }
                }
                Command::Installed { id, bytes } => self.install(id, bytes)?,
                Command::Stop => *stop = true,
            }
        }
        let now = self.parts.clock.monotonic();
        // After a pause one tick stands for all that were missed: others are given their time again.
        if now >= self.next_tick {
            self.parts.quorum.tick();
            self.next_tick = now + TICK;
            self.seek_votes()?;
        }
        self.timers()?;
        self.settle()?;
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
        serves && self.parts.quorum.may_propose()
    }

    fn decide(&mut self, event: Event) -> anyhow::Result<()> {
        let now = self.parts.clock.now();
        let Some(leading) = self.leading.as_mut() else { return Ok(()) };
        leading.decide(&mut self.parts.quorum, now, event)
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
            let Parts { quorum, peers, .. } = &mut self.parts;
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
                self.leading = Some(Leading::new(epoch));
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
        self.active.store(false, Ordering::Release);
        self.callers.clear();
        self.leading = None;
    }

    /// Applies what is committed, publishes it and answers.
    fn take_in(&mut self, committed: Vec<Committed>) -> anyhow::Result<()> {
        let before = self.parts.log.end_offset();
        for entry in committed {
            if let Some(leading) = self.leading.as_mut() {
                leading.passed(&entry);
            }
            if !entry.data.is_empty() {
                self.append(&entry)?;
            }
            if entry.members.is_some() {
                self.parts.peers.set_members(self.parts.quorum.members());
            }
        }
        let end = self.parts.log.end_offset();
        if end > before {
            self.parts.log.commit();
            self.parts.publisher.publish(end, self.parts.log.latest_epoch()).map_err(anyhow::Error::msg)?;
        }
        Ok(())
    }

    /// Does what comes next in a leader's time, if the quorum takes proposals: while it hands over it does not.
    fn go_on(&mut self) -> anyhow::Result<()> {
        if !self.parts.quorum.may_propose() {
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
        let end = self.parts.log.end_offset();
        self.standing.note(entry.index, batch.header().next_offset());
        // After a start what the log has already is handed out again.
        if batch.header().next_offset() <= end {
            return Ok(());
        }
        anyhow::ensure!(
            batch.header().base_offset == end,
            "entry {} of the quorum holds offset {}, and the metadata log ends at {end}",
            entry.index,
            batch.header().base_offset
        );
        let records = self.parts.log.append_committed(batch)?;
        self.parts.publisher.note(records);
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
        let now_ms = self.parts.clock.now().wall_ms;
        let Some(leading) = self.leading.as_mut() else { return Ok(()) };
        let members = self.parts.quorum.members().clone();
        let voters: Vec<_> = members.voters().map(|voter| (voter.id, voter.directory_id)).collect();
        let founders = self.parts.founders.as_ref();
        let batch = self.parts.log.leader_change(self.parts.node_id, leading.epoch, &voters, founders, now_ms)?;
        leading.propose_batch(&mut self.parts.quorum, self.parts.log.end_offset(), batch)
    }

    /// The epoch has begun: this controller decides from now on.
    fn serve(&mut self) -> anyhow::Result<()> {
        let now = self.parts.clock.now();
        let ticket = self.new_ticket();
        let (image, end) = (self.parts.publisher.image().clone(), self.parts.log.end_offset());
        let Some(leading) = self.leading.as_mut() else { return Ok(()) };
        leading.serve(&mut self.parts.quorum, &image, end, now)?;
        leading.decide(&mut self.parts.quorum, now, Event::Activate(ticket, self.parts.activate.clone()))?;
        self.active.store(true, Ordering::Release);
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
        let status = self.parts.quorum.status();
        let now_ms = self.parts.clock.now().wall_ms;
        let serves = self.active.load(Ordering::Acquire);
        let view = self.standing.view(&status, self.parts.node_id, serves, now_ms);
        self.parts.view.set(view, self.parts.peers.endpoints());
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
