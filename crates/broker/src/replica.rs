//! A partition that this broker has. Its log is opened when somebody first asks for it; until then it costs this entry.

use crate::{clock::wall_ms, dir::Dir, entropy, partition::Partition, replicas::set_aside, site::Site};
use ottla_config::TopicConfig;
use ottla_metadata::image::{self, NO_LEADER, Topic};
use ottla_protocol::{ErrorCode, Str, Uuid};
use ottla_storage::{
    Log, LogConfig, OpenError,
    journal::PartitionKey,
    log_dir::{PartitionDir, names},
};
use parking_lot::{Condvar, Mutex};
use std::{
    fmt, io,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tracing::{error, warn};

/// What the configs say of a topic's logs.
#[derive(Debug)]
pub(crate) struct LogSettings {
    pub(crate) topic: TopicConfig,
    pub(crate) log: LogConfig,
}

/// What the metadata says of a replica.
#[derive(Clone)]
struct Wanted {
    state: Arc<image::Partition>,
    settings: Arc<LogSettings>,
}

/// A partition that this broker leads.
pub(crate) struct Led {
    pub(crate) replicas: usize,
    pub(crate) in_sync: usize,
    /// `min.insync.replicas`, as far as there are as many.
    pub(crate) minimum: usize,
    pub(crate) is_reassigning: bool,
}

/// A partition, what the metadata says of it, and the log dir where it is.
pub(crate) struct Placed<'a> {
    pub(crate) topic: &'a Topic,
    pub(crate) index: i32,
    pub(crate) state: Arc<image::Partition>,
    pub(crate) dir: Arc<Dir>,
}

/// What a change of the metadata makes of this broker's part in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It leads, and did not before.
    Leads,
    /// It led, and does no more.
    Resigns,
    /// Neither.
    Stays,
}

/// What stands in the way of opening the log.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Its log is yet to be made, and whoever wants it waits.
    Unmade,
    Free,
    /// It could not be opened, and is not tried again: its files are left as they are.
    Failed,
    Deleted,
}

/// A partition that this broker has.
pub(crate) struct Replica {
    pub(crate) topic: Str,
    pub(crate) topic_id: Uuid,
    pub(crate) index: i32,
    site: Arc<Site>,
    /// Where its log was found or made.
    home: Arc<Dir>,
    wanted: Mutex<Wanted>,
    /// Held while the log is opened or deleted.
    state: Mutex<State>,
    /// Told when the log is no longer unmade.
    made: Condvar,
    partition: OnceLock<Arc<Partition>>,
    /// Bytes of the log while it is not open.
    size: OnceLock<u64>,
}

impl fmt::Display for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.index)
    }
}

impl Replica {
    /// One whose log was found.
    pub(crate) fn new(site: &Arc<Site>, placed: Placed<'_>, settings: Arc<LogSettings>) -> Arc<Self> {
        Self::in_state(State::Free, site, placed, settings)
    }

    /// One that needs [`Replica::make`] and then [`Replica::set_made`].
    pub(crate) fn unmade(site: &Arc<Site>, placed: Placed<'_>, settings: Arc<LogSettings>) -> Arc<Self> {
        Self::in_state(State::Unmade, site, placed, settings)
    }

    fn in_state(state: State, site: &Arc<Site>, placed: Placed<'_>, settings: Arc<LogSettings>) -> Arc<Self> {
        Arc::new(Self {
            topic: placed.topic.name.clone(),
            topic_id: placed.topic.id,
            index: placed.index,
            site: site.clone(),
            home: placed.dir,
            wanted: Mutex::new(Wanted { state: placed.state, settings }),
            state: Mutex::new(state),
            made: Condvar::new(),
            partition: OnceLock::new(),
            size: OnceLock::new(),
        })
    }

    pub(crate) fn key(&self) -> PartitionKey {
        PartitionKey { topic_id: self.topic_id, partition: self.index }
    }

    /// The settings as they are now.
    pub(crate) fn settings(&self) -> Arc<LogSettings> {
        self.wanted.lock().settings.clone()
    }

    /// The log dir where the log is now.
    pub(crate) fn dir(&self) -> Arc<Dir> {
        self.opened().map_or_else(|| self.home.clone(), |partition| partition.dir())
    }

    /// The partition if its log is open.
    pub(crate) fn opened(&self) -> Option<&Arc<Partition>> {
        self.partition.get()
    }

    /// Whether its log could not be opened.
    pub(crate) fn is_failed(&self) -> bool {
        // Whoever holds the lock opens or deletes it.
        self.opened().is_none() && self.state.try_lock().is_some_and(|state| *state == State::Failed)
    }

