//! Drives the controller on the metadata log: one thread decides, appends, syncs, publishes and only then answers.
//!
//! A single voter is its own majority: what is synced here is committed. Where several vote, [`voter`] does this with a quorum.

mod leading;
mod peers;
mod standing;
mod voter;

pub(crate) use self::{
    peers::{GREETING, Peers, Settings as PeerSettings},
    voter::{Parts as VoterParts, TICK, Voter},
};

use crate::{
    clock::Clock,
    metadata_log::{AppendError, MetadataLog},
    metadata_quorum::Upkeep,
    publisher::Publisher,
};
use bytes::Bytes;
use ottla_metadata::{
    MetadataRecord,
    controller::{Controller, Event, Reply},
};
use ottla_state_machine::{Shard, Ticket};
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
use tracing::{error, info, warn};

/// Events waiting to be decided; a caller beyond that is told to come again.
const QUEUE: usize = 1024;
/// Events decided between two syncs.
const GROUP: usize = 256;
/// How long a leader that is about to stop waits for another to take over.
const RESIGN: Duration = Duration::from_secs(1);

/// How long a full disk is given before the same is tried again.
const FULL_RETRY: Duration = Duration::from_millis(500);

type MakeEvent = Box<dyn FnOnce(Ticket) -> Event + Send>;

enum Command {
    Submit(MakeEvent, oneshot::Sender<Reply>),
    /// Another voter is to lead, as this node is about to stop.
    Resign,
    /// Something that nobody waits for an answer to.
    Notify(Event),
    /// A message of another voter.
    Raft(Bytes),
    /// The connection of another voter ended.
    Lost(i32),
    /// So did its process.
    Gone(i32),
    /// A snapshot that was fetched.
    Installed {
        id: ottla_quorum::SnapshotId,
        bytes: Bytes,
    },
    Stop,
}

/// The controller cannot answer: its queue is full, its log has failed, or the broker is stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the controller is not available")]
pub(crate) struct Unavailable;

/// Sends events to the controller.
#[derive(Clone)]
pub(crate) struct Handle {
    commands: SyncSender<Command>,
    stopping: Arc<AtomicBool>,
    /// The disk is full: who asks now is told to come again, since others wait behind them.
    waiting: Arc<AtomicBool>,
    /// Whether this controller decides; one of several may not.
    active: Arc<AtomicBool>,
}

impl Handle {
    fn of_voter(commands: SyncSender<Command>, active: Arc<AtomicBool>) -> Self {
        Self { commands, stopping: Arc::default(), waiting: Arc::default(), active }
    }

    /// Whether this controller decides now.
    pub(crate) fn is_active(&self) -> bool {
        self.active.load(Ordering::Acquire)
    }

    /// Has an event decided, unless too many wait or this controller does not decide.
    pub(crate) fn notify(&self, event: Event) {
        let _ = self.commands.try_send(Command::Notify(event));
    }

    /// Has another voter lead, and waits until one does, but not for long.
    pub(crate) async fn resign(&self) {
        let _ = self.commands.try_send(Command::Resign);
        let until = tokio::time::Instant::now() + RESIGN;
        while self.is_active() && tokio::time::Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Hears that the connection of another voter ended.
    pub(crate) fn lost(&self, id: i32) {
        let _ = self.commands.try_send(Command::Lost(id));
    }

    /// Takes a message of another voter, or loses it where too many wait.
    pub(crate) fn raft(&self, message: Bytes) {
        let _ = self.commands.try_send(Command::Raft(message));
    }

    /// Has an event decided, and waits until what it led to is committed and published here.
    pub(crate) async fn submit(
        &self,
        event: impl FnOnce(Ticket) -> Event + Send + 'static,
    ) -> Result<Reply, Unavailable> {
        if self.waiting.load(Ordering::Acquire) {
            return Err(Unavailable);
        }
        let (sender, receiver) = oneshot::channel();
        self.commands.try_send(Command::Submit(Box::new(event), sender)).map_err(|_| Unavailable)?;
        receiver.await.map_err(|_| Unavailable)
    }

    /// The same from a thread that may block.
    pub(crate) fn submit_blocking(
        &self,
        event: impl FnOnce(Ticket) -> Event + Send + 'static,
    ) -> Result<Reply, Unavailable> {
        let (sender, receiver) = oneshot::channel();
        self.commands.send(Command::Submit(Box::new(event), sender)).map_err(|_| Unavailable)?;
        receiver.blocking_recv().map_err(|_| Unavailable)
    }

    /// Lets the thread end once it has done what came before, or waits for nothing but room on the disk.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        // An error means that the thread has ended already.
        let _ = self.commands.send(Command::Stop);
    }
}

/// The controller with its log.
pub(crate) struct Driver {
    pub(crate) shard: Shard<Controller>,
    pub(crate) log: MetadataLog,
    pub(crate) publisher: Publisher,
    pub(crate) upkeep: Upkeep,
    pub(crate) clock: Clock,
    callers: HashMap<Ticket, oneshot::Sender<Reply>>,
    next_ticket: u64,
    stopping: Arc<AtomicBool>,
    waiting: Arc<AtomicBool>,
}

