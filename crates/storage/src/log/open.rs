//! Opening a log: taking up what a crash may have interrupted, recovering what may be torn, loading the producers.

mod files;
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
use crate::fs::Fs;
use crate::partition_metadata;
use crate::producers::Producers;
use crate::segment::file::Dir;
use crate::segment::{self, Segment, State};
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

impl Log {
    /// Opens the log in a folder, which is created when absent.
    pub fn open(fs: Arc<dyn Fs>, path: &Path, options: &OpenOptions) -> Result<Self, Error> {
        let io = |source| Error::Io { path: path.to_path_buf(), source };
        fs.create_dir_all(path).map_err(io)?;
        let topic_id = Self::open_topic_id(&*fs, path, options.topic_id)?;
        let dir = Dir::new(fs, path.to_path_buf());
        swap::finish(&dir)?;
        let files = Files::list(&dir)?;
        let mut loader = Loader {
            epochs: LeaderEpochs::load(dir.fs(), path)?,
            segments: files.segments(&dir),
            unindexed: files.unindexed(),
            snapshots: Snapshots::new(Arc::clone(&dir), files.snapshots),
            dir,
            options,
        };
        let loaded = loader.load()?;
        if !options.clean_shutdown {
            loader.settle()?;
        }
        loaded.into_log(loader, topic_id)
    }

