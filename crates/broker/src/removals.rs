//! Files that are removed after a delay, by one task; what is left when the broker stops goes at the next start.

use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

type Work = Box<dyn FnOnce() + Send>;

/// Work in order of its time.
#[derive(Default)]
pub(crate) struct Removals {
    queue: Mutex<BTreeMap<(Instant, u64), Work>>,
    /// Tells apart what is due at the same instant.
    next_number: AtomicU64,
    added: Notify,
}

impl std::fmt::Debug for Removals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Removals({} waiting)", self.queue.lock().len())
    }
}

impl Removals {
    /// Has `work` done after `delay`.
    pub(crate) fn later(&self, delay: Duration, work: impl FnOnce() + Send + 'static) {
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        self.queue.lock().insert((Instant::now() + delay, number), Box::new(work));
        self.added.notify_one();
    }

    fn next(&self) -> Option<Instant> {
        self.queue.lock().first_key_value().map(|((at, _), _)| *at)
    }

    fn take_due(&self) -> Vec<Work> {
        let mut queue = self.queue.lock();
        let later = queue.split_off(&(Instant::now(), u64::MAX));
        core::mem::replace(&mut *queue, later).into_values().collect()
    }

    /// Does the work when its time has come.
    pub(crate) async fn run(self: Arc<Self>, stop: CancellationToken) {
        loop {
            let due = async {
                match self.next() {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.added.notified() => continue,
                () = due => {}
            }
            let work = self.take_due();
            let done = tokio::task::spawn_blocking(move || work.into_iter().for_each(|work| work()));
            // A panic in one piece of work was logged by the panic hook.
            let _ = done.await;
        }
    }
}
