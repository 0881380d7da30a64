//! What a partition remembers of one producer: its epoch, its last five batches and its open transaction.

use std::collections::VecDeque;

use ottla_protocol::batch::{Header, NO_PRODUCER_EPOCH, NO_SEQUENCE, NO_TIMESTAMP};

/// Batches kept of each producer: what a client may have in flight (KIP-98).
pub(crate) const BATCHES_KEPT: usize = 5;

/// A batch that was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchMetadata {
    /// Sequence of its last record.
    pub last_sequence: i32,
    /// Offset of its last record.
    pub last_offset: i64,
    /// Last offset less first offset.
    pub offset_delta: i32,
    /// Its max timestamp.
    pub timestamp: i64,
}

impl BatchMetadata {
    /// Sequence of its first record; sequences wrap at `i32::MAX`.
    pub fn first_sequence(&self) -> i32 {
        if self.last_sequence >= self.offset_delta {
            return self.last_sequence - self.offset_delta;
        }
        let below_zero = i64::from(self.offset_delta) - i64::from(self.last_sequence);
        (i64::from(i32::MAX) - below_zero + 1) as i32
    }

    /// Offset of its first record.
    pub fn first_offset(&self) -> i64 {
        self.last_offset - i64::from(self.offset_delta)
    }
}

/// The state of one producer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerEntry {
    /// The producer's last epoch.
    pub epoch: i16,
    /// Epoch of the coordinator that wrote its last marker, or -1.
    pub coordinator_epoch: i32,
    /// Max timestamp of its last batch or marker.
    pub last_timestamp: i64,
    /// First offset of its open transaction.
    pub current_txn_first_offset: Option<i64>,
    /// Its last batches in this epoch, the oldest first.
    pub batches: VecDeque<BatchMetadata>,
}

impl Default for ProducerEntry {
    fn default() -> Self {
        Self {
            epoch: NO_PRODUCER_EPOCH,
            coordinator_epoch: -1,
            last_timestamp: NO_TIMESTAMP,
            current_txn_first_offset: None,
            batches: VecDeque::new(),
        }
    }
}

impl ProducerEntry {
    /// Sequence of the last record, or -1.
    pub fn last_sequence(&self) -> i32 {
        self.batches.back().map_or(NO_SEQUENCE, |batch| batch.last_sequence)
    }

    /// The remembered batch of which `header` is a copy sent again.
    pub(crate) fn duplicate_of(&self, header: &Header) -> Option<BatchMetadata> {
        if header.producer_epoch != self.epoch {
            return None;
        }
        let same = |batch: &&BatchMetadata| {
            batch.first_sequence() == header.base_sequence && batch.last_sequence == header.last_sequence()
        };
        self.batches.iter().find(same).copied()
    }

    /// The same without its batches: what an append starts from.
    pub(super) fn without_batches(&self) -> Self {
        Self { batches: VecDeque::new(), ..*self }
    }

    pub(super) fn add_batch(&mut self, epoch: i16, batch: BatchMetadata) {
        self.enter_epoch(epoch);
        self.keep(batch);
        self.last_timestamp = batch.timestamp;
    }

    /// Ends the transaction with a marker.
    pub(super) fn end_txn(&mut self, epoch: i16, coordinator_epoch: i32, timestamp: i64) {
        self.enter_epoch(epoch);
        self.coordinator_epoch = coordinator_epoch;
        self.current_txn_first_offset = None;
        self.last_timestamp = timestamp;
    }

    /// Takes over what an append made of a copy without batches.
    pub(super) fn merge(&mut self, next: Self) {
        self.enter_epoch(next.epoch);
        next.batches.into_iter().for_each(|batch| self.keep(batch));
        self.coordinator_epoch = next.coordinator_epoch;
        self.current_txn_first_offset = next.current_txn_first_offset;
        self.last_timestamp = next.last_timestamp;
    }

    fn enter_epoch(&mut self, epoch: i16) {
        if self.epoch != epoch {
            self.batches.clear();
            self.epoch = epoch;
        }
    }

    fn keep(&mut self, batch: BatchMetadata) {
        if self.batches.len() == BATCHES_KEPT {
            self.batches.pop_front();
        }
        self.batches.push_back(batch);
    }
}
