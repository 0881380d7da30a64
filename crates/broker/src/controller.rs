//! Drives the controller on the metadata log: one thread decides, appends, syncs, publishes and only then answers.
//!
//! A single voter is its own majority: what is synced here is committed ([`alone`]). Where several vote, or where this node is to
//! become one of several, [`voter`] does this with a quorum.

mod alone;
mod founder;
mod leading;
mod membership;
mod observer;
mod peers;
mod standing;
mod voter;

pub(crate) use self::{
    alone::Alone,
    founder::Founder,
    membership::{Ask, Outcome, Refusal},
    observer::Observer,
    peers::{GREETING, Peers, Settings as PeerSettings},
    voter::{TICK, Voter},
};

use crate::{
    client::Address,
    clock::Clock,
    controllers::{Controllers, News},
    metadata_log::MetadataLog,
    metadata_quorum::{MetadataQuorum, QuorumState, ReplicaKey, Upkeep},
    publisher::Publisher,
};
use bytes::Bytes;
use ottla_metadata::controller::{Activate, Event, Reply, Settings};
use ottla_protocol::{ErrorCode, stored::voters_record};
use ottla_state_machine::Ticket;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::JoinHandle,
    time::Duration,
};
use tokio::sync::oneshot;

/// Events waiting to be decided; a caller beyond that is told to come again.
const QUEUE: usize = 1024;
/// Events decided between two syncs.
const GROUP: usize = 256;
/// How long a leader that is about to stop waits for another to take over.
const RESIGN: Duration = Duration::from_secs(1);

type MakeEvent = Box<dyn FnOnce(Ticket) -> Event + Send>;

enum Command {
    Submit(MakeEvent, oneshot::Sender<Reply>),
    /// Another voter is to lead, as this node is about to stop: whether one may is answered.
    Resign(oneshot::Sender<bool>),
    /// Somebody wants other voters.
    Members(Ask, oneshot::Sender<Outcome>),
    /// What the active controller says to who has no vote; answered when it is taken in.
    News(News, oneshot::Sender<()>),
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
    /// One that cannot be had.
    NotInstalled(ottla_quorum::SnapshotId),
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
    /// The way to a thread that is to be started.
    fn new() -> (Self, Receiver<Command>) {
        let (commands, receiver) = sync_channel(QUEUE);
        let handle = Self { commands, stopping: Arc::default(), waiting: Arc::default(), active: Arc::default() };
        (handle, receiver)
    }

    /// Whether this controller decides now.
    pub(crate) fn is_active(&self) -> bool {
        self.active.load(Ordering::Acquire)
    }

    /// Has an event decided, unless too many wait or this controller does not decide.
    pub(crate) fn notify(&self, event: Event) {
        let _ = self.commands.try_send(Command::Notify(event));
    }

    /// Has another voter lead if there is one, and waits until it does, but not for long.
    pub(crate) async fn resign(&self) {
        let (sender, receiver) = oneshot::channel();
        let _ = self.commands.try_send(Command::Resign(sender));
        let until = tokio::time::Instant::now() + RESIGN;
        if !matches!(tokio::time::timeout_at(until, receiver).await, Ok(Ok(true))) {
            return;
        }
        while self.is_active() && tokio::time::Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Has the voters change, or hears why not.
    pub(crate) async fn members(&self, ask: Ask) -> Outcome {
        let (sender, receiver) = oneshot::channel();
        // A queue that is full, or a thread that has ended, leads nothing.
        let _ = self.commands.try_send(Command::Members(ask, sender));
        receiver.await.unwrap_or(Outcome::Refused(Refusal::bare(ErrorCode::NotLeaderOrFollower)))
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

/// What a controller's thread works with, be it alone or one of several.
pub(crate) struct Parts {
    pub(crate) node_id: i32,
    pub(crate) log: MetadataLog,
    /// What the log says of the quorum.
    pub(crate) state: QuorumState,
    /// This node as the log has it where it votes and voters come and go.
    pub(crate) own: voters_record::Voter,
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
    pub(crate) founder: Founder,
    pub(crate) observer: Observer,
    /// The listener that controllers use among themselves.
    pub(crate) listener: String,
    /// Where controllers are that the log does not know.
    pub(crate) fixed: BTreeMap<i32, Address>,
}

impl Parts {
    /// What this node is as a replica of the metadata log.
    fn key(&self) -> ReplicaKey {
        ReplicaKey::of(&self.own)
    }

    /// Lets everybody know what the log says of the quorum.
    fn tell_state(&mut self) {
        let broker = self.publisher.broker();
        broker.set_kraft_version(self.state.kraft_version);
        self.view.set_state(self.state.clone());
        self.upkeep.set_quorum(self.state.clone());
        let voters = self.state.addresses(&self.listener);
        self.controllers.set_voters(voters.clone());
        self.observer.set_voters(voters);
    }

    /// Whether a node that is to vote has all that was committed, as its fetches tell.
    fn caught_up(&self, voter: &voters_record::Voter) -> Result<(), Refusal> {
        let is_caught_up = self.view.is_caught_up(&ReplicaKey::of(voter), self.clock.now().wall_ms);
        if is_caught_up { Ok(()) } else { Err(self.lags_behind(voter)) }
    }

    fn lags_behind(&self, voter: &voters_record::Voter) -> Refusal {
        let key = ReplicaKey::of(voter);
        let key = membership::Key(&key);
        Refusal::later(format!("Aborted add voter operation for {key} since it is lagging behind"))
    }

    /// What the controller is told when it becomes active, with the quorum as it is now.
    pub(crate) fn activation(&self) -> Activate {
        let known = &self.activate.settings;
        let dynamic = self.state.voters.as_ref();
        let voters = dynamic.map(|record| record.voters.iter().map(|voter| voter.voter_id).collect());
        let settings = Settings {
            controller_ids: voters.unwrap_or_else(|| known.controller_ids.clone()),
            kraft_version: self.state.kraft_version,
            ..(**known).clone()
        };
        Activate { settings: Arc::new(settings), bootstrap: self.activate.bootstrap.clone() }
    }
}

/// A controller's thread, which ends with the log.
pub(crate) type Thread = JoinHandle<MetadataLog>;
