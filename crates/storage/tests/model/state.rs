//! The model: a log as lists of batches in memory.

use std::rc::Rc;

use ottla_storage::{Isolation, LogConfig};

use super::batch::Batch;
use super::epochs::Epochs;
use super::producers::Producers;

#[derive(Clone, Debug)]
pub struct Segment {
    pub base: i64,
    pub created: i64,
    pub batches: Vec<Rc<Batch>>,
}

impl Segment {
    pub fn new(base: i64, created: i64) -> Self {
        Self { base, created, batches: Vec::new() }
    }

    pub fn size(&self) -> usize {
        self.batches.iter().map(|batch| batch.size()).sum()
    }

    /// The first batch with the largest timestamp.
    pub fn latest(&self) -> Option<&Rc<Batch>> {
        let max = self.batches.iter().map(|batch| batch.max_timestamp).max()?;
        self.batches.iter().find(|batch| batch.max_timestamp == max)
    }

    pub fn max_timestamp(&self) -> i64 {
        self.latest().map_or(-1, |batch| batch.max_timestamp)
    }
}

/// A transaction with data in the log.
#[derive(Clone, Copy, Debug)]
pub struct Txn {
    pub producer_id: i64,
    pub first: i64,
    /// Offset of its marker and whether it was aborted.
    pub end: Option<(i64, bool)>,
    /// Whether its end is below the high watermark; none if only the log's snapshots know whether it once was.
    pub replicated: Option<bool>,
}

#[derive(Clone, Debug)]
pub struct Model {
    /// Never empty.
    pub segments: Vec<Segment>,
    pub start: i64,
    pub high_watermark: i64,
    pub end: i64,
    pub epochs: Epochs,
    pub producers: Producers,
    pub txns: Vec<Txn>,
    /// All batches of producers, deleted ones too.
    pub history: Vec<Rc<Batch>>,
    /// Batches of deleted segments: after a power cut they may be back.
    pub graveyard: Vec<Rc<Batch>>,
    /// Below it nothing may be lost.
    pub flushed: i64,
    /// Below it things may be gone or not after a crash: they were deleted.
    pub deleted: i64,
}

impl Model {
    pub fn new(now: i64) -> Self {
        Self {
            segments: vec![Segment::new(0, now)],
            start: 0,
            high_watermark: 0,
            end: 0,
            epochs: Epochs::default(),
            producers: Producers::default(),
            txns: Vec::new(),
            history: Vec::new(),
            graveyard: Vec::new(),
            flushed: 0,
            deleted: 0,
        }
    }

    pub fn active(&mut self) -> &mut Segment {
        self.segments.last_mut().unwrap()
    }

    pub fn batches(&self) -> impl DoubleEndedIterator<Item = &Rc<Batch>> {
        self.segments.iter().flat_map(|segment| &segment.batches)
    }

    pub fn size(&self) -> usize {
        self.segments.iter().map(Segment::size).sum()
    }

    pub fn take(&mut self, batch: Batch) {
        let batch = Rc::new(batch);
        self.end = batch.last + 1;
        self.active().batches.push(Rc::clone(&batch));
        if batch.producer.is_some() {
            self.producers.take(&batch);
            self.history.push(Rc::clone(&batch));
            take_txn(&mut self.txns, &batch);
        }
    }

    pub fn set_high_watermark(&mut self, offset: i64) {
        self.high_watermark = offset.min(self.end).max(self.start);
        self.note_replicated(self.high_watermark);
    }

    fn note_replicated(&mut self, below: i64) {
        for txn in &mut self.txns {
            if txn.end.is_some_and(|(marker, _)| marker < below) {
                txn.replicated = Some(true);
            }
        }
    }

    pub fn set_start(&mut self, start: i64) {
        self.start = start;
        self.deleted = self.deleted.max(start);
        self.epochs.start_at(start);
        self.note_replicated(start);
    }

