//! Keeps appends to a disk that stalls off the threads that serve the network.
//!
//! An append goes into the page cache and mostly takes microseconds, so it is done where the request is. When the disk does
//! not keep up the system makes whoever writes to it wait, and with every thread of the runtime in such a wait nobody would
//! be served, whatever disk they ask for.

use parking_lot::Mutex;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, SemaphorePermit};

/// An append that takes longer was made to wait.
const LONG: Duration = Duration::from_millis(100);
/// How long a disk is taken for one that stalls after such an append.
const MEMORY: Duration = Duration::from_secs(10);
/// Appends to a disk that stalls at a time: each has a thread meanwhile.
const AT_A_TIME: usize = 32;

/// How a log dir's disk behaves.
#[derive(Debug)]
pub(crate) struct Stalls {
    last: Mutex<Option<Instant>>,
    places: Semaphore,
}

impl Default for Stalls {
    fn default() -> Self {
        Self { last: Mutex::default(), places: Semaphore::new(AT_A_TIME) }
    }
}

impl Stalls {
    /// Does work that may have to wait for the disk.
    pub(crate) fn run<T>(&self, work: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let done = if self.is_stalling(begun) { tokio::task::block_in_place(work) } else { work() };
        let ended = Instant::now();
        if ended - begun >= LONG {
            *self.last.lock() = Some(ended);
        }
        done
    }

    /// A place among those who may wait for the disk at a time; none is needed while it does not stall.
    pub(crate) async fn place(&self) -> Option<SemaphorePermit<'_>> {
        match self.is_stalling(Instant::now()) {
            true => self.places.acquire().await.ok(),
            false => None,
        }
    }

    pub(crate) fn is_stalling(&self, now: Instant) -> bool {
        self.last.lock().is_some_and(|last| now.saturating_duration_since(last) < MEMORY)
    }
}
