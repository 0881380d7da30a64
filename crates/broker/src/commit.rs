//! Makes what was appended to a log dir durable: one thread commits it to the journal in groups, another has the segments
//! written to the disk so that the journal can go round.
//!
//! Appends go to segments in the page cache and, in the same order, into the queue here. What the committer takes out of the
//! queue is durable after one sync; then the partitions' high watermarks move and producers are answered. The settler keeps
//! the disk busy with the segments, a few files at a time, because a burst of them would hold up the journal; it syncs the
//! whole disk when the journal is half full, at each checkpoint, and at the end.

mod committer;
mod queue;
mod settler;
mod writes;

use crate::{dir::Dir, partition::Partition};
use ottla_storage::journal::{self, Journal, PartitionKey, Sink};
use parking_lot::{Condvar, Mutex};
use std::{
    io,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};
use tokio::sync::watch;

use queue::Queue;

/// Bytes that may wait for the committer before producers are held up: a disk that stalls costs no more memory.
const MAX_QUEUED_BYTES: usize = 64 << 20;

/// Where a partition is on its way to the disk.
#[derive(Debug, Default)]
pub(crate) struct Settling {
    /// In the list of those to be written back.
    dirty: AtomicBool,
    /// In the list of those written since the last sync of the disk.
    unsynced: AtomicBool,
}

impl Settling {
    /// True if it was not.
    fn mark_dirty(&self) -> bool {
        !self.dirty.swap(true, Ordering::AcqRel)
    }

    fn clear_dirty(&self) {
        self.dirty.store(false, Ordering::Release);
    }

    /// True if it was not.
    fn mark_unsynced(&self) -> bool {
        !self.unsynced.swap(true, Ordering::AcqRel)
    }

    fn clear_unsynced(&self) {
        self.unsynced.store(false, Ordering::Release);
    }
}

/// Bytes of a group: the larger, the later the first of it is acknowledged.
const MAX_GROUP_BYTES: usize = 16 << 20;

/// The way of one log dir's changes to its journal.
pub(crate) struct Commits {
    queue: Mutex<Queue>,
    /// Told when there is something to commit, or the queue is closed.
    queued: Condvar,
    journal: Mutex<Option<Journal>>,
    /// Told after each group.
    progress: watch::Sender<()>,
    /// What the settler has to do.
    work: Mutex<settler::Work>,
    worked: Condvar,
    threads: Mutex<Vec<JoinHandle<()>>>,
    on_failure: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl Commits {
    pub(crate) fn new(journal: Journal) -> Arc<Self> {
        Arc::new(Self {
            queue: Mutex::default(),
            queued: Condvar::new(),
            journal: Mutex::new(Some(journal)),
            progress: watch::Sender::new(()),
            work: Mutex::default(),
            worked: Condvar::new(),
            threads: Mutex::default(),
            on_failure: OnceLock::new(),
        })
    }

    /// Starts to commit. `on_failure` is called when nothing more will be durable.
    pub(crate) fn start(
        self: &Arc<Self>,
        dir: &Arc<Dir>,
        on_failure: impl Fn() + Send + Sync + 'static,
    ) -> io::Result<()> {
        assert!(self.on_failure.set(Box::new(on_failure)).is_ok(), "commits are started once");
        let (commits, dir) = (self.clone(), dir.clone());
        self.spawn("committer", move || commits.run_committer(&dir))
    }

    /// Starts to have segments written, so that the journal's files are free again: once all logs have what it held at the
    /// start. `write_checkpoints` is called after each sync of the disk.
    pub(crate) fn start_settler(
        self: &Arc<Self>,
        dir: &Arc<Dir>,
        write_checkpoints: impl Fn() -> Result<(), String> + Send + 'static,
    ) -> io::Result<()> {
        let (commits, dir) = (self.clone(), dir.clone());
        self.spawn("settler", move || commits.run_settler(&dir, write_checkpoints))
    }

    fn spawn(&self, name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
        self.threads.lock().push(std::thread::Builder::new().name(name.to_owned()).spawn(work)?);
        Ok(())
    }

    /// Commits what is queued, syncs the disk and ends the threads. Blocks.
    pub(crate) fn stop(&self) {
        self.queue.lock().closed = true;
        self.queued.notify_all();
        let threads = std::mem::take(&mut *self.threads.lock());
        if threads.len() < 2 {
            // There is no settler yet: who waits for it waits in vain.
            self.work.lock().failed = true;
            self.worked.notify_all();
        }
        let mut threads = threads.into_iter();
        if let Some(committer) = threads.next() {
            let _ = committer.join();
        }
        self.close_settler();
        threads.for_each(|thread| _ = thread.join());
    }

    /// Takes the journal away: everything is in segments that are synced. Blocks.
    pub(crate) fn remove_journal(&self) -> Result<(), journal::Error> {
        self.journal.lock().take().map_or(Ok(()), Journal::remove)
    }

    /// Takes the changes of a partition's log from now on.
    pub(crate) fn sink(self: &Arc<Self>, partition: &Weak<Partition>, key: PartitionKey) -> Box<dyn Sink> {
        Box::new(PartitionSink { commits: self.clone(), partition: partition.clone(), key })
    }

    /// Waits while too much is queued: the disk is slower than the producers.
    pub(crate) async fn uncrowded(&self) {
        let mut progress = self.progress.subscribe();
        // What was taken out of the queue is told of when it is durable.
        while self.is_crowded() && progress.changed().await.is_ok() {}
    }

    pub(crate) fn is_crowded(&self) -> bool {
        let queue = self.queue.lock();
        queue.bytes() > MAX_QUEUED_BYTES && !queue.closed
    }

    /// Lets everybody know that nothing more will be durable.
    fn fail(&self, dir: &Dir, reason: &dyn std::fmt::Display) {
        dir.fail(reason);
        self.queue.lock().closed = true;
        self.progress.send_replace(());
        if let Some(on_failure) = self.on_failure.get() {
            on_failure();
        }
    }
}

struct PartitionSink {
    commits: Arc<Commits>,
    partition: Weak<Partition>,
    key: PartitionKey,
}

impl std::fmt::Debug for PartitionSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PartitionSink({:?})", self.key)
    }
}

impl Sink for PartitionSink {
    fn take(&self, change: journal::Change) {
        let entry = journal::Entry { key: self.key, change };
        self.commits.queue.lock().push(entry, self.partition.clone());
        self.commits.queued.notify_one();
    }
}
