//! Compaction: picks the dirtiest log, cleans it beside its owner, and writes down how far it came.

use crate::{
    broker::Broker, clock::wall_ms, dir::Dir, entropy, metrics::Overview, partition::Partition, replica::Replica,
};
use ottla_config::keys;
use ottla_protocol::Uuid;
use ottla_storage::{
    SegmentError,
    compaction::{Cleanable, Cleaned, CompactionConfig, Error, HashKey},
    log_dir::{Checkpoint, PartitionOffsets},
};
use std::{
    collections::{BTreeMap, HashSet},
    ops::ControlFlow,
    sync::Arc,
    time::{Duration, Instant},
};
use tracing::{debug, error, info, warn};

/// Runs until the broker stops.
pub(crate) async fn run(broker: Arc<Broker>) {
    if !broker.config().get(keys::LOG_CLEANER_ENABLE) {
        return;
    }
    let mut cleaner = Cleaner::new(&broker);
    loop {
        let backoff_ms = u64::try_from(broker.config().get(keys::LOG_CLEANER_BACKOFF_MS)).unwrap_or(0);
        tokio::select! {
            biased;
            () = broker.stopping.cancelled() => return,
            () = tokio::time::sleep(Duration::from_millis(backoff_ms)) => {}
        }
        let shared = broker.clone();
        let round = tokio::task::spawn_blocking(move || {
            while cleaner.clean_dirtiest(&shared) {}
            cleaner
        });
        // A panic is logged by the panic hook; the next round comes all the same.
        cleaner = round.await.unwrap_or_else(|_| Cleaner::new(&broker));
    }
}

/// Names a partition for as long as its topic is not deleted.
type PartitionId = (Uuid, i32);

struct Cleaner {
    /// Up to where each log is clean.
    checkpoints: BTreeMap<PartitionId, i64>,
    /// Logs with bytes that cannot be read. They are left alone until the next start.
    uncleanable: HashSet<PartitionId>,
    hash_key: HashKey,
}

impl Cleaner {
    fn new(broker: &Broker) -> Self {
        let mut checkpoints = BTreeMap::new();
        for replica in broker.replicas.all() {
            let key = (replica.topic.to_string(), replica.index);
            checkpoints.extend(replica.dir().log_dir.cleaned().get(&key).map(|offset| (id(&replica), *offset)));
        }
        let (high, low) = (entropy::u64().to_be_bytes(), entropy::u64().to_be_bytes());
        let mut hash_key = [0; 16];
        hash_key[..8].copy_from_slice(&high);
        hash_key[8..].copy_from_slice(&low);
        Self { checkpoints, uncleanable: HashSet::new(), hash_key: HashKey(hash_key) }
    }

    /// Cleans one log; false if none needs it. Blocks.
    fn clean_dirtiest(&mut self, broker: &Broker) -> bool {
        let Some((partition, cleanable)) = self.dirtiest(broker) else { return false };
        if cleanable.reset && !partition.config().cleanup_delete {
            warn!(%partition, "the checkpoint of compaction is outside of the log: compacting all of it");
        }
        let begun = broker.clock.monotonic();
        match self.clean(broker, &partition, &cleanable) {
            Ok(Some(cleaned)) => {
                let stats = &cleaned.stats;
                info!(%partition, from = cleanable.first_dirty_offset, to = cleaned.next_dirty_offset,
                    bytes_read = stats.bytes_read, bytes_written = stats.bytes_written, map_full = stats.map_full,
                    "compacted");
                let ended = broker.clock.monotonic();
                broker.metrics.compaction.cleaned(stats, ended.saturating_sub(begun), ended);
                self.checkpoints.insert((partition.topic_id, partition.index), cleaned.next_dirty_offset);
                self.write_checkpoint(broker, &partition.dir());
                true
            }
            Ok(None) | Err(Error::Stopped) => false,
            Err(Error::Stale) => {
                debug!(%partition, "not compacted: it was truncated, or records were deleted meanwhile");
                true
            }
            Err(Error::Segment(failure)) => {
                self.failed(&partition, &failure);
                false
            }
        }
    }

    fn dirtiest(&mut self, broker: &Broker) -> Option<(Arc<Partition>, Cleanable)> {
        let now_ms = wall_ms();
        let all = broker.replicas.all();
        let known: HashSet<PartitionId> = all.iter().map(id).collect();
        self.checkpoints.retain(|id, _| known.contains(id));
        self.uncleanable.retain(|id| known.contains(id));
        let mut overview = Overview::default();
        for dir in broker.replicas.dirs().iter().filter(|dir| !dir.is_offline()) {
            overview.uncleanable.insert(label(dir), (0, 0));
        }
        let mut dirtiest: Option<(Arc<Partition>, Cleanable)> = None;
        for replica in all.iter().filter(|replica| replica.settings().topic.cleanup_compact) {
            // A log without records has nothing to clean. Why one cannot be opened was logged.
            if replica.opened().is_none() && replica.size() == 0 {
                continue;
            }
            let Ok(partition) = replica.open() else { continue };
            let Some((cleanable, is_due)) = self.cleanable(&partition, now_ms) else { continue };
            if self.uncleanable.contains(&id(replica)) {
                let (count, bytes) = overview.uncleanable.entry(label(&partition.dir())).or_default();
                (*count, *bytes) = (*count + 1, *bytes + cleanable.cleanable_bytes);
                continue;
            }
            let ratio = cleanable.dirty_ratio();
            overview.max_dirty_ratio = overview.max_dirty_ratio.max(ratio);
            overview.max_overdue_ms = overview.max_overdue_ms.max(cleanable.overdue_ms);
            if is_due && dirtiest.as_ref().is_none_or(|(_, other)| other.dirty_ratio() < ratio) {
                dirtiest = Some((partition, cleanable));
            }
        }
        broker.metrics.compaction.looked(overview);
        dirtiest
    }

