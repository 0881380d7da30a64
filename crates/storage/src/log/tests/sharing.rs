//! Readers beside the owner, on threads.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::fs::RealFs;
use crate::read::Error as ReadError;

/// What a reader sees while the owner appends, rolls and deletes is whole, in order, and below its bound.
#[test]
#[expect(clippy::disallowed_methods, reason = "the test is the driver")]
fn readers_see_whole_batches_in_order_while_the_owner_works() {
    let temp = tempfile::tempdir().unwrap();
    let config = LogConfig { segment_bytes: 5000, index_interval_bytes: 200, ..LogConfig::default() };
    let options = OpenOptions { config, now_ms: NOW, ..OpenOptions::default() };
    let mut log = Log::open(Arc::new(RealFs::default()), &temp.path().join("topic-0"), &options).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for isolation in [Isolation::LogEnd, Isolation::HighWatermark, Isolation::LastStableOffset] {
            let (reader, done) = (log.reader(), &done);
            scope.spawn(move || {
                let mut next = 0;
                while !done.load(Ordering::Acquire) || next < reader.offsets().log_end_offset {
                    next = follow(&reader, next, isolation);
                }
            });
        }
        for n in 0..20_000 {
            append(&mut log, batch(&["x", "y"], NOW + n)).unwrap();
            if n % 3 == 0 {
                log.set_high_watermark(log.log_end_offset() - 1);
            }
            if n % 1000 == 999 {
                log.set_high_watermark(log.log_end_offset());
                log.delete_records(log.log_end_offset() - 500).unwrap().run().unwrap();
            }
        }
        log.set_high_watermark(log.log_end_offset());
        done.store(true, Ordering::Release);
    });
}

/// Reads once and answers where to go on.
fn follow(reader: &crate::LogReader, offset: i64, isolation: Isolation) -> i64 {
    let read = match reader.read(offset, 700, true, isolation) {
        Ok(read) => read,
        Err(ReadError::OffsetOutOfRange { log_start_offset, .. }) => {
            assert!(log_start_offset > offset);
            return log_start_offset;
        }
        Err(error) => panic!("{error}"),
    };
    if read.is_empty() {
        return offset;
    }
    let (batches, _cut) = CheckedBatches::parse_whole(read.bytes().unwrap()).unwrap();
    let mut next = None;
    for header in batches.iter().map(CheckedBatch::header) {
        assert_eq!(header.base_offset, next.unwrap_or(header.base_offset));
        assert!(next.is_some() || (header.base_offset..header.next_offset()).contains(&offset));
        next = Some(header.next_offset());
    }
    let next = next.unwrap();
    if isolation != Isolation::LogEnd {
        assert!(next <= reader.offsets().high_watermark);
    }
    next
}
