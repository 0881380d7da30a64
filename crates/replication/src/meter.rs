//! The rate of replication over the last while, by which it is throttled (KIP-73).

use core::time::Duration;
use std::collections::VecDeque;

/// Bytes that were noted within a window from its first on.
#[derive(Clone, Copy, Debug)]
struct Sample {
    start: Duration,
    last: Duration,
    bytes: u64,
}

/// Measures bytes a second over some windows of time, as Kafka's quotas of replication do.
#[derive(Clone, Debug)]
pub struct Meter {
    window: Duration,
    count: u32,
    /// Oldest first.
    samples: VecDeque<Sample>,
}

impl Meter {
    /// Measures over so many windows, each at least a nanosecond long.
    pub fn new(window: Duration, count: u32) -> Self {
        Self { window: window.max(Duration::from_nanos(1)), count: count.max(1), samples: VecDeque::new() }
    }

    /// Notes bytes.
    pub fn record(&mut self, bytes: u64, now: Duration) {
        self.forget_old(now);
        match self.samples.back_mut().filter(|sample| now.saturating_sub(sample.start) < self.window) {
            Some(sample) => {
                sample.bytes = sample.bytes.saturating_add(bytes);
                sample.last = now;
            }
            None => self.samples.push_back(Sample { start: now, last: now, bytes }),
        }
    }

    /// For how long the rate will be above a limit in bytes a second if nothing more is noted, unless the passing of a window
    /// ends that sooner; none if it is not above it.
    pub fn exceeds(&mut self, limit: u64, now: Duration) -> Option<Duration> {
        self.forget_old(now);
        let oldest = self.samples.front()?;
        let elapsed = now.saturating_sub(oldest.start).max(self.window);
        let bytes: u64 = self.samples.iter().fold(0, |sum, sample| sum.saturating_add(sample.bytes));
        let needed = Duration::try_from_secs_f64(bytes as f64 / limit as f64).unwrap_or(Duration::MAX);
        (needed > elapsed).then(|| {
            let forgotten_at = oldest.last + self.memory();
            oldest.start.saturating_add(needed).min(forgotten_at).saturating_sub(now)
        })
    }

    fn memory(&self) -> Duration {
        self.window * self.count
    }

    /// A window counts until it has all been too long ago.
    fn forget_old(&mut self, now: Duration) {
        while self.samples.front().is_some_and(|sample| now.saturating_sub(sample.last) >= self.memory()) {
            self.samples.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(seconds: f64) -> Duration {
        Duration::from_secs_f64(100.0 + seconds)
    }

    #[test]
    fn nothing_noted_is_below_any_limit() {
        assert_eq!(Meter::new(SECOND, 11).exceeds(0, at(0.0)), None);
    }

    #[test]
    fn the_first_window_counts_as_whole() {
        let mut meter = Meter::new(SECOND, 11);
        meter.record(1000, at(0.0));
        assert_eq!(meter.exceeds(1000, at(0.0)), None);
        meter.record(1, at(0.5));
        assert!(meter.exceeds(1000, at(0.5)).is_some());
        assert_eq!(meter.exceeds(1001, at(0.5)), None);
    }

    #[test]
    fn a_burst_is_paid_for_with_time() {
        let mut meter = Meter::new(SECOND, 11);
        meter.record(5000, at(0.0));
        assert_eq!(meter.exceeds(1000, at(0.0)), Some(SECOND * 5));
        assert_eq!(meter.exceeds(1000, at(4.0)), Some(SECOND));
        assert_eq!(meter.exceeds(1000, at(5.0)), None);
        meter.record(1000, at(5.0));
        assert_eq!(meter.exceeds(1000, at(5.0)), Some(SECOND));
    }

    #[test]
    fn what_was_long_ago_is_forgotten_but_not_before() {
        let mut meter = Meter::new(SECOND, 3);
        meter.record(50_000, at(0.0));
        // As with Kafka, which allows as much again then.
        assert_eq!(meter.exceeds(1000, at(1.0)), Some(SECOND * 2));
        assert_eq!(meter.exceeds(1000, at(3.0)), None);
        assert_eq!(meter.exceeds(0, at(3.0)), None);
        meter.record(1, at(3.0));
        assert_eq!(meter.exceeds(0, at(3.0)), Some(SECOND * 3));
    }

    #[test]
    fn over_time_no_more_passes_than_the_limit() {
        let mut meter = Meter::new(SECOND, 11);
        let (mut now, mut passed) = (at(0.0), 0);
        while now < at(100.0) {
            match meter.exceeds(1000, now) {
                Some(wait) => now += wait,
                None => {
                    meter.record(700, now);
                    passed += 700;
                    now += Duration::from_millis(1);
                }
            }
        }
        assert!((90_000..=105_000).contains(&passed), "{passed}");
    }
}
