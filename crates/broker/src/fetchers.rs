//! Followers at work: for each broker that leads partitions of ours a thread fetches what is new.

mod fetcher;
mod requests;
mod unopened;

use crate::{broker::Broker, replica::Replica, replicas::Changes};
use fetcher::Fetcher;
use ottla_config::keys;
use ottla_storage::journal::PartitionKey;
use parking_lot::Mutex;
pub(crate) use requests::ReplicaFetch;
use std::{
    collections::HashMap,
    sync::{Arc, OnceLock, Weak},
    thread::JoinHandle,
};
use tokio::sync::Notify;
use tracing::error;

/// A broker to fetch from, and which of the fetchers from it.
type Source = (i32, usize);

/// What a fetcher is told.
enum Change {
    /// A replica follows that broker, in a new epoch perhaps.
    Follow(Arc<Replica>),
    Leave(PartitionKey),
}

/// What a fetcher has not heard yet.
#[derive(Default)]
struct Inbox {
    changes: Mutex<Vec<Change>>,
    added: Notify,
}

impl Inbox {
    fn add(&self, change: Change) {
        self.changes.lock().push(change);
        self.added.notify_one();
    }

    fn take(&self) -> Vec<Change> {
        std::mem::take(&mut *self.changes.lock())
    }
}

#[derive(Default)]
struct State {
    inboxes: HashMap<Source, Arc<Inbox>>,
    /// Where each replica that follows is fetched from.
    sources: HashMap<PartitionKey, Source>,
    threads: Vec<JoinHandle<()>>,
}

/// All fetchers of this broker.
#[derive(Default)]
pub(crate) struct Fetchers {
    state: Mutex<State>,
    /// Set when this broker has registered: who fetches before that is refused.
    broker: OnceLock<Weak<Broker>>,
}

impl Fetchers {
    /// Begins to fetch.
    pub(crate) fn start(&self, broker: &Arc<Broker>) {
        let _ = self.broker.set(Arc::downgrade(broker));
        let mut state = self.state.lock();
        let waiting: Vec<_> = state.inboxes.iter().map(|(source, inbox)| (*source, inbox.clone())).collect();
        for (source, inbox) in waiting {
            state.threads.extend(spawn(broker, source, inbox));
        }
    }

    /// Takes in who is followed now.
    pub(crate) fn follow(&self, changes: &Changes) {
        if changes.removed.is_empty() && changes.roles.is_empty() {
            return;
        }
        let mut state = self.state.lock();
        for replica in &changes.removed {
            state.assign(&self.broker, replica, None);
        }
        for replica in &changes.roles {
            state.assign(&self.broker, replica, replica.followed());
        }
    }

    /// Waits for the fetchers, which end when the broker stops. Blocks.
    pub(crate) fn stopped(&self) {
        let (threads, inboxes) = {
            let mut state = self.state.lock();
            (std::mem::take(&mut state.threads), state.inboxes.values().cloned().collect::<Vec<_>>())
        };
        inboxes.iter().for_each(|inbox| inbox.added.notify_one());
        for thread in threads {
            if thread.join().is_err() {
                error!("a fetcher panicked");
            }
        }
    }
}

impl State {
    fn assign(&mut self, broker: &OnceLock<Weak<Broker>>, replica: &Arc<Replica>, leader: Option<i32>) {
        let key = replica.key();
        let count =
            leader.and_then(|_| broker.get()?.upgrade()).map_or(1, |b| b.config().get(keys::NUM_REPLICA_FETCHERS));
        let count = usize::try_from(count).unwrap_or(1).max(1);
        let number = usize::try_from(key.partition).unwrap_or(0) % count;
        let source = leader.map(|leader| (leader, number));
        let before = match source {
            Some(source) => self.sources.insert(key, source),
            None => self.sources.remove(&key),
        };
        if let Some(inbox) =
            before.filter(|before| Some(*before) != source).and_then(|before| self.inboxes.get(&before))
        {
            inbox.add(Change::Leave(key));
        }
        let Some(source) = source else { return };
        let inbox = match self.inboxes.get(&source) {
            Some(inbox) => inbox.clone(),
            None => {
                let inbox: Arc<Inbox> = Arc::default();
                self.inboxes.insert(source, inbox.clone());
                if let Some(broker) = broker.get().and_then(Weak::upgrade) {
                    self.threads.extend(spawn(&broker, source, inbox.clone()));
                }
                inbox
            }
        };
        inbox.add(Change::Follow(replica.clone()));
    }
}

fn spawn(broker: &Arc<Broker>, (leader, number): Source, inbox: Arc<Inbox>) -> Option<JoinHandle<()>> {
    let fetcher = Fetcher::new(broker.clone(), leader, inbox);
    let runtime = broker.runtime.clone();
    let thread = std::thread::Builder::new().name(format!("fetcher-{leader}-{number}"));
    match thread.spawn(move || runtime.block_on(fetcher.run())) {
        Ok(thread) => Some(thread),
        Err(error) => {
            error!(leader, %error, "cannot start a fetcher: its partitions do not follow");
            None
        }
    }
}
