//! The partitions this broker has: opened at the start, made and removed as the metadata says, closed at the end.

use crate::{
    assignments::Assignments,
    clock::wall_ms,
    dir::Dir,
    entropy,
    future::Futures,
    moves,
    offline::{Offline, OfflinePartitions},
    partition::Partition,
    placement::Assigned,
    settings,
};
use arc_swap::ArcSwap;
use ottla_config::ServerConfig;
use ottla_metadata::{
    ConfigResource, Delta,
    image::{Image, Topic},
};
use ottla_protocol::{ErrorCode, Str, Uuid};
use ottla_storage::{
    Log,
    journal::PartitionKey,
    log_dir::{self, Checkpoint, PartitionDir, PartitionOffsets, names},
};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, HashMap},
    io,
    path::PathBuf,
    sync::Arc,
};
use tracing::{error, info, warn};

type Partitions = HashMap<i32, Arc<Partition>>;

/// All partitions of this broker.
pub(crate) struct Replicas {
    node_id: i32,
    dirs: Vec<Arc<Dir>>,
    /// Log dirs that failed before they could be opened.
    dead_dirs: Vec<String>,
    futures: Futures,
    assignments: Arc<Assignments>,
    config: ArcSwap<ServerConfig>,
    topics: ArcSwap<HashMap<Str, Arc<Partitions>>>,
    offline: OfflinePartitions,
    /// Held while checkpoints are written: they replace their files by way of one temporary file each.
    checkpoints: Mutex<()>,
}

/// What the coordinators must hear of.
#[derive(Default)]
pub(crate) struct Changes {
    pub(crate) added: Vec<Arc<Partition>>,
    pub(crate) removed: Vec<Arc<Partition>>,
}

impl Replicas {
    pub(crate) fn new(
        node_id: i32,
        dirs: Vec<Arc<Dir>>,
        dead_dirs: Vec<String>,
        config: Arc<ServerConfig>,
    ) -> Arc<Self> {
        Arc::new(Self {
            node_id,
            dirs,
            dead_dirs,
            futures: Futures::default(),
            assignments: Arc::default(),
            config: ArcSwap::new(config),
            topics: ArcSwap::default(),
            offline: OfflinePartitions::default(),
            checkpoints: Mutex::default(),
        })
    }

    /// A partition that this broker leads.
    pub(crate) fn partition(&self, topic: &str, index: i32) -> Result<Arc<Partition>, ErrorCode> {
        let topics = self.topics.load();
        let found = topics.get(topic).and_then(|partitions| partitions.get(&index)).cloned();
        found.ok_or_else(|| match self.offline.has(topic, index) {
            true => ErrorCode::KafkaStorageError,
            false => ErrorCode::UnknownTopicOrPartition,
        })
    }

    /// The partitions whose logs could not be opened.
    pub(crate) fn offline(&self) -> &OfflinePartitions {
        &self.offline
    }

    pub(crate) fn dirs(&self) -> &[Arc<Dir>] {
        &self.dirs
    }

    /// The names of log dirs that failed before they could be opened.
    pub(crate) fn dead_dirs(&self) -> &[String] {
        &self.dead_dirs
    }

    /// The logs on their way from one log dir to another.
    pub(crate) fn futures(&self) -> &Futures {
        &self.futures
    }

    /// What the controller may have to be told of log dirs.
    pub(crate) fn assignments(&self) -> Arc<Assignments> {
        self.assignments.clone()
    }

    /// Every partition, in no particular order.
    pub(crate) fn all(&self) -> Vec<Arc<Partition>> {
        self.topics.load().values().flat_map(|partitions| partitions.values().cloned()).collect()
    }

    pub(crate) fn count(&self) -> usize {
        self.topics.load().values().map(|partitions| partitions.len()).sum()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.all().iter().map(|partition| partition.reader().size()).sum()
    }

