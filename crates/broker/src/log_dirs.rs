//! The log dirs at the start: those that fail are left out, as long as the metadata's is not among them.

use crate::{
    dir::{Dir, absolute},
    entropy, format, metadata_log,
    removals::Removals,
    room::Room,
};
use anyhow::{Context as _, bail, ensure};
use ottla_config::{ServerConfig, keys};
use ottla_protocol::Uuid;
use ottla_storage::{
    fs::Fs,
    journal::{self, Journal},
    log_dir::{self, LogDir},
};
use std::{path::Path, sync::Arc};
use tracing::error;

/// A journal file is larger where a request may be. The segments are synced when half of the files are in use.
const JOURNAL_FILE_BYTES: u64 = 64 << 20;
const JOURNAL_FILES: usize = 8;

/// The log dirs of this node.
pub(crate) struct OpenDirs {
    /// Those that can be used for partitions.
    pub(crate) dirs: Vec<Arc<Dir>>,
    /// The names of the others.
    pub(crate) dead: Vec<String>,
    pub(crate) metadata: MetadataDir,
    pub(crate) cluster_id: String,
}

/// Where the metadata log is, be it in a log dir or apart.
pub(crate) struct MetadataDir {
    /// By it replicas of the metadata log are told apart.
    pub(crate) id: Uuid,
    /// Locked as long as this is there; a log dir is locked by itself.
    _apart: Option<LogDir>,
}

/// Opens and locks the log dirs, formatting those that are new where no config file asked for more care.
pub(crate) fn open(config: &ServerConfig, fs: &Arc<dyn Fs>, must_be_formatted: bool) -> anyhow::Result<OpenDirs> {
    let mut opened = Vec::new();
    let mut dead = Vec::new();
    let metadata_dir = Path::new(config.metadata_log_dir());
    let of_partitions = config.log_dirs().iter().map(Path::new);
    let is_apart = of_partitions.clone().all(|path| path != metadata_dir);
    for path in of_partitions.chain(is_apart.then_some(metadata_dir)) {
        match LogDir::open(path, fs.clone()) {
            Ok(dir) => opened.push(dir),
            Err(failure @ log_dir::Error::Io { .. }) if path != metadata_dir => {
                error!(dir = %path.display(), %failure, "log dir is offline until the broker is restarted");
                dead.push(absolute(path));
            }
            Err(error) => return Err(error.into()),
        }
    }
    if must_be_formatted && opened.iter().all(|dir| dir.meta_properties().is_none()) {
        bail!(
            "no log dir is formatted (no meta.properties in {}); run `ottla format -t \"$(ottla random-uuid)\" -c FILE --standalone` first",
            opened.iter().map(|dir| dir.path().display().to_string()).collect::<Vec<_>>().join(", ")
        );
    }
    for dir in opened.iter().filter(|dir| dir.path() != metadata_dir) {
        let found = dir.path().join(metadata_log::FOLDER);
        // An empty one in its place would know of no partition that is here.
        ensure!(
            !fs.exists(&found)?,
            "the metadata log is in {}, where it does not belong: the metadata's log dir is {}",
            found.display(),
            metadata_dir.display(),
        );
    }
    let wanted = std::env::var("CLUSTER_ID").ok();
    let cluster_id = format::ensure_formatted(&mut opened, config, wanted.as_deref())?;
    let apart = if is_apart { opened.pop() } else { None };
    let of_metadata = apart.as_ref().or_else(|| opened.iter().find(|dir| dir.path() == metadata_dir));
    let id = of_metadata.and_then(LogDir::directory_id).context("the metadata's log dir is not open")?;
    let metadata = MetadataDir { id, _apart: apart };
    let removals = Arc::new(Removals::default());
    let journaled = config.get(keys::OTTLA_JOURNAL_ENABLE);
    let reserve_bytes = u64::try_from(config.get(keys::OTTLA_LOG_DIR_RESERVE_BYTES)).unwrap_or(0);
    let dirs = opened.into_iter().map(|dir| {
        let id = dir.directory_id().context("a log dir has no directory.id")?;
        let (journal, recovered) = open_journal(&dir, config)?;
        let room = Room::new(reserve_bytes);
        Ok(Dir::new(dir, id, removals.clone(), room, journal, recovered, journaled))
    });
    Ok(OpenDirs { dirs: dirs.collect::<anyhow::Result<_>>()?, dead, metadata, cluster_id })
}

/// Opens a log dir's journal. A clean stop leaves none, so beside the mark of one it is older than what the logs hold.
fn open_journal(dir: &LogDir, config: &ServerConfig) -> anyhow::Result<(Journal, journal::Recovered)> {
    let largest_batch = u64::try_from(config.get(keys::SOCKET_REQUEST_MAX_BYTES)).unwrap_or(0);
    let limits =
        journal::Limits { file_bytes: JOURNAL_FILE_BYTES.max(largest_batch + (1 << 20)), files: JOURNAL_FILES };
    if dir.clean_shutdown().is_some() {
        Journal::remove_all(&**dir.fs(), dir.path())?;
    }
    Ok(Journal::open(dir.fs().clone(), dir.path(), limits, entropy::u64())?)
}
