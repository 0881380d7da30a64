//! One partition's folder: its files, and its log from segment to segment.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::Error;
use super::finding::{AtStart, Report};
use super::producers::Replay;
use super::segment::{self, Ground};
use crate::checkpoint;
use crate::epochs::{self, LeaderEpochs};
use crate::fs::{Entry, Fs};
use crate::log::Files;
use crate::partition_metadata;
use crate::segment::file::Dir;
use crate::segment::{Segment, names};

/// What the log dir knows of the partition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) clean_shutdown: bool,
    pub(super) recovery_point: i64,
    pub(super) log_start_offset: Option<i64>,
    pub(super) high_watermark: Option<i64>,
    /// Compaction was here: what the files say of transactions and producers need no longer be in the log.
    pub(super) cleaned: bool,
}

pub(super) fn check(fs: &Arc<dyn Fs>, path: &Path, known: Known, report: &mut Report<'_>) -> Result<(), Error> {
    report.counts.partitions += 1;
    let mut entries = fs.list(path).map_err(|source| Error::Io { path: path.to_path_buf(), source })?;
    entries.sort_by(|one, other| one.name.cmp(&other.name));
    check_leftovers(path, &entries, report);
    let epochs = check_small_files(&**fs, path, report)?;
    let files = Files::of(&entries);
    check_lone_indexes(path, &entries, &files, report);
    let dir = Dir::new(Arc::clone(fs), path.to_path_buf());
    let segments = files.segments(&dir);
    let mut replay =
        Replay::new(fs, path, &files.snapshots, segments.first().map_or(0, |first| first.base_offset), known);
    let first_recovered = first_recovered(&segments, known);
    let mut next_offset = segments.first().map_or(0, |segment| segment.base_offset);
    for (n, one) in segments.iter().enumerate() {
        let ground = Ground {
            recovered: n >= first_recovered,
            active: n + 1 == segments.len(),
            unindexed: files.unindexed().contains(&one.base_offset),
            epochs: epochs.as_ref(),
            known,
        };
        next_offset = segment::check(fs, one, &ground, next_offset, &mut replay, report)?;
    }
    replay.end(next_offset, report);
    check_checkpoints(path, known, segments.first().map_or(0, |first| first.base_offset), next_offset, report);
    check_epochs_end(path, epochs.as_ref(), next_offset, report);
    Ok(())
}

/// Number of the first segment that the next start reads whole.
fn first_recovered(segments: &[Arc<Segment>], known: Known) -> usize {
    if known.clean_shutdown {
        return usize::MAX;
    }
    segments.partition_point(|segment| segment.base_offset <= known.recovery_point).saturating_sub(1)
}

fn check_leftovers(path: &Path, entries: &[Entry], report: &mut Report<'_>) {
    for entry in entries.iter().filter(|entry| !entry.is_dir) {
        let file = path.join(&entry.name);
        if entry.name.ends_with(names::DELETED) {
            report.file(&file, AtStart::Removed, "a file whose deletion was not ended");
        } else if entry.name.ends_with(names::CLEANED) {
            report.file(&file, AtStart::Removed, "a file that a compaction did not end writing");
        } else if entry.name.ends_with(names::SWAP) {
            report.file(&file, AtStart::PutInPlace, "a file that a compaction was about to put in place");
        } else if entry.name.ends_with(".tmp") {
            report.file(&file, AtStart::Ignored, "a file whose writing was not ended");
        }
    }
}

fn check_lone_indexes(path: &Path, entries: &[Entry], files: &Files, report: &mut Report<'_>) {
    let bases: BTreeSet<i64> = files.base_offsets().collect();
    for entry in entries {
        let kinds = [names::OFFSET_INDEX, names::TIME_INDEX, names::TXN_INDEX];
        let base = kinds.iter().find_map(|kind| names::offset_of(&entry.name, kind));
        if base.is_some_and(|base| !bases.contains(&base)) {
            report.file(&path.join(&entry.name), AtStart::Removed, "an index without its log file");
        }
    }
}

/// The topic id and the leader epochs; none if these are not readable.
fn check_small_files(fs: &dyn Fs, path: &Path, report: &mut Report<'_>) -> Result<Option<LeaderEpochs>, Error> {
    if let Err(error) = partition_metadata::read(fs, path) {
        report.file(&path.join(partition_metadata::FILE), AtStart::Offline, error);
    }
    match LeaderEpochs::load(fs, path) {
        Ok(epochs) => Ok(Some(epochs)),
        Err(checkpoint::Error::Io { path, source }) => Err(Error::Io { path, source }),
        Err(malformed) => {
            report.file(&path.join(epochs::FILE), AtStart::Rebuilt, malformed);
            Ok(None)
        }
    }
}

fn check_checkpoints(path: &Path, known: Known, first: i64, end: i64, report: &mut Report<'_>) {
    let mut beyond = |name: &str, offset: i64| {
        if offset > end {
            let problem = format!("the {name} in the log dir's checkpoint is above the log's end, {end}");
            report.at(path, None, Some(offset), AtStart::Ignored, problem);
        }
    };
    beyond("recovery point", known.recovery_point);
    beyond("log start offset", known.log_start_offset.unwrap_or(first));
    beyond("high watermark", known.high_watermark.unwrap_or(first));
    if known.clean_shutdown && known.recovery_point < end {
        let problem = format!("the log was not closed with the others: its recovery point is below its end, {end}");
        report.at(path, None, Some(known.recovery_point), AtStart::Rebuilt, problem);
    }
}

fn check_epochs_end(path: &Path, epochs: Option<&LeaderEpochs>, end: i64, report: &mut Report<'_>) {
    if let Some((epoch, start)) = epochs.and_then(LeaderEpochs::latest)
        && start > end
    {
        let problem = format!("leader epoch {epoch} starts above the log's end, {end}");
        report.at(&path.join(epochs::FILE), None, Some(start), AtStart::Rebuilt, problem);
    }
}
