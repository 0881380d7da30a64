//! Opening a log that was not closed, all of it above the recovery point, beside a loop that reads the file and proves the
//! checksum of each batch.

use std::fs::File;
use std::path::{Path, PathBuf};

use ottla_storage::{LogConfig, OpenOptions};

use crate::bare;
use crate::batches::{NOW_MS, append, batch, create, open};
use crate::measure::{Cost, Figures, cost, in_turn};

const LOG_BYTES: usize = 256 << 20;

pub(crate) fn run(scratch: &Path, rounds: usize) {
    println!("| logs | batch | {}\n|---:|---:|{}", Figures::HEADING, Figures::RULE);
    for (logs, size) in [(1, 1 << 10), (1, 16 << 10), (1, 1 << 20), (1000, 16 << 10)] {
        let dir = tempfile::tempdir_in(scratch).unwrap();
        let paths: Vec<_> = (0..logs).map(|n| dir.path().join(format!("topic-{n}"))).collect();
        paths.iter().for_each(|path| fill(path, size, LOG_BYTES / logs));
        let costs = in_turn(rounds, || bare(&paths), || recover(&paths));
        println!("| {logs} | {} KiB | {}", size >> 10, Figures::of(&costs, LOG_BYTES, logs));
    }
}

fn fill(path: &Path, size: usize, bytes: usize) {
    let mut log = create(path, LogConfig::default());
    (0..bytes / size).for_each(|n| append(&mut log, &batch(n, size)));
    // Not what is measured: the data is on the disk, so that recovery's syncs find nothing to write.
    log.flush().unwrap();
}

fn bare(paths: &[PathBuf]) -> Cost {
    let read = |path: &PathBuf| {
        let file = File::open(path.join("00000000000000000000.log")).unwrap();
        bare::read(&file, |batch| assert!(bare::crc_is_right(batch)));
    };
    cost(|| paths.iter().for_each(read)).0
}

fn recover(paths: &[PathBuf]) -> Cost {
    let options = OpenOptions { now_ms: NOW_MS, ..OpenOptions::default() };
    cost(|| paths.iter().map(|path| open(path, &options).log_end_offset()).for_each(|end| assert!(end > 0))).0
}
