//! Limits to the rate at which replicas that are not in sync are fed and fetched (KIP-73).

use ottla_config::{ServerConfig, keys};
use ottla_replication::Meter;
use parking_lot::Mutex;
use std::{
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
    time::Duration,
};

/// Stands for no limit, as in Kafka's configs.
const UNLIMITED: i64 = i64::MAX;

/// One limit, and what passed while there was one.
#[derive(Debug)]
pub(crate) struct Throttle {
    /// Bytes a second.
    limit: AtomicI64,
    meter: Mutex<Meter>,
    passed: AtomicU64,
}

impl Throttle {
    fn new(config: &ServerConfig) -> Self {
        let seconds = u64::try_from(config.get(keys::REPLICATION_QUOTA_WINDOW_SIZE_SECONDS)).unwrap_or(1);
        let count = u32::try_from(config.get(keys::REPLICATION_QUOTA_WINDOW_NUM)).unwrap_or(1);
        Self {
            limit: AtomicI64::new(UNLIMITED),
            meter: Mutex::new(Meter::new(Duration::from_secs(seconds), count)),
            passed: AtomicU64::new(0),
        }
    }

    fn limit(&self) -> Option<u64> {
        match self.limit.load(Ordering::Relaxed) {
            UNLIMITED => None,
            limit => Some(u64::try_from(limit).unwrap_or(0)),
        }
    }

    /// Whether there is a limit: without one nothing is measured.
    pub(crate) fn is_limited(&self) -> bool {
        self.limit().is_some()
    }

    /// How long nothing may pass that is throttled.
    pub(crate) fn closed_for(&self, now: Duration) -> Option<Duration> {
        self.limit().and_then(|limit| self.meter.lock().exceeds(limit, now))
    }

    /// Bytes of a throttled partition pass; also those for replicas in sync count, which are not held up.
    pub(crate) fn record(&self, bytes: usize, now: Duration) {
        self.meter.lock().record(bytes as u64, now);
        self.passed.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Bytes of throttled partitions that passed while there was a limit.
    pub(crate) fn passed(&self) -> u64 {
        self.passed.load(Ordering::Relaxed)
    }
}

/// The limits of this broker.
#[derive(Debug)]
pub(crate) struct Throttles {
    /// To what it sends as a leader.
    pub(crate) leader: Throttle,
    /// To what it fetches as a follower.
    pub(crate) follower: Throttle,
}

impl Throttles {
    pub(crate) fn new(config: &ServerConfig) -> Self {
        let throttles = Self { leader: Throttle::new(config), follower: Throttle::new(config) };
        throttles.configure(config);
        throttles
    }

    /// Takes in what was altered.
    pub(crate) fn configure(&self, config: &ServerConfig) {
        self.leader.limit.store(config.get(keys::LEADER_REPLICATION_THROTTLED_RATE), Ordering::Relaxed);
        self.follower.limit.store(config.get(keys::FOLLOWER_REPLICATION_THROTTLED_RATE), Ordering::Relaxed);
    }
}
