//! Cleans the log in a folder as the broker would, or prints what it holds, to compare with another cleaner.
//!
//! `clean_log clean DIR NOW_MS [KEY=VALUE...]` cleans from the log's start, or from `first_dirty_offset`, in as many passes
//! as it takes, each a second after the one before. `clean_log dump DIR` prints batches and records.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "a program, not a part of the crate")]

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use ottla_protocol::batch::{CheckedBatch, CheckedBatches};
use ottla_storage::compaction::CompactionConfig;
use ottla_storage::fs::RealFs;
use ottla_storage::{Log, LogConfig, OpenOptions};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["clean", dir, now_ms, settings @ ..] => {
            clean(Path::new(dir), now_ms.parse().unwrap(), &Settings::new(settings))
        }
        ["dump", dir] => dump(Path::new(dir)),
        _ => panic!("clean_log clean DIR NOW_MS [KEY=VALUE...], or clean_log dump DIR"),
    }
}

struct Settings {
    log: LogConfig,
    compaction: CompactionConfig,
    first_dirty: Option<i64>,
}

impl Settings {
    fn new(settings: &[&str]) -> Self {
        let log = LogConfig { compact: true, delete: false, min_cleanable_dirty_ratio: 0.0, ..LogConfig::default() };
        let mut parsed = Self { log, compaction: CompactionConfig::default(), first_dirty: None };
        for (key, value) in settings.iter().map(|setting| setting.split_once('=').unwrap()) {
            match key {
                "delete_retention_ms" => parsed.log.delete_retention_ms = value.parse().unwrap(),
                "segment_bytes" => parsed.log.segment_bytes = value.parse().unwrap(),
                "dedupe_buffer_bytes" => parsed.compaction.dedupe_buffer_bytes = value.parse().unwrap(),
                "dedupe_load_factor" => parsed.compaction.dedupe_load_factor = value.parse().unwrap(),
                "first_dirty_offset" => parsed.first_dirty = Some(value.parse().unwrap()),
                _ => panic!("unknown setting {key}"),
            }
        }
        parsed
    }
}

fn clean(dir: &Path, now_ms: i64, settings: &Settings) {
    let config = settings.log.clone();
    let recovery_point = i64::MAX;
    let options = OpenOptions { config, clean_shutdown: true, recovery_point, now_ms, ..OpenOptions::default() };
    let mut log = Log::open(Arc::new(RealFs::default()), dir, &options).unwrap();
    log.set_high_watermark(log.log_end_offset());
    let mut first_dirty = settings.first_dirty;
    for now_ms in (now_ms..).step_by(1000) {
        let cleanable = log.cleanable(first_dirty, now_ms).unwrap();
        let Some(task) = log.clean_task(&cleanable, now_ms, &settings.compaction) else { break };
        let mut install = |segment| {
            log.install(segment)?.run().unwrap();
            Ok(())
        };
        let cleaned = task.run(&mut |_| ControlFlow::Continue(()), &mut install).unwrap();
        println!("{cleaned:?}");
        first_dirty = Some(cleaned.next_dirty_offset);
    }
    println!("clean up to {}", first_dirty.unwrap_or(0));
    log.close().unwrap();
}

fn dump(dir: &Path) {
    let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|kind| kind == "log" || kind == "txnindex"));
    files.sort();
    for path in files {
        let bytes = std::fs::read(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy();
        match (bytes.is_empty(), name.ends_with(".log")) {
            (true, true) => println!("{name}"),
            (true, false) => {}
            (false, true) => {
                println!("{name}");
                CheckedBatches::parse(Bytes::from(bytes)).unwrap().iter().for_each(dump_batch);
            }
            (false, false) => println!("{name} {bytes:?}"),
        }
    }
}

/// Prints what compaction must keep. When a delete horizon was set depends on the clock, so only that it is set is printed.
fn dump_batch(batch: &CheckedBatch) {
    let header = batch.header();
    let attributes = header.attributes;
    let base_timestamp = header.delete_horizon_ms().map_or(header.base_timestamp.to_string(), |_| "horizon".to_owned());
    println!(
        "batch {}..={} records {} epoch {} {:?} {:?} transactional {} control {} timestamps {} {} producer {} {} {}",
        header.base_offset,
        header.last_offset(),
        header.records_count,
        header.partition_leader_epoch,
        batch.compression(),
        attributes.timestamp_type(),
        attributes.is_transactional(),
        attributes.is_control(),
        base_timestamp,
        header.max_timestamp,
        header.producer_id,
        header.producer_epoch,
        header.base_sequence,
    );
    for record in batch.records(&Default::default()) {
        let record = record.unwrap();
        println!(
            "  {} at {} key {:?} value {:?} headers {:?}",
            record.offset, record.timestamp, record.key, record.value, record.headers
        );
    }
}
