//! One coordinator's life: its log is read, it serves, it lets go.

use super::{ShardDriver, Stored};
use parking_lot::Mutex;
use std::{sync::Arc, time::Duration};
use tokio::{sync::Semaphore, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

/// A coordinator whose log failed, on a full disk for one, reads it again after this time.
const MIN_RETRY: Duration = Duration::from_secs(1);
/// If that does not help, each time takes twice as long up to this.
const MAX_RETRY: Duration = Duration::from_secs(60);

/// What a coordinator must know besides its log.
pub(crate) trait News<M: Stored>: Clone + Send + 'static {
    /// All there is to know as of now.
    fn all(&self) -> Vec<M::Event>;
    /// Counts what is known by now as told.
    fn mark_seen(&mut self);
    /// Waits for what is new.
    fn next(&mut self) -> impl Future<Output = M::Event> + Send;
}

/// A coordinator from the moment its partition is ours.
pub(super) struct Served<M: Stored> {
    pub(super) shard: Arc<ShardDriver<M>>,
    stopping: CancellationToken,
    /// What happened while the log was read, or could not be written.
    missed: Mutex<Vec<M::Event>>,
}

impl<M: Stored> Served<M> {
    pub(super) fn new(shard: Arc<ShardDriver<M>>, stopping: CancellationToken) -> Self {
        Self { shard, stopping, missed: Mutex::default() }
    }

    /// Lets go: whoever waits is told, and nothing is written any more.
    pub(super) fn stop(&self) {
        self.stopping.cancel();
        self.shard.close();
    }

    /// Tells the coordinator, now or when its log is read.
    pub(super) fn tell(&self, event: M::Event) {
        // Held over the question and the note, so that the loader comes before both or after both.
        let mut missed = self.missed.lock();
        if self.shard.notify(event.clone()).is_err() && !self.stopping.is_cancelled() {
            missed.push(event);
        }
    }

    /// Those that fail again stay for the next time.
    fn catch_up(&self) {
        self.missed.lock().retain(|event| self.shard.notify(event.clone()).is_err());
    }
}

/// Reads the log and serves until told to stop, and does so again should the log fail.
pub(super) async fn run<M: Stored>(served: Arc<Served<M>>, mut news: impl News<M>, loads: Arc<Semaphore>) {
    let mut retry = MIN_RETRY;
    loop {
        let began = Instant::now();
        load(&served, &mut news, &loads).await;
        served.catch_up();
        serve(&served, &mut news).await;
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

async fn load<M: Stored>(served: &Served<M>, news: &mut impl News<M>, loads: &Semaphore) {
    let Ok(_permit) = loads.acquire().await else { return };
    if served.stopping.is_cancelled() {
        return served.shard.close();
    }
    news.mark_seen();
    let (shard, first) = (served.shard.clone(), news.clone());
    if let Err(panic) = tokio::task::spawn_blocking(move || shard.load(|| first.all())).await {
        error!(partition = %served.shard.partition, %panic, "coordinator cannot load");
        served.shard.close();
    }
}

/// Serves timers and news until told to stop, or until the log fails.
async fn serve<M: Stored>(served: &Served<M>, news: &mut impl News<M>) {
    let timers = served.shard.clone().run_timers(served.stopping.clone());
    tokio::pin!(timers);
    loop {
        tokio::select! {
            biased;
            () = &mut timers => return,
            event = news.next() => {
                // A coordinator whose log failed is told all of it when the log is read again.
                let _ = served.shard.notify(event);
            }
        }
    }
}
