//! One coordinator's life: its log is read, it serves, it lets go.

use super::Shard;
use crate::shards::Unavailable;
use ottla_coordinator::{Event, Settings};
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::error;

/// A coordinator from the moment its partition is ours.
pub(super) struct Served {
    pub(super) shard: Arc<Shard>,
    stopping: CancellationToken,
    /// News that came while the log was read.
    missed: Mutex<Vec<Event>>,
}

impl Served {
    pub(super) fn new(shard: Arc<Shard>, stopping: CancellationToken) -> Self {
        Self { shard, stopping, missed: Mutex::default() }
    }

    /// Lets go: whoever waits is told, and nothing is written any more.
    pub(super) fn stop(&self) {
        self.stopping.cancel();
        self.shard.close();
    }

    /// Tells the coordinator, now or when its log is read.
    pub(super) fn tell(&self, event: Event) {
        // Held over the question and the note, so that the loader comes before both or after both.
        let mut missed = self.missed.lock();
        if self.shard.notify(event.clone()) == Err(Unavailable::Loading) {
            missed.push(event);
        }
    }

    fn catch_up(&self, settings: Settings) {
        let mut missed = self.missed.lock();
        for event in std::iter::once(Event::Configure(settings)).chain(missed.drain(..)) {
            // One that has been closed, or has failed, need not know.
            let _ = self.shard.notify(event);
        }
    }
}

/// Reads the log, then serves timers until told to stop.
pub(super) async fn run(served: Arc<Served>, settings: Settings, loads: Arc<Semaphore>) {
    load(&served, &loads).await;
    served.catch_up(settings);
    served.shard.clone().run_timers(served.stopping.clone()).await;
    served.shard.close();
}

async fn load(served: &Served, loads: &Semaphore) {
    let Ok(_permit) = loads.acquire().await else { return };
    if served.stopping.is_cancelled() {
        return served.shard.close();
    }
    let shard = served.shard.clone();
    if let Err(panic) = tokio::task::spawn_blocking(move || shard.load()).await {
        error!(partition = %served.shard.partition, %panic, "coordinator cannot load");
        served.shard.close();
    }
}
