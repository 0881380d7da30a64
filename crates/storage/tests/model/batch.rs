//! A batch as the model keeps it: the bytes that the log must give back, and what it needs to know of them.

use bytes::Bytes;
use ottla_protocol::batch::CheckedBatch;
use ottla_protocol::compression::Limits;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    pub base: i64,
    pub last: i64,
    pub epoch: i32,
    pub max_timestamp: i64,
    pub bytes: Bytes,
    /// Offset and timestamp of each record.
    pub records: Vec<(i64, i64)>,
    pub producer: Option<Sequence>,
    pub transactional: bool,
    pub marker: Option<Marker>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequence {
    pub id: i64,
    pub epoch: i16,
    pub first: i32,
    pub last: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marker {
    pub abort: bool,
    pub coordinator_epoch: i32,
}

impl Batch {
    pub fn of(batch: &CheckedBatch, marker: Option<Marker>) -> Self {
        let header = batch.header();
        let records = batch.records(&Limits::default()).map(|record| record.map(|r| (r.offset, r.timestamp)));
        Self {
            base: header.base_offset,
            last: header.last_offset(),
            epoch: header.partition_leader_epoch,
            max_timestamp: header.max_timestamp,
            bytes: batch.to_bytes(),
            records: records.collect::<Result<_, _>>().unwrap(),
            producer: header.has_producer_id().then(|| Sequence {
                id: header.producer_id,
                epoch: header.producer_epoch,
                first: header.base_sequence,
                last: header.last_sequence(),
            }),
            transactional: header.attributes.is_transactional(),
            marker,
        }
    }

    pub fn size(&self) -> usize {
        self.bytes.len()
    }
}
