//! What a leader knows of one follower from its fetches.

use core::time::Duration;

/// A follower as its fetches in this leader epoch show it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// The offset it fetched at last: it has all below. None before its first fetch in this epoch.
    pub(crate) log_end_offset: Option<i64>,
    /// Where its log starts.
    pub(crate) log_start_offset: Option<i64>,
    /// The epoch of its registration as it fetched last; -1 if it told none.
    pub(crate) broker_epoch: Option<i64>,
    last_fetch: Option<Duration>,
    /// Where the leader's log ended when it fetched last.
    leader_end_at_last_fetch: Option<i64>,
    /// When it had all that the leader had.
    last_caught_up: Option<Duration>,
}

impl Progress {
    /// At the beginning of an epoch: who is in sync gets the time it takes to be found out of sync.
    pub(crate) fn new(in_sync: bool, now: Duration) -> Self {
        Self { last_caught_up: in_sync.then_some(now), ..Self::default() }
    }

    /// It fetched at `offset` while the leader's log ended at `leader_end`.
    ///
    /// Whoever fetches past where the leader's log ended at its fetch before had caught up then: so a follower keeps up although
    /// there is always something new when it fetches.
    pub(crate) fn fetched(
        &mut self,
        offset: i64,
        log_start_offset: i64,
        broker_epoch: i64,
        leader_end: i64,
        now: Duration,
    ) {
        let caught_up = match self.leader_end_at_last_fetch {
            _ if offset >= leader_end => Some(now),
            Some(end) if offset >= end => self.last_fetch,
            _ => None,
        };
        *self = Self {
            log_end_offset: Some(offset),
            log_start_offset: Some(log_start_offset),
            broker_epoch: Some(broker_epoch),
            last_fetch: Some(now),
            leader_end_at_last_fetch: self.leader_end_at_last_fetch.max(Some(leader_end)),
            last_caught_up: self.last_caught_up.max(caught_up),
        };
    }

    /// Whether it has the records from an offset on, or will have them next.
    pub(crate) fn has(&self, offset: i64) -> bool {
        self.log_end_offset.is_some_and(|end| end >= offset)
            && self.log_start_offset.is_some_and(|start| start <= offset)
    }

    /// When it had all that the leader had.
    pub(crate) fn last_caught_up(&self) -> Option<Duration> {
        self.last_caught_up
    }

    /// Whether it has all that the leader has, or had it not long ago.
    pub(crate) fn is_caught_up(&self, leader_end: i64, max_lag: Duration, now: Duration) -> bool {
        let lately = |at: Duration| now.saturating_sub(at) <= max_lag;
        self.log_end_offset == Some(leader_end) || self.last_caught_up.is_some_and(lately)
    }
}
