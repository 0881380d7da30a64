//! What a control batch says about a transaction.

use ottla_protocol::batch::control::{ControlType, EndTxnMarker};
use ottla_protocol::batch::{CheckedBatch, Error};
use ottla_protocol::compression::Limits;

use super::append::Marker;

/// The marker in a control batch: none when compaction emptied it, or when it is not about a transaction.
pub(crate) fn marker_of(batch: &CheckedBatch) -> Result<Option<Marker>, Error> {
    if !batch.header().attributes.is_control() {
        return Ok(None);
    }
    let Some(record) = batch.records(&Limits::default()).next().transpose()? else { return Ok(None) };
    let abort = match ControlType::decode_key(&record.key.unwrap_or_default())? {
        ControlType::Abort => true,
        ControlType::Commit => false,
        _ => return Ok(None),
    };
    let EndTxnMarker { coordinator_epoch } = EndTxnMarker::decode(&record.value.unwrap_or_default())?;
    Ok(Some(Marker { abort, coordinator_epoch }))
}
