//! A controller's metadata log and snapshots, on a disk that forgets what was not synced.

use crate::message::{News, Records};
use crate::random::Random;
use bytes::Bytes;
use ottla_metadata::{Image, MetadataRecord};
use ottla_protocol::batch::CheckedBatch;
use ottla_protocol::compression::Limits;
use ottla_quorum::SnapshotId;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Batches that one answer to a follower holds.
const BATCHES_AT_A_TIME: usize = 20;
/// Batches that are kept though a snapshot has them.
const KEPT: usize = 10;

pub(super) struct Batch {
    pub(super) base: i64,
    pub(super) end: i64,
    pub(super) epoch: i32,
    pub(super) records: Records,
}

impl Batch {
    pub(super) fn parse(bytes: Bytes) -> Result<Self, String> {
        let batch = CheckedBatch::parse(bytes).map_err(|error| error.to_string())?;
        let header = batch.header();
        let mut records = Vec::new();
        if !header.attributes.is_control() {
            for record in batch.records(&Limits::default()) {
                let record = record.map_err(|error| error.to_string())?;
                let value = record.value.ok_or("a metadata record has no value")?;
                records.push(MetadataRecord::decode(value).map_err(|error| error.to_string())?);
            }
        }
        let (base, end, epoch) = (header.base_offset, header.next_offset(), header.partition_leader_epoch);
        Ok(Self { base, end, epoch, records: records.into() })
    }
}

/// The log has what is committed and nothing else.
#[derive(Default)]
pub(super) struct MetadataDisk {
    start: i64,
    batches: VecDeque<Batch>,
    /// How many of them are durable.
    synced: usize,
    /// Snapshots by their ends, durable.
    snapshots: BTreeMap<i64, (SnapshotId, Records)>,
}

impl MetadataDisk {
    pub(super) fn end(&self) -> i64 {
        self.batches.back().map_or(self.start, |batch| batch.end)
    }

    pub(super) fn append(&mut self, batch: Batch) {
        self.batches.push_back(batch);
    }

    pub(super) fn sync(&mut self) {
        self.synced = self.batches.len();
    }

    pub(super) fn latest(&self) -> Option<SnapshotId> {
        self.snapshots.last_key_value().map(|(_, (id, _))| *id)
    }

    pub(super) fn snapshot(&self, id: SnapshotId) -> Option<&Records> {
        self.snapshots.get(&id.end_offset).filter(|(found, _)| *found == id).map(|(_, records)| records)
    }

    pub(super) fn keep_snapshot(&mut self, id: SnapshotId, records: Records) {
        self.snapshots.insert(id.end_offset, (id, records));
    }

    /// The log goes on behind a snapshot.
    pub(super) fn start_at(&mut self, offset: i64) {
        self.batches.clear();
        (self.start, self.synced) = (offset, 0);
    }

    /// Deletes what the latest snapshot has and is old, once the quorum needs no other.
    pub(super) fn clean(&mut self) {
        let end = self.latest().map_or(0, |latest| latest.end_offset);
        self.snapshots.retain(|other, _| *other == end);
        while self.batches.len() > KEPT
            && let Some(first) = self.batches.pop_front_if(|batch| batch.end <= end)
        {
            self.start = first.end;
            self.synced = self.synced.saturating_sub(1);
        }
    }

    /// Any part of the end that was not synced is gone.
    pub(super) fn crash(&mut self, random: &mut Random) {
        let unsynced = u64::try_from(self.batches.len() - self.synced).unwrap_or(0);
        let lost = usize::try_from(random.below(unsynced + 1)).unwrap_or(0);
        self.batches.truncate(self.batches.len() - lost);
        self.synced = self.batches.len();
    }

    /// The image that the latest snapshot and what follows it make.
    pub(super) fn open(&mut self) -> Result<Image, String> {
        let mut image = Image::default();
        let mut from = 0;
        if let Some((_, (id, records))) = self.snapshots.last_key_value() {
            from = id.end_offset;
            apply(&mut image, records)?;
            image.advance(from, id.epoch);
        }
        if self.end() < from {
            self.start_at(from);
        }
        if self.start > from {
            return Err(format!("the log starts at {}, the snapshot ends at {from}", self.start));
        }
        for batch in self.batches.iter().filter(|batch| batch.base >= from) {
            apply(&mut image, &batch.records)?;
            image.advance(batch.end, batch.epoch);
        }
        Ok(image)
    }

    /// What a follower lacks that has all below an offset.
    pub(super) fn news(&self, from: i64) -> News {
        if from < self.start
            && let Some((_, (id, records))) = self.snapshots.last_key_value()
        {
            return News { from: None, end: id.end_offset, records: vec![records.clone()] };
        }
        let skipped = self.batches.partition_point(|batch| batch.base < from);
        let batches = self.batches.iter().skip(skipped).take(BATCHES_AT_A_TIME);
        let end = batches.clone().next_back().map_or(from, |batch| batch.end);
        News { from: Some(from), end, records: batches.map(|batch| batch.records.clone()).collect() }
    }
}

pub(super) fn apply(image: &mut Image, records: &[MetadataRecord]) -> Result<(), String> {
    records.iter().try_for_each(|record| image.apply(record)).map_err(|error| error.to_string())
}

/// What an image is on disk.
pub(super) fn records_of(image: &Image) -> Records {
    Arc::from(ottla_metadata::snapshot::records(image))
}
