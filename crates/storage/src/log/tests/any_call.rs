//! Each call of a log's life fails once, or from there on: what was acknowledged stays, whole and in order.

use std::collections::BTreeSet;
use std::io::ErrorKind::{self, Other, ReadOnlyFilesystem, StorageFull};

use super::*;
use crate::fs::sim::{Call, Fault};

const FAULTS: [Fault; 6] = [
    Fault::Error(StorageFull),
    Fault::Partly(30, StorageFull),
    Fault::Partly(90, StorageFull),
    Fault::Error(ReadOnlyFilesystem),
    Fault::Error(Other),
    Fault::Partly(30, Other),
];

/// What the owner of the log was told.
#[derive(Debug, Default)]
struct Told {
    /// Appends below it were acknowledged.
    acknowledged: i64,
    /// What is below was flushed.
    flushed: i64,
    errors: Vec<String>,
}

impl Told {
    fn append(&mut self, log: &mut Log, count: i64) {
        for _ in 0..count {
            let value = format!("value {}", log.log_end_offset());
            match append(log, batch(&[&value], NOW)) {
                Ok(info) => self.acknowledged = info.last_offset + 1,
                Err(error) => self.errors.push(error.to_string()),
            }
        }
        log.set_high_watermark(log.log_end_offset());
    }

    fn flush(&mut self, log: &mut Log) {
        match log.flush() {
            Ok(()) => self.flushed = log.log_end_offset(),
            Err(error) => self.errors.push(error.to_string()),
        }
    }

    fn take<T, E: ToString>(&mut self, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.errors.push(error.to_string())).ok()
    }

    fn live(&mut self, log: &mut Log) {
        self.append(log, 14);
        self.flush(log);
        self.append(log, 7);
        if let Some(removal) = self.take(log.delete_records(8)) {
            self.take(removal.run());
        }
        self.append(log, 7);
        self.take(log.roll(NOW));
        log.set_config(LogConfig { retention_bytes: 600, ..log.config().clone() });
        let removals = self.take(log.delete_old_segments(NOW)).unwrap_or_default();
        removals.into_iter().for_each(|removal| _ = self.take(removal.run()));
        self.flush(log);
        self.append(log, 3);
    }
}

fn fixture() -> Fixture {
    let mut fixture = Fixture::default();
    fixture.options.config.segment_bytes = 400;
    fixture
}

/// Runs the scenario with the fault at call number `at`, once or from there on; false if there were fewer calls.
fn check(fault: Fault, for_good: bool, at: u32) -> bool {
    let fixture = fixture();
    let mut log = fixture.open();
    let hit = std::sync::Arc::new(parking_lot::Mutex::new(None));
    let mut calls = 0;
    let seen = Arc::clone(&hit);
    let mut opened = BTreeSet::new();
    fixture.fs.inject(move |call, path| {
        // A flush looks for an index of transactions that mostly is not there; a temporary file always is new.
        let kind = path.extension().and_then(|kind| kind.to_str()).unwrap_or_default();
        let is_put = path.ends_with("leader-epoch-checkpoint") || path.ends_with("partition.metadata");
        let is_new = kind == "tmp" || (opened.insert(path.to_path_buf()) && kind != "txnindex" && !is_put);
        let counts = may_have(fault, call, is_new);
        calls += u32::from(counts);
        let fails = counts && (calls == at || (for_good && calls > at));
        if fails {
            seen.lock().get_or_insert(call);
        }
        fails.then_some(fault)
    });
    let mut told = Told::default();
    told.live(&mut log);
    fixture.fs.heal();
    let Some(call) = *hit.lock() else { return false };
    let context = format!("{fault:?} at call {at} ({call:?}), for good: {for_good}, {told:?}");
    let start = log.log_start_offset();
    assert_eq!(values(&log), filled(start..told.acknowledged), "{context}");
    if serves_again(fault, call) && !for_good {
        log.check_not_failed().unwrap_or_else(|error| panic!("{error}: {context}"));
        fill(&mut log, 2);
        told.acknowledged += 2;
        assert_eq!(values(&log), filled(start..told.acknowledged), "{context}");
    }
    drop(log);
    fixture.fs.kill();
    reopen(&fixture, start, told.acknowledged, &context);
    fixture.fs.power_cut(|_, unsynced| unsynced / 2);
    reopen(&fixture, start, told.flushed, &context);
    true
}

