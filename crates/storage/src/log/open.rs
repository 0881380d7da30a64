//! Opening a log: taking up what a crash may have interrupted, recovering what may be torn, loading the producers.

mod files;
mod recovery;
mod swap;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ottla_protocol::Uuid;

pub(crate) use files::Files;

use super::snapshots::Snapshots;
use super::{Active, Log};
use crate::checkpoint;
use crate::config::LogConfig;
use crate::epochs::LeaderEpochs;
use crate::fs::{Fs, is_full};
use crate::partition_metadata;
use crate::producers::Producers;
use crate::producers::Verifications;
use crate::segment::file::Dir;
use crate::segment::scan::Headers;
use crate::segment::{self, AbortedTxn, Segment};
use crate::shared::Shared;

/// What is known of a log before it is opened.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// The settings.
    pub config: LogConfig,
    /// From `log-start-offset-checkpoint`, or 0.
    pub log_start_offset: i64,
    /// From `recovery-point-offset-checkpoint`, or 0: what is below it was flushed.
    pub recovery_point: i64,
    /// The log was closed before the broker stopped: nothing is torn.
    pub clean_shutdown: bool,
    /// The topic's id, if the caller knows it; a log of another topic is an error.
    pub topic_id: Option<Uuid>,
    /// The caller syncs the whole disk before anything is appended: a log that is new need not be synced by itself.
    pub caller_syncs: bool,
    /// The time.
    pub now_ms: i64,
}

impl Default for OpenOptions {
    /// A new log.
    fn default() -> Self {
        Self {
            config: LogConfig::default(),
            log_start_offset: 0,
            recovery_point: 0,
            clean_shutdown: false,
            topic_id: None,
            caller_syncs: false,
            now_ms: 0,
        }
    }
}

/// Why a log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk failed, or a file has no sense.
    #[error("{path}: {source}")]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// How.
        source: io::Error,
    },
    /// A segment failed, or holds bytes below the recovery point that are no batches: see [`segment::Error::Corrupt`].
    #[error(transparent)]
    Segment(#[from] segment::Error),
    /// `leader-epoch-checkpoint` failed.
    #[error(transparent)]
    Epochs(#[from] checkpoint::Error),
    /// The folder belongs to another topic.
    #[error("{dir}: has topic id {known}, not {given}")]
    InconsistentTopicId {
        /// The folder.
        dir: PathBuf,
        /// As `partition.metadata` says.
        known: Uuid,
        /// As the caller says.
        given: Uuid,
    },
}

impl Error {
    /// Whether there was no room, and nothing is lost by that.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Io { source, .. } | Self::Epochs(checkpoint::Error::Io { source, .. }) => is_full(source),
            Self::Segment(error) => error.is_full(),
            _ => false,
        }
    }
}

impl Log {
    /// Opens the log in a folder, which is created when absent.
    pub fn open(fs: Arc<dyn Fs>, path: &Path, options: &OpenOptions) -> Result<Self, Error> {
        let io = |source| Error::Io { path: path.to_path_buf(), source };
        fs.create_dir_all(path).map_err(io)?;
        let topic_id = Self::open_topic_id(&*fs, path, options)?;
        let dir = Dir::new(fs, path.to_path_buf());
        swap::finish(&dir)?;
        let files = Files::list(&dir)?;
        let stored_epochs = load_epochs(dir.fs(), path)?;
        let mut loader = Loader {
            epochs: stored_epochs.clone().unwrap_or_default(),
            stored_epochs,
            segments: files.segments(&dir),
            unindexed: files.unindexed(),
            snapshots: Snapshots::new(Arc::clone(&dir), files.snapshots),
            dir,
            options,
        };
        let loaded = loader.load()?;
        loaded.into_log(loader, topic_id)
    }

    fn open_topic_id(fs: &dyn Fs, path: &Path, options: &OpenOptions) -> Result<Option<Uuid>, Error> {
        let io = |source| Error::Io { path: path.join(partition_metadata::FILE), source };
        let known = match partition_metadata::read(fs, path) {
            // It is written before anything is flushed, and durable with that: a power cut tore it.
            Err(error) if error.kind() == io::ErrorKind::InvalidData && options.recovery_point == 0 => {
                fs.remove_file(&path.join(partition_metadata::FILE)).map_err(io)?;
                None
            }
            known => known.map_err(io)?,
        };
        match (known, options.topic_id) {
            (Some(known), Some(given)) if known != given => {
                Err(Error::InconsistentTopicId { dir: path.to_path_buf(), known, given })
            }
            (None, Some(given)) => {
                partition_metadata::put(fs, path, given).map_err(io)?;
                Ok(Some(given))
            }
            (known, given) => Ok(known.or(given)),
        }
    }
}