    fn open_topic_id(fs: &dyn Fs, path: &Path, given: Option<Uuid>) -> Result<Option<Uuid>, Error> {
        let io = |source| Error::Io { path: path.join(partition_metadata::FILE), source };
        let known = partition_metadata::read(fs, path).map_err(io)?;
        match (known, given) {
            (Some(known), Some(given)) if known != given => {
                Err(Error::InconsistentTopicId { dir: path.to_path_buf(), known, given })
            }
            (None, Some(given)) => {
                partition_metadata::write(fs, path, given).map_err(io)?;
                Ok(Some(given))
            }
            _ => Ok(known.or(given)),
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
}

struct Loaded {
    producers: Producers,
    log_start_offset: i64,
    recovery_point: i64,
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
            snapshots: loader.snapshots,
            recovery_point: self.recovery_point,
            names_changed: 1,
            names_synced: 0,
            truncations: 0,
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
        let mut producers = self.recover()?;
        let mut log_end_offset = self.segments.last().map_or(0, |segment| segment.next_offset());
        if self.segments.is_empty() || log_end_offset < checkpointed {
            self.start_empty(checkpointed)?;
            producers = None;
            log_end_offset = checkpointed;
        }
        let first_base_offset = self.segments.first().map_or(0, |segment| segment.base_offset);
        let log_start_offset = checkpointed.max(first_base_offset);
        self.trim_epochs(checkpointed, log_end_offset)?;
        self.snapshots.remove(|offset| offset > log_end_offset)?;
        let base_offsets: BTreeSet<i64> = self.segments.iter().map(|segment| segment.base_offset).collect();
        self.snapshots.remove_stray(&base_offsets)?;
        let producers = match producers {
            Some(producers) => producers,
            None => self.load_producers(log_start_offset, log_end_offset)?,
        };
        let recovery_point = self.options.recovery_point.min(log_end_offset);
        Ok(Loaded { producers, log_start_offset, recovery_point })
    }

    /// Takes out the segments below the log start offset: a power cut may have brought them back, torn.
    fn drop_deleted(&mut self) -> Result<(), Error> {
        let log_start_offset = self.options.log_start_offset;
        let below = |pair: &&[Arc<Segment>]| pair.last().is_some_and(|next| next.base_offset <= log_start_offset);
        let count = self.segments.windows(2).take_while(below).count();
        let kept = self.segments.split_off(count);
        let deleted = std::mem::replace(&mut self.segments, kept);
        let removed = super::Removal::of_segments(&self.dir, &deleted)?.run();
        removed.map_err(|source| Error::Io { path: self.dir.path(), source })
    }

    /// Finds where the log ends. After a crash, all segments from the recovery point on are read and the producers with them.
    fn recover(&mut self) -> Result<Option<Producers>, Error> {
        if self.segments.is_empty() {
            return Ok(None);
        }
        let recovery_point = self.options.recovery_point;
        if self.options.clean_shutdown {
            self.rebuild_indexes(self.segments.len())?;
            let Some(active) = self.segments.last() else { return Ok(None) };
            active.find_end()?;
            let log_end_offset = active.next_offset();
            if log_end_offset <= recovery_point {
                return Ok(None);
            }
            // A log that could not be opened, or not be closed, was none of those that were cleanly stopped.
            tracing::warn!(dir = %self.dir.path().display(), recovery_point, log_end_offset, "was not closed: recovering");
        }
        // A segment that ends at the recovery point may have been completed after its last flush: its indexes may be torn.
        let after = self.segments.partition_point(|segment| segment.base_offset < recovery_point);
        let first = after.saturating_sub(1);
        self.rebuild_indexes(first)?;
        self.recover_from(first).map(Some)
    }

    /// Rebuilds the indexes that are missing or wrong of segments before number `end`, whose data is flushed.
    fn rebuild_indexes(&mut self, end: usize) -> Result<(), Error> {
        for segment in self.segments.iter().take(end) {
            let sound = !self.unindexed.contains(&segment.base_offset) && segment::indexes_are_sound(segment)?;
            if !sound {
                tracing::warn!(file = %segment.log.path().display(), "rebuilding indexes that are missing, cut or wrong");
                segment::rebuild_indexes(segment, self.options.config.index_interval_bytes)?;
                segment.seal()?;
                segment.sync(true)?;
            }
        }
        for segment in self.segments.iter().take(end).cloned().collect::<Vec<_>>() {
            if !segment::txn_index_is_sound(&segment)? {
                self.rebuild_txn_index(&segment)?;
            }
            // A log has any number of segments, a process a limited number of open files.
            segment.close_indexes();
        }
        Ok(())
    }

    fn rebuild_txn_index(&mut self, segment: &Segment) -> Result<(), Error> {
        tracing::warn!(file = %segment.log.path().display(), "rebuilding an index of aborted transactions that is wrong");
        let start = self.options.log_start_offset.max(self.segments.first().map_or(0, |first| first.base_offset));
        let mut producers = self.load_producers(start.min(segment.base_offset), segment.base_offset)?;
        Ok(segment::rebuild_txn_index(segment, &mut producers)?)
    }

    fn recover_from(&mut self, first: usize) -> Result<Producers, Error> {
        let start = self.segments.get(first).map_or(0, |segment| segment.base_offset);
        let log_start_offset = self.options.log_start_offset.max(self.segments.first().map_or(0, |s| s.base_offset));
        let mut producers = self.load_producers(log_start_offset.min(start), start)?;
        // Those above are taken anew: they may be of records that a truncation took away, and have outlived it.
        self.snapshots.remove(|offset| offset > start)?;
        let mut epochs = std::mem::take(&mut self.epochs);
        let mut state = State { producers: &mut producers, epochs: &mut epochs };
        let mut n = first;
        while let Some(segment) = self.segments.get(n) {
            state.producers.set_end_offset(segment.base_offset.max(state.producers.end_offset()));
            let config = &self.options.config;
            let recovered =
                segment::recover(segment, config.index_interval_bytes, self.options.recovery_point, &mut state)?;
            n += 1;
            let is_last = recovered.truncated > 0 || self.is_hole(recovered.next_offset, n) || n == self.segments.len();
            if is_last {
                segment.write_indexes().map(|_| ())?
            } else {
                segment.seal()?
            }
            // Nothing syncs them again below the recovery point, and an aborted transaction that a power cut takes out of its
            // index would be read as committed.
            segment.sync(true)?;
            if is_last {
                break;
            }
            self.snapshots.take(state.producers)?;
        }
        self.epochs = epochs;
        self.drop_segments_from(n)?;
        Ok(producers)
    }

    /// Whether batches are missing before segment `n`: the power was cut after that one reached the disk and before all of the
    /// one before it did. Compaction leaves such holes too, and so do followers of a compacted log.
    fn is_hole(&self, next_offset: i64, n: usize) -> bool {
        let gap = self.segments.get(n).is_some_and(|next| next.base_offset > next_offset);
        gap && next_offset >= self.options.recovery_point && !self.options.config.compact
    }

    /// Segments after a torn one were written after it and never flushed.
    fn drop_segments_from(&mut self, n: usize) -> Result<(), Error> {
        let dropped = self.segments.split_off(n.min(self.segments.len()));
        if !dropped.is_empty() {
            tracing::warn!(dir = %self.dir.path().display(), segments = dropped.len(), "dropping segments after a torn one");
            // Durably: after a power cut they must not stand beside what is appended in their place.
            let removed = super::Removal::of_segments(&self.dir, &dropped)?.run().and_then(|()| self.dir.sync());
            removed.map_err(|source| Error::Io { path: self.dir.path(), source })?;
        }
        Ok(())
    }

    /// Begins the log anew at an offset that it does not reach: its segments were removed from outside.
    fn start_empty(&mut self, offset: i64) -> Result<(), Error> {
        if !self.segments.is_empty() {
            tracing::warn!(dir = %self.dir.path().display(), offset, "the log ends below its start offset: beginning it anew");
        }
        self.drop_segments_from(0)?;
        self.snapshots.remove(|_| true)?;
        self.segments = vec![Arc::new(Segment::create(&self.dir, offset)?)];
        self.dir.sync().map_err(|source| Error::Io { path: self.dir.path(), source })
    }

    /// Makes durable what was cut or removed here or by a process that died over it: what is appended now must not meet it again
    /// after a power cut.
    fn settle(&self) -> Result<(), Error> {
        if let Some(active) = self.segments.last() {
            active.sync(false)?;
        }
        self.dir.sync().map_err(|source| Error::Io { path: self.dir.path(), source })
    }

    fn trim_epochs(&mut self, log_start_offset: i64, log_end_offset: i64) -> Result<(), Error> {
        let loaded = LeaderEpochs::load(self.dir.fs(), &self.dir.path())?;
        self.epochs.truncate_from_end(log_end_offset);
        self.epochs.truncate_from_start(log_start_offset);
        if self.epochs != loaded {
            self.epochs.store(self.dir.fs(), &self.dir.path())?;
        }
        Ok(())
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

/// Takes the batches up to an offset into the producers.
pub(super) fn replay(segments: &[Arc<Segment>], up_to: i64, producers: &mut Producers) -> Result<(), segment::Error> {
    for (n, segment) in segments.iter().enumerate() {
        let end = segments.get(n + 1).map_or(i64::MAX, |next| next.base_offset);
        let from = producers.end_offset();
        if end > from && segment.base_offset < up_to && from < up_to {
            segment::replay_producers(segment, from, up_to, producers)?;
        }
    }
    producers.set_end_offset(up_to);
    Ok(())
}
