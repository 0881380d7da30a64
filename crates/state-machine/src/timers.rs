//! Named timers in order of their time.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

/// At most one time for each name.
#[derive(Debug)]
pub struct Timers<T> {
    by_name: BTreeMap<T, Duration>,
    by_time: BTreeSet<(Duration, T)>,
}

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Self { by_name: BTreeMap::new(), by_time: BTreeSet::new() }
    }
}

impl<T: Ord + Clone> Timers<T> {
    /// Sets a timer, replacing one of the same name.
    pub fn set(&mut self, name: T, at: Duration) {
        self.cancel(&name);
        self.by_time.insert((at, name.clone()));
        self.by_name.insert(name, at);
    }

    /// Takes a timer out; nothing happens if there is none.
    pub fn cancel(&mut self, name: &T) {
        if let Some(at) = self.by_name.remove(name) {
            self.by_time.remove(&(at, name.clone()));
        }
    }

    /// When the next timer is due.
    pub fn next(&self) -> Option<Duration> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes out the earliest timer that is due at `now`.
    pub fn pop_due(&mut self, now: Duration) -> Option<T> {
        if self.next()? > now {
            return None;
        }
        let (_, name) = self.by_time.pop_first()?;
        self.by_name.remove(&name);
        Some(name)
    }
}
