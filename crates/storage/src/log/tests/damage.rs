//! A table of damages to the files of a log and what opening it makes of each, on a disk in memory and on a real one.

use std::io::IoSlice;

use ottla_protocol::batch::control::EndTxnMarker;

use super::*;
use crate::fs::{Open, RealFs, read_to_end};
use crate::log::OpenError;
use crate::read::LogReader;

/// What is damaged.
type Change = fn(Vec<u8>) -> Vec<u8>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// All that is served is as before.
    Mended,
    /// The log is not opened, and nothing of it is changed.
    Refused,
    /// Everything from this offset on is gone.
    CutAt(i64),
}
use Outcome::{CutAt, Mended, Refused};

/// All offsets below are flushed.
const FLUSHED: i64 = 55;

fn gone(_: Vec<u8>) -> Vec<u8> {
    Vec::new()
}

fn halved(content: Vec<u8>) -> Vec<u8> {
    content[..content.len() / 2].to_vec()
}

fn cut_by_one(mut content: Vec<u8>) -> Vec<u8> {
    content.pop();
    content
}

fn emptied(_: Vec<u8>) -> Vec<u8> {
    Vec::new()
}

fn zeroed(content: Vec<u8>) -> Vec<u8> {
    vec![0; content.len()]
}

fn with_zeros_after(content: Vec<u8>) -> Vec<u8> {
    [content, vec![0; 24 * 17]].concat()
}

fn reversed(content: Vec<u8>) -> Vec<u8> {
    content.into_iter().rev().collect()
}

fn flipped(mut content: Vec<u8>) -> Vec<u8> {
    let middle = content.len() / 2;
    content[middle] ^= 0x40;
    content
}

/// Kind of file, which one of its kind, the damage, what comes of it after a clean stop and after a kill.
const DAMAGES: &[(&str, usize, &str, Change, Outcome, Outcome)] = &[
    ("index", 0, "gone", gone, Mended, Mended),
    ("index", 0, "cut", cut_by_one, Mended, Mended),
    ("index", 0, "emptied", emptied, Mended, Mended),
    ("index", 0, "zeroed", zeroed, Mended, Mended),
    ("index", 0, "reversed", reversed, Mended, Mended),
    ("index", 0, "as a crash of Kafka leaves it", with_zeros_after, Mended, Mended),
    ("index", usize::MAX, "gone", gone, Mended, Mended),
    ("index", usize::MAX, "zeroed", zeroed, Mended, Mended),
    ("timeindex", 0, "gone", gone, Mended, Mended),
    ("timeindex", 0, "cut", cut_by_one, Mended, Mended),
    ("timeindex", 0, "emptied", emptied, Mended, Mended),
    ("timeindex", 0, "zeroed", zeroed, Mended, Mended),
    ("timeindex", 0, "as a crash of Kafka leaves it", with_zeros_after, Mended, Mended),
    ("timeindex", usize::MAX, "gone", gone, Mended, Mended),
    ("timeindex", usize::MAX, "reversed", reversed, Mended, Mended),
    ("txnindex", 0, "cut", cut_by_one, Mended, Mended),
    ("txnindex", 0, "zeroed", zeroed, Mended, Mended),
    ("txnindex", 0, "reversed", reversed, Mended, Mended),
    ("snapshot", usize::MAX, "gone", gone, Mended, Mended),
    ("snapshot", usize::MAX, "flipped", flipped, Mended, Mended),
    ("snapshot", usize::MAX, "emptied", emptied, Mended, Mended),
    ("snapshot", usize::MAX, "halved", halved, Mended, Mended),
    ("snapshot", 0, "zeroed", zeroed, Mended, Mended),
    ("leader-epoch-checkpoint", 0, "zeroed", zeroed, Mended, Mended),
    ("partition.metadata", 0, "zeroed", zeroed, Refused, Refused),
    ("log", usize::MAX, "zeroed", zeroed, Refused, Refused),
    ("log", usize::MAX, "cut", cut_by_one, Refused, CutAt(59)),
    ("log", usize::MAX, "followed by zeros", with_zeros_after, Mended, Mended),
];

/// What a log is to those who use it.
#[derive(Debug, PartialEq)]
struct Served {
    values: Vec<(i64, String)>,
    aborted: Vec<(i64, i64, i64)>,
    producers: Vec<(i64, i16, i32, Option<i64>)>,
    by_time: Vec<Option<i64>>,
}

fn served(log: &Log) -> Served {
    let reader: LogReader = log.reader();
    let aborted = reader.aborted_transactions(0, i64::MAX).unwrap();
    let by_time = |time| reader.offset_for_timestamp(time).unwrap().map(|found| found.offset);
    Served {
        values: values(log),
        aborted: aborted.iter().map(|txn| (txn.producer_id, txn.first_offset, txn.last_offset)).collect(),
        producers: log
            .producers()
            .map(|(id, entry)| (id, entry.epoch, entry.last_sequence(), entry.current_txn_first_offset))
            .collect(),
        by_time: (NOW - 1..NOW + 62).map(by_time).collect(),
    }
}

