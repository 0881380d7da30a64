//! The partitions this broker has: found at the start, made and removed as the metadata says, closed at the end.

mod checkpoints;
mod load;
mod making;
mod standing;

use crate::{
    assignments::Assignments,
    dir::Dir,
    entropy,
    future::Futures,
    partition::Partition,
    placement::Assigned,
    replica::{LogSettings, Placed, Replica, Turn},
    settings,
    site::Site,
};
use arc_swap::ArcSwap;
use ottla_config::ServerConfig;
use ottla_metadata::{
    ConfigResource, Delta,
    image::{self, Image, NO_LEADER, Topic},
    topic_name,
};
use ottla_protocol::{ErrorCode, Str};
use ottla_storage::{
    journal::PartitionKey,
    log_dir::{PartitionDir, names},
};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, HashMap},
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};
use tracing::{error, info, warn};

/// How many logs are opened or closed at a time: the work waits for the disk as much as for the processor.
const THREADS: usize = 4;

type ByIndex = HashMap<i32, Arc<Replica>>;

/// All partitions of this broker.
pub(crate) struct Replicas {
    site: Arc<Site>,
    /// Whether this broker has told the controller that it is there: what it led before it leads no more.
    registered: AtomicBool,
    dirs: Vec<Arc<Dir>>,
    /// Log dirs that failed before they could be opened.
    dead_dirs: Vec<String>,
    futures: Futures,
    assignments: Arc<Assignments>,
    config: ArcSwap<ServerConfig>,
    topics: ArcSwap<HashMap<Str, Arc<ByIndex>>>,
    /// Put back into logs what only the journals have.
    restorers: Mutex<Vec<JoinHandle<()>>>,
    closing: AtomicBool,
    maker: making::Maker,
}

/// What others must hear of.
#[derive(Default)]
pub(crate) struct Changes {
    pub(crate) added: Vec<Arc<Replica>>,
    pub(crate) removed: Vec<Arc<Replica>>,
    /// Those of which the metadata says something new.
    pub(crate) roles: Vec<Arc<Replica>>,
    /// Those that this broker leads since now.
    pub(crate) led: Vec<Arc<Replica>>,
    /// Those that it has led until now.
    pub(crate) resigned: Vec<Arc<Replica>>,
}

/// What becomes of a partition of this broker.
enum Followed {
    New(Arc<Replica>),
    Known(Arc<Replica>, Turn),
    /// It is another broker's now.
    Left(Arc<Replica>),
    None,
}

impl Replicas {
    pub(crate) fn new(
        site: Arc<Site>,
        dirs: Vec<Arc<Dir>>,
        dead_dirs: Vec<String>,
        config: Arc<ServerConfig>,
    ) -> Arc<Self> {
        Arc::new(Self {
            site,
            registered: AtomicBool::new(false),
            dirs,
            dead_dirs,
            futures: Futures::default(),
            assignments: Arc::default(),
            config: ArcSwap::new(config),
            topics: ArcSwap::default(),
            restorers: Mutex::default(),
            closing: AtomicBool::new(false),
            maker: making::Maker::default(),
        })
    }

    /// What all partitions share.
    pub(crate) fn site(&self) -> &Arc<Site> {
        &self.site
    }

    /// From now on this broker leads what the metadata says.
    pub(crate) fn set_registered(&self) {
        self.registered.store(true, Ordering::Release);
    }

    /// A partition that this broker leads. Its log is opened if it is not yet, which may block.
    pub(crate) fn led(&self, topic: &str, index: i32) -> Result<Arc<Partition>, ErrorCode> {
        self.led_in(topic, index, -1)
    }

    /// The same for a client that knows the leader's epoch. It is checked first: a follower tells too who is behind (KIP-320).
    pub(crate) fn led_in(&self, topic: &str, index: i32, epoch: i32) -> Result<Arc<Partition>, ErrorCode> {
        let partition = self.of_epoch(topic, index, epoch)?;
        match partition.is_leader() {
            true => Ok(partition),
            false => Err(ErrorCode::NotLeaderOrFollower),
        }
    }

    /// A partition that this broker has, for a client that knows the leader's epoch.
    pub(crate) fn of_epoch(&self, topic: &str, index: i32, epoch: i32) -> Result<Arc<Partition>, ErrorCode> {
        let partition = self.partition(topic, index)?;
        partition.check_epoch(epoch)?;
        Ok(partition)
    }

