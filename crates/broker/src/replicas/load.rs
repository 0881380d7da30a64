//! Finding the logs at the start, and putting back into them what only the journals have.

use super::{ByIndex, Changes, Replicas, THREADS, in_parallel, set_aside};
use crate::{
    dir::Dir,
    moves,
    replica::{LogSettings, Placed, Replica},
};
use ottla_metadata::{
    Delta,
    image::{self, Image, Topic},
};
use ottla_protocol::Str;
use ottla_storage::{journal::PartitionKey, log_dir::PartitionDir};
use std::{
    collections::HashMap,
    io,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};
use tracing::{error, info};

/// How often it is tried to open logs for which there was no room.
const ROOM_EVERY: Duration = Duration::from_secs(1);

/// A folder's topic, and what the metadata says of its partition.
type Claimed = (Arc<Topic>, Arc<image::Partition>);

impl Replicas {
    /// Finds what the disks hold of the image's topics, and sets aside what the image does not know. Blocks.
    pub(crate) fn load(&self, image: &Image) -> anyhow::Result<Changes> {
        self.reconfigure_broker(image);
        moves::end(&self.dirs, self.failure().is_none(), self.site.node_id, image)?;
        let mut topics: HashMap<Str, ByIndex> = HashMap::new();
        let mut settings: HashMap<Str, Arc<LogSettings>> = HashMap::new();
        let mut left_behind = Vec::new();
        for dir in &self.dirs {
            let contents = dir.log_dir.contents()?;
            for removal in contents.removals {
                removal.run()?;
            }
            for found in contents.partitions {
                if moves::is_left_behind(&self.dirs, self.site.node_id, image, dir, &found)? {
                    left_behind.push((dir, found));
                } else if let Some((topic, state)) = self.claim(dir, image, &found)? {
                    let settings =
                        settings.entry(topic.name.clone()).or_insert_with(|| self.log_settings(image, &topic.name));
                    let placed = Placed { topic: &topic, index: found.partition, state, dir: dir.clone() };
                    let replica = Replica::new(&self.site, placed, settings.clone());
                    dir.add_log();
                    topics.entry(topic.name.clone()).or_default().insert(found.partition, replica);
                }
            }
        }
        self.topics.store(Arc::new(topics.into_iter().map(|(name, p)| (name, Arc::new(p))).collect()));
        let found = self.all();
        // What the image has and the disks have not is made: it was decided, and the process died before it was done.
        let mut everything = Delta::default();
        for topic in image.topics().iter() {
            everything.partitions_changed.insert(topic.id, topic.partitions.keys().copied().collect());
        }
        let mut changes = self.apply(image, &everything);
        changes.added.extend(found);
        for (dir, found) in left_behind {
            self.end_left_behind(dir, &found)?;
        }
        Ok(changes)
    }

    /// The topic of a folder if this broker has the partition there; otherwise the folder is set aside.
    fn claim(&self, dir: &Arc<Dir>, image: &Image, found: &PartitionDir) -> anyhow::Result<Option<Claimed>> {
        if found.path.ends_with(crate::metadata_log::FOLDER) {
            return Ok(None);
        }
        let Some(assigned) = self.assigned(image, found) else {
            set_aside(dir, found, "the cluster does not have it")?;
            return Ok(None);
        };
        Ok(Some(assigned))
    }

    /// The topic of a folder if the image says that this broker has the partition.
    fn assigned(&self, image: &Image, found: &PartitionDir) -> Option<Claimed> {
        let topic = image.topics().by_name(&found.topic)?;
        let partition = topic.partitions.get(&found.partition)?;
        partition.replicas.contains(&self.site.node_id).then(|| (topic.clone(), self.as_led(partition)))
    }

    /// Begins to open the logs of which the journals hold something, beside those that clients ask for. The journals are not
    /// written over before that is done.
    pub(crate) fn start_restoring(self: &Arc<Self>) -> io::Result<()> {
        let mut restorers = self.restorers.lock();
        for dir in &self.dirs {
            let (replicas, dir) = (self.clone(), dir.clone());
            let work = move || {
                if let Err(error) = replicas.restore(&dir) {
                    dir.fail(&format!("cannot restore what the journal holds: {error:#}"));
                }
            };
            restorers.push(std::thread::Builder::new().name("restorer".to_owned()).spawn(work)?);
        }
        Ok(())
    }

    fn restore(self: &Arc<Self>, dir: &Arc<Dir>) -> anyhow::Result<()> {
        let began = Instant::now();
        let mut wanted = self.to_restore(dir);
        let count = wanted.len();
        loop {
            in_parallel(wanted, THREADS, |replica: &Arc<Replica>| {
                if !self.closing.load(Ordering::Acquire) {
                    // Why it cannot be opened was logged.
                    let _ = replica.open();
                }
            });
            if self.closing.load(Ordering::Acquire) || dir.is_offline() {
                return Ok(());
            }
            wanted = self.to_restore(dir);
            if wanted.is_empty() {
                break;
            }
            #[expect(clippy::disallowed_methods, reason = "the thread is for this alone")]
            std::thread::sleep(ROOM_EVERY);
        }
        dir.end_recovery()?;
        if count > 0 {
            let ms = began.elapsed().as_millis();
            info!(dir = %dir.log_dir.path().display(), "opened the {count} logs that the journal has records of, in {ms} ms");
        }
        let Some(commits) = dir.commits() else { return Ok(()) };
        let (replicas, of) = (Arc::downgrade(self), dir.clone());
        let write_checkpoints = move || match replicas.upgrade() {
            Some(replicas) => replicas.write_checkpoints_in(&of).map_err(|error| error.to_string()),
            None => Ok(()),
        };
        Ok(commits.start_settler(dir, write_checkpoints)?)
    }

    /// The replicas of which the dir's journal has something that is not in their logs. What is of deleted topics nobody wants.
    fn to_restore(&self, dir: &Dir) -> Vec<Arc<Replica>> {
        let here = self.all().into_iter().filter(|replica| replica.dir().id == dir.id);
        let replicas: HashMap<PartitionKey, Arc<Replica>> = here.map(|replica| (replica.key(), replica)).collect();
        dir.to_restore().iter().filter_map(|key| replicas.get(key).cloned()).collect()
    }

    /// Has the restorers end early, and waits for them.
    pub(super) fn stop_restoring(&self) {
        self.closing.store(true, Ordering::Release);
        for restorer in std::mem::take(&mut *self.restorers.lock()) {
            if restorer.join().is_err() {
                error!("a thread that restores logs panicked");
            }
        }
    }
}
