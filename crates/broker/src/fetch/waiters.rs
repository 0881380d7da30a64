//! Who waits for a partition to grow.

use parking_lot::Mutex;
use std::sync::{Arc, Weak};
use tokio::sync::Notify;

/// Beyond this many entries those that gave up are swept out before another is added.
const SWEEP_FROM: usize = 64;

/// The fetches that wait for one partition; each is woken once.
#[derive(Debug, Default)]
pub(crate) struct Waiters(Mutex<Vec<Weak<Notify>>>);

impl Waiters {
    /// Wakes `waiter` at the next growth.
    pub(crate) fn add(&self, waiter: &Arc<Notify>) {
        let mut waiters = self.0.lock();
        if waiters.len() >= SWEEP_FROM && waiters.len().is_power_of_two() {
            waiters.retain(|waiter| waiter.strong_count() > 0);
        }
        waiters.push(Arc::downgrade(waiter));
    }

    /// Wakes all.
    pub(crate) fn wake(&self) {
        let woken = {
            let mut waiters = self.0.lock();
            if waiters.is_empty() {
                return;
            }
            core::mem::take(&mut *waiters)
        };
        for waiter in woken.iter().filter_map(Weak::upgrade) {
            waiter.notify_one();
        }
    }
}