impl Driver {
    pub(crate) fn new(
        shard: Shard<Controller>,
        log: MetadataLog,
        publisher: Publisher,
        upkeep: Upkeep,
        clock: Clock,
    ) -> Self {
        Self {
            shard,
            log,
            publisher,
            upkeep,
            clock,
            callers: HashMap::new(),
            next_ticket: 0,
            stopping: Arc::default(),
            waiting: Arc::default(),
        }
    }

    /// Decides what activation asks for, then serves commands on a thread of its own.
    pub(crate) fn start(mut self) -> anyhow::Result<(Handle, JoinHandle<MetadataLog>)> {
        let (sender, receiver) = sync_channel(QUEUE);
        let end = self.log.end_offset();
        let records = self.shard.activate(self.clock.now(), end, end);
        self.append(records).map_err(|reason| anyhow::anyhow!("cannot write the metadata log: {reason}"))?;
        self.commit().map_err(|reason| anyhow::anyhow!("cannot write the metadata log: {reason}"))?;
        let (stopping, waiting) = (self.stopping.clone(), self.waiting.clone());
        let thread = std::thread::Builder::new().name("controller".into()).spawn(move || self.run(&receiver))?;
        let active = Arc::new(AtomicBool::new(true));
        Ok((Handle { commands: sender, stopping, waiting, active }, thread))
    }

    fn run(mut self, commands: &Receiver<Command>) -> MetadataLog {
        loop {
            let due = self.upkeep.next();
            let due = self.shard.next_timeout().map_or(due, |timer| timer.min(due));
            let wait = due.saturating_sub(self.clock.monotonic());
            let first = match commands.recv_timeout(wait) {
                Ok(command) => Some(command),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return self.log,
            };
            let mut batch = first.into_iter().chain(commands.try_iter().take(GROUP));
            let mut stop = false;
            let decided = batch.try_for_each(|command| self.decide(command, &mut stop));
            let outcome = decided.and_then(|()| self.timers()).and_then(|()| self.commit());
            if let Err(reason) = outcome {
                // What the log holds is unknown now: nobody may be answered, and nothing more may be decided.
                error!("the metadata log failed, the broker must be restarted: {reason}");
                self.publisher.failed(&reason);
                return self.log;
            }
            self.upkeep.run(&mut self.log, self.publisher.image(), self.clock);
            if stop {
                return self.log;
            }
        }
    }

    fn decide(&mut self, command: Command, stop: &mut bool) -> Result<(), String> {
        let (make, caller) = match command {
            Command::Submit(make, caller) => (make, caller),
            Command::Notify(event) => {
                let records = self.shard.decide(self.clock.now(), event).map_err(|e| format!("{e:?}"))?;
                return self.append(records);
            }
            Command::Stop => {
                *stop = true;
                return Ok(());
            }
            // The only voter has nobody to hear from.
            Command::Resign | Command::Raft(_) | Command::Lost(_) | Command::Gone(_) | Command::Installed { .. } => {
                return Ok(());
            }
        };
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.callers.insert(ticket, caller);
        let records = self.shard.decide(self.clock.now(), make(ticket)).map_err(|e| format!("{e:?}"))?;
        self.append(records)
    }

    fn timers(&mut self) -> Result<(), String> {
        while let Some(event) = self.shard.pop_timeout(self.clock.now()) {
            let records = self.shard.decide(self.clock.now(), event).map_err(|e| format!("{e:?}"))?;
            self.append(records)?;
        }
        Ok(())
    }

    fn append(&mut self, records: Vec<MetadataRecord>) -> Result<(), String> {
        let base_offset = match records.is_empty() {
            true => self.log.end_offset(),
            false => {
                let version = self.shard.hard().metadata_version();
                match self.log.append(&records, version, self.clock.now().wall_ms) {
                    Err(AppendError::NoRoom(reason)) => self.append_when_there_is_room(&records, &reason)?,
                    appended => appended.map_err(|reason| reason.to_string())?,
                }
            }
        };
        self.shard.appended(base_offset, &records);
        self.publisher.note(records);
        Ok(())
    }

    /// What was decided stands, and nobody was told of it: on a full disk it waits. Its callers are told that the controller
    /// cannot answer, which leaves open whether it will be done, as a timeout does.
    fn append_when_there_is_room(
        &mut self,
        records: &[MetadataRecord],
        reason: &ottla_storage::AppendError,
    ) -> Result<i64, String> {
        warn!("the metadata log waits for room: {reason}");
        self.waiting.store(true, Ordering::Release);
        self.callers.clear();
        while !self.stopping.load(Ordering::Acquire) {
            std::thread::park_timeout(FULL_RETRY);
            let version = self.shard.hard().metadata_version();
            match self.log.append(records, version, self.clock.now().wall_ms) {
                Err(AppendError::NoRoom(_)) => {}
                appended => {
                    info!("the metadata log goes on");
                    self.waiting.store(false, Ordering::Release);
                    return appended.map_err(|reason| reason.to_string());
                }
            }
        }
        Err(format!("stopped while the disk was full: {reason}"))
    }

    /// Syncs what was appended, lets the broker act on it, and answers.
    fn commit(&mut self) -> Result<(), String> {
        let end = self.log.sync()?;
        self.publisher.publish(end, self.log.epoch())?;
        let released = self.shard.committed(end);
        for (ticket, reply) in released.replies {
            if let Some(caller) = self.callers.remove(&ticket) {
                // A caller that is gone does not hear the answer, and need not.
                let _ = caller.send(reply);
            }
        }
        Ok(())
    }
}