    /// Which disk failed, if one did.
    pub(crate) fn failure(&self) -> Option<String> {
        let failed = self.dirs.iter().find(|dir| dir.is_offline()).map(|dir| dir.name());
        let failed = failed.or_else(|| self.dead_dirs.first().cloned())?;
        Some(format!("log dir {failed} is offline"))
    }

    /// Opens what the disks hold of the image's topics, and sets aside what the image does not know. Blocks.
    pub(crate) fn load(&self, image: &Image) -> anyhow::Result<Changes> {
        self.reconfigure_broker(image);
        moves::end(&self.dirs, self.node_id, image)?;
        let mut changes = Changes::default();
        let mut topics: HashMap<Str, Partitions> = HashMap::new();
        let mut left_behind = Vec::new();
        for dir in &self.dirs {
            let contents = dir.log_dir.contents()?;
            for removal in contents.removals {
                removal.run()?;
            }
            for found in contents.partitions {
                if found.path.ends_with(crate::metadata_log::FOLDER) {
                    continue;
                }
                let Some((topic, leader_epoch)) = self.assigned(image, &found) else {
                    set_aside(dir, &found, "the cluster does not have it")?;
                    continue;
                };
                if moves::is_left_behind(&self.dirs, self.node_id, image, dir, &found)? {
                    left_behind.push((dir, found));
                    continue;
                }
                match self.open(dir, &topic, &found, leader_epoch, image) {
                    Ok(Some(partition)) => {
                        changes.added.push(partition.clone());
                        topics.entry(topic.name.clone()).or_default().insert(found.partition, partition);
                    }
                    Ok(None) => set_aside(dir, &found, "it is of an earlier topic of that name")?,
                    Err(error) => {
                        dir.save_recovered(PartitionKey { topic_id: topic.id, partition: found.partition }, &found);
                        let offline = Offline { topic_id: topic.id, dir: dir.clone(), found };
                        self.offline.add(topic.name.clone(), offline, &error);
                    }
                }
            }
        }
        self.topics.store(Arc::new(topics.into_iter().map(|(name, p)| (name, Arc::new(p))).collect()));
        // What the image has and the disks have not is made: it was decided, and the process died before it was done.
        let mut everything = Delta::default();
        for topic in image.topics().iter() {
            everything.partitions_changed.insert(topic.id, topic.partitions.keys().copied().collect());
        }
        changes.added.extend(self.apply(image, &everything).added);
        for (dir, found) in left_behind {
            self.end_left_behind(dir, &found)?;
        }
        self.dirs.iter().try_for_each(|dir| dir.end_recovery())?;
        Ok(changes)
    }

    /// Starts to commit what is appended.
    pub(crate) fn start_commits(self: &Arc<Self>) -> io::Result<()> {
        for dir in &self.dirs {
            let Some(commits) = dir.commits() else { continue };
            let replicas = Arc::downgrade(self);
            let write_checkpoints = move || match replicas.upgrade() {
                Some(replicas) => replicas.write_checkpoints().map_err(|error| error.to_string()),
                None => Ok(()),
            };
            let (replicas, id) = (Arc::downgrade(self), dir.id);
            let on_failure = move || {
                let partitions = replicas.upgrade().map(|replicas| replicas.all()).unwrap_or_default();
                partitions.iter().filter(|partition| partition.dir().id == id).for_each(|p| p.commits_failed());
            };
            commits.start(dir, write_checkpoints, on_failure)?;
        }
        Ok(())
    }

    /// The topic of a folder if the image says that this broker has the partition.
    fn assigned(&self, image: &Image, found: &PartitionDir) -> Option<(Arc<Topic>, i32)> {
        let topic = image.topics().by_name(&found.topic)?;
        let partition = topic.partitions.get(&found.partition)?;
        partition.replicas.contains(&self.node_id).then(|| (topic.clone(), partition.leader_epoch))
    }

