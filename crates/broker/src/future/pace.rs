//! The rate at which logs are copied, all moves together.

use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// After so long it is looked whether there is another limit.
const LONGEST: Duration = Duration::from_secs(1);

/// Bytes that were copied before the limit allowed them.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<Ahead>);

#[derive(Debug, Default)]
struct Ahead {
    bytes: f64,
    /// When.
    at: Option<Instant>,
}

impl Pace {
    /// Takes in bytes that were copied.
    pub(super) fn copied(&self, bytes: u64) {
        self.0.lock().bytes += bytes as f64;
    }

    /// How long to wait before more is copied, or is asked for again, at a limit of so many bytes a second.
    pub(super) fn wait(&self, bytes_per_second: i64, now: Instant) -> Duration {
        let mut ahead = self.0.lock();
        let passed = ahead.at.replace(now).map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        let rate = bytes_per_second.max(0) as f64;
        // No credit for a time when nothing was copied.
        ahead.bytes = (ahead.bytes - rate * passed.as_secs_f64()).max(0.0);
        match ahead.bytes > 0.0 {
            true => Duration::try_from_secs_f64(ahead.bytes / rate).unwrap_or(LONGEST).min(LONGEST),
            false => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_take_their_time_and_idleness_saves_none() {
        let (pace, start) = (Pace::default(), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        let ms = Duration::from_millis;
        assert_eq!(pace.wait(1000, at(0)), ms(0));
        pace.copied(500);
        assert_eq!(pace.wait(1000, at(0)), ms(500));
        pace.copied(250);
        assert_eq!(pace.wait(1000, at(0)), ms(750), "a second move shares the rate");
        assert_eq!(pace.wait(1000, at(750)), ms(0));
        assert_eq!(pace.wait(1000, at(9000)), ms(0));
        pace.copied(500);
        assert_eq!(pace.wait(1000, at(9000)), ms(500));
    }

    #[test]
    fn another_limit_counts_from_then_on() {
        let (pace, start) = (Pace::default(), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        pace.copied(1 << 20);
        assert_eq!(pace.wait(1, at(0)), LONGEST);
        assert_eq!(pace.wait(0, at(1000)), LONGEST, "nothing is copied at 0");
        assert_eq!(pace.wait(1 << 20, at(2000)), Duration::ZERO, "what passed counts by the new one");
        pace.copied(1 << 20);
        assert_eq!(pace.wait(0, at(2000)), LONGEST);
        assert_eq!(pace.wait(i64::MAX, at(2001)), Duration::ZERO);
    }
}
