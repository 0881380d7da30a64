//! The controller that is the only voter: what is synced here is committed. When another is to vote it becomes one of several.

use super::{
    Command, GROUP, Handle, Parts, Thread,
    membership::{Ask, Outcome, Refusal, Situation},
    voter::Voter,
};
use crate::{
    metadata_log::{AppendError, MetadataLog, upgrade_batch, voters_batch},
    metadata_quorum::{SnapshotId, View},
};
use ottla_metadata::{
    MetadataRecord,
    controller::{Controller, Event, Reply},
};
use ottla_protocol::batch::CheckedBatch;
use ottla_quorum::{Founding, Voter as Member};
use ottla_state_machine::{Shard, Ticket};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        atomic::Ordering,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};
use tokio::sync::oneshot;
use tracing::{error, info, warn};

/// How long a full disk is given before the same is tried again.
const FULL_RETRY: Duration = Duration::from_millis(500);

/// The controller with its log.
pub(crate) struct Alone {
    shard: Shard<Controller>,
    parts: Parts,
    callers: HashMap<Ticket, oneshot::Sender<Reply>>,
    next_ticket: u64,
    handle: Handle,
    /// Others are to vote too.
    grows: bool,
}

impl Alone {
    fn new(shard: Shard<Controller>, parts: Parts) -> (Self, Receiver<Command>) {
        let (handle, receiver) = Handle::new();
        handle.active.store(true, Ordering::Release);
        (Self { shard, parts, callers: HashMap::new(), next_ticket: 0, handle, grows: false }, receiver)
    }

    /// Begins an epoch and decides what activation asks for, then serves commands on a thread of its own.
    pub(crate) fn start(shard: Shard<Controller>, parts: Parts) -> anyhow::Result<(Handle, Thread)> {
        let (mut alone, receiver) = Self::new(shard, parts);
        let cannot = |reason| anyhow::anyhow!("cannot write the metadata log: {reason}");
        alone.lead()?;
        let end = alone.parts.log.end_offset();
        let records = alone.shard.activate(alone.parts.clock.now(), end, end);
        alone.append(records).map_err(cannot)?;
        alone.commit().map_err(cannot)?;
        let handle = alone.handle.clone();
        let thread = std::thread::Builder::new().name("controller".into()).spawn(move || alone.run(&receiver))?;
        Ok((handle, thread))
    }

    fn lead(&mut self) -> anyhow::Result<()> {
        let Parts { node_id, log, state, own, clock, .. } = &mut self.parts;
        let batch = log.lead(*node_id, state, own, clock.now().wall_ms)?;
        state.take(&batch)?;
        let view = View { leader: Some(*node_id), epoch: log.epoch(), serves: true, voters: Vec::new() };
        self.parts.view.set(view, BTreeMap::new());
        self.parts.tell_state();
        Ok(())
    }

    fn run(mut self, commands: &Receiver<Command>) -> MetadataLog {
        loop {
            let due = self.parts.upkeep.next();
            let due = self.shard.next_timeout().map_or(due, |timer| timer.min(due));
            let wait = due.saturating_sub(self.parts.clock.monotonic());
            let first = match commands.recv_timeout(wait) {
                Ok(command) => Some(command),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return self.parts.log,
            };
            let mut batch = first.into_iter().chain(commands.try_iter().take(GROUP));
            let mut stop = false;
            let decided = batch.try_for_each(|command| self.decide(command, &mut stop));
            let outcome = decided.and_then(|()| self.timers()).and_then(|()| self.commit());
            if let Err(reason) = outcome {
                // What the log holds is unknown now: nobody may be answered, and nothing more may be decided.
                return self.fail(&reason);
            }
            let Parts { upkeep, log, publisher, clock, .. } = &mut self.parts;
            upkeep.run(log, publisher.image(), *clock);
            if stop {
                return self.parts.log;
            }
            if self.grows {
                return self.grow(commands);
            }
        }
    }

    fn fail(self, reason: &str) -> MetadataLog {
        error!("the metadata log failed, the broker must be restarted: {reason}");
        self.parts.publisher.failed(reason);
        self.parts.log
    }

    fn decide(&mut self, command: Command, stop: &mut bool) -> Result<(), String> {
        let (make, caller) = match command {
            Command::Submit(make, caller) => (make, caller),
            Command::Notify(event) => {
                let records = self.shard.decide(self.parts.clock.now(), event).map_err(|e| format!("{e:?}"))?;
                return self.append(records);
            }
            Command::Stop => {
                *stop = true;
                return Ok(());
            }
            Command::Members(ask, caller) => {
                let outcome = self.members(&ask)?;
                // Who does not wait any more need not hear of it.
                let _ = caller.send(outcome);
                return Ok(());
            }
            // The only voter has nobody to hear from, and nobody to hand over to.
            Command::Resign(_)
            | Command::News(..)
            | Command::Raft(_)
            | Command::Lost(_)
            | Command::Gone(_)
            | Command::Installed { .. }
            | Command::NotInstalled(_) => return Ok(()),
        };
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.callers.insert(ticket, caller);
        let records = self.shard.decide(self.parts.clock.now(), make(ticket)).map_err(|e| format!("{e:?}"))?;
        self.append(records)
    }

    fn timers(&mut self) -> Result<(), String> {
        while let Some(event) = self.shard.pop_timeout(self.parts.clock.now()) {
            let records = self.shard.decide(self.parts.clock.now(), event).map_err(|e| format!("{e:?}"))?;
            self.append(records)?;
        }
        Ok(())
    }

