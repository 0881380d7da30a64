//! A log dir: the folder that holds the logs of many partitions, and what is kept of them all.

mod clean_shutdown;
mod future;
pub mod names;
pub(crate) mod offsets;
mod properties;
pub mod quorum_state;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ottla_protocol::Uuid;
use parking_lot::Mutex;

pub use clean_shutdown::CleanShutdown;
pub(crate) use clean_shutdown::FILE as CLEAN_SHUTDOWN_FILE;
pub use offsets::{Checkpoint, PartitionOffsets};
pub use properties::MetaProperties;

use crate::checkpoint;
use crate::config::LogConfig;
use crate::fs::{Disk, FileLock, Fs, Space, is_full};
use crate::log::{Log, OpenError, OpenOptions, Removal};
use names::Folder;

const LOCK_FILE: &str = ".lock";

/// Why a log dir cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk failed.
    #[error("{path}: {source}")]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// How.
        source: io::Error,
    },
    /// Another process works on it.
    #[error("{0} is in use by another process")]
    Locked(PathBuf),
    /// `meta.properties` has no sense.
    #[error("{path}: {reason}")]
    MetaProperties {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A checkpoint cannot be read or written.
    #[error(transparent)]
    Checkpoint(#[from] checkpoint::Error),
}

impl Error {
    /// Whether there was no room: what was there before stands, and there may be room again.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Io { source, .. } | Self::Checkpoint(checkpoint::Error::Io { source, .. }) => is_full(source),
            _ => false,
        }
    }
}

/// The folder of a partition's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionDir {
    /// The topic's name.
    pub topic: String,
    /// The partition's number.
    pub partition: i32,
    /// The folder.
    pub path: PathBuf,
}

/// What a log dir holds.
#[derive(Debug, Default)]
pub struct Contents {
    /// Logs of partitions, in order of their names.
    pub partitions: Vec<PartitionDir>,
    /// Logs that were being deleted: run these.
    pub removals: Vec<Removal>,
    /// Logs that belong to no known partition. They are kept.
    pub stray: Vec<PathBuf>,
    /// Logs that were being copied here from other log dirs.
    pub future: Vec<PartitionDir>,
}

/// What the checkpoints said of the logs when the dir was opened.
#[derive(Debug)]
struct Checkpointed {
    recovery_points: PartitionOffsets,
    log_start_offsets: PartitionOffsets,
    high_watermarks: PartitionOffsets,
}

/// An open log dir. No other process opens it meanwhile.
#[derive(Debug)]
pub struct LogDir {
    fs: Arc<dyn Fs>,
    disk: Arc<dyn Disk>,
    path: PathBuf,
    meta_properties: Option<MetaProperties>,
    clean_shutdown: Option<CleanShutdown>,
    checkpointed: Mutex<Checkpointed>,
    cleaned: PartitionOffsets,
    _lock: Box<dyn FileLock>,
}