    /// A partition that this broker has. Its log is opened if it is not yet, which may block.
    pub(crate) fn partition(&self, topic: &str, index: i32) -> Result<Arc<Partition>, ErrorCode> {
        let elsewhere = || match self.site.image().topics().partition(topic, index) {
            Some(_) => ErrorCode::NotLeaderOrFollower,
            None => ErrorCode::UnknownTopicOrPartition,
        };
        let replica = self.replica(topic, index).ok_or_else(elsewhere)?;
        match replica.opened() {
            Some(partition) => Ok(partition.clone()),
            None => tokio::task::block_in_place(|| replica.open()),
        }
    }

    pub(crate) fn replica(&self, topic: &str, index: i32) -> Option<Arc<Replica>> {
        self.topics.load().get(topic).and_then(|partitions| partitions.get(&index)).cloned()
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
    pub(crate) fn all(&self) -> Vec<Arc<Replica>> {
        self.topics.load().values().flat_map(|partitions| partitions.values().cloned()).collect()
    }

    /// The partitions whose logs are open, in no particular order.
    pub(crate) fn opened(&self) -> Vec<Arc<Partition>> {
        self.all().iter().filter_map(|replica| replica.opened().cloned()).collect()
    }

    pub(crate) fn count(&self) -> usize {
        self.topics.load().values().map(|partitions| partitions.len()).sum()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.all().iter().map(|replica| replica.size()).sum()
    }

    /// Which disk failed, if one did.
    pub(crate) fn failure(&self) -> Option<String> {
        let failed = self.dirs.iter().find(|dir| dir.is_offline()).map(|dir| dir.name());
        let failed = failed.or_else(|| self.dead_dirs.first().cloned())?;
        Some(format!("log dir {failed} is offline"))
    }

    /// Starts to commit what is appended.
    pub(crate) fn start_commits(self: &Arc<Self>) -> io::Result<()> {
        for dir in &self.dirs {
            let Some(commits) = dir.commits() else { continue };
            let (replicas, id) = (Arc::downgrade(self), dir.id);
            let on_failure = move || {
                let opened = replicas.upgrade().map(|replicas| replicas.opened()).unwrap_or_default();
                opened.iter().filter(|partition| partition.dir().id == id).for_each(|p| p.commits_failed());
            };
            commits.start(dir, on_failure)?;
        }
        Ok(())
    }

    /// Does what a change of the metadata asks of this broker. Blocks.
    pub(crate) fn apply(&self, image: &Image, delta: &Delta) -> Changes {
        let mut changes = Changes::default();
        let mut topics: HashMap<Str, Arc<ByIndex>> = HashMap::clone(&self.topics.load());
        for topic in delta.topics_deleted.values() {
            let same = |partitions: &Arc<ByIndex>| partitions.values().any(|p| p.topic_id == topic.id);
            if topics.get(&topic.name).is_some_and(same) {
                let removed = topics.remove(&topic.name).unwrap_or_default();
                changes.removed.extend(removed.values().cloned());
            }
        }
        // Folders first: a topic of the same name may come next.
        self.delete(&changes.removed);
        let mut left = Vec::new();
        for (id, indexes) in &delta.partitions_changed {
            let Some(topic) = image.topics().by_id(id) else { continue };
            let partitions = Arc::make_mut(topics.entry(topic.name.clone()).or_default());
            let settings = self.log_settings(image, &topic.name);
            for index in indexes {
                match self.follow(topic, *index, partitions, &settings) {
                    Followed::New(replica) => changes.added.push(replica),
                    Followed::Known(replica, turn) => changes.turn(replica, turn),
                    Followed::Left(replica) => left.push(replica),
                    Followed::None => {}
                }
            }
        }
        self.topics.store(Arc::new(topics));
        self.delete(&left);
        changes.removed.extend(left);
        // A topic of the same name must not be taken for flushed up to where this one was.
        if !changes.removed.is_empty()
            && let Err(error) = self.write_checkpoints()
        {
            error!(%error, "cannot write checkpoints");
        }
        self.make(&changes.added);
        for replica in changes.added.clone() {
            let turn = if replica.is_led() { Turn::Leads } else { Turn::Stays };
            changes.turn(replica, turn);
        }
        open_internal(&changes.led);
        self.reconfigure(image, delta);
        changes
    }

    fn delete(&self, replicas: &[Arc<Replica>]) {
        for replica in replicas {
            info!(partition = %replica, "deleted");
            self.futures.cancel(&replica.topic, replica.index);
            if let Err(error) = replica.delete() {
                error!(partition = %replica, %error, "cannot delete the log; it is set aside at the next start");
            }
        }
    }

    /// Notes what the metadata says of a partition.
    fn follow(&self, topic: &Topic, index: i32, partitions: &mut ByIndex, settings: &Arc<LogSettings>) -> Followed {
        let Some(state) = topic.partitions.get(&index) else { return Followed::None };
        if !state.replicas.contains(&self.site.node_id) {
            return partitions.remove(&index).map_or(Followed::None, Followed::Left);
        }
        let state = self.as_led(state);
        if let Some(replica) = partitions.get(&index) {
            return Followed::Known(replica.clone(), replica.follow(&state));
        }
        let key = PartitionKey { topic_id: topic.id, partition: index };
        let dir = match self.dirs.iter().find(|dir| dir.has_recovered(&key)) {
            // A power cut took the folder, not what the journal has.
            Some(dir) => dir.clone(),
            None => {
                let assigned = Assigned::of(state.directory(self.site.node_id));
                let Some(dir) = self.choose_dir(assigned, &topic.name, index) else {
                    warn!(topic = %topic.name, partition = index, "the partition is in a log dir that is offline");
                    return Followed::None;
                };
                dir
            }
        };
        let replica = Replica::unmade(&self.site, Placed { topic, index, state, dir }, settings.clone());
        replica.dir().add_log();
        partitions.insert(index, replica.clone());
        Followed::New(replica)
    }

    /// What the metadata says, but that a broker which has not registered again leads nothing.
    fn as_led(&self, state: &Arc<image::Partition>) -> Arc<image::Partition> {
        match state.leader == self.site.node_id && !self.registered.load(Ordering::Acquire) {
            true => Arc::new(image::Partition { leader: NO_LEADER, ..image::Partition::clone(state) }),
            false => state.clone(),
        }
    }

    /// Who is alive has changed, and so may have who is waited for.
    pub(crate) fn move_high_watermarks(&self) {
        self.opened().iter().for_each(|partition| partition.move_high_watermark());
    }

    fn log_settings(&self, image: &Image, topic: &Str) -> Arc<LogSettings> {
        let config = self.config.load();
        let topic = config.topic_config(&overrides(image, topic));
        Arc::new(LogSettings { log: settings::log_config(&topic, &config), topic })
    }

    fn reconfigure(&self, image: &Image, delta: &Delta) {
        let broker = [ConfigResource::default_broker(), ConfigResource::broker(self.site.node_id)];
        let all = broker.iter().any(|resource| delta.configs_changed.contains(resource));
        if all {
            self.reconfigure_broker(image);
        }
        for (name, partitions) in self.topics.load().iter() {
            if all || delta.configs_changed.contains(&ConfigResource::topic(name.clone())) {
                let settings = self.log_settings(image, name);
                partitions.values().for_each(|replica| replica.set_settings(&settings));
            }
        }
    }

    /// Takes in what was altered of the broker's configs.
    fn reconfigure_broker(&self, image: &Image) {
        let default = configs(image, &ConfigResource::default_broker());
        let own = configs(image, &ConfigResource::broker(self.site.node_id));
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
}

impl Changes {
    fn turn(&mut self, replica: Arc<Replica>, turn: Turn) {
        match turn {
            Turn::Leads => self.led.push(replica.clone()),
            Turn::Resigns => self.resigned.push(replica.clone()),
            Turn::Stays => {}
        }
        self.roles.push(replica);
    }
}

/// Opens those of internal topics, for their coordinators. Blocks.
pub(crate) fn open_internal(replicas: &[Arc<Replica>]) {
    let internal = replicas.iter().filter(|replica| topic_name::is_internal(&replica.topic)).cloned().collect();
    // Why one cannot be opened was logged.
    in_parallel(internal, THREADS, |replica: &Arc<Replica>| _ = replica.open());
}

/// Does the same work on many things with some threads; the outcomes have no order.
fn in_parallel<T: Send, R: Send>(things: Vec<T>, threads: usize, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let (things, outcomes) = (Mutex::new(things.into_iter()), Mutex::new(Vec::new()));
    let one = || {
        while let Some(thing) = { things.lock().next() } {
            let outcome = work(&thing);
            outcomes.lock().push(outcome);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(one);
        }
        one();
    });
    outcomes.into_inner()
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