/// Reads are harmless, parts are written only in writes, and no file that is there takes room to be opened.
fn may_have(fault: Fault, call: Call, is_new: bool) -> bool {
    match (call, fault) {
        (Call::Read, _) => false,
        (Call::Open, Fault::Error(StorageFull)) => is_new,
        (Call::Write, _) | (_, Fault::Error(_)) => true,
        (_, Fault::Partly(..)) => false,
    }
}

/// A disk that was full is no reason to stop, unless a sync found it so.
fn serves_again(fault: Fault, call: Call) -> bool {
    let kind = match fault {
        Fault::Error(kind) | Fault::Partly(_, kind) => kind,
    };
    kind == StorageFull && !is_sync(call)
}

fn is_sync(call: Call) -> bool {
    matches!(call, Call::Sync | Call::SyncDir | Call::SyncAll | Call::Truncate)
}

/// What a crash leaves opens, and has all offsets up to `at_least`. What failed after it was written may be there, as any
/// append without an answer.
fn reopen(fixture: &Fixture, start: i64, at_least: i64, context: &str) {
    let options = OpenOptions { log_start_offset: start, ..fixture.options.clone() };
    let log = Log::open(fixture.fs(), &dir(), &options).unwrap_or_else(|error| panic!("{error}: {context}"));
    let end = log.log_end_offset();
    assert!(end >= at_least, "ends at {end}: {context}");
    assert_eq!(values(&log), filled(log.log_start_offset()..end), "{context}");
}

#[test]
fn a_fault_at_any_call_loses_nothing() {
    for fault in FAULTS {
        for for_good in [false, true] {
            let calls = (1..).take_while(|at| check(fault, for_good, *at)).count();
            assert!(calls > 30, "{fault:?}: {calls} calls");
        }
    }
}

/// A log on a disk that becomes full is cut down, by request or by retention, and takes appends again.
#[test]
fn deletion_makes_room_on_a_full_disk() {
    for capacity in (1200..3000).step_by(7) {
        for by_request in [true, false] {
            let fixture = fixture();
            let mut log = fixture.open();
            fixture.fs.set_capacity(capacity);
            let mut told = Told::default();
            told.append(&mut log, 60);
            assert!(told.errors.iter().all(|error| error.starts_with("the disk is full")), "{told:?}");
            assert!(told.errors.len() > 10, "the disk was not full: {told:?}");
            assert_eq!(values(&log), filled(0..told.acknowledged));
            let end = log.log_end_offset();
            let removals = if by_request {
                vec![log.delete_records(end - 1).unwrap()]
            } else {
                log.set_config(LogConfig { retention_bytes: 100, ..log.config().clone() });
                log.delete_old_segments(NOW).unwrap()
            };
            removals.into_iter().for_each(|removal| removal.run().unwrap());
            let refused = told.errors.len();
            told.append(&mut log, 2);
            assert_eq!(told.errors.len(), refused, "{capacity}: {told:?}");
            assert_eq!(values(&log), filled(log.log_start_offset()..end + 2));
            fixture.fs.kill();
            reopen(&fixture, log.log_start_offset(), end + 2, "a full disk");
        }
    }
}

#[test]
fn a_file_that_cannot_be_replaced_stays_and_leaves_nothing_beside_it() {
    let path = dir().join("file");
    for (call, kind) in [(Call::Write, StorageFull), (Call::Sync, Other), (Call::Rename, ErrorKind::NotFound)] {
        let fixture = Fixture::default();
        fixture.fs.put(&path, b"old");
        fixture.fs.inject(move |done, _| (done == call).then_some(Fault::Partly(1, kind)));
        let replaced = crate::fs::replace(&fixture.fs, &path, b"new");
        // A partial fault makes only writes fail.
        assert_eq!(replaced.is_err(), call == Call::Write);
        fixture.fs.inject(move |done, _| (done == call).then_some(Fault::Error(kind)));
        assert_eq!(crate::fs::replace(&fixture.fs, &path, b"newer").unwrap_err().kind(), kind);
        assert_ne!(fixture.content("file"), b"newer");
        assert_eq!(fixture.names(".tmp"), [""; 0]);
    }
}
