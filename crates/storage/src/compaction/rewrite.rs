//! A batch without some of its records: all that its header says stays, and the codec.

use ottla_protocol::batch::{Builder, CheckedBatch, Error, NewRecord, Record, TimestampType};
use ottla_protocol::compression::{Compression, Level};

/// The batch with these of its records. With a delete horizon, which takes the place of the base timestamp, the records'
/// timestamps are counted from there (KIP-534).
pub(super) fn with_records(
    batch: &CheckedBatch,
    records: &[Record],
    delete_horizon_ms: Option<i64>,
) -> Result<CheckedBatch, Error> {
    let mut builder = like(batch).compression(batch.compression(), Level::Default);
    if let Some(delete_horizon_ms) = delete_horizon_ms {
        builder = builder.delete_horizon_ms(delete_horizon_ms);
    }
    for record in records {
        let offset_delta = i32::try_from(record.offset.wrapping_sub(batch.header().base_offset));
        push(&mut builder, offset_delta.map_err(|_| OFFSET)?, record)?;
    }
    builder.build()
}

const OFFSET: Error = Error::Record { index: 0, reason: "its offset is outside of the batch" };

fn push(builder: &mut Builder, offset_delta: i32, record: &Record) -> Result<(), Error> {
    let headers: Vec<(&[u8], Option<&[u8]>)> =
        record.headers.iter().map(|(name, value)| (name.as_ref(), value.as_deref())).collect();
    if !builder.takes(offset_delta) {
        return Err(OFFSET);
    }
    builder.push_at(
        offset_delta,
        NewRecord {
            timestamp: record.timestamp,
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: &headers,
        },
    );
    Ok(())
}

/// What is left of a batch of which no record stays: the header, for the producer's sequence and the offsets.
pub(super) fn emptied(batch: &CheckedBatch) -> Result<CheckedBatch, Error> {
    let header = batch.header();
    let mut emptied = like(batch).compression(Compression::None, Level::Default).build()?;
    emptied.set_max_timestamp(header.attributes.timestamp_type(), header.max_timestamp);
    Ok(emptied)
}

/// A batch of the same producer, place and kind.
fn like(batch: &CheckedBatch) -> Builder {
    let header = batch.header();
    let builder = Builder::new()
        .base_offset(header.base_offset)
        .leader_epoch(header.partition_leader_epoch)
        .producer(header.producer_id, header.producer_epoch, header.base_sequence)
        .transactional(header.attributes.is_transactional())
        .control_batch(header.attributes.is_control())
        .last_offset_delta(header.last_offset_delta);
    match header.attributes.timestamp_type() {
        TimestampType::CreateTime => builder,
        TimestampType::LogAppendTime => builder.log_append_time(header.max_timestamp),
    }
}
