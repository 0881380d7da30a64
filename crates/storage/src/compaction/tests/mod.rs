//! Compaction of whole logs, on a disk in memory.

mod cleanable;
mod crashes;
mod fencing;
mod group;
mod model;
mod retention;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use ottla_protocol::batch::control::{ControlType, EndTxnMarker};
use ottla_protocol::batch::{Builder, CheckedBatch, CheckedBatches, NewRecord, Record};

use super::{Cleaned, CleanedSegment, CompactionConfig, Error, LIMITS};
use crate::config::LogConfig;
use crate::fs::{Fs, SimFs};
use crate::log::{Log, OpenOptions};
use crate::producers::Origin;
use crate::read::Isolation;

pub(super) const NOW: i64 = 1_700_000_000_000;
pub(super) const RETENTION_MS: i64 = 1000;

pub(super) fn dir() -> PathBuf {
    PathBuf::from("/data/topic-0")
}

/// A compacted log on a disk in memory.
pub(super) struct Fixture {
    pub(super) fs: SimFs,
    pub(super) options: OpenOptions,
}

impl Default for Fixture {
    fn default() -> Self {
        let config = LogConfig {
            segment_bytes: 600,
            index_interval_bytes: 150,
            delete_retention_ms: RETENTION_MS,
            min_cleanable_dirty_ratio: 0.0,
            compact: true,
            delete: false,
            ..LogConfig::default()
        };
        Self { fs: SimFs::new(), options: OpenOptions { config, now_ms: NOW, ..OpenOptions::default() } }
    }
}

impl Fixture {
    pub(super) fn try_open(&self) -> Result<Log, crate::OpenError> {
        let mut log = Log::open(Arc::new(self.fs.clone()), &dir(), &self.options)?;
        log.set_high_watermark(log.log_end_offset());
        Ok(log)
    }

    pub(super) fn open(&self) -> Log {
        self.try_open().unwrap()
    }

    /// Removes the files that end so.
    pub(super) fn remove(&self, suffix: &str) {
        self.names(suffix).iter().for_each(|name| self.fs.remove_file(&dir().join(name)).unwrap());
    }

    pub(super) fn names(&self, suffix: &str) -> Vec<String> {
        let names = self.fs.list(&dir()).unwrap().into_iter().map(|entry| entry.name);
        names.filter(|name| name.ends_with(suffix)).collect()
    }
}

/// A batch of records `key=value`; `key` alone is a tombstone, `=value` has no key.
pub(super) fn records(text: &str) -> Builder {
    let mut builder = Builder::new();
    for (n, record) in text.split_whitespace().enumerate() {
        let (key, value) = record.split_once('=').map_or((record, None), |(key, value)| (key, Some(value)));
        builder.push(NewRecord {
            timestamp: NOW + n as i64,
            key: Some(key.as_bytes()).filter(|key| !key.is_empty()),
            value: value.map(str::as_bytes),
            headers: &[],
        });
    }
    builder
}

pub(super) fn append(log: &mut Log, builder: Builder) {
    append_from(log, builder, Origin::Client);
}

pub(super) fn end_transaction(log: &mut Log, producer_id: i64, commit: bool) {
    let marker = EndTxnMarker { coordinator_epoch: 1 };
    let builder = Builder::end_transaction(NOW, producer_id, 0, commit, marker);
    append_from(log, builder, Origin::Marker { transaction_version: 1 });
}

fn append_from(log: &mut Log, builder: Builder, origin: Origin) {
    let batches = CheckedBatches::from(builder.build().unwrap());
    log.append_as_leader(batches, 0, NOW, origin).unwrap();
    log.set_high_watermark(log.log_end_offset());
}

/// Cleans what may be cleaned, once.
pub(super) fn clean(log: &mut Log, checkpoint: Option<i64>, now_ms: i64) -> Result<Option<Cleaned>, Error> {
    clean_with(log, checkpoint, now_ms, &CompactionConfig::default())
}

