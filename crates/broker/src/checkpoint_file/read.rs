//! Reads a snapshot file batch by batch; a damaged one is an error that says where.

use super::Snapshot;
use anyhow::{Context as _, bail, ensure};
use ottla_metadata::MetadataRecord;
use ottla_protocol::{
    Bytes, Message,
    batch::{CheckedBatch, HEADER_LEN, Header, Record, control::ControlType},
    compression::Limits,
    stored::{KRaftVersionRecord, SnapshotFooterRecord, SnapshotHeaderRecord, VotersRecord},
};
use ottla_storage::fs::{self, Fs, Open};
use std::{io, os::unix::fs::FileExt, path::Path, sync::Arc};

/// Kafka writes batches of at most 8 MiB; one record may exceed it.
const MAX_BATCH_BYTES: usize = 64 << 20;

/// Reads a snapshot file; none if it is absent.
pub(crate) fn read(fs: &dyn Fs, path: &Path) -> anyhow::Result<Option<Snapshot>> {
    let file = match open(fs, path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot open {}", path.display())),
    };
    let mut reader = Reader::default();
    let mut position = 0;
    let mut next = || -> anyhow::Result<bool> {
        let batch = next_batch(&file, position)?;
        let Some(batch) = batch else { return Ok(false) };
        reader.take_batch(&batch)?;
        position += batch.size_in_bytes() as u64;
        Ok(true)
    };
    let whole = loop {
        match next() {
            Ok(true) => {}
            Ok(false) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    let outcome = whole.and_then(|()| reader.finish());
    outcome.map(Some).with_context(|| format!("{} is damaged at position {position}", path.display()))
}

/// Reads a snapshot that was fetched.
pub(crate) fn read_bytes(mut bytes: Bytes) -> anyhow::Result<Snapshot> {
    let mut reader = Reader::default();
    while !bytes.is_empty() {
        ensure!(bytes.len() >= HEADER_LEN, "the last {} bytes are no batch", bytes.len());
        let size = Header::parse(&bytes)?.size_in_bytes();
        ensure!(size <= bytes.len(), "a batch of {size} bytes is cut off after {}", bytes.len());
        reader.take_batch(&CheckedBatch::parse(bytes.split_to(size))?)?;
    }
    reader.finish()
}

/// The size of a snapshot file.
pub(crate) fn size(fs: &dyn Fs, path: &Path) -> anyhow::Result<u64> {
    open(fs, path).and_then(|file| file.len()).with_context(|| format!("cannot read {}", path.display()))
}

/// What the header says of when the last record that a snapshot stands for was appended.
pub(crate) fn last_contained_ms(fs: &dyn Fs, path: &Path) -> anyhow::Result<i64> {
    let read = || -> anyhow::Result<i64> {
        let mut reader = Reader::default();
        reader.take_batch(&next_batch(&open(fs, path)?, 0)?.context("the file is empty")?)?;
        Ok(reader.snapshot.last_contained_log_time_ms)
    };
    read().with_context(|| format!("cannot read {}", path.display()))
}

/// An open file.
enum Source {
    Seam(Arc<dyn fs::File>),
    ReadOnly(std::fs::File),
}

/// Apache Kafka takes the right to write away from its snapshots, and the seam opens files for both.
fn open(fs: &dyn Fs, path: &Path) -> io::Result<Source> {
    match fs.open(path, Open::Existing) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            std::fs::File::open(path).map(Source::ReadOnly)
        }
        opened => opened.map(Source::Seam),
    }
}

impl Source {
    fn len(&self) -> io::Result<u64> {
        match self {
            Self::Seam(file) => file.len(),
            Self::ReadOnly(file) => file.metadata().map(|metadata| metadata.len()),
        }
    }

    /// Exactly so many bytes; the caller knows that the file is as long.
    fn bytes(&self, position: u64, count: usize) -> io::Result<Bytes> {
        let mut bytes = vec![0; count];
        match self {
            Self::ReadOnly(file) => file.read_exact_at(&mut bytes, position)?,
            Self::Seam(file) => {
                if file.read_at(&mut bytes, position)? < count {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
        }
        Ok(bytes.into())
    }
}

fn next_batch(file: &Source, position: u64) -> anyhow::Result<Option<CheckedBatch>> {
    let left = usize::try_from(file.len()?.saturating_sub(position))?;
    if left == 0 {
        return Ok(None);
    }
    ensure!(left >= HEADER_LEN, "the last {left} bytes are no batch");
    let size = Header::parse(&file.bytes(position, HEADER_LEN)?)?.size_in_bytes();
    ensure!(size <= left, "a batch of {size} bytes is cut off after {left}");
    ensure!(size <= MAX_BATCH_BYTES, "a batch of {size} bytes is larger than any that is written");
    Ok(Some(CheckedBatch::parse(file.bytes(position, size)?)?))
}

/// What was read so far.
#[derive(Default)]
struct Reader {
    snapshot: Snapshot,
    next_offset: i64,
    ended: bool,
}

impl Reader {
    fn take_batch(&mut self, batch: &CheckedBatch) -> anyhow::Result<()> {
        let header = batch.header();
        ensure!(!self.ended, "there is a batch after the footer");
        let expected = self.next_offset;
        ensure!(header.base_offset == expected, "offset {} follows where {expected} should", header.base_offset);
        for record in batch.records(&Limits::default()) {
            let record = record?;
            let offset = record.offset;
            let taken = match header.attributes.is_control() {
                true => self.take_control(record),
                false => self.take(record),
            };
            taken.with_context(|| format!("the record at offset {offset}"))?;
        }
        self.next_offset = header.next_offset();
        Ok(())
    }

    fn take(&mut self, record: Record) -> anyhow::Result<()> {
        ensure!(record.offset > 0, "the snapshot does not begin with its header");
        let value = record.value.context("it has no value")?;
        self.snapshot.records.push(MetadataRecord::decode(value)?);
        Ok(())
    }

    fn take_control(&mut self, record: Record) -> anyhow::Result<()> {
        let kind = ControlType::decode_key(&record.key.context("it has no key")?)?;
        let first = record.offset == 0;
        ensure!(first == (kind == ControlType::SnapshotHeader), "{kind:?} stands in the place of another record");
        let value = record.value.context("it has no value")?;
        match kind {
            ControlType::SnapshotHeader => {
                let header: SnapshotHeaderRecord = message(value)?;
                self.snapshot.last_contained_log_time_ms = header.last_contained_log_timestamp;
            }
            ControlType::KRaftVersion => {
                self.snapshot.kraft_version = message::<KRaftVersionRecord>(value)?.k_raft_version;
            }
            ControlType::KRaftVoters => self.snapshot.voters = Some(message::<VotersRecord>(value)?),
            ControlType::SnapshotFooter => {
                message::<SnapshotFooterRecord>(value)?;
                self.ended = true;
            }
            other => bail!("{other:?} has no place in a snapshot"),
        }
        Ok(())
    }

    fn finish(self) -> anyhow::Result<Snapshot> {
        ensure!(self.ended, "the file ends before its footer");
        Ok(self.snapshot)
    }
}

/// Control records have only one version by now, and say which at their start.
fn message<M: Message>(value: Bytes) -> anyhow::Result<M> {
    Ok(M::from_bytes(value, 0)?)
}
