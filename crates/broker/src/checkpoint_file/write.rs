//! Writes a snapshot file so that after a crash it is there whole or not at all.

use super::{Snapshot, parse_name};
use anyhow::Context as _;
use ottla_metadata::{MetadataRecord, MetadataVersion};
use ottla_protocol::{
    Bytes, Message,
    batch::{Builder, NewRecord, control::ControlType},
    stored::{KRaftVersionRecord, SnapshotFooterRecord, SnapshotHeaderRecord},
};
use ottla_storage::fs::{Fs, Open};
use std::{
    io::{self, IoSlice},
    path::Path,
};

/// A batch is ended when its records reach this; Kafka reads up to 8 MiB.
const MAX_BATCH_BYTES: usize = 1 << 20;

/// Writes a snapshot file, durably: temp file, fsync, rename, fsync of the folder.
pub(crate) fn write(fs: &dyn Fs, path: &Path, snapshot: &Snapshot, now_ms: i64) -> anyhow::Result<()> {
    let batches = encode(snapshot, epoch_of(path), now_ms)?;
    replace(fs, path, &batches).with_context(|| format!("cannot write {}", path.display()))
}

/// Writes a snapshot file that somebody else made, durably.
pub(crate) fn keep(fs: &dyn Fs, path: &Path, bytes: &Bytes) -> anyhow::Result<()> {
    replace(fs, path, std::slice::from_ref(bytes)).with_context(|| format!("cannot write {}", path.display()))
}

/// The epoch in the file's name, which a bootstrap file does not have.
fn epoch_of(path: &Path) -> i32 {
    let name = path.file_name().and_then(|name| name.to_str());
    name.and_then(parse_name).map_or(0, |(_, epoch)| epoch)
}

fn replace(fs: &dyn Fs, path: &Path, batches: &[Bytes]) -> io::Result<()> {
    let mut temp = path.as_os_str().to_owned();
    temp.push(".tmp");
    let temp = Path::new(&temp);
    let file = fs.open(temp, Open::Truncate)?;
    let buffers: Vec<IoSlice<'_>> = batches.iter().map(|batch| IoSlice::new(batch)).collect();
    file.write_at(&buffers, 0)?;
    file.sync_data()?;
    fs.rename(temp, path)?;
    match path.parent() {
        Some(parent) => fs.sync_dir(parent),
        None => Ok(()),
    }
}

/// The file's batches: header and quorum, the records, footer.
fn encode(snapshot: &Snapshot, epoch: i32, now_ms: i64) -> anyhow::Result<Vec<Bytes>> {
    let mut out = Batches { batches: Vec::new(), next_offset: 0, epoch };
    let version = version_of(&snapshot.records);
    let mut batch = out.begin(true);
    push_head(&mut batch, snapshot, now_ms)?;
    for record in &snapshot.records {
        let value = record.encode(version)?;
        let control = out.batches.is_empty() && out.next_offset == 0;
        if control || batch.uncompressed_size() + value.len() > MAX_BATCH_BYTES {
            out.end(batch)?;
            batch = out.begin(false);
        }
        batch.push(NewRecord { timestamp: now_ms, value: Some(&value), ..NewRecord::default() });
    }
    out.end(batch)?;
    let mut batch = out.begin(true);
    let footer = SnapshotFooterRecord::default().to_bytes(0)?;
    push_control(&mut batch, ControlType::SnapshotFooter, &footer, now_ms);
    out.end(batch)?;
    Ok(out.batches)
}

fn push_head(batch: &mut Builder, snapshot: &Snapshot, now_ms: i64) -> anyhow::Result<()> {
    let last_contained_log_timestamp = snapshot.last_contained_log_time_ms;
    let header = SnapshotHeaderRecord { last_contained_log_timestamp, ..Default::default() };
    push_control(batch, ControlType::SnapshotHeader, &header.to_bytes(0)?, now_ms);
    if snapshot.kraft_version > 0 {
        let version = KRaftVersionRecord { k_raft_version: snapshot.kraft_version, ..Default::default() };
        push_control(batch, ControlType::KRaftVersion, &version.to_bytes(0)?, now_ms);
        if let Some(voters) = &snapshot.voters {
            push_control(batch, ControlType::KRaftVoters, &voters.to_bytes(0)?, now_ms);
        }
    }
    Ok(())
}

fn push_control(batch: &mut Builder, kind: ControlType, value: &[u8], timestamp: i64) {
    let key = kind.encode_key();
    batch.push(NewRecord { timestamp, key: Some(&key), value: Some(value), headers: &[] });
}

/// The `metadata.version` that the records themselves set.
fn version_of(records: &[MetadataRecord]) -> MetadataVersion {
    let level = records.iter().find_map(|record| match record {
        MetadataRecord::FeatureLevel(r) if &*r.name == MetadataVersion::FEATURE_NAME => Some(r.feature_level),
        _ => None,
    });
    level.and_then(MetadataVersion::from_level).unwrap_or_default()
}

struct Batches {
    batches: Vec<Bytes>,
    next_offset: i64,
    epoch: i32,
}

impl Batches {
    fn begin(&self, control: bool) -> Builder {
        Builder::new().control_batch(control).base_offset(self.next_offset).leader_epoch(self.epoch)
    }

    fn end(&mut self, batch: Builder) -> anyhow::Result<()> {
        let batch = batch.build()?;
        self.next_offset = batch.header().next_offset();
        self.batches.push(batch.to_bytes());
        Ok(())
    }
}