impl LogDir {
    /// Locks a log dir, which is created when absent, and reads what is kept of its logs.
    ///
    /// The mark of a clean stop is taken away: if this process dies, the next one must recover.
    pub fn open(path: &Path, fs: Arc<dyn Fs>) -> Result<Self, Error> {
        let io = |source| Error::Io { path: path.to_path_buf(), source };
        fs.create_dir_all(path).map_err(io)?;
        let lock = fs.lock(&path.join(LOCK_FILE)).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => Error::Locked(path.to_path_buf()),
            _ => io(error),
        })?;
        Ok(Self {
            meta_properties: MetaProperties::read(&*fs, path)?,
            checkpointed: Mutex::new(Checkpointed {
                recovery_points: offsets::read_or_none(&*fs, path, Checkpoint::RecoveryPoint)?,
                log_start_offsets: offsets::read_or_none(&*fs, path, Checkpoint::LogStartOffset)?,
                high_watermarks: offsets::read_or_none(&*fs, path, Checkpoint::HighWatermark)?,
            }),
            cleaned: offsets::read_or_none(&*fs, path, Checkpoint::Cleaner)?,
            clean_shutdown: clean_shutdown::take(&*fs, path)?,
            path: path.to_path_buf(),
            disk: fs.disk(path).map_err(io)?,
            fs,
            _lock: lock,
        })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the files go through.
    pub fn fs(&self) -> &Arc<dyn Fs> {
        &self.fs
    }

    /// What `meta.properties` says; none if the dir is not formatted.
    pub fn meta_properties(&self) -> Option<&MetaProperties> {
        self.meta_properties.as_ref()
    }

    /// Replaces `meta.properties`, durably.
    pub fn set_meta_properties(&mut self, properties: MetaProperties) -> Result<(), Error> {
        properties.write(&*self.fs, &self.path)?;
        self.meta_properties = Some(properties);
        Ok(())
    }

    /// The id of the directory, if it has one.
    pub fn directory_id(&self) -> Option<Uuid> {
        self.meta_properties.as_ref().and_then(|properties| properties.directory_id)
    }

    /// Whether the process before closed all logs, and its broker epoch.
    pub fn clean_shutdown(&self) -> Option<CleanShutdown> {
        self.clean_shutdown
    }

    /// Room on the disk.
    pub fn space(&self) -> Result<Space, Error> {
        self.fs.space(&self.path).map_err(|source| Error::Io { path: self.path.clone(), source })
    }

    /// Lists what the dir holds. Folders that are not Kafka's are left alone.
    pub fn contents(&self) -> Result<Contents, Error> {
        let listed = self.fs.list(&self.path).map_err(|source| Error::Io { path: self.path.clone(), source })?;
        let mut contents = Contents::default();
        for name in listed.into_iter().filter(|entry| entry.is_dir).map(|entry| entry.name) {
            let path = self.path.join(&name);
            match names::parse(&name) {
                Folder::Partition(topic, partition) => {
                    contents.partitions.push(PartitionDir { topic, partition, path })
                }
                Folder::Future(topic, partition) => contents.future.push(PartitionDir { topic, partition, path }),
                Folder::Deleted => contents.removals.push(Removal::of_dir(Arc::clone(&self.fs), &path)),
                Folder::Stray => contents.stray.push(path),
                Folder::Other => {}
            }
        }
        contents.partitions.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
        Ok(contents)
    }

    /// What a checkpoint said of a partition when the dir was opened, unless its log was made anew since.
    pub fn checkpointed(&self, which: Checkpoint, topic: &str, partition: i32) -> Option<i64> {
        let key = (topic.to_owned(), partition);
        let checkpointed = self.checkpointed.lock();
        let offsets = match which {
            Checkpoint::RecoveryPoint => &checkpointed.recovery_points,
            Checkpoint::LogStartOffset => &checkpointed.log_start_offsets,
            Checkpoint::HighWatermark => &checkpointed.high_watermarks,
            Checkpoint::Cleaner => &self.cleaned,
        };
        offsets.get(&key).copied()
    }

    /// Forgets what the checkpoints said of a log that is gone: another of its name must not be taken for flushed up to there.
    fn forget(&self, topic: &str, partition: i32) {
        let key = (topic.to_owned(), partition);
        let mut checkpointed = self.checkpointed.lock();
        checkpointed.recovery_points.remove(&key);
        checkpointed.log_start_offsets.remove(&key);
        checkpointed.high_watermarks.remove(&key);
    }

    /// Opens a log that [`LogDir::contents`] found, with its checkpointed offsets. Logs may be opened from several threads.
    ///
    /// Its folder may be of another topic than the one with `topic_id`, which is an error.
    pub fn open_log(
        &self,
        dir: &PartitionDir,
        topic_id: Option<Uuid>,
        config: LogConfig,
        now_ms: i64,
    ) -> Result<Log, OpenError> {
        let offset = |which| self.checkpointed(which, &dir.topic, dir.partition).unwrap_or(0);
        let options = OpenOptions {
            config,
            log_start_offset: offset(Checkpoint::LogStartOffset),
            recovery_point: offset(Checkpoint::RecoveryPoint),
            clean_shutdown: self.clean_shutdown.is_some(),
            topic_id,
            now_ms,
            ..OpenOptions::default()
        };
        let mut log = Log::open(Arc::clone(&self.fs), &dir.path, &options)?;
        log.set_high_watermark(offset(Checkpoint::HighWatermark));
        Ok(log)
    }

    /// Creates the log of a partition that is new to this dir. Nothing may be appended before [`LogDir::sync_all`].
    pub fn create_log(
        &self,
        topic: &str,
        partition: i32,
        topic_id: Uuid,
        config: LogConfig,
        now_ms: i64,
    ) -> Result<Log, OpenError> {
        self.forget(topic, partition);
        let path = self.path.join(names::partition(topic, partition));
        let topic_id = (!topic_id.is_zero()).then_some(topic_id);
        let options = OpenOptions { config, topic_id, now_ms, caller_syncs: true, ..OpenOptions::default() };
        Log::open(Arc::clone(&self.fs), &path, &options)
    }

    /// Makes everything durable that is on the dir's disk. It fails too if anything could not be written since the dir was opened.
    pub fn sync_all(&self) -> Result<(), Error> {
        self.disk.sync_all().map_err(|source| Error::Io { path: self.path.clone(), source })
    }

    /// Up to where compaction had been when the dir was opened.
    pub fn cleaned(&self) -> &PartitionOffsets {
        &self.cleaned
    }

    /// Writes high watermarks down if the checkpoint says otherwise. A power cut may leave it without sense: a start does without
    /// it then, as what was committed is known from the replicas.
    pub fn put_high_watermarks(&self, offsets: &PartitionOffsets) -> Result<(), Error> {
        Ok(offsets::put(&*self.fs, &self.path, Checkpoint::HighWatermark, offsets)?)
    }

    /// Replaces a checkpoint, durably.
    pub fn write_checkpoint(&self, which: Checkpoint, offsets: &PartitionOffsets) -> Result<(), Error> {
        Ok(offsets::write(&*self.fs, &self.path, which, offsets)?)
    }

    /// Ends a clean stop: the logs are closed and the checkpoints written.
    pub fn mark_clean_shutdown(&self, broker_epoch: i64) -> Result<(), Error> {
        clean_shutdown::put(&*self.fs, &self.path, broker_epoch)
    }
}