    fn log_config(&self, image: &Image, topic: &Str) -> ottla_storage::LogConfig {
        let config = self.config.load();
        settings::log_config(&config.topic_config(&overrides(image, topic)), &config)
    }

    /// Opens a log that was found; none if it is of another topic.
    fn open(
        &self,
        dir: &Arc<Dir>,
        topic: &Topic,
        found: &PartitionDir,
        leader_epoch: i32,
        image: &Image,
    ) -> anyhow::Result<Option<Arc<Partition>>> {
        let mut log = dir.log_dir.open_log(found, self.log_config(image, &topic.name), wall_ms())?;
        if log.topic_id().is_some_and(|id| id != topic.id) {
            return Ok(None);
        }
        dir.restore(PartitionKey { topic_id: topic.id, partition: found.partition }, &mut log)?;
        self.serve(dir, topic, found.partition, leader_epoch, log, image).map(Some)
    }

    fn serve(
        &self,
        dir: &Arc<Dir>,
        topic: &Topic,
        index: i32,
        leader_epoch: i32,
        mut log: Log,
        image: &Image,
    ) -> anyhow::Result<Arc<Partition>> {
        log.assign_topic_id(topic.id)?;
        let config = self.config.load().topic_config(&overrides(image, &topic.name));
        Ok(Partition::new(topic.name.clone(), topic.id, index, dir.clone(), leader_epoch, config, log)?)
    }

    /// Does what a change of the metadata asks of this broker. Blocks.
    pub(crate) fn apply(&self, image: &Image, delta: &Delta) -> Changes {
        let mut changes = Changes::default();
        let mut topics: HashMap<Str, Arc<Partitions>> = HashMap::clone(&self.topics.load());
        for topic in delta.topics_deleted.values() {
            let same = |partitions: &Arc<Partitions>| partitions.values().any(|p| p.topic_id == topic.id);
            if topics.get(&topic.name).is_some_and(same) {
                let removed = topics.remove(&topic.name).unwrap_or_default();
                changes.removed.extend(removed.values().cloned());
            }
            self.offline.take_topic(topic.id).iter().for_each(delete_offline);
        }
        for (id, indexes) in &delta.partitions_changed {
            let Some(topic) = image.topics().by_id(id) else { continue };
            let partitions = Arc::make_mut(topics.entry(topic.name.clone()).or_default());
            for index in indexes {
                match self.follow(image, topic, *index, partitions) {
                    Ok(Some(partition)) => changes.added.push(partition),
                    Ok(None) => {}
                    Err(error) => {
                        error!(topic = %topic.name, partition = index, "cannot open the partition: {error:#}")
                    }
                }
            }
        }
        self.topics.store(Arc::new(topics));
        for partition in &changes.removed {
            info!(%partition, "deleted");
            self.futures.cancel(partition);
            if let Err(error) = partition.delete() {
                error!(%partition, %error, "cannot delete the log; it is set aside at the next start");
            }
        }
        // A topic of the same name must not be taken for flushed up to where this one was.
        if !changes.removed.is_empty()
            && let Err(error) = self.write_checkpoints()
        {
            error!(%error, "cannot write checkpoints");
        }
        self.reconfigure(image, delta);
        changes
    }

    fn follow(
        &self,
        image: &Image,
        topic: &Topic,
        index: i32,
        partitions: &mut Partitions,
    ) -> anyhow::Result<Option<Arc<Partition>>> {
        let Some(wanted) = topic.partitions.get(&index).filter(|p| p.replicas.contains(&self.node_id)) else {
            return Ok(None);
        };
        if let Some(partition) = partitions.get(&index) {
            partition.set_leader_epoch(wanted.leader_epoch)?;
            return Ok(None);
        }
        if self.offline.has(&topic.name, index) {
            return Ok(None);
        }
        let assigned = Assigned::of(wanted.directory(self.node_id));
        let Some(dir) = self.choose_dir(assigned, &topic.name, index) else {
            warn!(topic = %topic.name, partition = index, "the partition is in a log dir that is offline");
            return Ok(None);
        };
        let log =
            dir.log_dir.create_log(&topic.name, index, topic.id, self.log_config(image, &topic.name), wall_ms())?;
        let partition = self.serve(&dir, topic, index, wanted.leader_epoch, log, image)?;
        partitions.insert(index, partition.clone());
        Ok(Some(partition))
    }

