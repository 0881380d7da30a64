//! Appending, beside a loop that proves the checksum of the same batches and writes them with `pwrite`.

use std::path::Path;

use bytes::Bytes;
use ottla_storage::LogConfig;

use crate::bare;
use crate::batches::{append, batch, create};
use crate::measure::{Cost, Figures, cost, in_turn};

/// Bytes of a round.
const ROUND_BYTES: usize = 128 << 20;

pub(crate) fn run(scratch: &Path, rounds: usize) {
    println!("| partitions | batch | {}\n|---:|---:|{}", Figures::HEADING, Figures::RULE);
    for size in [1 << 10, 16 << 10, 1 << 20] {
        for partitions in [1, 1000] {
            let load = Load::new(partitions, size);
            let costs = in_turn(rounds, || load.bare(scratch), || load.log(scratch));
            let figures = Figures::of(&costs, load.bytes(), load.appends);
            println!("| {partitions} | {} KiB | {figures}", size >> 10);
        }
    }
}

/// Batches that go to partitions in turn.
struct Load {
    partitions: usize,
    appends: usize,
    /// What each partition gets, the first of them before the clock starts.
    batches: Vec<Bytes>,
}

impl Load {
    fn new(partitions: usize, size: usize) -> Self {
        let appends = ROUND_BYTES / size;
        let batches = (0..=appends.div_ceil(partitions)).map(|n| batch(n, size)).collect();
        Self { partitions, appends, batches }
    }

    fn bytes(&self) -> usize {
        self.appends * self.batches[1].len()
    }

    /// Partition and batch of each append.
    fn appends(&self) -> impl Iterator<Item = (usize, &Bytes)> {
        (0..self.appends).map(|n| (n % self.partitions, &self.batches[1 + n / self.partitions]))
    }

    fn bare(&self, scratch: &Path) -> Cost {
        let dir = tempfile::tempdir_in(scratch).unwrap();
        let mut files: Vec<_> = (0..self.used()).map(|n| (bare::create(&dir.path().join(n.to_string())), 0)).collect();
        files.iter_mut().for_each(|(file, position)| bare::append(file, position, &self.batches[0]));
        let mut append = |n: usize, batch| {
            let (file, position) = &mut files[n];
            bare::append(file, position, batch);
        };
        cost(|| self.appends().for_each(|(n, batch)| append(n, batch))).0
    }

    fn log(&self, scratch: &Path) -> Cost {
        let dir = tempfile::tempdir_in(scratch).unwrap();
        let path = |n: usize| dir.path().join(format!("topic-{n}"));
        let mut logs: Vec<_> = (0..self.used()).map(|n| create(&path(n), LogConfig::default())).collect();
        logs.iter_mut().for_each(|log| append(log, &self.batches[0]));
        cost(|| self.appends().for_each(|(n, batch)| append(&mut logs[n], batch))).0
    }

    /// Partitions that get a batch at all.
    fn used(&self) -> usize {
        self.partitions.min(self.appends)
    }
}
