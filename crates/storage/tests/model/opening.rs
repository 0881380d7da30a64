//! Steps that end a log, and opening it again: what must be there, what may be.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use ottla_protocol::batch::CheckedBatches;
use ottla_storage::fs::Fs;
use ottla_storage::log_dir::{Checkpoint, LogDir, PartitionOffsets};

use super::batch::Batch;
use super::epochs::Epochs;
use super::faults::Kind;
use super::marks::mark;
use super::producers::{Entry, Producers};
use super::state::Segment;
use super::world::{LOG_DIR, World};

/// What is not known after a step that failed on its way.
pub struct Doubt {
    /// May be at the end of the log or not.
    pub appended: Vec<Batch>,
    /// What is at this offset or above may be gone.
    pub kept_below: i64,
    /// The leader epochs may be those before or after.
    pub epochs: bool,
    /// The log may begin anew elsewhere.
    pub anew: bool,
    /// A file was damaged while the log was closed.
    pub damaged: bool,
}

impl Default for Doubt {
    fn default() -> Self {
        Self { appended: Vec::new(), kept_below: i64::MAX, epochs: false, anew: false, damaged: false }
    }
}

impl World {
    pub fn kill(&mut self) {
        mark("kill");
        self.say(|_| "kill".to_owned());
        self.end_fault();
        self.reopen(false, Doubt::default());
    }

    pub fn cut_power(&mut self) {
        self.say(|_| "power cut".to_owned());
        self.end_fault();
        self.tear();
        self.reopen(true, Doubt::default());
    }

    /// After the disk failed: the process ends, and with it perhaps the power.
    pub fn crash(&mut self, doubt: Doubt) {
        let power = self.is_power_fault() || self.rng.percent(50);
        self.say(|_| format!("  crash, {}", if power { "power cut" } else { "killed" }));
        self.end_fault();
        if power {
            self.tear();
        } else if doubt.kept_below < i64::MAX {
            // As the broker does at its start: what it finds of a truncation that failed is not taken back later.
            self.fs.disk(Path::new(LOG_DIR)).unwrap().sync_all().unwrap();
        }
        self.reopen(power, doubt);
    }

    fn tear(&mut self) {
        mark("power cut");
        let rng = &mut self.rng;
        self.fs.tear(|bound| rng.below(bound));
    }

    pub fn close(&mut self) {
        self.say(|_| "close".to_owned());
        let log = self.log.take().unwrap();
        let closed = log.close();
        let Ok(end) = closed else {
            assert!(self.has_fired(), "{closed:?}");
            return self.crash(Doubt::default());
        };
        assert_eq!(end, self.model.end);
        self.model.flushed = end;
        self.fs.heal();
        self.end_fault();
        let dir = self.dir.as_ref().unwrap();
        let at = |offset| PartitionOffsets::from([(("t".to_owned(), 0), offset)]);
        dir.write_checkpoint(Checkpoint::RecoveryPoint, &at(end)).unwrap();
        dir.write_checkpoint(Checkpoint::LogStartOffset, &at(self.model.start)).unwrap();
        dir.write_checkpoint(Checkpoint::HighWatermark, &at(self.model.high_watermark)).unwrap();
        dir.mark_clean_shutdown(1).unwrap();
        mark("clean stop");
        self.starts = vec![self.model.start];
        self.high_watermarks = vec![self.model.high_watermark];
        let power = self.rng.percent(30);
        if power {
            self.tear();
        }
        let damaged = !power && self.rng.percent(40);
        if damaged {
            self.damage();
        }
        self.reopen(power, Doubt { damaged, ..Doubt::default() });
    }

    /// Takes away or cuts an index, or spoils a snapshot: a log that was closed must not need them.
    fn damage(&mut self) {
        let files = self.fs.list(&self.path("")).unwrap();
        let indexes: Vec<_> = files.iter().filter(|file| file.name.ends_with("index")).collect();
        let snapshots: Vec<_> = files.iter().filter(|file| file.name.ends_with(".snapshot")).collect();
        let spoil = self.rng.percent(30) && !snapshots.is_empty();
        let file = if spoil { self.rng.pick(&snapshots) } else { self.rng.pick(&indexes) };
        if file.name.ends_with(".txnindex") {
            return;
        }
        self.say(|_| format!("  damage to {}", file.name));
        let path = self.path(&file.name);
        let mut content = self.fs.content(&path).unwrap();
        if spoil && !content.is_empty() {
            let at = self.rng.below(content.len());
            content[at] ^= 0x20;
            self.fs.put(&path, &content);
        } else if spoil || content.is_empty() || self.rng.percent(50) {
            self.fs.remove_file(&path).unwrap();
        } else {
            content.truncate(content.len() - 3);
            self.fs.put(&path, &content);
        }
    }

