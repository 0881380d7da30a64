//! One coordinator's life: its log is read, it serves, it lets go.

use super::Shard;
use crate::shards::Unavailable;
use ottla_coordinator::{Event, Settings};
use parking_lot::Mutex;
use std::{sync::Arc, time::Duration};
use tokio::{sync::Semaphore, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

/// A coordinator whose log failed, on a full disk for one, reads it again after this time.
const MIN_RETRY: Duration = Duration::from_secs(1);
/// If that does not help, each time takes twice as long up to this.
const MAX_RETRY: Duration = Duration::from_secs(60);

/// A coordinator from the moment its partition is ours.
pub(super) struct Served {
    pub(super) shard: Arc<Shard>,
    stopping: CancellationToken,
    /// News that came while the log was read, or could not be written; settings are read anew instead.
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
        let was_told = self.shard.notify(event.clone()) == Ok(());
        if !was_told && !matches!(event, Event::Configure(_)) && !self.stopping.is_cancelled() {
            missed.push(event);
        }
    }

    /// Those that fail again stay for the next time.
    fn catch_up(&self, settings: &Mutex<Settings>) {
        let mut missed = self.missed.lock();
        let settings = settings.lock().clone();
        if self.shard.notify(Event::Configure(settings)) == Ok(()) {
            missed.retain(|event| self.shard.notify(event.clone()) == Err(Unavailable::Failed));
        }
    }
}

/// Reads the log and serves timers until told to stop, and does so again should the log fail.
pub(super) async fn run(served: Arc<Served>, settings: Arc<Mutex<Settings>>, loads: Arc<Semaphore>) {
    let mut retry = MIN_RETRY;
    loop {
        let began = Instant::now();
        load(&served, &loads).await;
        served.catch_up(&settings);
        served.shard.clone().run_timers(served.stopping.clone()).await;
        let served_long = began.elapsed() > MAX_RETRY;
        retry = if served_long { MIN_RETRY } else { retry };
        tokio::select! {
            biased;
            () = served.stopping.cancelled() => break,
            () = tokio::time::sleep(retry) => {}
        }
        retry = (retry * 2).min(MAX_RETRY);
        warn!(partition = %served.shard.partition, "coordinator reads its log again after a failure");
        if !served.shard.reset() {
            break;
        }
    }
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