pub(super) fn clean_with(
    log: &mut Log,
    checkpoint: Option<i64>,
    now_ms: i64,
    config: &CompactionConfig,
) -> Result<Option<Cleaned>, Error> {
    log.flush()?;
    let cleanable = log.cleanable(checkpoint, now_ms)?;
    let Some(task) = log.clean_task(&cleanable, now_ms, config) else { return Ok(None) };
    let mut install = |segment: CleanedSegment| {
        let removal = log.install(segment)?;
        removal.run().map_err(|source| crate::SegmentError::Io { path: dir(), source })?;
        Ok(())
    };
    task.run(&mut |_| ControlFlow::Continue(()), &mut install).map(Some)
}

/// All batches, each proven.
pub(super) fn batches(log: &Log) -> Vec<CheckedBatch> {
    read(log, Isolation::LogEnd).into_iter().map(|(batch, _)| batch).collect()
}

/// All batches below a bound, each with whether a consumer is told that it was aborted.
fn read(log: &Log, isolation: Isolation) -> Vec<(CheckedBatch, bool)> {
    let reader = log.reader();
    let mut found = Vec::new();
    let mut offset = log.log_start_offset();
    while offset < reader.offsets().end(isolation) {
        let read = reader.read(offset, 300, true, isolation).unwrap();
        if read.is_empty() {
            break;
        }
        let (whole, _) = CheckedBatches::parse_whole(read.bytes().unwrap()).unwrap();
        // As consumers do it: a producer is aborted from a transaction's first offset to its abort marker.
        let mut ahead: Vec<_> = read.aborted.iter().map(|txn| (txn.first_offset, txn.producer_id)).collect();
        ahead.sort_unstable();
        let (mut ahead, mut aborted) = (ahead.into_iter().peekable(), BTreeSet::new());
        for batch in &whole {
            let header = batch.header();
            while let Some((_, producer_id)) = ahead.next_if(|(first_offset, _)| *first_offset <= header.last_offset())
            {
                aborted.insert(producer_id);
            }
            if is_abort_marker(batch) {
                aborted.remove(&header.producer_id);
            }
            let is_aborted = header.attributes.is_transactional() && aborted.contains(&header.producer_id);
            if header.next_offset() > offset {
                found.push((batch.clone(), is_aborted));
                offset = header.next_offset();
            }
        }
    }
    found
}

fn is_abort_marker(batch: &CheckedBatch) -> bool {
    let key = |record: Record| ControlType::decode_key(&record.key.unwrap()).unwrap();
    let first = || batch.records(&LIMITS).next();
    batch.header().attributes.is_control() && first().is_some_and(|record| key(record.unwrap()) == ControlType::Abort)
}

/// What a consumer of committed transactions is given: offset and `key=value` of each record.
pub(super) fn committed(log: &Log) -> Vec<(i64, String)> {
    let data = read(log, Isolation::LastStableOffset).into_iter();
    let data = data.filter(|(batch, aborted)| !aborted && !batch.header().attributes.is_control());
    let records = data.flat_map(|(batch, _)| batch.records(&LIMITS)).map(|record| described(&record.unwrap()));
    records.filter(|(offset, _)| *offset >= log.log_start_offset()).collect()
}

pub(super) fn described(record: &Record) -> (i64, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let value = record.value.as_ref().map_or(String::new(), |value| format!("={}", text(value)));
    (record.offset, format!("{}{value}", text(&record.key.clone().unwrap_or_default())))
}

/// What the records come to: the value of each key.
pub(super) fn view(records: &[(i64, String)]) -> BTreeMap<String, String> {
    let mut view = BTreeMap::new();
    for (_, record) in records {
        match record.split_once('=') {
            Some((key, value)) => view.insert(key.to_owned(), value.to_owned()),
            None => view.remove(record),
        };
    }
    view
}
