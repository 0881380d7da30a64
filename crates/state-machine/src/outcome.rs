//! What a decision asks for: records, replies, timers and effects.

use crate::StateMachine;
use core::time::Duration;

/// The address of a caller who waits for a reply; the driver hands them out and never twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Collects what one or more decisions ask for.
#[derive(Debug)]
pub struct Outcome<M: StateMachine> {
    pub(crate) records: Vec<M::Record>,
    pub(crate) replies: Vec<(Ticket, M::Reply)>,
    pub(crate) effects: Vec<M::Effect>,
    pub(crate) timers: Vec<(M::Timer, Option<Duration>)>,
}

impl<M: StateMachine> Default for Outcome<M> {
    fn default() -> Self {
        Self { records: Vec::new(), replies: Vec::new(), effects: Vec::new(), timers: Vec::new() }
    }
}

impl<M: StateMachine> Outcome<M> {
    /// Appends a record. All records of one decision are appended together or not at all.
    pub fn record(&mut self, record: M::Record) {
        self.records.push(record);
    }

    /// Answers a caller, once what was recorded so far is committed.
    pub fn reply(&mut self, ticket: Ticket, reply: M::Reply) {
        self.replies.push((ticket, reply));
    }

    /// Asks the driver for something, once what was recorded so far is committed.
    pub fn effect(&mut self, effect: M::Effect) {
        self.effects.push(effect);
    }

    /// Sets a timer, in place of an earlier one of the same name; `at` is on the monotonic clock.
    pub fn set_timer(&mut self, timer: M::Timer, at: Duration) {
        self.timers.push((timer, Some(at)));
    }

    /// Takes a timer back.
    pub fn cancel_timer(&mut self, timer: M::Timer) {
        self.timers.push((timer, None));
    }

    /// The records asked for so far; for tests and for decisions that build on them.
    pub fn records(&self) -> &[M::Record] {
        &self.records
    }

    /// The replies asked for so far; for tests.
    pub fn replies(&self) -> &[(Ticket, M::Reply)] {
        &self.replies
    }
}
