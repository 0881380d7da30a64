//! Random changes of several logs, commits, syncs and crashes: what was committed is there.

mod faults;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ottla_protocol::Uuid;
use parking_lot::Mutex;

use super::*;
use crate::fs::{SimFs, sim::Call, sim::Fault};
use crate::log::tests::{EPOCH, NOW, batch, built, values};
use crate::log::{Log, OpenOptions};
use crate::producers::Origin;

const DIR: &str = "/data";
const LOGS: i32 = 5;
const LIMITS: Limits = Limits { file_bytes: 5 * ALIGNMENT, files: 4 };

/// A generator of numbers (xorshift), the same for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

type Queue = Arc<Mutex<Vec<Entry>>>;

#[derive(Debug)]
struct QueueSink(Queue, PartitionKey);

impl Sink for QueueSink {
    fn take(&self, change: Change) {
        self.0.lock().push(Entry { key: self.1, change });
    }
}

fn key(partition: i32) -> PartitionKey {
    PartitionKey { topic_id: Uuid::ONE, partition }
}

fn path(partition: i32) -> PathBuf {
    Path::new(DIR).join(format!("t-{partition}"))
}

/// What a log must and may hold.
#[derive(Default)]
struct Model {
    records: Vec<(i64, String)>,
    /// Records that were committed, which must be there: how many of the list.
    committed: usize,
    recovery_point: i64,
}

impl Model {
    fn end(&self) -> i64 {
        self.records.len() as i64
    }
}

