//! What is to be followed, but there was no room to open its log.

use crate::replica::Replica;
use ottla_storage::journal::PartitionKey;
use std::{collections::HashSet, sync::Arc, time::Duration};
use tokio::time::Instant;

/// Replicas, and when each is tried again.
pub(super) struct Unopened {
    replicas: Vec<(Instant, Arc<Replica>)>,
    backoff: Duration,
}

impl Unopened {
    pub(super) fn new(backoff: Duration) -> Self {
        Self { replicas: Vec::new(), backoff }
    }

    pub(super) fn add(&mut self, replica: Arc<Replica>) {
        self.replicas.push((Instant::now() + self.backoff, replica));
    }

    pub(super) fn remove(&mut self, key: PartitionKey) {
        self.replicas.retain(|(_, replica)| replica.key() != key);
    }

    /// When the first is tried.
    pub(super) fn next(&self) -> Option<Instant> {
        self.replicas.iter().map(|(at, _)| *at).min()
    }

    /// Opens those that are due, and takes out what there was room for. To open one its end may have to be read, so where one
    /// found no room the others of its log dir wait.
    pub(super) fn open_due(&mut self, now: Instant) -> Vec<Arc<Replica>> {
        let (due, later): (Vec<_>, _) = std::mem::take(&mut self.replicas).into_iter().partition(|(at, _)| *at <= now);
        self.replicas = later;
        let (mut opened, mut full) = (Vec::new(), HashSet::new());
        for (_, replica) in due {
            let dir = replica.dir().id;
            if full.contains(&dir) || (replica.open().is_err() && replica.may_open()) {
                full.insert(dir);
                self.add(replica);
            } else {
                opened.push(replica);
            }
        }
        opened
    }
}