    /// Whether its log, which could not be opened, may be yet: when there is room.
    pub(crate) fn may_open(&self) -> bool {
        let state = self.state.try_lock().map(|state| *state);
        !self.home.is_offline() && state.is_none_or(|state| matches!(state, State::Unmade | State::Free))
    }

    /// The partition, whose log is opened if it is not yet. Blocks.
    pub(crate) fn open(&self) -> Result<Arc<Partition>, ErrorCode> {
        if let Some(partition) = self.opened() {
            return Ok(partition.clone());
        }
        let mut state = self.state.lock();
        self.made.wait_while(&mut state, |state| *state == State::Unmade);
        if let Some(partition) = self.opened() {
            return Ok(partition.clone());
        }
        match *state {
            State::Failed => Err(ErrorCode::KafkaStorageError),
            State::Deleted => Err(ErrorCode::UnknownTopicOrPartition),
            State::Unmade | State::Free if self.home.is_offline() => Err(ErrorCode::KafkaStorageError),
            State::Unmade | State::Free => self.open_first(&mut state),
        }
    }

    fn open_first(&self, state: &mut State) -> Result<Arc<Partition>, ErrorCode> {
        let wanted = self.wanted.lock().clone();
        match self.open_log(&wanted) {
            Ok(partition) => {
                let gone = |_| ErrorCode::UnknownTopicOrPartition;
                // Whoever finds it finds it in its role.
                partition.follow(&wanted.state).map_err(gone)?;
                let _ = self.partition.set(partition.clone());
                // What was altered meanwhile found no partition to tell.
                let now = self.wanted.lock().clone();
                partition.set_config(now.settings.topic.clone(), now.settings.log.clone());
                partition.follow(&now.state).map_err(gone)?;
                Ok(partition)
            }
            Err(error) => {
                // For want of room nothing is lost: the next one who asks finds out whether there is some again.
                if is_full(&error) {
                    if !self.home.room.is_short() {
                        warn!(partition = %self, "cannot open the log until there is room: {error:#}");
                    }
                    self.home.room.found_full(&self.home.log_dir);
                } else {
                    *state = State::Failed;
                    self.home.save_recovered(self.key(), &self.found());
                    error!(
                        topic = %self.topic, partition = self.index, dir = %self.found().path.display(),
                        "the partition is offline until its files are mended and the broker is restarted: {error:#}"
                    );
                }
                Err(ErrorCode::KafkaStorageError)
            }
        }
    }

    fn open_log(&self, wanted: &Wanted) -> anyhow::Result<Arc<Partition>> {
        let (settings, log_dir) = (&wanted.settings, &self.home.log_dir);
        let topic_id = (!self.topic_id.is_zero()).then_some(self.topic_id);
        let opened = match log_dir.fs().exists(&self.found().path)? {
            true => Some(log_dir.open_log(&self.found(), topic_id, settings.log.clone(), wall_ms())),
            false => None,
        };
        let mut log = match opened {
            Some(Err(OpenError::InconsistentTopicId { .. })) => {
                set_aside(&self.home, &self.found(), "it is of an earlier topic of that name")?;
                self.create_synced(settings)?
            }
            Some(opened) => opened?,
            None => self.create_synced(settings)?,
        };
        let restored = self.home.restore(self.key(), &mut log)?;
        let (topic, dir) = (self.topic.clone(), self.home.clone());
        let config = settings.topic.clone();
        let durable = restored.end.max(log.recovery_point());
        let id = (topic, self.topic_id, self.index);
        let partition = Partition::new(id, self.site.clone(), dir, config, log, durable);
        if let Some(commits) = self.home.commits() {
            partition.sync_from(durable)?;
            commits.to_settle([partition.clone()].into_iter().filter(|_| restored.batches > 0));
        }
        self.home.forget_recovered(self.key());
        Ok(partition)
    }

    /// Makes the log, unless it was deleted before. If that fails whoever opens it tries again. Blocks.
    pub(crate) fn make(&self) {
        let state = self.state.lock();
        if *state != State::Unmade {
            return;
        }
        match self.create(&self.settings()) {
            Ok(log) => drop(log),
            Err(error) if error.is_full() => warn!(partition = %self, %error, "cannot make the log yet"),
            Err(error) => error!(partition = %self, %error, "cannot make the log"),
        }
    }

    /// Lets those go on who wait for the log.
    pub(crate) fn set_made(&self) {
        let mut state = self.state.lock();
        if *state == State::Unmade {
            *state = State::Free;
        }
        self.made.notify_all();
    }

