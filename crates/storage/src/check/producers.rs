//! The producers as the log makes them, against what snapshots and indexes of aborted transactions say.

use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ottla_protocol::batch::CheckedBatch;

use super::finding::{AtStart, Report};
use super::partition::Known;
use crate::fs::{self, Fs, Open};
use crate::producers::{ProducerEntry, Producers, marker_of, snapshot};
use crate::segment::{AbortedTxn, Segment, names, replay};

/// Takes the batches of a log in, in order.
pub(super) struct Replay<'a> {
    fs: &'a Arc<dyn Fs>,
    path: &'a Path,
    snapshots: VecDeque<i64>,
    producers: Producers,
    /// Nothing is known of producers of before the first segment.
    complete: bool,
    /// Batches are missing from here on, so the state says nothing.
    broken: bool,
    known: Known,
    /// Of the segment at hand.
    aborted: Vec<AbortedTxn>,
    abort_markers: BTreeSet<(i64, i64)>,
}

impl<'a> Replay<'a> {
    pub(super) fn new(
        fs: &'a Arc<dyn Fs>,
        path: &'a Path,
        snapshots: &BTreeSet<i64>,
        first: i64,
        known: Known,
    ) -> Self {
        let mut replay = Self {
            fs,
            path,
            snapshots: snapshots.iter().copied().collect(),
            producers: Producers::starting_at(first),
            complete: first == 0,
            broken: false,
            known,
            aborted: Vec::new(),
            abort_markers: BTreeSet::new(),
        };
        if first > 0
            && snapshots.contains(&first)
            && let Ok(entries) = replay.read(first)
        {
            replay.producers = Producers::restore(first, entries, 0, i64::MAX);
            replay.complete = true;
        }
        replay
    }

    fn file(&self, offset: i64) -> PathBuf {
        self.path.join(names::at(offset, names::SNAPSHOT))
    }

    fn read(&self, offset: i64) -> Result<Vec<(i64, ProducerEntry)>, String> {
        let file = self.fs.open(&self.file(offset), Open::Existing).map_err(|error| error.to_string())?;
        let bytes = fs::read_to_end(&*file, snapshot::MAX_BYTES).map_err(|error| error.to_string())?;
        snapshot::decode(&bytes).map_err(|error| error.to_string())
    }

    pub(super) fn take(&mut self, batch: &CheckedBatch, report: &mut Report<'_>) {
        self.meet_snapshots(batch.header().base_offset, report);
        let header = batch.header();
        if header.has_producer_id() {
            match (marker_of(batch), replay(&mut self.producers, batch)) {
                (Ok(marker), Ok(aborted)) => {
                    if marker.is_some_and(|marker| marker.abort) {
                        self.abort_markers.insert((header.producer_id, header.base_offset));
                    }
                    self.aborted.extend(aborted);
                }
                _ => self.broken = true,
            }
        }
        self.producers.set_end_offset(header.next_offset());
    }

    /// A batch could not be read: what is known of producers from here on is not all.
    pub(super) fn lose_a_batch(&mut self) {
        self.broken = true;
    }

    /// Compares the index of aborted transactions of a segment whose batches were all taken in.
    pub(super) fn end_segment(&mut self, segment: &Segment, rebuilt: bool, report: &mut Report<'_>) {
        let aborted = std::mem::take(&mut self.aborted);
        let markers = std::mem::take(&mut self.abort_markers);
        let path = segment.txn_index.entries.file().path();
        let indexed = match segment.txn_index.file_len() {
            0 => Ok(Some(Vec::new())),
            _ => segment.txn_index.all(),
        };
        if rebuilt {
            return;
        }
        let Ok(Some(indexed)) = indexed else {
            return report.file(
                &path,
                AtStart::Rebuilt,
                "the index of aborted transactions is cut or of another version",
            );
        };
        if self.broken {
            return;
        }
        let key = |txn: &AbortedTxn| (txn.producer_id, txn.last_offset);
        let known: BTreeSet<(i64, i64)> = indexed.iter().map(key).collect();
        for txn in aborted.iter().filter(|txn| !known.contains(&key(txn))) {
            let problem = format!(
                "the transaction of producer {} from offset {} was aborted and is not indexed",
                txn.producer_id, txn.first_offset
            );
            report.at(&path, None, Some(txn.last_offset), AtStart::Nothing, problem);
        }
        for txn in indexed.iter().filter(|txn| !markers.contains(&key(txn)) && !self.known.cleaned) {
            let problem = format!("producer {} aborted no transaction here", txn.producer_id);
            report.at(&path, None, Some(txn.last_offset), AtStart::Nothing, problem);
        }
    }

    /// Compares the snapshots that are left, and finds those above the end.
    pub(super) fn end(&mut self, end: i64, report: &mut Report<'_>) {
        self.meet_snapshots(end, report);
        for offset in std::mem::take(&mut self.snapshots) {
            let problem = format!("the producer snapshot is of above the log's end, {end}");
            report.at(&self.file(offset), None, Some(offset), AtStart::Removed, problem);
        }
    }

    fn meet_snapshots(&mut self, up_to: i64, report: &mut Report<'_>) {
        while let Some(offset) = self.snapshots.front().copied().filter(|offset| *offset <= up_to) {
            self.snapshots.pop_front();
            match self.read(offset) {
                Err(error) => report.at(&self.file(offset), None, Some(offset), AtStart::Removed, error),
                Ok(entries) if !self.broken && !self.known.cleaned => self.compare(offset, entries, report),
                Ok(_) => {}
            }
        }
    }

    /// Producers that the log has and the snapshot has not may have expired, unless their transaction is open.
    fn compare(&self, offset: i64, entries: Vec<(i64, ProducerEntry)>, report: &mut Report<'_>) {
        let path = self.file(offset);
        let mut tell = |problem: String| report.at(&path, None, Some(offset), AtStart::Nothing, problem);
        let mut found = BTreeSet::new();
        for (id, stored) in entries {
            found.insert(id);
            match self.producers.get(id) {
                Some(replayed) if outline(replayed) != outline(&stored) => tell(format!(
                    "producer {id} has epoch, last sequence and first offset of its transaction {:?}, by the log {:?}",
                    outline(&stored),
                    outline(replayed)
                )),
                None if self.complete => tell(format!("producer {id} never wrote to the log")),
                _ => {}
            }
        }
        for (id, entry) in self.producers.iter().filter(|(id, _)| !found.contains(id)) {
            if let Some(first) = entry.current_txn_first_offset {
                tell(format!(
                    "the transaction of producer {id} from offset {first} is open, and the producer is missing"
                ));
            }
        }
    }
}

fn outline(entry: &ProducerEntry) -> (i16, i32, Option<i64>) {
    (entry.epoch, entry.last_sequence(), entry.current_txn_first_offset)
}