    /// What of a log may be cleaned, and whether it is due.
    fn cleanable(&self, partition: &Partition, now_ms: i64) -> Option<(Cleanable, bool)> {
        if !partition.config().cleanup_compact || partition.moving.is_under_way() || partition.dir().is_offline() {
            return None;
        }
        let checkpoint = self.checkpoints.get(&(partition.topic_id, partition.index)).copied();
        let cleanable = partition.with_log(|log| {
            let cleanable = log.cleanable(checkpoint, now_ms)?;
            Ok::<_, SegmentError>((cleanable, cleanable.is_due(log.config())))
        });
        match cleanable.ok()? {
            Ok(cleanable) => Some(cleanable),
            Err(error) => {
                warn!(%partition, %error, "cannot tell what may be compacted");
                None
            }
        }
    }

    fn clean(&self, broker: &Broker, partition: &Partition, cleanable: &Cleanable) -> Result<Option<Cleaned>, Error> {
        let config = broker.config();
        let compaction = CompactionConfig {
            dedupe_buffer_bytes: usize::try_from(config.get(keys::LOG_CLEANER_DEDUPE_BUFFER_SIZE)).unwrap_or(0),
            dedupe_load_factor: config.get(keys::LOG_CLEANER_IO_BUFFER_LOAD_FACTOR),
            // As in Kafka one half is for reading, which needs none here.
            io_buffer_bytes: usize::try_from(config.get(keys::LOG_CLEANER_IO_BUFFER_SIZE) / 2).unwrap_or(0).max(1),
            hash_key: self.hash_key,
        };
        let task = partition.with_log(|log| log.clean_task(cleanable, wall_ms(), &compaction));
        let Ok(Some(task)) = task else { return Ok(None) };
        // Where the log is known to be durable recovery takes no hole for a lost write, whatever the policy is by then.
        partition.flush();
        if let Err(error) = broker.replicas.write_checkpoints() {
            warn!(%partition, %error, "not compacted: cannot write checkpoints");
            return Ok(None);
        }
        let mut throttle = Throttle::new(config.get(keys::LOG_CLEANER_IO_MAX_BYTES_PER_SECOND));
        let mut pace = |bytes| {
            if let Some(early) = throttle.early(bytes) {
                let stopped_or_due = tokio::time::timeout(early, broker.stopping.cancelled());
                let _ = tokio::runtime::Handle::current().block_on(stopped_or_due);
            }
            if broker.stopping.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let mut install = |segment| {
            let swap = partition.with_log(|log| log.begin_swap(segment)).map_err(|_| Error::Stopped)??;
            swap.sync()?;
            let removal = partition.with_log(|log| log.finish_swap(swap)).map_err(|_| Error::Stopped)??;
            partition.remove_later(removal);
            Ok(())
        };
        task.run(&mut pace, &mut install).map(Some)
    }

    fn failed(&mut self, partition: &Partition, failure: &SegmentError) {
        match failure {
            // Its folder is on the way out, or there will be room again.
            SegmentError::Io { source, .. }
                if matches!(
                    source.kind(),
                    std::io::ErrorKind::NotFound | std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
                ) =>
            {
                warn!(%partition, %failure, "not compacted");
            }
            SegmentError::Io { .. } | SegmentError::Failed { .. } => partition.dir().fail(failure),
            failure => {
                error!(%partition, %failure, "cannot be compacted until the broker is restarted");
                self.uncleanable.insert((partition.topic_id, partition.index));
            }
        }
    }

    /// Writes down up to where the logs of a dir are clean.
    fn write_checkpoint(&self, broker: &Broker, dir: &Dir) {
        let mut offsets = PartitionOffsets::new();
        for replica in broker.replicas.all().iter().filter(|replica| replica.dir().id == dir.id) {
            let offset = self.checkpoints.get(&id(replica));
            offsets.extend(offset.map(|offset| ((replica.topic.to_string(), replica.index), *offset)));
        }
        if let Err(error) = dir.log_dir.write_checkpoint(Checkpoint::Cleaner, &offsets) {
            error!(%error, "cannot write down what was compacted");
        }
    }
}

fn label(dir: &Dir) -> String {
    dir.log_dir.path().display().to_string()
}

fn id(replica: &Arc<Replica>) -> PartitionId {
    (replica.topic_id, replica.index)
}

/// Tells where there were too many bytes for a rate.
struct Throttle {
    bytes_per_second: f64,
    begun: Instant,
    bytes: f64,
}

impl Throttle {
    /// Shorter waits are saved up.
    const LEAST_WAIT: Duration = Duration::from_millis(20);

    fn new(bytes_per_second: f64) -> Self {
        Self { bytes_per_second, begun: Instant::now(), bytes: 0.0 }
    }

    /// Takes in bytes and answers how long to wait for them, if that is worth a wait.
    fn early(&mut self, bytes: u64) -> Option<Duration> {
        self.bytes += bytes as f64;
        let due = Duration::try_from_secs_f64(self.bytes / self.bytes_per_second).unwrap_or(Duration::ZERO);
        Some(due.saturating_sub(self.begun.elapsed())).filter(|early| *early >= Self::LEAST_WAIT)
    }
}
