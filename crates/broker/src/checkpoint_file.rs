//! Kafka's metadata snapshot files (KIP-630): `bootstrap.checkpoint` and the checkpoints beside the metadata log.

mod read;
#[cfg(test)]
mod tests;
mod write;

use crate::metadata_quorum::{QuorumState, SnapshotId};
use anyhow::Context as _;
use ottla_metadata::{MetadataRecord, image::Image};
use ottla_protocol::stored::VotersRecord;
use ottla_storage::fs::Fs;
use std::{
    io,
    path::{Path, PathBuf},
};

pub(crate) use self::{
    read::{last_contained_ms, read, read_bytes, size},
    write::{keep, write},
};

const SUFFIX: &str = ".checkpoint";
/// Ours is the first; Kafka writes the others.
const LEFT_OVER: [&str; 3] = [".checkpoint.tmp", ".checkpoint.part", ".checkpoint.deleted"];
const OFFSET_DIGITS: usize = 20;
const EPOCH_DIGITS: usize = 10;

/// What a snapshot file holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Snapshot {
    /// The metadata.
    pub(crate) records: Vec<MetadataRecord>,
    /// The quorum's voters, where they are kept in the log (KIP-853).
    pub(crate) voters: Option<VotersRecord>,
    /// The level of `kraft.version`.
    pub(crate) kraft_version: i16,
    /// When the last record that it stands for was appended; 0 in a bootstrap file.
    pub(crate) last_contained_log_time_ms: i64,
}

impl Snapshot {
    /// What it says of the metadata and of the quorum, as of where it ends.
    pub(crate) fn into_state(self, id: SnapshotId) -> anyhow::Result<(Image, QuorumState)> {
        let mut image = Image::default();
        for record in &self.records {
            image.apply(record)?;
        }
        image.advance(id.end_offset, id.epoch);
        Ok((image, QuorumState { kraft_version: self.kraft_version, voters: self.voters }))
    }
}

/// The name of the snapshot of all records before an offset.
pub(crate) fn file_name(end_offset: i64, epoch: i32) -> String {
    format!("{end_offset:020}-{epoch:010}{SUFFIX}")
}

/// The end offset and epoch in a name; none if it is no whole snapshot's.
fn parse_name(name: &str) -> Option<(i64, i32)> {
    let (offset, epoch) = name.strip_suffix(SUFFIX)?.split_once('-')?;
    let number = |text: &str, digits| text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
    if !number(offset, OFFSET_DIGITS) || !number(epoch, EPOCH_DIGITS) {
        return None;
    }
    Some((offset.parse().ok()?, epoch.parse().ok()?))
}

/// The whole snapshots in the metadata log's folder, which may be absent, in order: end offset, epoch and path.
pub(crate) fn all(fs: &dyn Fs, dir: &Path) -> anyhow::Result<Vec<(i64, i32, PathBuf)>> {
    let found = files(fs, dir)?;
    let found = found.into_iter().filter_map(|name| parse_name(&name).map(|(end, epoch)| (end, epoch, dir.join(name))));
    let mut found: Vec<_> = found.collect();
    found.sort();
    Ok(found)
}

/// Removes snapshots that were not finished, and those that were to be deleted.
pub(crate) fn sweep(fs: &dyn Fs, dir: &Path) -> anyhow::Result<()> {
    let left_over = |name: &String| LEFT_OVER.iter().any(|suffix| name.ends_with(suffix));
    for name in files(fs, dir)?.iter().filter(|name| left_over(name)) {
        let path = dir.join(name);
        fs.remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    Ok(())
}

fn files(fs: &dyn Fs, dir: &Path) -> anyhow::Result<Vec<String>> {
    match fs.list(dir) {
        Ok(entries) => Ok(entries.into_iter().filter(|entry| !entry.is_dir).map(|entry| entry.name).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).with_context(|| format!("cannot list {}", dir.display())),
    }
}
