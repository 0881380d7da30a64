//! What a start does with its log dirs: formats them where it may, completes them, and refuses what does not fit.

use super::{
    BOOTSTRAP_FILE, default_bootstrap, ensemble,
    request::{advertised_controller, has_fixed_voters},
    voters::{LATEST_KRAFT_VERSION, Voter, Voters},
    write::write_voters,
};
use crate::{
    checkpoint_file::{self, Snapshot},
    clock, entropy,
};
use anyhow::bail;
use ottla_config::{ProcessRole, ServerConfig, keys};
use ottla_protocol::Uuid;
use ottla_storage::log_dir::{LogDir, MetaProperties};
use std::path::Path;

/// Makes all dirs of one node of one cluster, and answers the cluster's id.
///
/// Where none is formatted they are, with default features, as of the given cluster or else a new one. Where some are, all must
/// be, as in Kafka: what has no `meta.properties` may be a disk that is not mounted, and empty logs would take the place of those
/// on it.
///
/// A new controller that listens for others is the first of its cluster, as `--standalone` would make it.
pub(crate) fn ensure_formatted(
    dirs: &mut [LogDir],
    config: &ServerConfig,
    cluster_id: Option<&str>,
) -> anyhow::Result<String> {
    let node_id = config.node_id();
    let cluster_id = cluster_id.map(str::trim).filter(|id| !id.is_empty());
    let formatted = formatted(dirs);
    ensemble::verify(&formatted, cluster_id, node_id)?;
    let of_dirs = formatted.values().find_map(|properties| properties.cluster_id.clone());
    let is_new = of_dirs.is_none();
    let given = || cluster_id.map_or_else(|| entropy::uuid().to_string(), str::to_owned);
    let cluster_id = of_dirs.unwrap_or_else(given);
    let unformatted = dirs.iter().find(|dir| dir.meta_properties().is_none());
    if let Some(dir) = unformatted.filter(|_| !is_new) {
        bail!(
            "No `meta.properties` found in {} (is its disk mounted?), but others of this node are formatted; for a new disk run `ottla format -t {cluster_id} -c FILE --ignore-formatted` first",
            dir.path().display()
        );
    }
    let mut taken = ensemble::ids(&formatted);
    let metadata_dir = Path::new(config.metadata_log_dir());
    for dir in dirs.iter_mut().filter(|dir| dir.directory_id().is_none()) {
        if is_new {
            write_bootstrap(dir)?;
        }
        let id = ensemble::unused_id(&taken, entropy::uuid);
        taken.insert(id);
        if is_new && dir.path() == metadata_dir {
            write_first_voter(dir, config, id)?;
        }
        // Last, as it is what says that a dir is formatted.
        dir.set_meta_properties(MetaProperties {
            cluster_id: Some(cluster_id.clone()),
            node_id: Some(node_id),
            directory_id: Some(id),
        })?;
    }
    Ok(cluster_id)
}

fn is_controller(config: &ServerConfig) -> bool {
    config.roles().contains(&ProcessRole::Controller)
}

fn write_first_voter(dir: &LogDir, config: &ServerConfig, directory_id: Uuid) -> anyhow::Result<()> {
    let address = advertised_controller(config).filter(|_| is_controller(config) && !has_fixed_voters(config));
    let Some((host, port)) = address else { return Ok(()) };
    let listener = config.get(keys::CONTROLLER_LISTENER_NAMES).first().cloned().unwrap_or_default();
    let record = Voters::only(config.node_id(), Voter { directory_id, host, port }).to_record(&listener);
    write_voters(&**dir.fs(), config.metadata_log_dir(), record, LATEST_KRAFT_VERSION, clock::wall_ms())
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
