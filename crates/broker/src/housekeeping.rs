//! What the broker does now and then: delete old segments, forget producers, write checkpoints, sync what asks for it.

use crate::{
    broker::Broker,
    clock::wall_ms,
    replica::Replica,
    replicas::{Changes, open_internal},
};
use ottla_config::keys;
use ottla_metadata::Delta;
use ottla_protocol::Uuid;
use std::{sync::Arc, time::Duration};
use tracing::error;

/// How often logs that `flush.ms` asks to be synced are looked for at least. Kafka looks only each
/// `log.flush.scheduler.interval.ms`, which is never unless it is set.
const MOST_BETWEEN_FLUSHES_MS: i64 = 1000;

/// How often the room on the disks is looked at: so long may it take until producers are served again.
const ROOM_EVERY: Duration = Duration::from_secs(1);

/// Looks at the room on the disks until the broker stops, beside all else, which may have to wait for a disk.
pub(crate) async fn watch_room(broker: Arc<Broker>) {
    let mut were_short = Vec::new();
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
        // Who leads may be another now, and who can.
        let short = broker.replicas.dirs().iter().filter(|dir| dir.room.is_short() && !dir.is_offline());
        let short: Vec<_> = short.map(|dir| dir.id).collect();
        let concerned = |id: &Uuid| short.contains(id) || were_short.contains(id);
        if !short.is_empty() || !were_short.is_empty() {
            let replicas = broker.replicas.all().into_iter().filter(|replica| concerned(&replica.dir().id));
            broker.replicas.assignments().add(replicas);
        }
        were_short = short;
        let mut led = broker.groups.take_unopened();
        led.extend(broker.transactions.take_unopened());
        if !led.is_empty() {
            let broker = broker.clone();
            let _ = tokio::task::spawn_blocking(move || begin_coordinators(&broker, led)).await;
        }
    }
}

/// Has coordinators begin for which there was no room when this broker came to lead. Blocks.
fn begin_coordinators(broker: &Broker, mut led: Vec<Arc<Replica>>) {
    open_internal(&led);
    follow(broker, Changes { led: led.clone(), ..Default::default() });
    // Who came to lead instead meanwhile was told before these began.
    led.retain(|replica| !replica.is_led());
    follow(broker, Changes { resigned: led, ..Default::default() });
}

fn follow(broker: &Broker, changes: Changes) {
    broker.groups.follow(&changes, &Delta::default());
    broker.transactions.follow(&changes);
}

/// Runs until the broker stops.
pub(crate) async fn run(broker: Arc<Broker>) {
    let config = broker.config();
    // Both are written at once, and how often bounds what a recovery reads.
    let checkpoint_ms = config.get(keys::LOG_FLUSH_OFFSET_CHECKPOINT_INTERVAL_MS);
    let checkpoint_ms = checkpoint_ms.min(config.get(keys::LOG_FLUSH_START_OFFSET_CHECKPOINT_INTERVAL_MS));
    let mut checkpoint = every(i64::from(checkpoint_ms));
    let mut watermarks = every(config.get(keys::REPLICA_HIGH_WATERMARK_CHECKPOINT_INTERVAL_MS));
    let mut retain = every(config.get(keys::LOG_RETENTION_CHECK_INTERVAL_MS));
    let mut forget = every(config.get(keys::PRODUCER_ID_EXPIRATION_CHECK_INTERVAL_MS).into());
    let mut flush = every(config.get(keys::LOG_FLUSH_SCHEDULER_INTERVAL_MS).min(MOST_BETWEEN_FLUSHES_MS));
    loop {
        let work: fn(&Broker) = tokio::select! {
            biased;
            () = broker.stopping.cancelled() => return,
            _ = retain.tick() => |broker| clean_up(broker, |_| true),
            _ = forget.tick() => forget_producers,
            _ = checkpoint.tick() => write_checkpoints,
            _ = watermarks.tick() => write_high_watermarks,
            _ = flush.tick() => flush_due,
        };
        let broker = broker.clone();
        // A panic is logged by the panic hook; the next round comes all the same.
        let _ = tokio::task::spawn_blocking(move || work(&broker)).await;
    }
}

fn every(ms: i64) -> tokio::time::Interval {
    let period = Duration::from_millis(u64::try_from(ms).unwrap_or(1).clamp(1, u64::from(u32::MAX)));
    let mut interval = tokio::time::interval_at(tokio::time::Instant::now() + period, period);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    interval
}

/// Syncs the logs that have waited for `flush.ms`. What a journal has is durable already.
fn flush_due(broker: &Broker) {
    if broker.replicas.dirs().iter().all(|dir| dir.commits().is_some()) {
        return;
    }
    let now_ms = wall_ms();
    for partition in broker.replicas.opened().into_iter().filter(|partition| partition.dir().commits().is_none()) {
        partition.flush_if_due(now_ms);
    }
}

fn clean_up(broker: &Broker, in_dir: impl Fn(Uuid) -> bool) {
    let now_ms = wall_ms();
    for replica in broker.replicas.all().into_iter().filter(|replica| in_dir(replica.dir().id)) {
        // A log without records has nothing to delete, so it is not opened for that.
        if replica.opened().is_some() || replica.size() > 0 {
            // Why one cannot be opened was logged.
            let _ = replica.open().map(|partition| partition.clean_up(now_ms));
        }
    }
}

/// A log that is not open has no producers in memory, and takes in none that are too old when it is opened.
fn forget_producers(broker: &Broker) {
    let now_ms = wall_ms();
    broker.replicas.opened().iter().for_each(|partition| partition.forget_producers(now_ms));
}

fn write_checkpoints(broker: &Broker) {
    for dir in broker.replicas.dirs() {
        if let Some(commits) = dir.commits() {
            commits.checkpoint();
        }
    }
    for partition in broker.replicas.opened().into_iter().filter(|partition| partition.dir().commits().is_none()) {
        partition.flush();
    }
    // Of a log dir without room that is said already.
    if let Err(error) = broker.replicas.write_checkpoints()
        && !error.is_full()
    {
        error!(%error, "cannot write checkpoints");
    }
}

fn write_high_watermarks(broker: &Broker) {
    if let Err(error) = broker.replicas.write_high_watermarks()
        && !error.is_full()
    {
        error!(%error, "cannot write high watermarks");
    }
}
