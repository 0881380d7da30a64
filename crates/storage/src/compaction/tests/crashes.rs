//! A crash at every call that a cleaning makes, and at every call of the recovery after it.

use super::*;
use crate::fs::sim::{Call, Fault};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Crash {
    /// kill -9: what was written is there.
    Kill,
    /// What was not synced is gone.
    PowerCut,
    /// Names are as they were synced, file contents as they were written.
    PowerCutThatKeepsContents,
}

/// A flushed log of several groups of segments, with transactions, tombstones and producers.
fn fixture() -> Fixture {
    let mut fixture = Fixture::default();
    fixture.options.config.segment_bytes = 260;
    fixture.fs.create_dir_all(&dir()).unwrap();
    let mut log = fixture.open();
    for n in 0..4 {
        append(&mut log, records(&format!("a{}={n} b={n}", n % 3)));
        append(&mut log, records(&format!("t{n}=1 c{}", n % 2)).producer(7, 0, n * 2).transactional(true));
        append(&mut log, records(&format!("d={n}")).producer(8, 0, n));
        if n % 2 == 1 {
            end_transaction(&mut log, 7, n % 4 == 1);
        }
    }
    log.roll(NOW).unwrap();
    append(&mut log, records("active=1"));
    log.flush().unwrap();
    fixture.options.recovery_point = log.recovery_point();
    fixture
}

/// Makes every call that changes something fail from number `from` on, as for a process that died there, and counts them.
fn die_at(fs: &SimFs, from: usize) -> Arc<std::sync::atomic::AtomicUsize> {
    let calls = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    fs.inject(move |call, _| {
        if call == Call::Read {
            return None;
        }
        let call = counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        (call >= from).then_some(Fault::Error(std::io::ErrorKind::Other))
    });
    calls
}

fn crash(fixture: &Fixture, how: Crash) {
    fixture.fs.heal();
    match how {
        Crash::Kill => fixture.fs.kill(),
        Crash::PowerCut => fixture.fs.power_cut(|_, _| 0),
        Crash::PowerCutThatKeepsContents => fixture.fs.power_cut(|_, unsynced| unsynced),
    }
}

/// What must be the same whatever happens.
#[derive(Debug, PartialEq)]
struct Essence {
    values: BTreeMap<String, String>,
    start_and_end: (i64, i64),
    /// Id, epoch and last sequence.
    producers: Vec<(i64, i16, i32)>,
}

fn essence(log: &Log) -> Essence {
    Essence {
        values: view(&committed(log)),
        start_and_end: (log.log_start_offset(), log.log_end_offset()),
        producers: log.producers().map(|(id, entry)| (id, entry.epoch, entry.last_sequence())).collect(),
    }
}

/// The records that stay when nothing interrupts the cleaning, and how many calls it makes.
fn undisturbed() -> (Vec<(i64, String)>, usize) {
    let fixture = fixture();
    let mut log = fixture.open();
    // It opens files, as below.
    _ = essence(&log);
    let calls = die_at(&fixture.fs, usize::MAX);
    clean(&mut log, None, NOW).unwrap();
    let count = calls.load(std::sync::atomic::Ordering::Relaxed);
    (committed(&log), count)
}

#[test]
fn a_crash_at_any_call_of_a_cleaning_loses_nothing() {
    let (expected, calls) = undisturbed();
    assert!(calls > 80, "{calls}");
    for how in [Crash::Kill, Crash::PowerCut, Crash::PowerCutThatKeepsContents] {
        for at in 0..=calls {
            let fixture = fixture();
            let mut log = fixture.open();
            let before = essence(&log);
            die_at(&fixture.fs, at);
            let cleaned = clean(&mut log, None, NOW);
            assert_eq!(cleaned.is_ok(), at == calls, "{how:?} at {at}");
            drop(log);
            crash(&fixture, how);
            let mut log = fixture.open();
            assert_eq!(essence(&log), before, "{how:?} at {at}");
            assert!(fixture.names(".cleaned").is_empty() && fixture.names(".swap").is_empty());
            // The cleaner's checkpoint was not written: all is cleaned again, and comes out the same.
            clean(&mut log, None, NOW).unwrap();
            assert_eq!(essence(&log), before, "{how:?} at {at}");
            assert_eq!(committed(&log), expected, "{how:?} at {at}");
        }
    }
}

#[test]
fn a_crash_at_any_call_of_a_recovery_loses_nothing() {
    let (_, calls) = undisturbed();
    for at in (0..calls).step_by(3) {
        for again in 0.. {
            let fixture = fixture();
            let mut log = fixture.open();
            let before = essence(&log);
            die_at(&fixture.fs, at);
            _ = clean(&mut log, None, NOW);
            drop(log);
            crash(&fixture, Crash::Kill);
            die_at(&fixture.fs, again);
            let opened = fixture.try_open().is_ok();
            crash(&fixture, if again % 2 == 0 { Crash::Kill } else { Crash::PowerCut });
            assert_eq!(essence(&fixture.open()), before, "at {at}, then at {again}");
            if opened {
                break;
            }
        }
    }
}
