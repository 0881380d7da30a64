//! The one place that reads clocks for the state machines.

use ottla_state_machine::Now;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Monotonic time since the process began, and wall-clock time beside it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    pub(crate) fn starting_now() -> Self {
        Self { origin: Instant::now() }
    }

    pub(crate) fn now(&self) -> Now {
        Now { monotonic: self.monotonic(), wall_ms: wall_ms() }
    }

    /// Time since the clock was made.
    pub(crate) fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }

    /// The tokio instant of a monotonic time.
    pub(crate) fn instant(&self, monotonic: Duration) -> tokio::time::Instant {
        tokio::time::Instant::from_std(self.origin + monotonic)
    }
}

/// Milliseconds since 1970.
pub(crate) fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
