//! What a start does with its log dirs: formats them where it may, completes them, and refuses what does not fit.

use super::{BOOTSTRAP_FILE, default_bootstrap, ensemble};
use crate::{
    checkpoint_file::{self, Snapshot},
    clock, entropy,
};
use anyhow::bail;
use ottla_storage::log_dir::{LogDir, MetaProperties};

/// Makes all dirs of one node of one cluster, and answers the cluster's id.
///
/// Where none is formatted they are, with default features, as of the given cluster or else a new one. Where some are,
/// the others join them, as they do when Kafka starts: a disk was added or replaced.
pub(crate) fn ensure_formatted(dirs: &mut [LogDir], node_id: i32, cluster_id: Option<&str>) -> anyhow::Result<String> {
    let cluster_id = cluster_id.map(str::trim).filter(|id| !id.is_empty());
    let formatted = formatted(dirs);
    ensemble::verify(&formatted, cluster_id, node_id)?;
    let of_dirs = formatted.values().find_map(|properties| properties.cluster_id.clone());
    let is_new = of_dirs.is_none();
    let given = || cluster_id.map_or_else(|| entropy::uuid().to_string(), str::to_owned);
    let cluster_id = of_dirs.unwrap_or_else(given);
    let mut taken = ensemble::ids(&formatted);
    for dir in dirs.iter_mut().filter(|dir| dir.directory_id().is_none()) {
        if is_new {
            write_bootstrap(dir)?;
        }
        let id = ensemble::unused_id(&taken, entropy::uuid);
        taken.insert(id);
        // Last, as it is what says that a dir is formatted.
        dir.set_meta_properties(MetaProperties {
            cluster_id: Some(cluster_id.clone()),
            node_id: Some(node_id),
            directory_id: Some(id),
        })?;
    }
    Ok(cluster_id)
}

fn formatted(dirs: &[LogDir]) -> ensemble::Formatted {
    let formatted = dirs.iter().filter_map(|dir| Some((dir, dir.meta_properties()?)));
    formatted.map(|(dir, properties)| (dir.path().display().to_string(), properties.clone())).collect()
}

fn write_bootstrap(dir: &LogDir) -> anyhow::Result<()> {
    let contents = dir.contents()?;
    if let Some(log) = contents.partitions.first() {
        // Logs without meta.properties are somebody's data, of a cluster that nobody knows any more.
        bail!("{} is not formatted, but holds logs such as {}", dir.path().display(), log.path.display());
    }
    let snapshot = Snapshot { records: default_bootstrap()?, ..Snapshot::default() };
    checkpoint_file::write(&**dir.fs(), &dir.path().join(BOOTSTRAP_FILE), &snapshot, clock::wall_ms())
}

#[cfg(test)]
mod tests;
