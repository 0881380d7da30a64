//! Finds transactions that hold consumers back for longer than any may last: nobody is going to end them (KIP-664).

use crate::{broker::Broker, clock::wall_ms, partition::Partition};
use ottla_config::keys;
use ottla_storage::Isolation;
use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tracing::warn;

/// How often they are looked for.
const EVERY: Duration = Duration::from_secs(60);
/// How long one may take to be aborted when its time is over.
const GRACE_MS: i64 = 60_000;

/// A transaction in a partition: topic, partition, producer, first offset.
type Key = (String, i32, i64, i64);

/// Looks until the broker stops, and names each that it finds in the log, once.
pub(crate) async fn watch(broker: Arc<Broker>) {
    let mut known = BTreeSet::new();
    loop {
        tokio::select! {
            biased;
            () = broker.stopping.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        let looked = broker.clone();
        let found = tokio::task::spawn_blocking(move || look(&looked)).await.unwrap_or_default();
        broker.transactions.hanging.store(found.len(), Ordering::Relaxed);
        for Hanging { key, epoch, silent_ms } in &found {
            if !known.contains(key) {
                let (topic, partition, producer_id, offset) = key;
                warn!(
                    "{topic}-{partition}: a transaction of producer {producer_id} epoch {epoch} that began at offset {offset} \
                     was not ended, and nothing was written in it for {} s: consumers that read committed records wait for it; \
                     see kafka-transactions find-hanging and abort",
                    silent_ms / 1000
                );
            }
        }
        known = found.into_iter().map(|hanging| hanging.key).collect();
    }
}

struct Hanging {
    key: Key,
    epoch: i16,
    silent_ms: i64,
}

fn look(broker: &Broker) -> Vec<Hanging> {
    let limit_ms = i64::from(broker.config().get(keys::TRANSACTION_MAX_TIMEOUT_MS)) + GRACE_MS;
    let led = broker.replicas.opened().into_iter().filter(|partition| partition.is_leader());
    led.flat_map(|partition| of_partition(&partition, limit_ms)).collect()
}

fn of_partition(partition: &Partition, limit_ms: i64) -> Vec<Hanging> {
    let offsets = partition.reader().offsets();
    if offsets.end(Isolation::LastStableOffset) >= offsets.high_watermark {
        return Vec::new();
    }
    let now_ms = wall_ms();
    let found = partition.with_log(|log| {
        let open = log.producers().filter_map(|(id, entry)| {
            let silent_ms = now_ms.saturating_sub(entry.last_timestamp);
            let first_offset = entry.current_txn_first_offset.filter(|_| silent_ms > limit_ms)?;
            let key = (partition.topic.to_string(), partition.index, id, first_offset);
            Some(Hanging { key, epoch: entry.epoch, silent_ms })
        });
        open.collect()
    });
    // One that is gone holds nobody back.
    found.unwrap_or_default()
}
