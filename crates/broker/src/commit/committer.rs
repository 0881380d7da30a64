//! The thread that writes groups into the journal.

use super::{Commits, MAX_GROUP_BYTES, queue::Group};
use crate::{dir::Dir, partition::Partition};
use ottla_storage::journal::{Change, Error, Journal};
use std::{collections::HashMap, sync::Arc};

impl Commits {
    /// Commits until the queue is closed and empty, or the disk fails. Blocks: for a thread of its own.
    pub(crate) fn run_committer(&self, dir: &Dir) {
        while let Some(group) = self.next_group() {
            if let Err(error) = self.write(&group) {
                self.fail(dir, &error);
                return;
            }
            self.tell(&group);
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
        let group = queue.take(max_bytes.min(MAX_GROUP_BYTES));
        self.taken.notify_all();
        Some(group)
    }

    fn write(&self, group: &Group) -> Result<(), Error> {
        loop {
            let committed = self.journal.lock().as_mut().map(|journal| journal.commit(&group.entries));
            match committed {
                Some(Err(Error::Full)) if self.wait_for_files() => {}
                Some(Err(error)) => return Err(error),
                Some(Ok(_)) | None => return Ok(()),
            }
        }
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
        self.progress.send_modify(|progress| progress.committed = group.ticket.0);
        self.to_settle(ends.into_values().map(|(partition, _)| partition));
    }
}
