//! The checkpoints of a log dir: an offset for each of its partitions.

use std::collections::BTreeMap;
use std::path::Path;

use crate::checkpoint::{self, Error};
use crate::fs::Fs;

/// Offsets by topic and partition.
pub type PartitionOffsets = BTreeMap<(String, i32), i64>;

/// Which offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checkpoint {
    /// Below it everything is durable.
    RecoveryPoint,
    /// The first offset that may be read.
    LogStartOffset,
    /// The high watermark.
    HighWatermark,
    /// Below it compaction has been.
    Cleaner,
}

impl Checkpoint {
    /// The name of the file.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::RecoveryPoint => "recovery-point-offset-checkpoint",
            Self::LogStartOffset => "log-start-offset-checkpoint",
            Self::HighWatermark => "replication-offset-checkpoint",
            Self::Cleaner => "cleaner-offset-checkpoint",
        }
    }
}

pub(crate) fn read(fs: &dyn Fs, dir: &Path, which: Checkpoint) -> Result<PartitionOffsets, Error> {
    read_file(fs, &dir.join(which.file_name()))
}

/// An empty file has no entries, as for Kafka, which leaves one when it is killed before it first wrote.
pub(crate) fn read_file(fs: &dyn Fs, path: &Path) -> Result<PartitionOffsets, Error> {
    match checkpoint::read(fs, path, parse_line) {
        Err(Error::Empty { .. }) => Ok(PartitionOffsets::new()),
        read => Ok(read?.into_iter().collect()),
    }
}

/// As Kafka, takes a checkpoint that cannot be read for one that is not there: the logs are recovered from their start.
pub(super) fn read_or_none(fs: &dyn Fs, dir: &Path, which: Checkpoint) -> Result<PartitionOffsets, Error> {
    match read(fs, dir, which) {
        Err(error @ Error::Malformed { .. }) => {
            tracing::error!(%error, "doing without a checkpoint that is malformed");
            Ok(PartitionOffsets::new())
        }
        read => read,
    }
}

pub(super) fn write(fs: &dyn Fs, dir: &Path, which: Checkpoint, offsets: &PartitionOffsets) -> Result<(), Error> {
    checkpoint::write(fs, &dir.join(which.file_name()), lines(offsets))
}

/// Not durably, and not if it says so already.
pub(super) fn put(fs: &dyn Fs, dir: &Path, which: Checkpoint, offsets: &PartitionOffsets) -> Result<(), Error> {
    match read(fs, dir, which) {
        Ok(found) if found == *offsets => Ok(()),
        _ => checkpoint::put(fs, &dir.join(which.file_name()), lines(offsets)),
    }
}

fn lines(offsets: &PartitionOffsets) -> impl Iterator<Item = String> {
    offsets.iter().map(|((topic, partition), offset)| format!("{topic} {partition} {offset}"))
}

fn parse_line(line: &str) -> Option<((String, i32), i64)> {
    let mut parts = line.split_whitespace();
    let topic = parts.next()?.to_owned();
    let partition = parts.next()?.parse().ok()?;
    let offset = parts.next()?.parse().ok()?;
    parts.next().is_none().then_some(((topic, partition), offset))
}
