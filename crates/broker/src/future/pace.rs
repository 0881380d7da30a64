//! The rate at which logs are copied, all moves together.

use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// When the next bytes may be copied.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<Option<Instant>>);

impl Pace {
    /// Takes in bytes that were copied at a limit of so many a second, and answers when more may be.
    pub(super) fn after(&self, bytes: u64, bytes_per_second: i64, now: Instant) -> Instant {
        let mut next = self.0.lock();
        // No credit for a time when nothing was copied.
        let begun = next.filter(|next| *next > now).unwrap_or(now);
        let taken = match bytes_per_second {
            ..=0 => Duration::MAX,
            rate => Duration::try_from_secs_f64(bytes as f64 / rate as f64).unwrap_or(Duration::MAX),
        };
        // Nothing is to wait for longer than this on a limit that may have been lifted.
        let due = begun + taken.min(LONGEST);
        *next = Some(due);
        due
    }
}

/// A larger chunk than the limit allows in this time goes faster than the limit.
const LONGEST: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_take_their_time_and_idleness_saves_none() {
        let (pace, start) = (Pace::default(), Instant::now());
        let seconds = |n| start + Duration::from_secs(n);
        assert_eq!(pace.after(1000, 1000, start), seconds(1));
        assert_eq!(pace.after(2000, 1000, start), seconds(3), "a second move shares the rate");
        assert_eq!(pace.after(1000, 1000, seconds(10)), seconds(11));
        assert_eq!(pace.after(1, i64::MAX, seconds(20)), seconds(20));
        assert_eq!(pace.after(1, 0, seconds(20)), seconds(20) + LONGEST);
    }
}
