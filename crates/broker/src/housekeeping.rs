//! What the broker does now and then: delete old segments, write checkpoints, sync what asks for it.

use crate::{broker::Broker, clock::wall_ms};
use ottla_config::keys;
use std::{sync::Arc, time::Duration};
use tracing::error;

/// Kafka's `log.flush.offset.checkpoint.interval.ms`, which bounds what a recovery reads.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(60);

/// Runs until the broker stops.
pub(crate) async fn run(broker: Arc<Broker>) {
    let retention = {
        let every_ms = broker.config().get(keys::LOG_RETENTION_CHECK_INTERVAL_MS);
        Duration::from_millis(u64::try_from(every_ms).unwrap_or(1).max(1))
    };
    let mut retain = tokio::time::interval_at(tokio::time::Instant::now() + retention, retention);
    let mut checkpoint = tokio::time::interval_at(tokio::time::Instant::now() + CHECKPOINT_EVERY, CHECKPOINT_EVERY);
    loop {
        let work: fn(&Broker) = tokio::select! {
            biased;
            () = broker.stopping.cancelled() => return,
            _ = retain.tick() => clean_up,
            _ = checkpoint.tick() => write_checkpoints,
        };
        let broker = broker.clone();
        // A panic is logged by the panic hook; the next round comes all the same.
        let _ = tokio::task::spawn_blocking(move || work(&broker)).await;
    }
}

fn clean_up(broker: &Broker) {
    let now_ms = wall_ms();
    for partition in broker.replicas.all() {
        partition.clean_up(now_ms);
    }
}

fn write_checkpoints(broker: &Broker) {
    for dir in broker.replicas.dirs() {
        if let Some(commits) = dir.commits() {
            commits.checkpoint();
        }
    }
    for partition in broker.replicas.all().into_iter().filter(|partition| partition.dir().commits().is_none()) {
        partition.flush();
    }
    if let Err(error) = broker.replicas.write_checkpoints() {
        error!(%error, "cannot write checkpoints");
    }
}
