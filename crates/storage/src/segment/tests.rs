//! Index files against hand-made bytes, and lookups across pages.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::file::Dir;
use super::offset_index::{OffsetIndex, OffsetPosition};
use super::time_index::{TimeIndex, TimestampOffset};
use super::txn_index::{AbortedTxn, TxnIndex};
use super::{Segment, names};
use crate::fs::{Fs, SimFs};

const BASE: i64 = 1_000_000;

fn dir(fs: &SimFs) -> Arc<Dir> {
    fs.create_dir_all(Path::new("/log")).unwrap();
    Dir::new(Arc::new(fs.clone()), PathBuf::from("/log"))
}

fn content(fs: &SimFs, kind: &str) -> Vec<u8> {
    fs.content(&Path::new("/log").join(names::at(BASE, kind))).unwrap_or_default()
}

#[test]
fn files_are_named_by_their_offset() {
    assert_eq!(names::at(42, names::LOG), "00000000000000000042.log");
    assert_eq!(names::offset_of("00000000000000000042.timeindex", names::TIME_INDEX), Some(42));
    assert_eq!(names::offset_of("00000000000000000042.timeindex", names::LOG), None);
    for name in
        ["42.log", "+0000000000000000042.log", "00000000000000000042.log.deleted", ".log", "99999999999999999999.log"]
    {
        assert_eq!(names::offset_of(name, names::LOG), None, "{name}");
    }
    assert_eq!(names::leading_offset("00000000000000000042.index.swap"), Some(42));
    assert_eq!(names::leading_offset("leader-epoch-checkpoint"), None);
}

#[test]
fn an_offset_index_holds_relative_offsets_and_positions() {
    let fs = SimFs::new();
    let index = OffsetIndex::new(dir(&fs), BASE, 0);
    index.append(BASE + 5, 0x0102).unwrap();
    index.append(BASE + 0x01_0000, 0x8000_0000).unwrap();
    assert_eq!(content(&fs, names::OFFSET_INDEX), b"", "entries wait in memory");
    index.entries.write_tail().unwrap();
    let bytes = [0, 0, 0, 5, 0, 0, 1, 2, 0, 1, 0, 0, 0x80, 0, 0, 0];
    assert_eq!(content(&fs, names::OFFSET_INDEX), bytes);
    let read = OffsetIndex::new(dir(&fs), BASE, bytes.len() as u64);
    assert_eq!(read.lookup(BASE + 4).unwrap(), None);
    assert_eq!(read.lookup(BASE + 5).unwrap(), Some(OffsetPosition { offset: BASE + 5, position: 0x0102 }));
    assert_eq!(read.last().unwrap().unwrap().position, 0x8000_0000);
}

#[test]
fn lookups_are_right_in_memory_on_disk_and_between() {
    let fs = SimFs::new();
    let index = OffsetIndex::new(dir(&fs), BASE, 0);
    for n in 0..2000_i64 {
        index.append(BASE + n * 10, n as u64 * 4000).unwrap();
        let reopened = OffsetIndex::new(dir(&fs), BASE, content(&fs, names::OFFSET_INDEX).len() as u64);
        if n % 97 == 0 {
            for wanted in [0, n / 3, n / 2, n] {
                let found = index.lookup(BASE + wanted * 10 + 9).unwrap().unwrap();
                assert_eq!(found, OffsetPosition { offset: BASE + wanted * 10, position: wanted as u64 * 4000 });
            }
            let written = reopened.entries.len();
            assert_eq!(written, n as usize / 512 * 512 + if n % 512 == 511 { 512 } else { 0 });
        }
    }
    let at_least = |position| index.at_or_after_position(position).unwrap().map(|entry| entry.offset - BASE);
    assert_eq!(at_least(4000), Some(10));
    assert_eq!(at_least(4001), Some(20));
    assert_eq!(at_least(2000 * 4000), None);
    index.truncate_to(BASE + 15_000).unwrap();
    assert_eq!(index.last().unwrap().unwrap().offset, BASE + 14_990);
    index.append(BASE + 15_000, 7_000_000).unwrap();
    assert_eq!(index.lookup(i64::MAX).unwrap().unwrap().position, 7_000_000);
    index.truncate_to(BASE).unwrap();
    assert_eq!(index.last().unwrap(), None);
}

#[test]
fn a_time_index_holds_ascending_timestamps() {
    let fs = SimFs::new();
    let index = TimeIndex::new(dir(&fs), BASE, 0);
    let at = |timestamp, offset| TimestampOffset { timestamp, offset: BASE + offset };
    assert_eq!(index.last().unwrap(), at(-1, 0));
    for entry in [at(-1, 3), at(500, 7), at(500, 9), at(400, 10), at(600, 12)] {
        index.maybe_append(entry).unwrap();
    }
    index.entries.write_tail().unwrap();
    let bytes = [&500_i64.to_be_bytes()[..], &[0, 0, 0, 7], &600_i64.to_be_bytes(), &[0, 0, 0, 12]].concat();
    assert_eq!(content(&fs, names::TIME_INDEX), bytes);
    assert_eq!(index.lookup(499).unwrap(), at(-1, 0));
    assert_eq!(index.lookup(500).unwrap(), at(500, 7));
    assert_eq!(index.lookup(599).unwrap(), at(500, 7));
    assert_eq!(index.lookup(i64::MAX).unwrap(), at(600, 12));
    index.truncate_to(BASE + 12).unwrap();
    assert_eq!(index.last().unwrap(), at(500, 7));
}

#[test]
fn an_index_of_aborts_stops_where_no_more_can_matter() {
    let fs = SimFs::new();
    let index = TxnIndex::new(dir(&fs), BASE, 0);
    let abort = |first_offset, last_offset, last_stable_offset| AbortedTxn {
        producer_id: 1,
        first_offset,
        last_offset,
        last_stable_offset,
    };
    let all = [abort(10, 20, 15), abort(15, 30, 31), abort(40, 50, 51)];
    all.iter().for_each(|txn| index.append(*txn).unwrap());
    let collect = |from, to| {
        let mut found = Vec::new();
        let complete = index.collect(from, to, &mut found).unwrap();
        (found, complete)
    };
    assert_eq!(collect(0, 31), (all[..2].to_vec(), true));
    assert_eq!(collect(0, 12), (all[..1].to_vec(), true));
    assert_eq!(collect(21, 100), (all[1..].to_vec(), false));
    assert_eq!(collect(51, 100), (Vec::new(), false));
    index.truncate_to(30).unwrap();
    assert_eq!(collect(0, 100), (all[..1].to_vec(), false));
}

#[test]
fn a_new_segment_takes_nothing_over_from_an_interrupted_roll() {
    let fs = SimFs::new();
    let dir = dir(&fs);
    for kind in [names::LOG, names::OFFSET_INDEX, names::TIME_INDEX, names::TXN_INDEX] {
        fs.put(&Path::new("/log").join(names::at(BASE, kind)), b"left");
    }
    let segment = Segment::create(&dir, BASE).unwrap();
    assert_eq!((segment.size(), segment.next_offset()), (0, BASE));
    for kind in [names::LOG, names::OFFSET_INDEX, names::TIME_INDEX] {
        assert_eq!(content(&fs, kind), b"");
    }
    assert!(!fs.exists(&Path::new("/log").join(names::at(BASE, names::TXN_INDEX))).unwrap());
}