struct World {
    fs: SimFs,
    random: Random,
    queue: Queue,
    journal: Option<Journal>,
    logs: BTreeMap<i32, Log>,
    models: BTreeMap<i32, Model>,
    written: u64,
    restored: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let fs = SimFs::new();
        fs.create_dir_all(Path::new(DIR)).unwrap();
        let models = (0..LOGS).map(|n| (n, Model::default())).collect();
        let mut world = Self {
            fs,
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            queue: Queue::default(),
            journal: None,
            logs: BTreeMap::new(),
            models,
            written: 0,
            restored: 0,
        };
        world.open();
        world
    }

    fn fs(&self) -> Arc<dyn Fs> {
        Arc::new(self.fs.clone())
    }

    fn open(&mut self) {
        let (journal, mut recovered) = Journal::open(self.fs(), Path::new(DIR), LIMITS, 7).unwrap();
        self.journal = Some(journal);
        for n in 0..LOGS {
            let config = crate::LogConfig { segment_bytes: 600, index_interval_bytes: 150, ..Default::default() };
            let recovery_point = self.models[&n].recovery_point;
            let options = OpenOptions { config, recovery_point, now_ms: NOW, ..Default::default() };
            let mut log = Log::open(self.fs(), &path(n), &options).unwrap();
            let entries = recovered.take(&key(n));
            let restored = entries.map(|entries| entries.restore(&mut log, NOW).unwrap()).unwrap_or_default();
            self.restored += restored.batches;
            self.models.get_mut(&n).unwrap().recovery_point = log.recovery_point();
            log.set_journal(Box::new(QueueSink(self.queue.clone(), key(n))));
            log.journal_from(restored.end.max(log.recovery_point())).unwrap();
            self.logs.insert(n, log);
        }
        assert_eq!(recovered.keys().len(), 0);
        self.check();
    }

    /// What was committed is there, and no more than what was written.
    fn check(&mut self) {
        for (n, log) in &mut self.logs {
            log.set_high_watermark(log.log_end_offset());
            let model = self.models.get_mut(n).unwrap();
            let found = values(log);
            assert!(found.len() >= model.committed, "log {n} has {} of {} records", found.len(), model.committed);
            assert_eq!(found, model.records[..found.len()], "log {n}");
            model.records.truncate(found.len());
        }
    }

    fn append(&mut self) {
        let n = self.random.below(LOGS as u64) as i32;
        let count = 1 + self.random.below(4);
        let texts: Vec<String> = (0..count).map(|_| format!("{:x}", self.random.below(1 << 40))).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let log = self.logs.get_mut(&n).unwrap();
        log.append_as_leader(built(batch(&texts, NOW)), EPOCH, NOW, Origin::Client).unwrap();
        let model = self.models.get_mut(&n).unwrap();
        let end = model.end();
        model.records.extend((end..).zip(texts.into_iter().map(str::to_owned)));
    }

    /// A leader elsewhere has other records after what was committed.
    fn truncate(&mut self) {
        let n = self.random.below(LOGS as u64) as i32;
        let model = self.models.get_mut(&n).unwrap();
        let committed = model.committed as u64;
        let wanted = committed + self.random.below(model.records.len() as u64 + 1 - committed);
        let log = self.logs.get_mut(&n).unwrap();
        let reader = log.reader();
        let starts = |offset| reader.read(offset, 1, true, crate::Isolation::LogEnd).unwrap().bytes().unwrap();
        if wanted < model.records.len() as u64 {
            let bytes = starts(wanted as i64);
            let at = ottla_protocol::batch::CheckedBatch::parse(bytes).unwrap().header().base_offset;
            if at >= committed as i64 {
                log.truncate_to(at, NOW).unwrap();
                model.records.truncate(at as usize);
                model.recovery_point = model.recovery_point.min(at);
            }
        }
    }

    fn commit(&mut self) {
        let entries = std::mem::take(&mut *self.queue.lock());
        let journal = self.journal.as_mut().unwrap();
        self.written += entries.iter().map(|entry| entry.size_in_bytes() as u64).sum::<u64>();
        match journal.commit(&entries) {
            Ok(_) => {}
            Err(Error::Full) => {
                self.settle();
                self.journal.as_mut().unwrap().commit(&entries).unwrap();
            }
            Err(error) => panic!("{error}"),
        }
        if self.random.below(3) == 0
            && let Some(growth) = self.journal.as_mut().unwrap().growth().unwrap()
        {
            growth.run().unwrap();
            let lens = self.fs.list(Path::new(DIR)).unwrap().into_iter().map(|entry| entry.len);
            assert!(lens.max() <= Some(LIMITS.file_bytes), "a file of the journal outgrew its limit");
        }
        for model in self.models.values_mut() {
            model.committed = model.records.len();
        }
    }

    fn settle(&mut self) {
        let journal = self.journal.as_mut().unwrap();
        let seq = journal.committed_seq();
        self.fs.disk(Path::new(DIR)).unwrap().sync_all().unwrap();
        for (n, log) in &self.logs {
            self.models.get_mut(n).unwrap().recovery_point = log.log_end_offset();
        }
        journal.settle(seq).unwrap();
    }

    fn crash(&mut self) {
        self.queue.lock().clear();
        self.journal = None;
        self.logs.clear();
        match self.random.below(3) {
            0 => self.fs.kill(),
            1 => self.fs.power_cut(|_, _| 0),
            _ => {
                let share = self.random.below(101) as usize;
                self.fs.power_cut(|_, unsynced| unsynced * share / 100);
            }
        }
        self.open();
    }

    fn step(&mut self) {
        match self.random.below(100) {
            0..60 => self.append(),
            60..65 => self.truncate(),
            65..90 => self.commit(),
            90..94 => self.settle(),
            _ => self.crash(),
        }
    }
}

#[test]
fn what_was_committed_is_there_after_any_crash() {
    let (mut written, mut restored) = (0, 0);
    for seed in 0..60 {
        let mut world = World::new(seed);
        for _ in 0..200 {
            world.step();
        }
        written += world.written;
        restored += world.restored;
    }
    assert!(written > 20 * LIMITS.file_bytes, "the journal never went round: {written} bytes");
    assert!(restored > 100, "the journal never gave anything back: {restored} batches");
}

/// A journal with `count` frames of one batch each.
fn filled_journal(fs: &SimFs, count: u64) -> Journal {
    fs.create_dir_all(Path::new(DIR)).unwrap();
    let (mut journal, _) = Journal::open(Arc::new(fs.clone()), Path::new(DIR), LIMITS, 7).unwrap();
    for n in 0..count {
        journal.commit(&[entry(n as i64)]).unwrap();
    }
    journal
}

