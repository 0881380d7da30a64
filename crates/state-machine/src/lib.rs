//! The contract of replicated state machines and the runtime that parks replies until commit.
//!
//! A machine decides, a log remembers, a driver does. `decide` reads the state and answers with records, replies, timers
//! and effects; the driver appends the records; the runtime applies them and lets the replies and effects go once the
//! records before them are committed. Groups, transactions and the controller are all such machines.
//!
//! Invariants: hard state changes only in `apply`, in log order, live as on replay; nobody is told of what may still be
//! lost; a caller is answered exactly once.
//!
//! The crate does not know logs, threads, clocks or what any record means.

mod outcome;
mod shard;
mod timers;

pub use self::outcome::{Outcome, Ticket};
pub use self::shard::{Released, Shard, ShardError, Status};
pub use self::timers::Timers;

use core::time::Duration;

/// The time of a decision, as the driver read it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now {
    /// Time that only moves on, since an origin of the driver's choice; for timers.
    pub monotonic: Duration,
    /// Milliseconds since 1970 by the wall clock; for what is written into records.
    pub wall_ms: i64,
}

/// A replicated state machine.
pub trait StateMachine: Sized {
    /// State that the log rebuilds.
    type Hard: Default;
    /// State that ends with leadership: timers' meaning, parked callers.
    type Soft: Default;
    /// What can happen to it: requests, timers, news.
    type Event;
    /// What it remembers.
    type Record;
    /// What it tells a caller.
    type Reply;
    /// What it asks the driver to do once the records before are committed.
    type Effect;
    /// What a timer is for.
    type Timer: Ord + Clone;

    /// Decides what follows from an event. May change `soft`; says the rest through `out`.
    fn decide(hard: &Self::Hard, soft: &mut Self::Soft, now: Now, event: Self::Event, out: &mut Outcome<Self>);

    /// The event that a timer is.
    fn timeout(timer: Self::Timer) -> Self::Event;

    /// Takes a record in; cannot fail, for it was decided already.
    fn apply(hard: &mut Self::Hard, offset: i64, record: &Self::Record);

    /// Called once when the log is replayed and events are about to come: the place to set timers anew.
    fn activated(_hard: &Self::Hard, _soft: &mut Self::Soft, _now: Now, _out: &mut Outcome<Self>) {}
}