    /// Makes the log, which is not there yet. [`ottla_storage::LogDir::sync_all`] is to be called before it is used.
    fn create(&self, settings: &LogSettings) -> Result<Log, OpenError> {
        self.home.log_dir.create_log(&self.topic, self.index, self.topic_id, settings.log.clone(), wall_ms())
    }

    fn create_synced(&self, settings: &LogSettings) -> anyhow::Result<Log> {
        let log = self.create(settings)?;
        self.home.log_dir.sync_all()?;
        Ok(log)
    }

    /// Where the log is while it is not open.
    fn found(&self) -> PartitionDir {
        let path = self.home.log_dir.path().join(names::partition(&self.topic, self.index));
        PartitionDir { topic: self.topic.to_string(), partition: self.index, path }
    }

    /// Bytes of the log.
    pub(crate) fn size(&self) -> u64 {
        match self.opened() {
            Some(partition) => partition.reader().size(),
            None => *self.size.get_or_init(|| {
                let listed = self.home.log_dir.fs().list(&self.found().path).unwrap_or_default();
                listed.iter().filter(|entry| !entry.is_dir && entry.name.ends_with(".log")).map(|entry| entry.len).sum()
            }),
        }
    }

    pub(crate) fn set_settings(&self, settings: &Arc<LogSettings>) {
        self.wanted.lock().settings = settings.clone();
        if let Some(partition) = self.opened() {
            partition.set_config(settings.topic.clone(), settings.log.clone());
        }
    }

    /// Takes in what the metadata says now.
    pub(crate) fn follow(&self, state: &Arc<image::Partition>) -> Turn {
        let node_id = self.site.node_id;
        let before = std::mem::replace(&mut self.wanted.lock().state, state.clone());
        if let Some(partition) = self.opened()
            && let Err(error) = partition.follow(state)
        {
            error!(partition = %self, %error, "cannot change its part in the partition");
        }
        match (before.leader == node_id, state.leader == node_id) {
            (false, true) => Turn::Leads,
            (true, false) => Turn::Resigns,
            _ => Turn::Stays,
        }
    }

    /// Whether this broker leads.
    pub(crate) fn is_led(&self) -> bool {
        self.wanted.lock().state.leader == self.site.node_id
    }

    /// How the partition stands, if this broker leads it.
    pub(crate) fn as_led(&self) -> Option<Led> {
        let wanted = self.wanted.lock();
        let state = Some(&wanted.state).filter(|state| state.leader == self.site.node_id)?;
        let replicas = state.replicas.len();
        let minimum = usize::try_from(wanted.settings.topic.min_insync_replicas).unwrap_or(1);
        Some(Led {
            replicas,
            in_sync: state.isr.len(),
            minimum: minimum.min(replicas),
            is_reassigning: !(state.adding_replicas.is_empty() && state.removing_replicas.is_empty()),
        })
    }

    /// Who leads, and in which epoch, as far as this broker knows.
    pub(crate) fn leader(&self) -> (i32, i32) {
        let wanted = self.wanted.lock();
        (wanted.state.leader, wanted.state.leader_epoch)
    }

    /// Whether no other broker has the partition.
    pub(crate) fn is_alone(&self) -> bool {
        self.wanted.lock().state.replicas.len() == 1
    }

    /// The broker that this one follows.
    pub(crate) fn followed(&self) -> Option<i32> {
        let leader = self.wanted.lock().state.leader;
        (leader != NO_LEADER && leader != self.site.node_id).then_some(leader)
    }

    /// Takes the log out of service and lets its files be removed. Blocks.
    pub(crate) fn delete(&self) -> Result<(), ottla_storage::DeleteError> {
        let mut state = self.state.lock();
        *state = State::Deleted;
        self.made.notify_all();
        if let Some(partition) = self.opened() {
            return partition.delete();
        }
        self.home.remove_log();
        self.home.forget_recovered(self.key());
        let found = self.found();
        if !self.home.log_dir.fs().exists(&found.path).unwrap_or(true) {
            return Ok(());
        }
        let removal = self.home.log_dir.delete_closed(&found, *entropy::uuid().as_bytes());
        let removal = removal.map_err(|source| ottla_storage::DeleteError::Io { path: found.path, source })?;
        let delay = u64::try_from(self.settings().topic.file_delete_delay_ms).unwrap_or(0);
        let name = self.to_string();
        self.home.removals.later(Duration::from_millis(delay), move || {
            if let Err(error) = removal.run() {
                error!(partition = name, %error, "cannot remove files that are no longer needed");
            }
        });
        Ok(())
    }
}

fn is_full(error: &anyhow::Error) -> bool {
    let is_full = |error: &io::Error| matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    error.chain().any(|cause| cause.downcast_ref::<io::Error>().is_some_and(is_full))
}