struct Loader<'a> {
    dir: Arc<Dir>,
    options: &'a OpenOptions,
    segments: Vec<Arc<Segment>>,
    /// Base offsets of segments whose indexes are missing or cut.
    unindexed: BTreeSet<i64>,
    snapshots: Snapshots,
    epochs: LeaderEpochs,
    /// What the file says; none if it has no sense.
    stored_epochs: Option<LeaderEpochs>,
}

struct Loaded {
    producers: Producers,
    log_start_offset: i64,
    recovery_point: i64,
    stale_epochs: Option<LeaderEpochs>,
}

impl Loaded {
    fn into_log(self, loader: Loader<'_>, topic_id: Option<Uuid>) -> Result<Log, Error> {
        let Some(last) = loader.segments.last() else { return Err(loader.dir_error("no segment")) };
        let active = Active::new(Arc::clone(last), loader.options.now_ms)?;
        let shared = Shared::new(loader.segments, self.log_start_offset, loader.epochs);
        let log = Log {
            dir: loader.dir,
            config: loader.options.config.clone(),
            topic_id,
            shared: Arc::new(shared),
            active,
            producers: self.producers,
            verifications: Verifications::default(),
            snapshots: loader.snapshots,
            recovery_point: self.recovery_point,
            was_short: self.recovery_point < loader.options.recovery_point,
            names_changed: 1,
            names_synced: 0,
            truncations: 0,
            stale_epochs: self.stale_epochs,
            epochs_unwritten: false,
            swap: None,
            failed: false,
            journal: None,
        };
        log.shared.set_first_unstable_offset(log.first_unstable_offset());
        Ok(log)
    }
}

impl Loader<'_> {
    fn load(&mut self) -> Result<Loaded, Error> {
        let checkpointed = self.options.log_start_offset.max(0);
        self.drop_deleted()?;
        if self.stored_epochs.is_none() {
            self.epochs = rebuild_epochs(&self.segments)?;
        }
        let mut producers = self.recover()?;
        let mut log_end_offset = self.segments.last().map_or(0, |segment| segment.next_offset());
        if self.segments.is_empty() || log_end_offset < checkpointed {
            self.start_empty(checkpointed)?;
            producers = None;
            log_end_offset = checkpointed;
        }
        let first_base_offset = self.segments.first().map_or(0, |segment| segment.base_offset);
        let log_start_offset = checkpointed.max(first_base_offset);
        self.complete_epochs(log_start_offset, log_end_offset)?;
        let stale_epochs = self.trim_epochs(checkpointed, log_end_offset)?;
        self.snapshots.remove(|offset| offset > log_end_offset)?;
        let base_offsets: BTreeSet<i64> = self.segments.iter().map(|segment| segment.base_offset).collect();
        self.snapshots.remove_stray(&base_offsets)?;
        let producers = match producers {
            Some(producers) => producers,
            None => self.load_producers(log_start_offset, log_end_offset)?,
        };
        let recovery_point = self.options.recovery_point.min(log_end_offset);
        Ok(Loaded { producers, log_start_offset, recovery_point, stale_epochs })
    }

    /// Takes out the segments below the log start offset: a power cut may have brought them back, torn.
    fn drop_deleted(&mut self) -> Result<(), Error> {
        let log_start_offset = self.options.log_start_offset;
        let below = |pair: &&[Arc<Segment>]| pair.last().is_some_and(|next| next.base_offset <= log_start_offset);
        let count = self.segments.windows(2).take_while(below).count();
        let kept = self.segments.split_off(count);
        let deleted = std::mem::replace(&mut self.segments, kept);
        if deleted.is_empty() {
            return Ok(());
        }
        let removed = super::Removal::of_segments(&self.dir, &deleted)?.run().and_then(|()| self.dir.sync());
        removed.map_err(|source| Error::Io { path: self.dir.path(), source })
    }

    /// Begins the log anew at an offset that it does not reach: its segments were removed from outside.
    fn start_empty(&mut self, offset: i64) -> Result<(), Error> {
        if !self.segments.is_empty() {
            tracing::warn!(dir = %self.dir.path().display(), offset, "the log ends below its start offset: beginning it anew");
        }
        self.drop_segments_from(0)?;
        self.snapshots.remove(|_| true)?;
        self.segments = vec![Arc::new(Segment::create(&self.dir, offset)?)];
        if self.options.caller_syncs {
            return Ok(());
        }
        // A later segment must not outlive a power cut that this one does not.
        self.dir.sync().map_err(|source| Error::Io { path: self.dir.path(), source })
    }

    /// Learns the epochs from the batches where the file begins above them: the log start offset was there when it was written,
    /// and a crash took that back.
    fn complete_epochs(&mut self, log_start_offset: i64, log_end_offset: i64) -> Result<(), Error> {
        let known = self.epochs.epoch_for(log_start_offset).is_some();
        if known || log_start_offset >= log_end_offset || !has_epochs(&self.segments)? {
            return Ok(());
        }
        for (epoch, start_offset) in rebuild_epochs(&self.segments)?.starts() {
            self.epochs.take_in(epoch, start_offset);
        }
        Ok(())
    }

    /// Answers what the file has if some of that is to be taken out of it.
    fn trim_epochs(&mut self, log_start_offset: i64, log_end_offset: i64) -> Result<Option<LeaderEpochs>, Error> {
        let taken_out = self.epochs.truncate_from_end(log_end_offset);
        self.epochs.truncate_from_start(log_start_offset);
        if taken_out {
            return Ok(Some(self.stored_epochs.clone().unwrap_or_default()));
        }
        if self.stored_epochs.as_ref() != Some(&self.epochs) {
            self.epochs.put(self.dir.fs(), &self.dir.path())?;
        }
        Ok(None)
    }

    /// The producers at an offset: from a snapshot and the batches after it.
    fn load_producers(&mut self, log_start_offset: i64, up_to: i64) -> Result<Producers, Error> {
        let expiration_ms = self.options.config.producer_id_expiration_ms;
        let mut producers = self.snapshots.load(log_start_offset, up_to, self.options.now_ms, expiration_ms);
        replay(&self.segments, up_to, &mut producers)?;
        Ok(producers)
    }

    fn dir_error(&self, message: &str) -> Error {
        Error::Io { path: self.dir.path(), source: io::Error::other(message.to_owned()) }
    }
}

