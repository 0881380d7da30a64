//! Partitions whose logs could not be opened: they answer KAFKA_STORAGE_ERROR while the others are served.
//!
//! What their files hold is left as it is, and so is what the checkpoints say of them: with the recovery point lost, the next
//! start would take damage for a torn write and cut it off.

use crate::dir::Dir;
use ottla_protocol::{Str, Uuid};
use ottla_storage::log_dir::{Checkpoint, PartitionDir, PartitionOffsets};
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc};
use tracing::error;

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct Offline {
    pub(crate) topic_id: Uuid,
    pub(crate) dir: Arc<Dir>,
    pub(crate) found: PartitionDir,
}

impl Offline {
    /// Bytes of the log files, as the folder lists them.
    pub(crate) fn size(&self) -> u64 {
        let listed = self.dir.log_dir.fs().list(&self.found.path).unwrap_or_default();
        listed.iter().filter(|entry| !entry.is_dir && entry.name.ends_with(".log")).map(|entry| entry.len).sum()
    }
}

/// All of them, by topic and number.
#[derive(Debug, Default)]
pub(crate) struct OfflinePartitions(Mutex<BTreeMap<(Str, i32), Offline>>);

impl OfflinePartitions {
    pub(crate) fn add(&self, topic: Str, partition: Offline, reason: &dyn std::fmt::Display) {
        let index = partition.found.partition;
        error!(
            %topic, partition = index, dir = %partition.found.path.display(),
            "the partition is offline until its files are mended and the broker is restarted: {reason}"
        );
        partition.dir.add_log();
        self.0.lock().insert((topic, index), partition);
    }

    pub(crate) fn has(&self, topic: &str, index: i32) -> bool {
        self.0.lock().contains_key(&(Str::from(topic), index))
    }

    pub(crate) fn count(&self) -> usize {
        self.0.lock().len()
    }

    /// Those in a log dir.
    pub(crate) fn in_dir(&self, id: Uuid) -> Vec<((Str, i32), Offline)> {
        let all = self.0.lock();
        all.iter()
            .filter(|(_, offline)| offline.dir.id == id)
            .map(|(key, found)| (key.clone(), found.clone()))
            .collect()
    }

    /// Takes out those of a topic that is deleted.
    pub(crate) fn take_topic(&self, topic_id: Uuid) -> Vec<Offline> {
        let mut all = self.0.lock();
        let taken = all.extract_if(.., |_, offline| offline.topic_id == topic_id).map(|(_, offline)| offline);
        taken.inspect(|offline| offline.dir.remove_log()).collect()
    }

    /// Adds what a checkpoint of their dir says of them.
    pub(crate) fn keep(&self, dir: &Dir, which: Checkpoint, offsets: &mut PartitionOffsets) {
        for ((topic, index), _) in self.in_dir(dir.id) {
            if let Some(offset) = dir.log_dir.checkpointed(which, &topic, index) {
                offsets.insert((topic.to_string(), index), offset);
            }
        }
    }
}
