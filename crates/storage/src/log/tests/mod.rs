//! The log as its owner and readers see it.

mod any_call;
mod appending;
mod copying;
mod crashes;
mod damage;
mod faults;
mod idempotence;
mod power_cuts;
mod preallocating;
mod reading;
mod sharing;
mod transactions;
mod trimming;
mod verification;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ottla_protocol::batch::{Builder, CheckedBatch, CheckedBatches, NewRecord};

use super::{AppendError, AppendInfo, Log, OpenOptions};
use crate::config::LogConfig;
use crate::fs::{Fs, SimFs};
use crate::producers::Origin;
use crate::read::Isolation;

pub(crate) const EPOCH: i32 = 3;
pub(crate) const NOW: i64 = 1_700_000_000_000;

pub(super) fn dir() -> PathBuf {
    PathBuf::from("/data/topic-0")
}

/// A batch of records with these values, all at `timestamp`.
pub(crate) fn batch(values: &[&str], timestamp: i64) -> Builder {
    let mut builder = Builder::new();
    for value in values {
        builder.push(NewRecord { timestamp, value: Some(value.as_bytes()), ..NewRecord::default() });
    }
    builder
}

pub(crate) fn built(builder: Builder) -> CheckedBatches {
    CheckedBatches::from(builder.build().unwrap())
}

/// A log on a disk in memory, with small segments.
pub(super) struct Fixture {
    pub(super) fs: SimFs,
    pub(super) options: OpenOptions,
}

impl Default for Fixture {
    fn default() -> Self {
        let config = LogConfig { segment_bytes: 1000, index_interval_bytes: 150, ..LogConfig::default() };
        Self { fs: SimFs::new(), options: OpenOptions { config, now_ms: NOW, ..OpenOptions::default() } }
    }
}

impl Fixture {
    pub(super) fn open(&self) -> Log {
        self.try_open().unwrap()
    }

    pub(super) fn try_open(&self) -> Result<Log, super::OpenError> {
        Log::open(self.fs(), &dir(), &self.options)
    }

    pub(super) fn fs(&self) -> Arc<dyn Fs> {
        Arc::new(self.fs.clone())
    }

    pub(super) fn content(&self, name: &str) -> Vec<u8> {
        self.fs.content(&dir().join(name)).unwrap_or_else(|| panic!("{name} is not there"))
    }

    pub(super) fn names(&self, suffix: &str) -> Vec<String> {
        names(&self.fs, &dir(), suffix)
    }
}

pub(super) fn names(fs: &SimFs, dir: &Path, suffix: &str) -> Vec<String> {
    let listed = fs.list(dir).unwrap().into_iter().map(|entry| entry.name);
    listed.filter(|name| name.ends_with(suffix)).collect()
}

pub(super) fn append(log: &mut Log, builder: Builder) -> Result<AppendInfo, AppendError> {
    log.append_as_leader(built(builder), EPOCH, NOW, Origin::Client)
}

/// Appends `count` batches of one record, whose values are their offsets.
pub(super) fn fill(log: &mut Log, count: i64) {
    for _ in 0..count {
        let value = format!("value {}", log.log_end_offset());
        append(log, batch(&[&value], NOW + log.log_end_offset())).unwrap();
    }
    log.set_high_watermark(log.log_end_offset());
}

/// All batches from an offset on, read as a follower does, each proven.
pub(super) fn read_all(log: &Log, from: i64) -> Vec<CheckedBatch> {
    let reader = log.reader();
    let mut batches: Vec<CheckedBatch> = Vec::new();
    let mut offset = from;
    while offset < reader.offsets().log_end_offset {
        let read = reader.read(offset, 200, true, Isolation::LogEnd).unwrap();
        if read.is_empty() {
            break;
        }
        let (whole, _) = CheckedBatches::parse_whole(read.bytes().unwrap()).unwrap();
        offset = whole.iter().last().unwrap().header().next_offset();
        batches.extend(whole);
    }
    batches
}

/// Values of all records from the start on, with their offsets.
pub(crate) fn values(log: &Log) -> Vec<(i64, String)> {
    let start = log.log_start_offset();
    let batches = read_all(log, start);
    let records = batches.iter().flat_map(|batch| batch.records(&Default::default()).map(Result::unwrap));
    records
        .filter(|record| record.offset >= start)
        .map(|record| (record.offset, String::from_utf8(record.value.unwrap_or_default().to_vec()).unwrap()))
        .collect()
}

/// What [`fill`] writes.
pub(super) fn filled(offsets: std::ops::Range<i64>) -> Vec<(i64, String)> {
    offsets.map(|offset| (offset, format!("value {offset}"))).collect()
}