    fn reconfigure(&self, image: &Image, delta: &Delta) {
        let broker = [ConfigResource::default_broker(), ConfigResource::broker(self.node_id)];
        let all = broker.iter().any(|resource| delta.configs_changed.contains(resource));
        if all {
            self.reconfigure_broker(image);
        }
        let topics = self.topics.load();
        for (name, partitions) in topics.iter() {
            if all || delta.configs_changed.contains(&ConfigResource::topic(name.clone())) {
                let config = self.config.load().topic_config(&overrides(image, name));
                let log_config = settings::log_config(&config, &self.config.load());
                for partition in partitions.values() {
                    partition.set_config(config.clone(), log_config.clone());
                }
            }
        }
    }

    /// Takes in what was altered of the broker's configs.
    fn reconfigure_broker(&self, image: &Image) {
        let default = configs(image, &ConfigResource::default_broker());
        let own = configs(image, &ConfigResource::broker(self.node_id));
        let (config, warnings) = self.config.load().with_dynamic(&default, &own);
        for warning in warnings {
            warn!("{}", warning.message);
        }
        self.config.store(Arc::new(config));
    }

    /// The config with the dynamic changes of the last image applied.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        self.config.load_full()
    }

    /// Writes recovery points, log start offsets and high watermarks of every dir down. Blocks.
    pub(crate) fn write_checkpoints(&self) -> Result<(), log_dir::Error> {
        let _one_at_a_time = self.checkpoints.lock();
        let all = self.all();
        let mut written = Ok(());
        for dir in self.dirs.iter().filter(|dir| !dir.is_offline()) {
            // A log dir that fails is no concern of the others.
            if let Err(error) = self.write_checkpoints_of(dir, &all) {
                if !error.is_full_disk() {
                    dir.fail(&error);
                }
                written = Err(error);
            }
        }
        written
    }

    fn write_checkpoints_of(&self, dir: &Arc<Dir>, all: &[Arc<Partition>]) -> Result<(), log_dir::Error> {
        let mut recovery_points = PartitionOffsets::new();
        let mut starts = PartitionOffsets::new();
        let mut high_watermarks = PartitionOffsets::new();
        for partition in all.iter().filter(|partition| partition.dir().id == dir.id) {
            let key = || (partition.topic.to_string(), partition.index);
            let offsets = partition.reader().offsets();
            if let Ok(recovery_point) = partition.with_log_in(dir, |log| log.recovery_point()) {
                recovery_points.insert(key(), recovery_point);
            }
            if offsets.log_start_offset > 0 {
                starts.insert(key(), offsets.log_start_offset);
            }
            high_watermarks.insert(key(), offsets.high_watermark);
        }
        self.keep(dir, Checkpoint::RecoveryPoint, &mut recovery_points);
        self.keep(dir, Checkpoint::LogStartOffset, &mut starts);
        self.keep(dir, Checkpoint::HighWatermark, &mut high_watermarks);
        dir.log_dir.write_checkpoint(Checkpoint::RecoveryPoint, &recovery_points)?;
        dir.log_dir.write_checkpoint(Checkpoint::LogStartOffset, &starts)?;
        dir.log_dir.write_checkpoint(Checkpoint::HighWatermark, &high_watermarks)
    }

    /// Adds what a checkpoint says of logs that are offline, and of copies.
    fn keep(&self, dir: &Dir, which: Checkpoint, offsets: &mut PartitionOffsets) {
        self.offline.keep(dir, which, offsets);
        self.futures.checkpoint(dir, which, offsets);
    }

    /// Ends the commits: what is appended later is durable when its log is closed. Blocks.
    fn stop_commits(&self) {
        self.dirs.iter().filter_map(|dir| dir.commits()).for_each(|commits| commits.stop());
    }

    /// Closes every log and marks the dirs as cleanly stopped. Blocks.
    pub(crate) fn close(&self, broker_epoch: i64) -> anyhow::Result<()> {
        self.futures.close();
        self.stop_commits();
        let _one_at_a_time = self.checkpoints.lock();
        let all = self.all();
        let mut ends: BTreeMap<Uuid, PartitionOffsets> = BTreeMap::new();
        let mut starts: BTreeMap<Uuid, PartitionOffsets> = BTreeMap::new();
        let mut failed = false;
        for partition in &all {
            let start = partition.reader().offsets().log_start_offset;
            let key = (partition.topic.to_string(), partition.index);
            if start > 0 {
                // Also of a log that does not close: deleted records must not come back.
                starts.entry(partition.dir().id).or_default().insert(key.clone(), start);
            }
            let flushed = partition.with_log(|log| log.recovery_point());
            match partition.close() {
                Ok(end) => {
                    ends.entry(partition.dir().id).or_default().insert(key, end);
                }
                Err(reason) => {
                    failed = true;
                    ends.entry(partition.dir().id).or_default().extend(flushed.map(|flushed| (key, flushed)));
                    error!(%partition, "cannot close the log: {reason}");
                }
            }
        }
        for dir in self.dirs.iter().filter(|dir| !dir.is_offline()) {
            let write = |which, offsets: &BTreeMap<Uuid, PartitionOffsets>| {
                let mut offsets = offsets.get(&dir.id).cloned().unwrap_or_default();
                self.keep(dir, which, &mut offsets);
                dir.log_dir.write_checkpoint(which, &offsets)
            };
            write(Checkpoint::RecoveryPoint, &ends)?;
            write(Checkpoint::HighWatermark, &ends)?;
            write(Checkpoint::LogStartOffset, &starts)?;
            if !failed {
                if let Some(commits) = dir.commits() {
                    commits.remove_journal()?;
                }
                dir.log_dir.mark_clean_shutdown(broker_epoch)?;
            }
        }
        Ok(())
    }
}

