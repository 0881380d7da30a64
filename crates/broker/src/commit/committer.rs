//! The thread that writes groups into the journal.

use super::{Commits, MAX_GROUP_BYTES, queue::Group};
use crate::{dir::Dir, partition::Partition};
use ottla_storage::journal::{Change, Error, Growth, Journal};
use std::{
    collections::HashMap,
    sync::{
        Arc,
        mpsc::{self, Receiver, SyncSender},
    },
    time::{Duration, Instant},
};

/// How long the committer waits for room on a full disk before it tries again.
const RETRY: Duration = Duration::from_millis(500);

impl Commits {
    /// Commits until the queue is closed and empty, or the disk fails. Blocks: for a thread of its own.
    pub(crate) fn run_committer(&self, dir: &Dir) {
        std::thread::scope(|scope| {
            let (growths, to_grow) = mpsc::sync_channel(1);
            let grower = std::thread::Builder::new().name("journal-grower".to_owned());
            match grower.spawn_scoped(scope, move || self.run_grower(dir, &to_grow)) {
                Ok(_) => self.commit_all(dir, &growths),
                Err(error) => self.fail(dir, &error),
            }
        });
    }

    fn commit_all(&self, dir: &Dir, growths: &SyncSender<Growth>) {
        while let Some(group) = self.next_group() {
            match self.write(dir, &group) {
                Ok(true) => self.tell(&group),
                // What is in the segments is made durable when the logs are closed.
                Ok(false) => return,
                Err(error) => return self.fail(dir, &error),
            }
            let growth = self.journal.lock().as_mut().map_or(Ok(None), Journal::growth);
            match growth {
                // If one is under way the next commit asks again.
                Ok(Some(growth)) => _ = growths.try_send(growth),
                Ok(None) | Err(Error::NoRoom { .. }) => {}
                Err(error) => return self.fail(dir, &error),
            }
        }
    }

    fn run_grower(&self, dir: &Dir, growths: &Receiver<Growth>) {
        for growth in growths {
            match growth.run() {
                // A commit that needs it says so.
                Ok(()) | Err(Error::NoRoom { .. }) => {}
                Err(error) => return self.fail(dir, &error),
            }
        }
    }

    fn next_group(&self) -> Option<Group> {
        let max_bytes = self.journal.lock().as_ref().map(Journal::max_commit_bytes)?;
        let mut queue = self.queue.lock();
        while queue.is_empty() {
            if queue.closed {
                return None;
            }
            self.queued.wait(&mut queue);
        }
        Some(queue.take(max_bytes.min(MAX_GROUP_BYTES)))
    }

    /// False if the queue was closed while there was no room.
    fn write(&self, dir: &Dir, group: &Group) -> Result<bool, Error> {
        loop {
            let committed = self.journal.lock().as_mut().map(|journal| journal.commit(&group.entries));
            match committed {
                Some(Err(Error::Full)) if self.wait_for_files() => {}
                // Nothing was acknowledged of it, so there is time; files that are freed have no need to grow.
                Some(Err(Error::NoRoom { .. })) if self.wait_for_files() => {
                    dir.room.found_full(&dir.log_dir);
                    if !self.pause() {
                        return Ok(false);
                    }
                }
                Some(Err(error)) => return Err(error),
                Some(Ok(_)) | None => return Ok(true),
            }
        }
    }

    /// Waits a while; false if the queue is closed.
    fn pause(&self) -> bool {
        let over = Instant::now() + RETRY;
        let mut queue = self.queue.lock();
        while !queue.closed && !self.queued.wait_until(&mut queue, over).timed_out() {}
        !queue.closed
    }

    /// Moves the high watermarks and lets the producers and the settler know.
    fn tell(&self, group: &Group) {
        let mut ends: HashMap<_, (Arc<Partition>, i64)> = HashMap::new();
        for (entry, partition) in group.entries.iter().zip(&group.partitions) {
            let Change::Append { batch, .. } = &entry.change else { continue };
            let end = batch.header().next_offset();
            match ends.get_mut(&entry.key) {
                Some((_, known)) => *known = end,
                // A topic that was deleted meanwhile has nobody to tell.
                None => _ = partition.upgrade().map(|partition| ends.insert(entry.key, (partition, end))),
            }
        }
        for (partition, end) in ends.values() {
            partition.committed(*end);
        }
        self.progress.send_replace(());
        self.to_settle(ends.into_values().map(|(partition, _)| partition));
    }
}