/// The leader epochs that a folder has; none if the file was torn by a power cut, or damaged.
fn load_epochs(fs: &dyn Fs, path: &Path) -> Result<Option<LeaderEpochs>, Error> {
    match LeaderEpochs::load(fs, path) {
        Err(error @ (checkpoint::Error::Empty { .. } | checkpoint::Error::Malformed { .. })) => {
            tracing::warn!(%error, "taking the leader epochs from the batches");
            Ok(None)
        }
        loaded => Ok(Some(loaded?)),
    }
}

/// Whether the first batch tells of an epoch; those of brokers before Kafka 0.11 do not.
fn has_epochs(segments: &[Arc<Segment>]) -> Result<bool, segment::Error> {
    let Some(first) = segments.iter().find(|segment| segment.size() > 0) else { return Ok(false) };
    let mut headers = Headers::new(first.file()?, 0, first.size());
    let header = headers.next_sound().map_err(|source| first.io(source))?;
    Ok(header.is_some_and(|(_, header)| header.partition_leader_epoch >= 0))
}

/// The leader epochs as the batches have them, up to where they are torn.
fn rebuild_epochs(segments: &[Arc<Segment>]) -> Result<LeaderEpochs, segment::Error> {
    let mut epochs = LeaderEpochs::default();
    for segment in segments {
        let mut headers = Headers::new(segment.file()?, 0, segment.size());
        while let Some((_, header)) = headers.next_sound().map_err(|source| segment.io(source))? {
            epochs.take_in(header.partition_leader_epoch, header.base_offset);
        }
    }
    Ok(epochs)
}

/// Takes the batches up to an offset into the producers, and tells which transactions they aborted.
pub(super) fn replay(
    segments: &[Arc<Segment>],
    up_to: i64,
    producers: &mut Producers,
) -> Result<Vec<AbortedTxn>, segment::Error> {
    let mut aborted = Vec::new();
    for (n, segment) in segments.iter().enumerate() {
        let end = segments.get(n + 1).map_or(i64::MAX, |next| next.base_offset);
        let from = producers.end_offset();
        if end > from && segment.base_offset < up_to && from < up_to {
            aborted.extend(segment::replay_producers(segment, from, up_to, producers)?);
        }
    }
    producers.set_end_offset(up_to);
    Ok(aborted)
}