    fn reopen(&mut self, mut power: bool, doubt: Doubt) {
        self.log = None;
        self.dir = None;
        self.flushing = None;
        self.removals.clear();
        self.fs.kill();
        self.now += self.rng.pick(&[0, 100, 100, 10_000]);
        // One misfortune at a time: an opening that repairs damage is not disturbed.
        self.damaged |= doubt.damaged;
        while !self.damaged && self.rng.percent(12) {
            let kind = if self.rng.percent(70) { Kind::Power } else { Kind::Io };
            let at = self.rng.below(25);
            self.set_fault(kind, at);
            self.say(|_| "  open".to_owned());
            let opened = self.try_open();
            let fired = self.has_fired();
            self.end_fault();
            assert!(opened.is_ok() || fired, "{opened:?}");
            self.log = None;
            self.dir = None;
            self.fs.kill();
            if kind == Kind::Power {
                mark("power cut in an opening");
                power = true;
                self.tear();
            }
        }
        self.end_fault();
        let opened = self.try_open();
        assert!(opened.is_ok(), "the log does not open: {opened:?}");
        self.adopt(power, &doubt);
        if self.over {
            return;
        }
        self.write_recovery_point();
        self.write_start();
    }

    fn try_open(&mut self) -> Result<(), Box<dyn std::error::Error>> {
        let dir = LogDir::open(Path::new(LOG_DIR), Arc::new(self.fs.clone()))?;
        let log = dir.open_log(&self.partition(), None, self.config.clone(), self.now)?;
        self.dir = Some(dir);
        self.log = Some(log);
        Ok(())
    }

    /// The batches in the log files, whatever the log says of them.
    fn files(&self) -> Vec<(i64, Vec<Vec<u8>>)> {
        let mut files = Vec::new();
        for entry in self.fs.list(&self.path("")).unwrap() {
            let Some(base) = entry.name.strip_suffix(".log") else { continue };
            let content = self.fs.content(&self.path(&entry.name)).unwrap();
            let batches = match content.is_empty() {
                true => Vec::new(),
                false => CheckedBatches::parse(content.into()).unwrap().iter().map(|b| b.to_bytes().to_vec()).collect(),
            };
            files.push((base.parse().unwrap(), batches));
        }
        files.sort_by_key(|(base, _)| *base);
        files
    }

    fn adopt(&mut self, power: bool, doubt: &Doubt) {
        let files = self.files();
        let (start, end) = (self.log().log_start_offset(), self.log().log_end_offset());
        self.say(|_| {
            let base = |bytes: &Vec<u8>| i64::from_be_bytes(*bytes.first_chunk().unwrap());
            let files: Vec<(i64, Vec<i64>)> =
                files.iter().map(|file| (file.0, file.1.iter().map(base).collect())).collect();
            format!("  opened: [{start}, {end}), {files:?}")
        });
        let at_least = self.starts.iter().copied().min().unwrap();
        let at_most = self.starts.iter().copied().max().unwrap().max(files[0].0);
        assert!(
            (at_least..=at_most).contains(&start) || doubt.anew,
            "log start {start}, not in {at_least}..={at_most}"
        );
        if doubt.anew {
            self.model.deleted = self.model.deleted.max(files[0].0);
        }
        self.adopt_batches(power, doubt, &files, start);
        if self.over {
            mark("hole in a compacted log");
            return;
        }
        self.adopt_end(start, end);
        if doubt.epochs || start < self.model.deleted || start == end {
            self.read_epochs();
            let latest = self.model.epochs.latest();
            let last = self.model.batches().rfind(|batch| batch.last >= start).map(|batch| batch.epoch);
            assert!(last <= latest, "the last batch has epoch {last:?}, the latest known is {latest:?}");
        } else {
            self.model.epochs.end_at(end);
            self.model.epochs.start_at(start);
            // What was read again may tell where the first began before it was cut, and of others before it.
            let expected = self.model.epochs.clone();
            self.read_epochs();
            let more = self.model.epochs.0.ends_with(expected.0.get(1..).unwrap_or_default())
                && self.model.epochs.0.first().map(|first| first.1)
                    <= expected.0.first().map(|first| first.1).or(Some(i64::MAX));
            // One that has no record yet, or none that was flushed, is gone or begins with the records that are left.
            let of_batches = |epochs: &Epochs| {
                let bases = self.model.batches().map(|batch| batch.base).filter(|base| *base >= start);
                bases.map(|base| epochs.at(base)).collect::<Vec<_>>()
            };
            let known = of_batches(&self.model.epochs) == of_batches(&expected);
            assert!(more || known || self.model.epochs == expected, "{:?}, not {expected:?}", self.model.epochs);
        }
        let high_watermark = self.log().high_watermark();
        let possible = self.high_watermarks.iter().any(|offset| (*offset).min(end).max(start) == high_watermark);
        assert!(possible, "high watermark {high_watermark}, not of {:?}", self.high_watermarks);
        self.model.high_watermark = high_watermark;
        self.adopt_producers();
        self.check_all();
    }

