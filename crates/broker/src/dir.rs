//! A log dir in use: its disk, its journal, and what is left to do in it.

use crate::{clock::wall_ms, commit::Commits, removals::Removals};
use ottla_protocol::Uuid;
use ottla_storage::{
    Log,
    journal::{Journal, PartitionKey, Recovered},
    log_dir::{LogDir, PartitionDir},
};
use parking_lot::Mutex;
use std::{
    fmt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};
use tracing::{error, info, warn};

/// In the folder of a log that could not be opened: batches that only the journal had, as they would stand in a segment.
const UNRESTORED: &str = "unrestored.batches";

/// A log dir in use.
pub(crate) struct Dir {
    pub(crate) log_dir: LogDir,
    pub(crate) id: Uuid,
    /// Files that wait for their removal.
    pub(crate) removals: Arc<Removals>,
    offline: AtomicBool,
    /// How many logs there are, copies for other log dirs' logs among them.
    logs: AtomicUsize,
    /// None where the page cache is durable enough.
    commits: Option<Arc<Commits>>,
    /// What the journal held at the start.
    recovered: Mutex<Recovered>,
    /// A journal that is not used any more.
    unused: Mutex<Option<Journal>>,
}

impl fmt::Debug for Dir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dir({})", self.log_dir.path().display())
    }
}

impl Dir {
    pub(crate) fn new(
        log_dir: LogDir,
        id: Uuid,
        removals: Arc<Removals>,
        journal: Journal,
        recovered: Recovered,
        journaled: bool,
    ) -> Arc<Self> {
        let (journal, unused) = if journaled { (Some(journal), None) } else { (None, Some(journal)) };
        Arc::new(Self {
            log_dir,
            id,
            removals,
            offline: AtomicBool::new(false),
            logs: AtomicUsize::new(0),
            commits: journal.map(Commits::new),
            recovered: Mutex::new(recovered),
            unused: Mutex::new(unused),
        })
    }

    /// Keeps what the journal has of a log that cannot be opened, in the log's folder: the journal goes on without it.
    pub(crate) fn save_recovered(&self, key: PartitionKey, found: &PartitionDir) {
        let path = found.path.join(UNRESTORED);
        match self.recovered.lock().save(&key, &**self.log_dir.fs(), &path) {
            Ok(0) => {}
            Ok(batches) => warn!(file = %path.display(), batches, "kept what the journal has of a log that is offline"),
            Err(error) => error!(file = %path.display(), %error, "cannot keep what the journal has of a log"),
        }
    }

    /// Forgets what the journal held, for all logs have it; a journal that is not used any more goes. Blocks.
    pub(crate) fn end_recovery(&self) -> anyhow::Result<()> {
        *self.recovered.lock() = Recovered::default();
        if let Some(journal) = self.unused.lock().take().filter(|journal| journal.committed_seq() > 0) {
            self.log_dir.fs().sync_all(self.log_dir.path())?;
            journal.remove()?;
        }
        Ok(())
    }

    /// The name that requests and answers have for it.
    pub(crate) fn name(&self) -> String {
        absolute(self.log_dir.path())
    }

    pub(crate) fn add_log(&self) {
        self.logs.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn remove_log(&self) {
        self.logs.fetch_sub(1, Ordering::AcqRel);
    }

    pub(crate) fn logs(&self) -> usize {
        self.logs.load(Ordering::Acquire)
    }

    pub(crate) fn commits(&self) -> Option<&Arc<Commits>> {
        self.commits.as_ref()
    }

    /// Puts back into a log what only the journal has. Blocks.
    pub(crate) fn restore(&self, key: PartitionKey, log: &mut Log) -> anyhow::Result<()> {
        let restored = self.recovered.lock().restore(&key, log, wall_ms())?;
        if restored.batches > 0 {
            info!(log = %log.dir().display(), batches = restored.batches, "restored from the journal");
        }
        // What a crash left behind that is not in the journal: nothing may be appended on top of it.
        if log.log_end_offset() > restored.end.max(log.recovery_point()) {
            log.flush()?;
        }
        Ok(())
    }

    /// Whether a disk error took the dir out of service; only a restart brings it back.
    pub(crate) fn is_offline(&self) -> bool {
        self.offline.load(Ordering::Acquire)
    }

    /// After a failed write or sync nobody knows what the disk holds: the dir takes nothing more.
    pub(crate) fn fail(&self, reason: &dyn std::fmt::Display) {
        if !self.offline.swap(true, Ordering::AcqRel) {
            error!(dir = %self.log_dir.path().display(), "log dir is offline until the broker is restarted: {reason}");
        }
    }
}

/// The absolute path of a log dir, as Kafka names it.
pub(crate) fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).to_string_lossy().into_owned()
}
