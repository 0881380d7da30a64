//! What lies in a log dir beside the logs: its properties, its checkpoints, and folders that are no partition's.

use std::path::Path;
use std::sync::Arc;

use super::finding::{AtStart, Report};
use super::{Error, partition};
use crate::checkpoint;
use crate::fs::{Entry, Fs};
use crate::log_dir::names::{self, Folder};
use crate::log_dir::{self, Checkpoint, MetaProperties, PartitionOffsets, offsets};

const CLEANER_CHECKPOINT: &str = "cleaner-offset-checkpoint";
/// Kafka and Ottla open this log without the checkpoints, as if it were never cleanly stopped.
const METADATA_LOG: &str = "__cluster_metadata";

/// What is known of all logs of the dir.
struct Known {
    clean_shutdown: bool,
    recovery_points: PartitionOffsets,
    log_start_offsets: PartitionOffsets,
    high_watermarks: PartitionOffsets,
    cleaned: PartitionOffsets,
}

pub(super) fn check(fs: &Arc<dyn Fs>, path: &Path, report: &mut Report<'_>) -> Result<(), Error> {
    let io = |source| Error::Io { path: path.to_path_buf(), source };
    let mut entries = fs.list(path).map_err(io)?;
    entries.sort_by(|one, other| one.name.cmp(&other.name));
    check_properties(&**fs, path, report)?;
    let read = |which: Checkpoint, report: &mut Report<'_>| {
        taken(&path.join(which.file_name()), offsets::read(&**fs, path, which), AtStart::Ignored, report)
    };
    let known = Known {
        clean_shutdown: entries.iter().any(|entry| entry.name == log_dir::CLEAN_SHUTDOWN_FILE),
        recovery_points: read(Checkpoint::RecoveryPoint, report)?,
        log_start_offsets: read(Checkpoint::LogStartOffset, report)?,
        high_watermarks: read(Checkpoint::HighWatermark, report)?,
        cleaned: taken(
            &path.join(CLEANER_CHECKPOINT),
            offsets::read_file(&**fs, &path.join(CLEANER_CHECKPOINT)),
            AtStart::Ignored,
            report,
        )?,
    };
    check_names(path, &entries, &known, report);
    for entry in entries.iter().filter(|entry| entry.is_dir) {
        check_folder(fs, path, entry, &known, report)?;
    }
    Ok(())
}

fn check_properties(fs: &dyn Fs, path: &Path, report: &mut Report<'_>) -> Result<(), Error> {
    match MetaProperties::read(fs, path) {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(Error::NotFormatted(path.to_path_buf())),
        Err(log_dir::Error::Io { path, source }) => Err(Error::Io { path, source }),
        Err(error) => {
            report.file(path, AtStart::Refused, error);
            Ok(())
        }
    }
}

fn taken(
    path: &Path,
    read: Result<PartitionOffsets, checkpoint::Error>,
    at_start: AtStart,
    report: &mut Report<'_>,
) -> Result<PartitionOffsets, Error> {
    match read {
        Ok(offsets) => Ok(offsets),
        Err(checkpoint::Error::Io { path, source }) => Err(Error::Io { path, source }),
        Err(malformed) => {
            report.file(path, at_start, malformed);
            Ok(PartitionOffsets::new())
        }
    }
}

/// Checkpoints must name partitions that are there, and their temporary files are left by a crash.
fn check_names(path: &Path, entries: &[Entry], known: &Known, report: &mut Report<'_>) {
    for entry in entries.iter().filter(|entry| !entry.is_dir && entry.name.ends_with(".tmp")) {
        report.file(&path.join(&entry.name), AtStart::Ignored, "a file whose writing was not ended");
    }
    let all = [
        (Checkpoint::RecoveryPoint, &known.recovery_points),
        (Checkpoint::LogStartOffset, &known.log_start_offsets),
        (Checkpoint::HighWatermark, &known.high_watermarks),
    ];
    for (which, offsets) in all {
        for ((topic, partition), offset) in offsets {
            let name = names::partition(topic, *partition);
            if !entries.iter().any(|entry| entry.is_dir && entry.name == name) {
                let problem = format!("names {name}, which is not there");
                report.at(&path.join(which.file_name()), None, Some(*offset), AtStart::Ignored, problem);
            }
        }
    }
}

fn check_folder(
    fs: &Arc<dyn Fs>,
    root: &Path,
    entry: &Entry,
    known: &Known,
    report: &mut Report<'_>,
) -> Result<(), Error> {
    let path = root.join(&entry.name);
    match names::parse(&entry.name) {
        Folder::Partition(topic, number) => {
            let metadata = topic == METADATA_LOG;
            let key = (topic, number);
            let of = |offsets: &PartitionOffsets| offsets.get(&key).copied();
            let known = partition::Known {
                clean_shutdown: known.clean_shutdown && !metadata,
                recovery_point: of(&known.recovery_points).unwrap_or(0),
                log_start_offset: of(&known.log_start_offsets),
                high_watermark: of(&known.high_watermarks),
                cleaned: known.cleaned.contains_key(&key),
            };
            return partition::check(fs, &path, known, report);
        }
        Folder::Deleted => report.file(&path, AtStart::Removed, "a log whose deletion was not ended"),
        Folder::Stray => report.file(&path, AtStart::Nothing, "a log of no partition that the cluster knew"),
        Folder::Future(..) => {
            report.file(&path, AtStart::Nothing, "a log whose move from another log dir was not ended")
        }
        Folder::Other => {}
    }
    Ok(())
}
