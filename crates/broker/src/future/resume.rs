//! Moves that were under way when the broker before stopped go on.

use super::Move;
use crate::{
    clock::wall_ms,
    dir::Dir,
    entropy,
    partition::Partition,
    replicas::{self, Replicas},
};
use ottla_metadata::image::Image;
use ottla_protocol::Str;
use ottla_storage::{
    Log, OpenError,
    journal::PartitionKey,
    log_dir::{PartitionDir, names},
};
use std::{io, sync::Arc};
use tracing::{info, warn};

impl Replicas {
    /// Takes up the copies that are in the log dirs. The logs are open. Blocks.
    pub(crate) fn resume_moves(self: &Arc<Self>, image: &Image) {
        for dir in self.dirs().iter().filter(|dir| !dir.is_offline()) {
            let found = dir.log_dir.contents().map(|contents| contents.future);
            let resumed = found
                .map_err(io::Error::other)
                .and_then(|future| future.iter().try_for_each(|found| self.resume(image, dir, found)));
            if let Err(error) = resumed {
                dir.fail(&error);
            }
        }
    }

    fn resume(self: &Arc<Self>, image: &Image, dir: &Arc<Dir>, found: &PartitionDir) -> io::Result<()> {
        if image.topics().partition(&found.topic, found.partition).is_none() {
            return set_aside(dir, found);
        }
        let topic = Str::from(found.topic.as_str());
        // With its log offline the copy may be the best there is.
        let Ok(partition) = self.partition(&topic, found.partition) else { return Ok(()) };
        let is_second = self.futures().of(&(topic, found.partition)).is_some();
        if is_second || partition.dir().id == dir.id {
            warn!(dir = %found.path.display(), "dropping a copy of a log that is not needed");
            return drop_copy(dir, &partition, found);
        }
        match open(dir, &partition, found) {
            Ok(copy) if copy.topic_id() == Some(partition.topic_id) => {
                info!(%partition, to = ?dir, lag = partition.log_end_offset() - copy.log_end_offset(), "a log moves on");
                self.add_move(Move::new(partition, dir.clone(), copy));
                Ok(())
            }
            Ok(copy) if copy.topic_id().is_some() => set_aside(dir, found),
            // A crash came before the copy was made.
            Ok(_) => drop_copy(dir, &partition, found),
            Err(error) => {
                warn!(dir = %found.path.display(), %error, "dropping a copy of a log that cannot be opened");
                drop_copy(dir, &partition, found)
            }
        }
    }
}

impl Replicas {
    /// Does away with a log that the metadata has in another log dir, and that is there: a crash came between the last steps of
    /// a move. It is kept, set aside, if it holds anything that the other has not. Blocks.
    pub(crate) fn end_left_behind(&self, dir: &Arc<Dir>, found: &PartitionDir) -> anyhow::Result<()> {
        let topic = Str::from(found.topic.as_str());
        let partition = self.partition(&topic, found.partition).ok();
        match partition.filter(|partition| is_contained(dir, partition, found)) {
            Some(partition) => {
                info!(dir = %found.path.display(), "dropping a log that has moved to another log dir");
                Ok(drop_copy(dir, &partition, found)?)
            }
            None => replicas::set_aside(dir, found, "it has moved to another log dir"),
        }
    }
}

/// Whether a log, with what the journal has of it, holds nothing that the partition's log has not.
fn is_contained(dir: &Dir, partition: &Partition, found: &PartitionDir) -> bool {
    let Ok(config) = partition.with_log(|log| log.config().clone()) else { return false };
    let Ok(mut left) = dir.log_dir.open_log(found, None, config, wall_ms()) else { return false };
    let key = PartitionKey { topic_id: partition.topic_id, partition: partition.index };
    let same_topic = left.topic_id() == Some(partition.topic_id);
    if !same_topic {
        return false;
    }
    if dir.restore(key, &mut left).is_err() {
        dir.save_recovered(key, found);
        return false;
    }
    dir.forget_recovered(key);
    left.is_prefix_of(&partition.reader())
}

fn open(dir: &Dir, partition: &Partition, found: &PartitionDir) -> Result<Log, OpenError> {
    let closed =
        |gone: crate::partition::Gone| OpenError::Io { path: found.path.clone(), source: io::Error::other(gone) };
    let config = partition.with_log(|log| log.config().clone()).map_err(closed)?;
    let mut copy = dir.log_dir.open_log(found, None, config, wall_ms())?;
    copy.truncate_to_agree(&partition.reader(), wall_ms())?;
    copy.set_high_watermark(copy.log_end_offset());
    Ok(copy)
}

fn drop_copy(dir: &Dir, partition: &Partition, found: &PartitionDir) -> io::Result<()> {
    partition.remove_later(dir.log_dir.delete_closed(found, *entropy::uuid().as_bytes())?);
    Ok(())
}

/// Keeps a copy of a log of which the cluster knows nothing, as Apache Kafka 4.3.1 does.
fn set_aside(dir: &Dir, found: &PartitionDir) -> io::Result<()> {
    let name = names::to_stray(&found.topic, found.partition, *entropy::uuid().as_bytes());
    let path = dir.log_dir.path().join(name);
    warn!(from = %found.path.display(), to = %path.display(), "set aside a copy of a log, the cluster does not have it");
    dir.log_dir.rename_closed(&found.path, &path)
}
