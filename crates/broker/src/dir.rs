//! A log dir in use: its disk, its journal, and what is left to do in it.

use crate::{clock::wall_ms, commit::Commits, removals::Removals, room::Room, stall::Stalls};
use ottla_protocol::Uuid;
use ottla_storage::{
    Log,
    journal::{Journal, PartitionKey, Recovered, Restored},
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
    time::Instant,
};
use tokio::sync::SemaphorePermit;
use tracing::{debug, error, warn};

/// In the folder of a log that could not be opened: batches that only the journal had, as they would stand in a segment.
const UNRESTORED: &str = "unrestored.batches";

/// A log dir in use.
pub(crate) struct Dir {
    pub(crate) log_dir: LogDir,
    pub(crate) id: Uuid,
    /// Files that wait for their removal.
    pub(crate) removals: Arc<Removals>,
    pub(crate) room: Room,
    pub(crate) stalls: Stalls,
    offline: AtomicBool,
    /// How many logs there are, copies for other log dirs' logs among them.
    logs: AtomicUsize,
    /// None where the page cache is durable enough.
    commits: Option<Arc<Commits>>,
    /// What the journal held at the start.
    recovered: Mutex<Recovered>,
    is_recovered: AtomicBool,
    /// Held while checkpoints are written: they replace their files by way of one temporary file each.
    pub(crate) checkpoints: Mutex<()>,
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
        room: Room,
        journal: Journal,
        recovered: Recovered,
        journaled: bool,
    ) -> Arc<Self> {
        let (journal, unused) = if journaled { (Some(journal), None) } else { (None, Some(journal)) };
        Arc::new(Self {
            commits: journal.map(Commits::new),
            log_dir,
            id,
            removals,
            room,
            stalls: Stalls::default(),
            offline: AtomicBool::new(false),
            logs: AtomicUsize::new(0),
            recovered: Mutex::new(recovered),
            is_recovered: AtomicBool::new(false),
            checkpoints: Mutex::default(),
            unused: Mutex::new(unused),
        })
    }

    /// The logs of which the journal held something, and that were not opened since.
    pub(crate) fn to_restore(&self) -> Vec<PartitionKey> {
        self.recovered.lock().keys().copied().collect()
    }

    pub(crate) fn has_recovered(&self, key: &PartitionKey) -> bool {
        self.recovered.lock().keys().any(|known| known == key)
    }

    /// To be called when a log has what the journal held of it, or is no longer.
    pub(crate) fn forget_recovered(&self, key: PartitionKey) {
        self.recovered.lock().take(&key);
    }

    /// Forgets what the journal held, for all logs have it; a journal that is not used any more goes. Blocks.
    pub(crate) fn end_recovery(&self) -> anyhow::Result<()> {
        *self.recovered.lock() = Recovered::default();
        let unused = self.unused.lock().take().filter(|journal| journal.committed_seq() > 0);
        if unused.is_some() || self.log_dir.clean_shutdown().is_none() {
            // A truncation that failed before the crash is half in files and half on the disk: it must not be taken back under
            // what is appended now.
            self.log_dir.sync_all()?;
        }
        if let Some(journal) = unused {
            journal.remove()?;
        }
        self.is_recovered.store(true, Ordering::Release);
        Ok(())
    }

    /// Whether all logs have what the journal held.
    pub(crate) fn is_recovered(&self) -> bool {
        self.is_recovered.load(Ordering::Acquire)
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

    /// Puts back into a log what only the journal has; it is to be forgotten, or saved, then. Blocks.
    pub(crate) fn restore(&self, key: PartitionKey, log: &mut Log) -> anyhow::Result<Restored> {
        let Some(entries) = self.recovered.lock().get(&key) else { return Ok(Restored::default()) };
        let restored = entries.restore(log, wall_ms())?;
        if restored.batches > 0 {
            debug!(log = %log.dir().display(), batches = restored.batches, "restored from the journal");
        }
        Ok(restored)
    }

    /// Keeps what the journal has of a log that cannot be opened in its folder: the journal goes on without it. Blocks.
    pub(crate) fn save_recovered(&self, key: PartitionKey, found: &PartitionDir) {
        let Some(entries) = self.recovered.lock().get(&key) else { return };
        let path = found.path.join(UNRESTORED);
        match entries.save(&**self.log_dir.fs(), &path) {
            Ok(0) => self.forget_recovered(key),
            Ok(batches) => {
                warn!(file = %path.display(), batches, "kept what the journal has of a log that is offline");
                self.forget_recovered(key);
            }
            // Recovery does not end then, so the journal is not written over, and the next start finds it again.
            Err(error) => self.fail(&format!("cannot keep what the journal has of {}: {error}", found.path.display())),
        }
    }

    /// Whether producers should wait before they append.
    pub(crate) fn is_behind(&self) -> bool {
        self.commits.as_ref().is_some_and(|commits| commits.is_crowded()) || self.stalls.is_stalling(Instant::now())
    }

    /// Waits until they need not; what is answered is to be kept during the appends.
    pub(crate) async fn catch_up(&self) -> Option<SemaphorePermit<'_>> {
        if let Some(commits) = &self.commits {
            commits.uncrowded().await;
        }
        self.stalls.place().await
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
