//! Kafka's metadata snapshot files (KIP-630): `bootstrap.checkpoint` and the checkpoints beside the metadata log.

mod read;
#[cfg(test)]
mod tests;
mod write;

use anyhow::Context as _;
use ottla_metadata::MetadataRecord;
use ottla_protocol::stored::VotersRecord;
use ottla_storage::fs::Fs;
use std::{
    io,
    path::{Path, PathBuf},
};

pub(crate) use self::{
    read::{read, read_bytes},
    write::write,
};

const SUFFIX: &str = ".checkpoint";
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

/// The latest snapshot in the metadata log's folder, which may be absent: its end offset, epoch and path.
pub(crate) fn latest(fs: &dyn Fs, dir: &Path) -> anyhow::Result<Option<(i64, i32, PathBuf)>> {
    let entries = match fs.list(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot list {}", dir.display())),
    };
    let files = entries.iter().filter(|entry| !entry.is_dir);
    let found = files.filter_map(|entry| parse_name(&entry.name).map(|id| (id, dir.join(&entry.name))));
    Ok(found.max().map(|((end_offset, epoch), path)| (end_offset, epoch, path)))
}
