//! Reading through the log, beside a loop of `pread` over the same file: as consumers do from the start, and anywhere.

use std::path::Path;

use ottla_storage::{Isolation, Log, LogConfig};

use crate::bare;
use crate::batches::{append, batch, create};
use crate::measure::{Cost, Figures, cost, in_turn};

const LOG_BYTES: usize = 256 << 20;
const RANDOM_READS: usize = 100_000;
const RANDOM_BYTES: usize = 16 << 10;

pub(crate) fn run(scratch: &Path, rounds: usize) {
    println!("| read | batch | {}\n|---|---:|{}", Figures::HEADING, Figures::RULE);
    for size in [1 << 10, 16 << 10, 1 << 20] {
        let bench = Bench::new(scratch, size);
        let costs = in_turn(rounds, || bench.bare_from_start(), || bench.log_from_start());
        println!("| all, 2 MiB at a time | {} KiB | {}", size >> 10, Figures::of(&costs, LOG_BYTES, LOG_BYTES >> 21));
        let costs = in_turn(rounds, || bench.bare_anywhere(), || bench.log_anywhere());
        let figures = Figures::of(&costs, RANDOM_READS * RANDOM_BYTES, RANDOM_READS);
        println!("| 16 KiB anywhere | {} KiB | {figures}", size >> 10);
    }
}

struct Bench {
    log: Log,
    file: std::fs::File,
    batches: usize,
    records_a_batch: i64,
    _dir: tempfile::TempDir,
}

impl Bench {
    fn new(scratch: &Path, size: usize) -> Self {
        let dir = tempfile::tempdir_in(scratch).unwrap();
        let mut log = create(&dir.path().join("topic-0"), LogConfig::default());
        let batches = LOG_BYTES / size;
        (0..batches).for_each(|n| append(&mut log, &batch(n, size)));
        log.set_high_watermark(log.log_end_offset());
        let records_a_batch = log.log_end_offset() / batches as i64;
        let file = std::fs::File::open(log.dir().join("00000000000000000000.log")).unwrap();
        Self { log, file, batches, records_a_batch, _dir: dir }
    }

    fn bare_from_start(&self) -> Cost {
        let mut read = 0;
        let (cost, ()) = cost(|| bare::read(&self.file, |_| read += 1));
        assert_eq!(read, self.batches);
        cost
    }

    fn log_from_start(&self) -> Cost {
        let mut read = 0;
        let reader = self.log.reader();
        let (cost, ()) = cost(|| {
            while read < self.batches {
                let offset = read as i64 * self.records_a_batch;
                let bytes = reader.read(offset, 2 << 20, true, Isolation::HighWatermark).unwrap().bytes().unwrap();
                let mut start = 0;
                while let Some(len) = bare::batch_len(&bytes[start..]).filter(|len| start + len <= bytes.len()) {
                    (read, start) = (read + 1, start + len);
                }
            }
        });
        assert_eq!(read, self.batches);
        cost
    }

    /// The numbers of batches that are read, the same in each round.
    fn anywhere(&self) -> impl Iterator<Item = usize> {
        let batches = self.batches;
        (0..RANDOM_READS).map(move |n| n.wrapping_mul(2_654_435_761) % batches)
    }

    fn bare_anywhere(&self) -> Cost {
        use std::os::unix::fs::FileExt;
        let batch_bytes = self.file.metadata().unwrap().len() / self.batches as u64;
        let work = |n| {
            // As the log's reader: a buffer of its own for each read.
            let mut buffer = vec![0; RANDOM_BYTES];
            self.file.read_at(&mut buffer, n as u64 * batch_bytes).unwrap()
        };
        let (cost, read) = cost(|| self.anywhere().map(work).sum::<usize>());
        assert!(read > 0);
        cost
    }

    fn log_anywhere(&self) -> Cost {
        let reader = self.log.reader();
        let work = |n| {
            let offset = n as i64 * self.records_a_batch;
            let read = reader.read(offset, RANDOM_BYTES, true, Isolation::HighWatermark).unwrap();
            let [ottla_storage::Slice::File { file, position, len }] = read.slices.as_slice() else {
                panic!("no slice")
            };
            let mut buffer = vec![0; RANDOM_BYTES.min(*len)];
            file.read_at(&mut buffer, *position).unwrap()
        };
        let (cost, read) = cost(|| self.anywhere().map(work).sum::<usize>());
        assert!(read > 0);
        cost
    }
}
