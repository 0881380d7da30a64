//! Moves of logs between log dirs that were under way when the broker before stopped (KIP-113, KIP-858).
//!
//! The metadata names the new dir only once the copy there has all. So a copy in the dir that it names is the log, and one
//! in another dir is not; no empty log may be made where either is.

use crate::dir::Dir;
use ottla_metadata::image::{DIRECTORY_LOST, Image};
use ottla_protocol::Uuid;
use ottla_storage::log_dir::{PartitionDir, names};
use std::sync::Arc;
use tracing::info;

/// Puts the copies in place that are the logs, as Apache Kafka 4.3.1 does at its start. The others go on when the logs are open.
/// `all` are the dirs unless one failed, in which a log may be then.
pub(crate) fn end(dirs: &[Arc<Dir>], all: bool, node_id: i32, image: &Image) -> anyhow::Result<()> {
    for dir in dirs {
        let (fs, root) = (dir.log_dir.fs(), dir.log_dir.path());
        for future in dir.log_dir.contents()?.future {
            let place = root.join(names::partition(&future.topic, future.partition));
            let is_log = match assigned(image, node_id, &future) {
                Some(id) if id == dir.id => !fs.exists(&place)?,
                // A disk that failed in the last step of a move took the log's name away and did not say so.
                Some(id) => {
                    let could_see_it = if id == DIRECTORY_LOST { all } else { dirs.iter().any(|dir| dir.id == id) };
                    could_see_it && find(dirs, &future)?.is_none()
                }
                None => false,
            };
            if !is_log {
                continue;
            }
            info!(from = %future.path.display(), to = %place.display(), "ending the move of a log to this log dir");
            fs.rename(&future.path, &place)?;
            fs.sync_dir(root)?;
        }
    }
    Ok(())
}

/// Whether the log of this partition is in another of the dirs, by the metadata and by what is there.
pub(crate) fn is_left_behind(
    dirs: &[Arc<Dir>],
    node_id: i32,
    image: &Image,
    dir: &Dir,
    found: &PartitionDir,
) -> anyhow::Result<bool> {
    let other = match assigned(image, node_id, found) {
        // Either has all of it.
        Some(DIRECTORY_LOST) => find(dirs, found)?,
        assigned => dirs.iter().find(|other| Some(other.id) == assigned),
    };
    match other.filter(|other| other.id != dir.id) {
        Some(other) => has(other, found),
        None => Ok(false),
    }
}

/// The first of the dirs that has the log.
fn find<'a>(dirs: &'a [Arc<Dir>], found: &PartitionDir) -> anyhow::Result<Option<&'a Arc<Dir>>> {
    for dir in dirs {
        if has(dir, found)? {
            return Ok(Some(dir));
        }
    }
    Ok(None)
}

fn has(dir: &Dir, found: &PartitionDir) -> anyhow::Result<bool> {
    Ok(dir.log_dir.fs().exists(&dir.log_dir.path().join(names::partition(&found.topic, found.partition)))?)
}

fn assigned(image: &Image, node_id: i32, found: &PartitionDir) -> Option<Uuid> {
    image.topics().partition(&found.topic, found.partition)?.directory(node_id)
}