fn entry(offset: i64) -> Entry {
    let mut batch = batch(&["value"], NOW).build().unwrap();
    batch.set_base_offset(offset);
    Entry { key: key(0), change: Change::Append { batch, before: offset } }
}

fn reopened(fs: &SimFs) -> Result<(Journal, Recovered), Error> {
    Journal::open(Arc::new(fs.clone()), Path::new(DIR), LIMITS, 8)
}

#[test]
fn a_journal_is_full_until_it_is_settled() {
    let fs = SimFs::new();
    // Four frames a file: the fifth page is for the frame that settles.
    let mut journal = filled_journal(&fs, 16);
    assert!(matches!(journal.commit(&[entry(16)]), Err(Error::Full)));
    journal.settle(8).unwrap();
    for n in 16..24 {
        journal.commit(&[entry(n)]).unwrap();
    }
    assert!(matches!(journal.commit(&[entry(24)]), Err(Error::Full)));
}

#[test]
fn damage_in_the_last_frame_is_a_torn_write_and_before_it_corruption() {
    for damaged in 0..6_u64 {
        let fs = SimFs::new();
        drop(filled_journal(&fs, 6));
        let name = Path::new(DIR).join(format!("journal-{}.ottla", damaged / 4));
        let mut content = fs.content(&name).unwrap();
        content[(damaged % 4) as usize * ALIGNMENT as usize + 20] ^= 1;
        fs.kill();
        fs.put(&name, &content);
        match reopened(&fs) {
            Ok((journal, _)) => assert_eq!((damaged, journal.committed_seq()), (5, 5)),
            Err(Error::Corrupt { .. }) => assert!(damaged < 5),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_failed_sync_is_the_end() {
    let fs = SimFs::new();
    let mut journal = filled_journal(&fs, 2);
    fs.inject(|call, _| (call == Call::Sync).then_some(Fault::Error(io::ErrorKind::Other)));
    assert!(matches!(journal.commit(&[entry(2)]), Err(Error::Io { .. })));
    fs.heal();
    assert!(matches!(journal.commit(&[entry(2)]), Err(Error::Failed { .. })));
    assert!(matches!(journal.settle(1), Err(Error::Failed { .. })));
}

#[test]
fn a_removed_journal_leaves_nothing() {
    let fs = SimFs::new();
    filled_journal(&fs, 6).remove().unwrap();
    assert!(fs.list(Path::new(DIR)).unwrap().is_empty());
    assert_eq!(reopened(&fs).unwrap().0.committed_seq(), 0);
}

#[test]
fn what_was_cut_off_before_a_crash_is_no_loss() {
    for (recovery_point, is_cut) in [(2, true), (5, false)] {
        let fs = SimFs::new();
        fs.create_dir_all(Path::new(DIR)).unwrap();
        let (mut journal, _) = reopened(&fs).unwrap();
        let fs_of_log: Arc<dyn Fs> = Arc::new(fs.clone());
        let mut log = Log::open(Arc::clone(&fs_of_log), &path(0), &OpenOptions::default()).unwrap();
        let queue = Queue::default();
        log.set_journal(Box::new(QueueSink(queue.clone(), key(0))));
        for n in 0..7 {
            log.append_as_leader(built(batch(&["value"], NOW)), EPOCH, NOW, Origin::Client).unwrap();
            let seq = journal.commit(&std::mem::take(&mut *queue.lock())).unwrap();
            if n == 4 {
                fs.disk(Path::new(DIR)).unwrap().sync_all().unwrap();
                journal.settle(seq).unwrap();
            }
        }
        log.truncate_to(2, NOW).unwrap();
        drop((log, journal));
        fs.kill();
        let (_, mut recovered) = reopened(&fs).unwrap();
        let options = OpenOptions { recovery_point, ..OpenOptions::default() };
        let mut log = Log::open(fs_of_log, &path(0), &options).unwrap();
        let restored = recovered.take(&key(0)).unwrap().restore(&mut log, NOW);
        assert_eq!(log.log_end_offset(), 2);
        match restored {
            Ok(restored) => assert_eq!((restored, is_cut), (Restored::default(), true)),
            Err(error) => assert!(!is_cut && matches!(error, RestoreError::Gap { expected: 5, .. }), "{error}"),
        }
    }
}
