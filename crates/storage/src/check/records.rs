//! The records of a batch: that they decompress, are as many as the header says, and have the batch's offsets in order.

use ottla_protocol::batch::CheckedBatch;
use ottla_protocol::compression::Limits;

/// What is wrong with the records, if anything.
pub(super) fn problem(batch: &CheckedBatch) -> Option<String> {
    let header = batch.header();
    let mut at_least = header.base_offset;
    for record in batch.records(&Limits::default()) {
        let record = match record {
            Ok(record) => record,
            Err(error) => return Some(error.to_string()),
        };
        if record.offset < at_least || record.offset > header.last_offset() {
            return Some(format!("a record has offset {}, out of order or outside of its batch", record.offset));
        }
        at_least = record.offset.saturating_add(1);
    }
    None
}