    fn append(&mut self, records: Vec<MetadataRecord>) -> Result<(), String> {
        let base_offset = match records.is_empty() {
            true => self.parts.log.end_offset(),
            false => {
                let version = self.shard.hard().metadata_version();
                match self.parts.log.append(&records, version, self.parts.clock.now().wall_ms) {
                    Err(AppendError::NoRoom(reason)) => self.append_when_there_is_room(&records, &reason)?,
                    appended => appended.map_err(|reason| reason.to_string())?,
                }
            }
        };
        self.shard.appended(base_offset, &records);
        self.parts.publisher.note(records);
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
        self.handle.waiting.store(true, Ordering::Release);
        self.callers.clear();
        while !self.handle.stopping.load(Ordering::Acquire) {
            std::thread::park_timeout(FULL_RETRY);
            let version = self.shard.hard().metadata_version();
            match self.parts.log.append(records, version, self.parts.clock.now().wall_ms) {
                Err(AppendError::NoRoom(_)) => {}
                appended => {
                    info!("the metadata log goes on");
                    self.handle.waiting.store(false, Ordering::Release);
                    return appended.map_err(|reason| reason.to_string());
                }
            }
        }
        Err(format!("stopped while the disk was full: {reason}"))
    }

    /// Syncs what was appended, lets the broker act on it, and answers.
    fn commit(&mut self) -> Result<(), String> {
        let end = self.parts.log.sync()?;
        self.parts.publisher.publish(end, self.parts.log.epoch())?;
        let released = self.shard.committed(end);
        for (ticket, reply) in released.replies {
            if let Some(caller) = self.callers.remove(&ticket) {
                // A caller that is gone does not hear the answer, and need not.
                let _ = caller.send(reply);
            }
        }
        Ok(())
    }

    /// What is asked of the voters. Another one is not added here, but by the quorum that this controller becomes.
    fn members(&mut self, ask: &Ask) -> Result<Outcome, String> {
        let told = BTreeMap::from([(self.parts.node_id, self.parts.own.clone())]);
        let situation = Situation {
            state: &self.parts.state,
            fixed: &[self.parts.node_id],
            told: &told,
            pending: false,
            serves: true,
            uncommitted: false,
            high_watermark: self.parts.log.end_offset(),
        };
        let voters = match situation.check(ask) {
            Ok(voters) => voters,
            Err(refusal) => return Ok(refusal.into()),
        };
        match ask {
            Ask::Add { voter, .. } => match self.parts.caught_up(voter) {
                Err(refusal) => return Ok(refusal.into()),
                // A transaction of metadata cannot be cut in two.
                Ok(()) if self.parts.publisher.image().in_transaction() => {
                    return Ok(Refusal::later("A transaction of metadata is under way").into());
                }
                Ok(()) => {
                    self.grows = true;
                    return Ok(Outcome::Again);
                }
            },
            Ask::Update(_) if self.parts.state.is_dynamic() => {
                self.write(|at, now_ms| voters_batch(&voters, at, now_ms))?;
            }
            Ask::Upgrade { level, validate_only: false, .. } if !voters.voters.is_empty() => {
                self.write(|at, now_ms| upgrade_batch(*level, &voters, at, now_ms))?;
            }
            Ask::Upgrade { .. } | Ask::Update(_) | Ask::MayAdd(_) | Ask::Remove { .. } => {}
        }
        Ok(Outcome::Done)
    }

    /// Has what the log says of the quorum change.
    fn write(&mut self, batch: impl FnOnce((i64, i32), i64) -> anyhow::Result<CheckedBatch>) -> Result<(), String> {
        let Parts { log, clock, state, .. } = &mut self.parts;
        let now_ms = clock.now().wall_ms;
        let appended = batch((log.end_offset(), log.epoch()), now_ms).and_then(|batch| {
            log.append_batch(batch.clone(), now_ms)?;
            state.take(&batch)
        });
        appended.map_err(|reason| reason.to_string())?;
        self.parts.tell_state();
        let event = Event::Resettle(self.parts.activation().settings);
        let records = self.shard.decide(self.parts.clock.now(), event).map_err(|e| format!("{e:?}"))?;
        self.append(records)
    }

    /// Goes on as one of several, who is alone as yet: the quorum's log begins with a snapshot of all that is in this one. Until
    /// the quorum is founded, which is one write, a restart finds a controller that is alone.
    fn grow(mut self, commands: &Receiver<Command>) -> MetadataLog {
        info!("another controller is to vote: the metadata log goes on as that of a quorum");
        // Nobody leads until this controller is elected: followers are to hear of the epoch before they get records of it.
        self.handle.active.store(false, Ordering::Release);
        self.callers.clear();
        let Parts { node_id, log, own, publisher, upkeep, founder, view, .. } = &mut self.parts;
        view.set(View { leader: None, epoch: log.epoch(), serves: false, voters: Vec::new() }, BTreeMap::new());
        let founded = upkeep.write_now(log, publisher.image()).and_then(|SnapshotId { end_offset, epoch }| {
            let snapshot = ottla_quorum::SnapshotId { end_offset, epoch };
            let voters = vec![Member { id: *node_id, directory_id: own.voter_directory_id }];
            let founding = Founding { voters, epoch: log.epoch(), snapshot, inherited: Vec::new() };
            Ok((founder.open(|| Ok(Some(founding)))?, end_offset))
        });
        match founded {
            Ok((quorum, begin)) => Voter::new(self.parts, quorum, begin, self.handle).run(commands),
            Err(reason) => self.fail(&format!("{reason:#}")),
        }
    }
}
