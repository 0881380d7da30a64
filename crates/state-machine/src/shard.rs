//! One machine on one log: loading, deciding, applying, and parking replies until what they saw is committed.

use crate::{Now, Outcome, StateMachine, Ticket, Timers};
use core::time::Duration;
use std::collections::VecDeque;

/// Where a shard is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The log is being replayed; no events yet.
    Loading,
    /// Events are decided.
    Active,
    /// An append failed: what the log holds is unknown, so the shard must be loaded anew.
    Failed,
}

/// The shard takes no events now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShardError {
    /// It is still loading.
    Loading,
    /// It has failed.
    Failed,
}

/// What may leave the shard: everything before it is committed.
#[derive(Debug)]
pub struct Released<M: StateMachine> {
    /// Answers to callers.
    pub replies: Vec<(Ticket, M::Reply)>,
    /// Work for the driver.
    pub effects: Vec<M::Effect>,
}

impl<M: StateMachine> Default for Released<M> {
    fn default() -> Self {
        Self { replies: Vec::new(), effects: Vec::new() }
    }
}

struct Parked<M: StateMachine> {
    /// Released when the committed offset reaches this.
    until: i64,
    /// When it was decided, on the monotonic clock.
    since: Duration,
    released: Released<M>,
}

/// A machine, its state, and what waits for commit.
///
/// The driver's loop is: [`Shard::decide`], append the records it returns, [`Shard::appended`] (or
/// [`Shard::append_failed`]), and [`Shard::committed`] whenever the log's committed offset moves.
pub struct Shard<M: StateMachine> {
    status: Status,
    hard: M::Hard,
    soft: M::Soft,
    timers: Timers<M::Timer>,
    /// The offset after the last record applied.
    applied: i64,
    committed: i64,
    parked: VecDeque<Parked<M>>,
    /// Replies and effects of a decision whose records are being appended.
    pending: Released<M>,
    /// When that decision was made.
    decided: Duration,
}

impl<M: StateMachine> Default for Shard<M> {
    fn default() -> Self {
        Self {
            status: Status::Loading,
            hard: M::Hard::default(),
            soft: M::Soft::default(),
            timers: Timers::default(),
            applied: 0,
            committed: 0,
            parked: VecDeque::new(),
            pending: Released::default(),
            decided: Duration::ZERO,
        }
    }
}

impl<M: StateMachine> Shard<M> {
    /// A shard in [`Status::Loading`] with nothing applied.
    pub fn new() -> Self {
        Self::default()
    }

    /// Its status.
    pub fn status(&self) -> Status {
        self.status
    }

    /// The state that the log made, for reads that need no commit.
    pub fn hard(&self) -> &M::Hard {
        &self.hard
    }

    /// The state that ends with leadership, for reads.
    pub fn soft(&self) -> &M::Soft {
        &self.soft
    }

    /// The offset after the last record applied.
    pub fn applied(&self) -> i64 {
        self.applied
    }

    /// Takes a record of the log in while loading.
    pub fn replay(&mut self, offset: i64, record: &M::Record) {
        assert_eq!(self.status, Status::Loading, "records are replayed before activation only");
        M::apply(&mut self.hard, offset, record);
        self.applied = offset + 1;
    }

    /// Ends loading at the log's end; returns records to append, if the machine has any to begin with.
    pub fn activate(&mut self, now: Now, log_end: i64, committed: i64) -> Vec<M::Record> {
        assert_eq!(self.status, Status::Loading, "a shard is activated once");
        self.status = Status::Active;
        self.applied = self.applied.max(log_end);
        self.committed = committed;
        self.decided = now.monotonic;
        let mut out = Outcome::default();
        M::activated(&self.hard, &mut self.soft, now, &mut out);
        self.take(out)
    }

    /// Decides an event. The records returned must be appended as one batch and reported before the next event.
    pub fn decide(&mut self, now: Now, event: M::Event) -> Result<Vec<M::Record>, ShardError> {
        match self.status {
            Status::Loading => Err(ShardError::Loading),
            Status::Failed => Err(ShardError::Failed),
            Status::Active => {
                self.decided = now.monotonic;
                let mut out = Outcome::default();
                M::decide(&self.hard, &mut self.soft, now, event, &mut out);
                Ok(self.take(out))
            }
        }
    }

    fn take(&mut self, out: Outcome<M>) -> Vec<M::Record> {
        for (timer, at) in out.timers {
            match at {
                Some(at) => self.timers.set(timer, at),
                None => self.timers.cancel(&timer),
            }
        }
        self.pending.replies.extend(out.replies);
        self.pending.effects.extend(out.effects);
        out.records
    }

    /// The records of the last decision are in the log from `base_offset` on (none at all is fine).
    pub fn appended(&mut self, base_offset: i64, records: &[M::Record]) {
        for (offset, record) in (base_offset..).zip(records) {
            M::apply(&mut self.hard, offset, record);
            self.applied = offset + 1;
        }
        let released = core::mem::take(&mut self.pending);
        if !released.replies.is_empty() || !released.effects.is_empty() {
            self.parked.push_back(Parked { until: self.applied, since: self.decided, released });
        }
    }

    /// The append failed: nobody is told anything more by this shard.
    pub fn append_failed(&mut self) -> Vec<Ticket> {
        self.status = Status::Failed;
        self.timers = Timers::default();
        let parked = self.parked.drain(..).flat_map(|p| p.released.replies);
        let waiting = parked.chain(core::mem::take(&mut self.pending).replies);
        waiting.map(|(ticket, _)| ticket).collect()
    }

    /// Everything below `offset` is committed: returns what waited for that.
    pub fn committed(&mut self, offset: i64) -> Released<M> {
        self.committed = self.committed.max(offset);
        let mut released = Released::default();
        while let Some(parked) = self.parked.pop_front_if(|p| p.until <= self.committed) {
            released.replies.extend(parked.released.replies);
            released.effects.extend(parked.released.effects);
        }
        released
    }

    /// Since when, on the monotonic clock, a caller's answer is decided and waits for commit, if so.
    pub fn parked_since(&self, ticket: Ticket) -> Option<Duration> {
        let waits = |parked: &&Parked<M>| parked.released.replies.iter().any(|(other, _)| *other == ticket);
        self.parked.iter().find(waits).map(|parked| parked.since)
    }

    /// When the next timer is due, on the monotonic clock.
    pub fn next_timeout(&self) -> Option<Duration> {
        self.timers.next()
    }

    /// The event of a timer that is due, if one is.
    pub fn pop_timeout(&mut self, now: Now) -> Option<M::Event> {
        self.timers.pop_due(now.monotonic).map(M::timeout)
    }
}

#[cfg(test)]
mod tests;
