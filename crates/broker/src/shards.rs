//! Drives a coordinator's state machine on the log of one internal partition: decide, append, apply, answer.

mod coordinators;
mod serve;

pub(crate) use self::coordinators::Coordinators;
pub(crate) use self::serve::News;

use crate::{
    clock::Clock,
    partition::{AppendError, CommitListener, Partition, Verified},
};
use ottla_protocol::ErrorCode;
use ottla_protocol::batch::{Builder, CheckedBatches, Header, NO_SEQUENCE, Record};
use ottla_protocol::compression::{Compression, Level};
use ottla_state_machine::{Now, Released, Shard, ShardError, StateMachine, Status, Ticket};
use parking_lot::Mutex;
use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::error;

/// What a machine's records look like in a log.
pub(crate) trait Stored:
    StateMachine<
        Hard: Send + Sync,
        Soft: Send,
        Event: Send + Clone,
        Record: Send,
        Reply: Send,
        Effect: Send,
        Timer: Send,
    > + 'static
{
    /// Adds records to a batch.
    fn write(records: &[Self::Record], timestamp_ms: i64) -> Result<Builder, String>;
    /// Reads a record of a batch; none for one that means nothing to this machine.
    fn read(header: &Header, record: Record) -> Result<Option<Self::Record>, String>;
    /// Where effects go to.
    type Observer: Send + Sync;
    /// Whether an event is only worth its records, so that it is refused at once where these could not be committed.
    fn is_write(event: &Self::Event) -> bool;
    /// Does what the machine asks for beyond records and replies.
    fn perform(observer: &Self::Observer, effect: Self::Effect);
}

/// Why an event was not decided, or its caller not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unavailable {
    Loading,
    Failed,
    /// Fewer replicas are in sync than must be, or took what was decided in time.
    NotReplicated,
    /// The log would not take what is to be decided.
    Refused(ErrorCode),
}

impl Unavailable {
    /// What clients are told.
    pub(crate) fn code(self) -> ErrorCode {
        match self {
            Self::Loading => ErrorCode::CoordinatorLoadInProgress,
            Self::Failed => ErrorCode::NotCoordinator,
            Self::NotReplicated => ErrorCode::CoordinatorNotAvailable,
            Self::Refused(error) => error,
        }
    }
}

impl From<ShardError> for Unavailable {
    fn from(error: ShardError) -> Self {
        match error {
            ShardError::Loading => Self::Loading,
            ShardError::Failed => Self::Failed,
        }
    }
}

/// A producer that writes into its transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Writer {
    /// Its id and epoch.
    pub(crate) producer: (i64, i16),
    /// What came of looking its transaction up.
    pub(crate) verified: Verified,
}

struct State<M: StateMachine> {
    shard: Shard<M>,
    callers: HashMap<Ticket, oneshot::Sender<M::Reply>>,
    next_ticket: u64,
    /// The partition is ours no more.
    closed: bool,
}

impl<M: StateMachine> State<M> {
    /// Nobody is told anything more but that there is nothing to tell.
    fn fail(&mut self) {
        self.shard.append_failed();
        self.callers.clear();
    }
}

/// A machine with its log and its callers.
pub(crate) struct ShardDriver<M: Stored> {
    pub(crate) partition: Arc<Partition>,
    clock: Clock,
    codec: Compression,
    /// How long an answer may wait for commit.
    commit_timeout: Duration,
    observer: M::Observer,
    state: Mutex<State<M>>,
    /// Told when the earliest timer may have moved.
    timers_moved: Notify,
}

impl<M: Stored> ShardDriver<M> {
    /// A driver that is loading; [`ShardDriver::load`] makes it active.
    pub(crate) fn new(
        partition: Arc<Partition>,
        clock: Clock,
        codec: Compression,
        commit_timeout: Duration,
        observer: M::Observer,
    ) -> Arc<Self> {
        let state = State { shard: Shard::new(), callers: HashMap::new(), next_ticket: 0, closed: false };
        let state = Mutex::new(state);
        let driver =
            Arc::new(Self { partition, clock, codec, commit_timeout, observer, state, timers_moved: Notify::new() });
        let listener: Weak<Self> = Arc::downgrade(&driver);
        driver.partition.set_listener(listener);
        driver
    }