/// Sixty offsets in several segments, in the middle of them transactions that were aborted.
fn build(fs: &Arc<dyn Fs>, dir: &Path, options: &OpenOptions, clean: bool) -> Served {
    let mut log = Log::open(Arc::clone(fs), dir, options).unwrap();
    let topic_id = ottla_protocol::Uuid::from_bytes([7; 16]);
    log.assign_topic_id(topic_id).unwrap();
    for sequence in 0..60 {
        let (offset, value) = (log.log_end_offset(), format!("value {sequence}"));
        let records = batch(&[&value], NOW + offset).producer(4, 0, sequence);
        if sequence % 12 == 5 {
            append(&mut log, batch(&[&value], NOW + offset).producer(9, 0, sequence / 12).transactional(true)).unwrap();
            let marker = EndTxnMarker { coordinator_epoch: 1 };
            let end = built(Builder::end_transaction(NOW + offset, 9, 0, false, marker).leader_epoch(EPOCH));
            log.append_as_leader(end, EPOCH, NOW, Origin::Marker { transaction_version: 1 }).unwrap();
        }
        if log.log_end_offset() >= 60 {
            break;
        }
        append(&mut log, records).unwrap();
    }
    assert_eq!(log.log_end_offset(), 60);
    log.set_high_watermark(60);
    let served = served(&log);
    match clean {
        true => assert_eq!(log.close().unwrap(), 60),
        false => log.flush().unwrap(),
    }
    served
}

fn find(fs: &dyn Fs, dir: &Path, kind: &str, nth: usize) -> PathBuf {
    let mut names: Vec<String> = fs.list(dir).unwrap().into_iter().map(|entry| entry.name).collect();
    names.retain(|name| name == kind || name.ends_with(&format!(".{kind}")));
    names.sort();
    dir.join(names.get(nth.min(names.len() - 1)).unwrap())
}

fn content(fs: &dyn Fs, path: &Path) -> Vec<u8> {
    read_to_end(&*fs.open(path, Open::Existing).unwrap(), 1 << 20).unwrap()
}

fn damage(fs: &dyn Fs, path: &Path, name: &str, change: Change) {
    let bytes = change(content(fs, path));
    fs.remove_file(path).unwrap();
    if name != "gone" {
        fs.open(path, Open::Create).unwrap().write_at(&[IoSlice::new(&bytes)], 0).unwrap();
    }
}

fn check(fs: Arc<dyn Fs>, dir: &Path, clean: bool, row: &(&str, usize, &str, Change, Outcome, Outcome)) {
    let (kind, nth, name, change, after_clean, after_kill) = *row;
    let what = format!("{kind} {nth} {name}, clean: {clean}");
    let mut options = Fixture::default().options;
    let before = build(&fs, dir, &options, clean);
    options.clean_shutdown = clean;
    options.recovery_point = if clean { 60 } else { FLUSHED };
    let path = find(&*fs, dir, kind, nth);
    damage(&*fs, &path, name, change);
    let damaged = (name != "gone").then(|| content(&*fs, &path));
    let opened = Log::open(Arc::clone(&fs), dir, &options);
    match if clean { after_clean } else { after_kill } {
        Refused => {
            let error = opened.unwrap_err();
            let file = path.file_name().unwrap().to_str().unwrap();
            assert!(error.to_string().contains(file), "{what}: {error}");
            assert_eq!(Some(content(&*fs, &path)), damaged, "{what}");
            let again = Log::open(fs, dir, &options).unwrap_err();
            assert_eq!(again.to_string(), error.to_string(), "{what}");
        }
        Mended => {
            let log = opened.unwrap_or_else(|error: OpenError| panic!("{what}: {error}"));
            assert_eq!(served(&log), before, "{what}");
        }
        CutAt(offset) => {
            let log = opened.unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(log.log_end_offset(), offset, "{what}");
        }
    }
}

#[test]
fn each_damage_has_its_outcome() {
    for row in DAMAGES {
        for clean in [true, false] {
            check(Arc::new(SimFs::new()), Path::new("/data/topic-0"), clean, row);
            let real = tempfile::tempdir().unwrap();
            check(Arc::new(RealFs::default()), &real.path().join("topic-0"), clean, row);
        }
    }
}

#[test]
fn a_log_that_was_not_closed_with_the_others_is_recovered() {
    let mut fixture = Fixture::default();
    fixture.options.config.segment_bytes = 1 << 20;
    let mut log = fixture.open();
    fill(&mut log, 10);
    log.flush().unwrap();
    drop(log);
    let name = "00000000000000000000.log";
    let mut damaged = fixture.content(name);
    let magic = damaged.len() / 10 * 8 + 16;
    damaged[magic] ^= 1;
    fixture.fs.put(&dir().join(name), &damaged);
    // The clean mark is of a stop at which this log was offline: its recovery point stayed where it was.
    fixture.options.clean_shutdown = true;
    fixture.options.recovery_point = 9;
    let error = fixture.try_open().unwrap_err();
    assert!(error.to_string().contains("corrupt at position"), "{error}");
    assert_eq!(fixture.content(name), damaged);
}

#[test]
fn who_reads_what_was_damaged_meanwhile_hears_of_it() {
    let fixture = Fixture::default();
    let mut log = fixture.open();
    fill(&mut log, 55);
    log.flush().unwrap();
    let name = "00000000000000000000.log";
    let mut damaged = fixture.content(name);
    damaged[..12].fill(0);
    fixture.fs.put(&dir().join(name), &damaged);
    let error = log.reader().read(0, 1000, true, Isolation::HighWatermark).unwrap_err();
    assert_eq!(crate::error_code::of_read(&error), ottla_protocol::ErrorCode::CorruptMessage, "{error}");
}