    fn adopt_end(&mut self, start: i64, end: i64) {
        let last = self.model.segments.last().unwrap();
        let natural = last.batches.last().map_or(last.base, |batch| batch.last + 1);
        assert!(end == natural, "the log ends at {end}, its last batch at {natural}");
        self.model.start = start;
        self.model.end = end;
        self.model.flushed = self.model.flushed.min(end);
        self.model.deleted = self.model.deleted.min(end);
        self.model.history.retain(|batch| batch.last < end);
        self.model.active().created = self.now;
    }

    /// Takes what is in the files over into the model; all of it was appended, and nothing is missing that must be there.
    fn adopt_batches(&mut self, power: bool, doubt: &Doubt, files: &[(i64, Vec<Vec<u8>>)], start: i64) {
        let maybe: Vec<Rc<Batch>> = doubt.appended.iter().cloned().map(Rc::new).collect();
        let known = self.model.graveyard.iter().chain(&maybe).chain(self.model.batches());
        let mut candidates: Vec<Rc<Batch>> = known.cloned().collect();
        candidates.sort_by_key(|batch| batch.base);
        let durable =
            if power { self.model.flushed.min(doubt.kept_below) } else { doubt.kept_below.min(self.model.end) };
        let deleted = self.model.deleted;
        let must = |batch: &Rc<Batch>| batch.last < durable && batch.last >= deleted && !maybe.contains(batch);
        let mut segments: Vec<Segment> = Vec::new();
        let first_base = files[0].0;
        let (mut n, mut gone) = (0, None);
        for (base, batches) in files {
            let mut segment = Segment::new(*base, self.now);
            for bytes in batches {
                while candidates.get(n).is_some_and(|batch| batch.bytes != *bytes) {
                    let missing = &candidates[n];
                    assert!(!must(missing), "lost: the batch at {}, durable below {durable}", missing.base);
                    // The beginning may be lost whole, with the names of its files.
                    if missing.last >= deleted && missing.last >= first_base && !maybe.contains(missing) {
                        gone = gone.or(Some(missing.base));
                    }
                    n += 1;
                }
                let batch = candidates
                    .get(n)
                    .unwrap_or_else(|| panic!("a batch in segment {base} that was not appended there"));
                n += 1;
                assert!(
                    gone.is_none() || self.config.compact,
                    "the batch at {} is there, the one before at {gone:?} is not",
                    batch.base
                );
                // A log of a compacted topic has holes: one that a power cut left is not seen, and what follows it breaks rules.
                self.over |= gone.is_some();
                segment.batches.push(Rc::clone(batch));
            }
            segments.push(segment);
        }
        for missing in &candidates[n..] {
            assert!(!must(missing), "lost: the batch at {}, durable below {durable}, log start {start}", missing.base);
        }
        self.note_loss(power, &segments, &candidates);
        let kept: Vec<Rc<Batch>> = segments.iter().flat_map(|segment| &segment.batches).cloned().collect();
        let new = |batch: &&Rc<Batch>| kept.contains(batch) && !self.model.batches().any(|known| known == *batch);
        let came: Vec<&Rc<Batch>> = maybe.iter().filter(new).collect();
        self.model.history.extend(came.iter().filter(|batch| batch.producer.is_some()).map(|batch| Rc::clone(batch)));
        self.model.history.sort_by_key(|batch| batch.base);
        for batch in came {
            self.model.epochs.assign(batch.epoch, batch.base);
        }
        self.model.segments = segments;
        // An opened log has made durable what is there.
        self.model.graveyard.clear();
        for batch in candidates.iter().filter(|batch| batch.last < deleted && !kept.contains(batch)) {
            self.model.producers.may_forget(batch);
        }
        if power {
            // Segments go from the first on: what is missing behind the first that is there was lost, not deleted.
            let first = self.model.segments[0].base;
            let there = |batch: &Rc<Batch>| batch.last >= deleted || batch.base >= first;
            let lost = |batch: &Rc<Batch>| candidates.contains(batch) && !kept.contains(batch) && there(batch);
            self.model.history.retain(|batch| !lost(batch));
        }
    }

    fn note_loss(&self, power: bool, segments: &[Segment], candidates: &[Rc<Batch>]) {
        if !power {
            return;
        }
        let kept: usize = segments.iter().map(|segment| segment.batches.len()).sum();
        if kept < candidates.len() {
            mark("power cut lost records");
        }
        if segments.iter().flat_map(|segment| &segment.batches).any(|batch| batch.last >= self.model.flushed) {
            mark("power cut kept records that were not flushed");
        }
    }

    fn read_epochs(&mut self) {
        self.model.epochs.0 = self.log().leader_epochs();
    }

    /// Compares the producers that the log loaded with its batches.
    pub fn adopt_producers(&mut self) {
        let actual = Producers::knowing(self.log().producers().map(|(id, entry)| (id, Entry::of(entry))).collect());
        let (start, now) = (self.model.start, self.now);
        let expiration_ms = self.config.producer_id_expiration_ms;
        self.model.producers.adopt(&self.model.history, &actual, start, now, expiration_ms);
        self.model.rebuild_txns();
    }
}