/// Has the log of a deleted topic removed though it could not be opened: what is in it was not to be kept.
fn delete_offline(offline: &Offline) {
    let PartitionDir { topic, partition, path } = &offline.found;
    let fs = offline.dir.log_dir.fs();
    let to = offline.dir.log_dir.path().join(names::to_delete(topic, *partition, *entropy::uuid().as_bytes()));
    if let Err(error) = fs.rename(path, &to).and_then(|()| fs.remove_dir_all(&to)) {
        error!(topic, partition, %error, "cannot delete the log; it is set aside at the next start");
    }
}

/// Keeps a folder that belongs to no partition under a name that says so: nothing is deleted on an inference.
pub(crate) fn set_aside(dir: &Dir, found: &PartitionDir, why: &str) -> anyhow::Result<()> {
    let name = names::to_stray(&found.topic, found.partition, *entropy::uuid().as_bytes());
    let path: PathBuf = dir.log_dir.path().join(name);
    warn!(from = %found.path.display(), to = %path.display(), "set aside a log, {why}");
    dir.log_dir.fs().rename(&found.path, &path)?;
    dir.log_dir.fs().sync_dir(dir.log_dir.path())?;
    Ok(())
}

fn configs(image: &Image, resource: &ConfigResource) -> BTreeMap<String, String> {
    let configs = image.configs().of(resource);
    configs.iter().flat_map(|c| c.iter()).map(|(k, v)| (k.to_string(), v.to_string())).collect()
}

/// The configs that were set for a topic.
pub(crate) fn overrides(image: &Image, topic: &Str) -> BTreeMap<String, String> {
    configs(image, &ConfigResource::topic(topic.clone()))
}
