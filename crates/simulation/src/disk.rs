//! A partition's log on a disk that forgets what was not synced: made up of records, or a log of `storage` with its journal.

mod log;
mod records;

use self::log::LogOnDisk;
use self::records::RecordsOnDisk;
use crate::random::Random;
use ottla_replication::follower::{LogView, Mend};

/// A record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) epoch: i32,
    pub(crate) value: u64,
}

/// Why something was not done.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// There is no room; it may be tried again.
    NoRoom,
    /// The log does not do as it should.
    Broken(String),
}

/// What has been synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Synced {
    Done,
    /// Something was cut off since that was asked for.
    TooLate,
    /// There is no room to do it; it is to be tried again.
    NotYet,
}

/// What holds the records.
trait Contents: LogView {
    /// What is in the log.
    fn records(&self) -> &[Record];
    /// As the leader does, or as a follower.
    fn append(&mut self, records: &[Record], leads: bool) -> Result<(), Trouble>;
    fn begin_epoch(&mut self, epoch: i32);
    fn read(&self, from: i64, most: usize) -> Result<Vec<Record>, Trouble>;
    /// All below is durable, as far as the process knows.
    fn synced(&self) -> i64;
    /// All below is durable, which a process that started since may not know yet.
    fn durable(&self) -> i64;
    /// Makes all up to an offset durable.
    fn sync(&mut self, end: i64) -> Result<(), Trouble>;
    fn truncate_to(&mut self, end: i64) -> Result<(), Trouble>;
    /// All below is committed: consumers may read it, and no more.
    fn set_high_watermark(&mut self, high_watermark: i64) -> Result<(), Trouble>;
    /// The process is killed or the power cut.
    fn crash(&mut self, random: &mut Random) -> Result<(), Trouble>;
    /// The process ends in order, with all synced.
    fn close(&mut self) -> Result<(), Trouble>;
    /// There is hardly any room, or there is again.
    fn set_full(&mut self, full: bool);
}

/// The log of one replica.
pub(crate) struct Disk {
    contents: Box<dyn Contents>,
    /// In memory; a checkpoint of it may be older.
    high_watermark: i64,
    /// Told to syncs, so that one that began before a cut does not count after it.
    pub(crate) generation: u64,
    /// What the log did that it should not have.
    broken: Option<String>,
}

fn offset(index: usize) -> i64 {
    i64::try_from(index).unwrap_or(i64::MAX)
}

fn index(offset: i64) -> usize {
    usize::try_from(offset).unwrap_or(0)
}

impl Disk {
    /// An empty log; of `storage` if there is a seed for its disk.
    pub(crate) fn new(seed: Option<u64>) -> Self {
        let opened: Result<Box<dyn Contents>, Trouble> = match seed {
            Some(seed) => LogOnDisk::new(seed).map(|log| -> Box<dyn Contents> { Box::new(log) }),
            None => Ok(Box::new(RecordsOnDisk::default())),
        };
        let (contents, trouble) = match opened {
            Ok(contents) => (contents, None),
            Err(trouble) => (Box::new(RecordsOnDisk::default()) as Box<dyn Contents>, Some(trouble)),
        };
        let mut disk = Self { contents, high_watermark: 0, generation: 0, broken: None };
        disk.note(trouble.map_or(Ok(()), Err));
        disk
    }

    /// Whether it was done.
    fn note(&mut self, done: Result<(), Trouble>) -> bool {
        if let Err(Trouble::Broken(reason)) = &done {
            self.broken.get_or_insert_with(|| reason.clone());
        }
        done.is_ok()
    }

    /// What the log did that it should not have.
    pub(crate) fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    /// What a leader appends; false if there was no room for it.
    pub(crate) fn append_as_leader(&mut self, record: Record) -> bool {
        let done = self.contents.append(&[record], true);
        self.note(done)
    }

    /// What a follower was sent; false if there was no room for all of it.
    pub(crate) fn append_as_follower(&mut self, records: &[Record]) -> bool {
        let done = self.contents.append(records, false);
        self.note(done)
    }

    pub(crate) fn begin_epoch(&mut self, epoch: i32) {
        self.contents.begin_epoch(epoch);
    }

    pub(crate) fn get(&self, offset: i64) -> Option<Record> {
        self.contents.records().get(usize::try_from(offset).ok()?).copied()
    }

    pub(crate) fn read(&mut self, from: i64, most: usize) -> Vec<Record> {
        let read = self.contents.read(from, most);
        read.unwrap_or_else(|trouble| {
            self.note(Err(trouble));
            Vec::new()
        })
    }

    /// All up to an offset is synced, unless something was cut off since.
    pub(crate) fn sync(&mut self, end: i64, generation: u64) -> Synced {
        if generation != self.generation {
            return Synced::TooLate;
        }
        let done = self.contents.sync(end);
        if self.note(done) { Synced::Done } else { Synced::NotYet }
    }

    pub(crate) fn high_watermark(&self) -> i64 {
        self.high_watermark
    }

    pub(crate) fn set_high_watermark(&mut self, high_watermark: i64) {
        self.high_watermark = high_watermark;
        let done = self.contents.set_high_watermark(high_watermark);
        self.note(done);
    }

    pub(crate) fn is_synced(&self) -> bool {
        self.synced() == self.log_end_offset()
    }

    pub(crate) fn synced(&self) -> i64 {
        self.contents.synced()
    }

    /// All below is durable, which a process that started since may not know yet.
    pub(crate) fn durable(&self) -> i64 {
        self.contents.durable()
    }

    /// The process is killed or the power cut: any part of what was not synced is gone.
    pub(crate) fn crash(&mut self, random: &mut Random) {
        let done = self.contents.crash(random);
        self.note(done);
        self.generation += 1;
        let end = self.high_watermark.min(self.log_end_offset());
        self.high_watermark = i64::try_from(random.below(end.unsigned_abs() + 1)).unwrap_or(0);
    }

    /// The process ends in order; false if it could not, for want of room.
    pub(crate) fn close(&mut self) -> bool {
        let done = self.contents.close();
        self.note(done)
    }

    pub(crate) fn set_full(&mut self, full: bool) {
        self.contents.set_full(full);
    }

    /// False if there was no room to do it.
    pub(crate) fn mend(&mut self, mend: Mend) -> bool {
        let end = match mend {
            Mend::TruncateTo(end) => end,
            // Nothing is deleted from the start of these logs.
            Mend::StartAt(_) | Mend::Nothing => return true,
        };
        let done = self.contents.truncate_to(end);
        let done = self.note(done);
        self.generation += 1;
        self.high_watermark = self.high_watermark.min(self.log_end_offset());
        done
    }
}

impl LogView for Disk {
    fn log_start_offset(&self) -> i64 {
        self.contents.log_start_offset()
    }

    fn log_end_offset(&self) -> i64 {
        self.contents.log_end_offset()
    }

    fn last_epoch(&self) -> Option<i32> {
        self.contents.last_epoch()
    }

    fn end_offset_for_epoch(&self, epoch: i32) -> Option<(i32, i64)> {
        self.contents.end_offset_for_epoch(epoch)
    }
}