    /// Replays the log and begins to take events, of which `first` gives those that come before any other. Blocks: for a
    /// thread that may. Who asks meanwhile is told that the log is loading, and does not wait for the thread.
    pub(crate) fn load(&self, first: impl FnOnce() -> Vec<M::Event>) {
        let mut shard = Shard::<M>::new();
        let result = self.partition.replay(|header, record| {
            let offset = record.offset;
            if let Some(record) = M::read(header, record)? {
                shard.replay(offset, &record);
            }
            Ok(())
        });
        let mut state = self.state.lock();
        if state.shard.status() != Status::Loading {
            return; // closed while it was read
        }
        match result {
            Ok(end) => {
                let committed = self.partition.high_watermark();
                let records = shard.activate(self.clock.now(), end, committed);
                state.shard = shard;
                self.finish(&mut state, records, None);
                // One that fails leaves the log to be read again, and nothing more can be decided.
                let _ = first().into_iter().try_for_each(|event| self.step(&mut state, event, None));
            }
            Err(reason) => {
                error!(partition = %self.partition, "coordinator cannot load: {reason}");
                state.fail();
            }
        }
    }

    /// Takes no more events and lets all callers know.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.fail();
    }

    /// Makes ready to load the log again after a failure; false if closed.
    pub(crate) fn reset(&self) -> bool {
        let mut state = self.state.lock();
        if !state.closed {
            state.shard = Shard::new();
        }
        !state.closed
    }

    /// Decides an event that nobody waits for.
    pub(crate) fn notify(&self, event: M::Event) -> Result<(), Unavailable> {
        self.step(&mut self.state.lock(), event, None)
    }

    /// Looks at the machine, if it is active.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&M::Hard, &M::Soft) -> R) -> Option<R> {
        let state = self.state.lock();
        let is_active = state.shard.status() == Status::Active;
        is_active.then(|| look(state.shard.hard(), state.shard.soft()))
    }

    /// Appends a batch that was made elsewhere, takes in what it means, and answers where it ends. One that the log does not
    /// take changes nothing.
    pub(crate) fn take(
        &self,
        append: impl FnOnce(&Arc<Partition>) -> Result<i64, AppendError>,
        records: &[M::Record],
    ) -> Result<i64, Unavailable> {
        let mut state = self.state.lock();
        match state.shard.status() {
            Status::Loading => return Err(Unavailable::Loading),
            Status::Failed => return Err(Unavailable::Failed),
            Status::Active => {}
        }
        let base_offset = append(&self.partition).map_err(|error| Unavailable::Refused(error.code()))?;
        state.shard.appended(base_offset, records);
        Ok(state.shard.applied())
    }

    /// Decides an event made for a new caller, and waits for the answer.
    pub(crate) async fn submit(&self, event: impl FnOnce(Ticket) -> M::Event) -> Result<M::Reply, Unavailable> {
        self.submit_as(None, event).await
    }

    /// The same for a producer in whose transaction the records are to be, if `writer` says so.
    pub(crate) async fn submit_as(
        &self,
        writer: Option<Writer>,
        event: impl FnOnce(Ticket) -> M::Event,
    ) -> Result<M::Reply, Unavailable> {
        let (sender, receiver) = oneshot::channel();
        let ticket = {
            let mut state = self.state.lock();
            let ticket = Ticket(state.next_ticket);
            let event = event(ticket);
            if M::is_write(&event) && !self.partition.has_enough_in_sync() {
                return Err(Unavailable::NotReplicated);
            }
            if let Some(writer) = writer {
                // Nobody else appends while the state is held, so the log takes then what it would take now.
                self.partition.check_transaction(writer).map_err(|error| Unavailable::Refused(error.code()))?;
            }
            state.next_ticket += 1;
            state.callers.insert(ticket, sender);
            if let Err(unavailable) = self.step(&mut state, event, writer) {
                state.callers.remove(&ticket);
                return Err(unavailable);
            }
            ticket
        };
        self.answer(ticket, receiver).await
    }

    /// Waits for an answer: as long as the machine wants, and a while longer for the replicas.
    async fn answer(&self, ticket: Ticket, mut receiver: oneshot::Receiver<M::Reply>) -> Result<M::Reply, Unavailable> {
        let mut wait = self.commit_timeout;
        loop {
            if let Ok(answer) = tokio::time::timeout(wait, &mut receiver).await {
                return answer.map_err(|_| Unavailable::Failed);
            }
            let mut state = self.state.lock();
            let now = self.clock.now().monotonic;
            let parked = state.shard.parked_since(ticket).map(|since| now.saturating_sub(since));
            wait = self.commit_timeout.saturating_sub(parked.unwrap_or_default());
            if wait.is_zero() {
                // What was decided stands, and is committed yet or lost with this broker's leadership.
                state.callers.remove(&ticket);
                return Err(Unavailable::NotReplicated);
            }
        }
    }

    fn step(&self, state: &mut State<M>, event: M::Event, writer: Option<Writer>) -> Result<(), Unavailable> {
        let before = state.shard.next_timeout();
        let records = state.shard.decide(self.clock.now(), event)?;
        self.finish(state, records, writer);
        if state.shard.next_timeout() != before {
            self.timers_moved.notify_one();
        }
        match state.shard.status() {
            Status::Failed => Err(Unavailable::Failed),
            Status::Loading | Status::Active => Ok(()),
        }
    }

    /// Appends, applies and answers.
    fn finish(&self, state: &mut State<M>, records: Vec<M::Record>, writer: Option<Writer>) {
        let appended = match records.is_empty() {
            true => Ok(self.partition.log_end_offset()),
            false => self.append(&records, writer),
        };
        match appended {
            Ok(base_offset) => {
                state.shard.appended(base_offset, &records);
                let released = state.shard.committed(self.partition.high_watermark());
                release(state, &self.observer, released);
            }
            Err(reason) => {
                error!(partition = %self.partition, "coordinator cannot write its log: {reason}");
                state.fail();
                self.timers_moved.notify_one();
            }
        }
    }

    fn append(&self, records: &[M::Record], writer: Option<Writer>) -> Result<i64, String> {
        let Now { wall_ms, .. } = self.clock.now();
        let mut builder = M::write(records, wall_ms)?.compression(self.codec, Level::Default);
        if let Some(Writer { producer: (id, epoch), .. }) = writer {
            builder = builder.producer(id, epoch, NO_SEQUENCE).transactional(true);
        }
        let batch = builder.build().map_err(|e| e.to_string())?;
        let info = self.partition.append_internal(CheckedBatches::from(batch), wall_ms).map_err(|e| e.to_string())?;
        Ok(info.first_offset)
    }

    /// Turns timers into events until told to stop, or until the log fails.
    pub(crate) async fn run_timers(self: Arc<Self>, stop: CancellationToken) {
        loop {
            let (status, next) = {
                let state = self.state.lock();
                (state.shard.status(), state.shard.next_timeout())
            };
            if status == Status::Failed {
                return;
            }
            let due = async {
                match next {
                    Some(at) => tokio::time::sleep_until(self.clock.instant(at)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.timers_moved.notified() => continue,
                () = due => {}
            }
            let mut state = self.state.lock();
            while let Some(event) = state.shard.pop_timeout(self.clock.now()) {
                if self.step(&mut state, event, None).is_err() {
                    return;
                }
            }
        }
    }
}

impl<M: Stored> CommitListener for ShardDriver<M> {
    fn committed(&self, high_watermark: i64) {
        let mut state = self.state.lock();
        if state.shard.status() == Status::Active {
            let released = state.shard.committed(high_watermark);
            release(&mut state, &self.observer, released);
        }
    }

    fn failed(&self) {
        self.state.lock().fail();
        self.timers_moved.notify_one();
    }
}

fn release<M: Stored>(state: &mut State<M>, observer: &M::Observer, released: Released<M>) {
    for effect in released.effects {
        M::perform(observer, effect);
    }
    for (ticket, reply) in released.replies {
        if let Some(caller) = state.callers.remove(&ticket) {
            // A caller whose connection ended does not hear the answer, and need not.
            let _ = caller.send(reply);
        }
    }
}

/// Clients choose names and reasons; none may begin a line of its own in the log.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    match text.contains(char::is_control) {
        true => Cow::Owned(text.replace(char::is_control, "\u{fffd}")),
        false => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_lines_stay_lines() {
        assert_eq!(printable("a\nb\u{1b}[31m"), "a\u{fffd}b\u{fffd}[31m");
        assert_eq!(printable("plain é"), "plain é");
    }
}
