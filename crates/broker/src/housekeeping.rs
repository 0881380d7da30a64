//! What the broker does now and then: delete old segments, write checkpoints, sync what asks for it.

use crate::{broker::Broker, clock::wall_ms};
use ottla_config::keys;
use ottla_protocol::Uuid;
use std::{sync::Arc, time::Duration};
use tracing::error;

/// Kafka's `log.flush.offset.checkpoint.interval.ms`, which bounds what a recovery reads.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(60);

/// How often the room on the disks is looked at: so long may it take until producers are served again.
const ROOM_EVERY: Duration = Duration::from_secs(1);

/// Looks at the room on the disks until the broker stops, beside all else, which may have to wait for a disk.
pub(crate) async fn watch_room(broker: Arc<Broker>) {
    let mut look = tokio::time::interval(ROOM_EVERY);
    loop {
        tokio::select! {
            biased;
            () = broker.stopping.cancelled() => return,
            _ = look.tick() => {}
        }
        let looked = broker.clone();
        let short = tokio::task::spawn_blocking(move || {
            let online = looked.replicas.dirs().iter().filter(|dir| !dir.is_offline());
            online.filter(|dir| dir.room.look(&dir.log_dir)).map(|dir| dir.id).collect::<Vec<_>>()
        });
        for id in short.await.unwrap_or_default() {
            let broker = broker.clone();
            tokio::task::spawn_blocking(move || clean_up(&broker, |dir| dir == id));
        }
    }
}

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
            _ = retain.tick() => |broker| clean_up(broker, |_| true),
            _ = checkpoint.tick() => write_checkpoints,
        };
        let broker = broker.clone();
        // A panic is logged by the panic hook; the next round comes all the same.
        let _ = tokio::task::spawn_blocking(move || work(&broker)).await;
    }
}

fn clean_up(broker: &Broker, in_dir: impl Fn(Uuid) -> bool) {
    let now_ms = wall_ms();
    for partition in broker.replicas.all().into_iter().filter(|partition| in_dir(partition.dir.id)) {
        partition.clean_up(now_ms);
    }
}

fn write_checkpoints(broker: &Broker) {
    for dir in broker.replicas.dirs() {
        if let Some(commits) = dir.commits() {
            commits.checkpoint();
        }
    }
    for partition in broker.replicas.all().into_iter().filter(|partition| partition.dir.commits().is_none()) {
        partition.flush();
    }
    if let Err(error) = broker.replicas.write_checkpoints() {
        error!(%error, "cannot write checkpoints");
    }
}
