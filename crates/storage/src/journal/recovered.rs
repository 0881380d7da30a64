//! What a journal held after a stop, put back into the logs that lack it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ottla_protocol::batch::CheckedBatches;

use super::frame::{Kind, PartitionKey, Row};
use super::scan::{self, Found};
use super::{Error, scan::Frame};
use crate::fs::{File, Fs};
use crate::log::{AppendError, Log};

/// Why a log cannot be made whole.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] Error),
    /// The log ends before what the journal says was durable in it.
    #[error("{dir}: the log ends at offset {log_end_offset}, below {expected}, where the journal goes on")]
    Gap {
        /// The folder of the log.
        dir: PathBuf,
        /// Where it ends.
        log_end_offset: i64,
        /// Where it should.
        expected: i64,
    },
    /// The log does not take a batch back.
    #[error(transparent)]
    Append(#[from] AppendError),
}

/// The epoch of a leader that knows all others.
const ANY_EPOCH: i32 = i32::MAX;

/// What a log got back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Batches that it lacked.
    pub batches: u64,
    /// Where the log ended when the journal last heard of it; 0 if it never did.
    pub end: i64,
}

#[derive(Debug)]
struct Source {
    path: PathBuf,
    file: Arc<dyn File>,
}

#[derive(Debug)]
struct Placed {
    source: Arc<Source>,
    row: Row,
    position: u64,
}

/// The entries that may be missing in segments, by log.
#[derive(Debug, Default)]
pub struct Recovered {
    logs: BTreeMap<PartitionKey, Arc<Entries>>,
}

impl Recovered {
    pub(super) fn new(found: Found) -> Self {
        let mut logs = BTreeMap::new();
        let mut source: Option<Arc<Source>> = None;
        for frame in &found.frames {
            let known = source.take().filter(|source| source.path == frame.path);
            let known =
                known.unwrap_or_else(|| Arc::new(Source { path: frame.path.clone(), file: Arc::clone(&frame.file) }));
            add(&mut logs, frame, &known);
            source = Some(known);
        }
        Self { logs: logs.into_iter().map(|(key, entries)| (key, Arc::new(Entries(entries)))).collect() }
    }

    /// The logs that have entries.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &PartitionKey> {
        self.logs.keys()
    }

    /// What there is of a log.
    pub fn get(&self, key: &PartitionKey) -> Option<Arc<Entries>> {
        self.logs.get(key).map(Arc::clone)
    }

    /// Takes out what there is of a log.
    pub fn take(&mut self, key: &PartitionKey) -> Option<Arc<Entries>> {
        self.logs.remove(key)
    }
}

fn add(logs: &mut BTreeMap<PartitionKey, Vec<Placed>>, frame: &Frame, source: &Arc<Source>) {
    for (row, position) in frame.placed_rows() {
        let entries = logs.entry(row.key).or_default();
        match row.kind {
            Kind::Append => entries.push(Placed { source: Arc::clone(source), row, position }),
            // A log is cut durably at once; what is cut off must not come back.
            Kind::Truncate => entries.retain(|placed| placed.row.offset < row.offset),
            Kind::StartAt => entries.clear(),
        }
    }
}

/// What the journal has of one log.
#[derive(Debug)]
pub struct Entries(Vec<Placed>);

impl Entries {
    /// Puts back what a log lacks.
    ///
    /// What lies beyond a gap was cut off, as the leader has another history, by a process that died before the journal knew:
    /// [`Log::truncate_to`] comes after the recovery point's checkpoint. With that above the log's end it is a loss.
    ///
    /// If the log goes beyond both [`Restored::end`] and its recovery point, what is there must be synced before anything
    /// that is appended on top of it counts as durable: it is not in the journal.
    pub fn restore(&self, log: &mut Log, now_ms: i64) -> Result<Restored, RestoreError> {
        let mut restored = Restored::default();
        for placed in &self.0 {
            if placed.row.offset >= log.log_end_offset() {
                let (log_end_offset, expected) = (log.log_end_offset(), placed.row.before);
                if log_end_offset < expected && log.was_short() {
                    return Err(RestoreError::Gap { dir: log.dir(), log_end_offset, expected });
                }
                if log_end_offset < expected {
                    let dir = log.dir();
                    tracing::info!(dir = %dir.display(), log_end_offset, expected, "the log was cut before a crash, and the journal not told");
                    break;
                }
                log.append_as_follower(placed.read()?, ANY_EPOCH, now_ms)?;
                restored.batches += 1;
            }
            // A log that began anew within a batch ends there.
            restored.end = placed.row.end.min(log.log_end_offset());
        }
        Ok(restored)
    }

    /// Writes what the journal has of a log into a file, durably, and answers how many batches that were; none, no file.
    pub fn save(&self, fs: &dyn Fs, path: &Path) -> Result<usize, Error> {
        let io = |source| Error::Io { path: path.to_path_buf(), source };
        let mut content = Vec::new();
        for placed in &self.0 {
            placed.read()?.iter().for_each(|batch| content.extend_from_slice(&batch.to_bytes()));
        }
        if !content.is_empty() {
            crate::fs::replace(fs, path, &content).map_err(io)?;
        }
        Ok(self.0.len())
    }
}

impl Placed {
    fn read(&self) -> Result<CheckedBatches, Error> {
        let Source { path, file } = &*self.source;
        let bytes = scan::read(&**file, self.position, u64::from(self.row.len));
        let bytes = bytes.map_err(|source| Error::Io { path: path.clone(), source })?;
        CheckedBatches::parse(bytes.into()).map_err(|_| Error::Corrupt {
            path: path.clone(),
            position: self.position,
            reason: "a batch in a committed frame is not what was written",
        })
    }
}
