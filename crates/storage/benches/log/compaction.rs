//! Compacting a log, beside a loop that reads its files twice, proves the checksums each time and writes nothing.

use std::ops::ControlFlow;
use std::path::Path;

use ottla_storage::compaction::CompactionConfig;
use ottla_storage::{Log, LogConfig};

use crate::bare;
use crate::batches::{NOW_MS, append, create, keyed_batch};
use crate::measure::{Cost, Figures, cost, in_turn};

const LOG_BYTES: usize = 128 << 20;
const RECORDS_A_BATCH: usize = 140;

pub(crate) fn run(scratch: &Path, rounds: usize) {
    println!("| keys | {}\n|---:|{}", Figures::HEADING, Figures::RULE);
    for keys in [1_000, 100_000, 1_000_000] {
        let records = std::cell::Cell::new(0);
        let costs =
            in_turn(rounds, || with_log(scratch, keys, bare), || with_log(scratch, keys, |log| clean(log, &records)));
        println!("| {keys} of {} | {}", records.get(), Figures::of(&costs, LOG_BYTES, records.get() as usize));
    }
}

fn with_log(scratch: &Path, keys: u64, measured: impl FnOnce(&mut Log) -> Cost) -> Cost {
    let dir = tempfile::tempdir_in(scratch).unwrap();
    let config = LogConfig { compact: true, delete: false, segment_bytes: 32 << 20, ..LogConfig::default() };
    let mut log = create(&dir.path().join("topic-0"), config);
    let mut rng = 1;
    while log.size() < LOG_BYTES as u64 {
        append(&mut log, &keyed_batch(&mut rng, RECORDS_A_BATCH, keys));
    }
    log.roll(NOW_MS).unwrap();
    log.set_high_watermark(log.log_end_offset());
    measured(&mut log)
}

fn bare(log: &mut Log) -> Cost {
    let names = std::fs::read_dir(log.dir()).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = names.filter(|path| path.extension().is_some_and(|kind| kind == "log")).collect();
    let read = |path: &_| bare::read(&std::fs::File::open(path).unwrap(), |batch| assert!(bare::crc_is_right(batch)));
    cost(|| (0..2).for_each(|_| files.iter().for_each(read))).0
}

fn clean(log: &mut Log, records: &std::cell::Cell<u64>) -> Cost {
    let (cost, cleaned) = cost(|| {
        let cleanable = log.cleanable(None, NOW_MS).unwrap();
        let task = log.clean_task(&cleanable, NOW_MS, &CompactionConfig::default()).unwrap();
        let mut install = |segment| {
            log.install(segment)?.run().unwrap();
            Ok(())
        };
        task.run(&mut |_| ControlFlow::Continue(()), &mut install).unwrap()
    });
    records.set(cleaned.stats.map_records_read);
    cost
}