    /// Where the last stable offset is, at least and at most.
    pub fn last_stable(&self) -> (i64, i64) {
        let holding = |maybe: bool| {
            let open = self.producers.known.values().filter_map(|entry| entry.txn);
            let holds = |txn: &&Txn| txn.end.is_some() && !txn.replicated.unwrap_or(!maybe);
            let ended = self.txns.iter().filter(holds).map(|txn| txn.first);
            open.chain(ended).min().unwrap_or(i64::MAX).max(self.start).min(self.high_watermark)
        };
        (holding(true), holding(false))
    }

    pub fn bound(&self, isolation: Isolation, last_stable: i64) -> i64 {
        match isolation {
            Isolation::LogEnd => self.end,
            Isolation::HighWatermark => self.high_watermark,
            Isolation::LastStableOffset => last_stable,
        }
    }

    /// Takes the first segments out.
    pub fn bury(&mut self, count: usize) {
        let deleted = self.segments.drain(..count);
        self.graveyard.extend(deleted.flat_map(|segment| segment.batches));
    }

    /// Forgets what is at `end` or above; batches that hold it go whole.
    pub fn cut(&mut self, end: i64) {
        self.segments.retain(|segment| segment.base <= end);
        for segment in &mut self.segments {
            segment.batches.retain(|batch| batch.last < end);
        }
        self.end = end;
        self.flushed = self.flushed.min(end);
        self.epochs.end_at(end);
        self.forget_history(end);
    }

    pub fn forget_history(&mut self, end: i64) {
        self.history.retain(|batch| batch.last < end);
        self.rebuild_txns();
    }

    /// What the log knows of ended transactions after it loaded its producers anew.
    pub fn rebuild_txns(&mut self) {
        self.txns = Vec::new();
        for batch in &self.history {
            take_txn(&mut self.txns, batch);
        }
        // Of an open transaction whose start was deleted the log knows what is left, or nothing.
        let open = |txn: &Txn| self.producers.known.get(&txn.producer_id).and_then(|entry| entry.txn);
        self.txns.retain(|txn| txn.end.is_some() || open(txn).is_some());
        for txn in self.txns.iter_mut().filter(|txn| txn.end.is_none()) {
            txn.first = self.producers.known[&txn.producer_id].txn.unwrap();
        }
        for txn in &mut self.txns {
            let below = txn.end.is_some_and(|(marker, _)| marker < self.high_watermark);
            txn.replicated = if below { Some(true) } else { None };
        }
    }

    /// Whether a new segment begins before these bytes, and why. None if the log has room in it, unless in its indexes.
    pub fn roll_reason(
        &self,
        size: usize,
        max_timestamp: i64,
        last: i64,
        now: i64,
        config: &LogConfig,
    ) -> Option<&'static str> {
        let active = self.segments.last().unwrap();
        let first = active.batches.first().map(|batch| batch.max_timestamp).filter(|first| *first >= 0);
        let waited = first.map_or(now - active.created, |first| max_timestamp.saturating_sub(first));
        if active.size() + size > config.segment_bytes as usize {
            Some("roll size")
        } else if !active.batches.is_empty() && waited > config.segment_ms {
            Some("roll time")
        } else if last - active.base > i64::from(i32::MAX) {
            Some("roll offset")
        } else {
            None
        }
    }

    pub fn roll(&mut self, base: i64, now: i64) {
        self.segments.push(Segment::new(base, now));
    }
}

fn take_txn(txns: &mut Vec<Txn>, batch: &Batch) {
    let Some(producer) = batch.producer else { return };
    let open = txns.iter_mut().find(|txn| txn.producer_id == producer.id && txn.end.is_none());
    match (open, batch.marker) {
        (Some(open), Some(marker)) => {
            open.end = Some((batch.base, marker.abort));
            open.replicated = Some(false);
        }
        (None, None) if batch.transactional => {
            txns.push(Txn { producer_id: producer.id, first: batch.base, end: None, replicated: Some(false) });
        }
        _ => {}
    }
}
