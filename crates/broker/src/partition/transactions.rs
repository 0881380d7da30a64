//! What transactions ask of a partition: that their producers were looked up, and that it takes their ends.

use super::{AppendError, Partition};
use crate::{clock::wall_ms, shards::Writer};
use ottla_protocol::batch::{Builder, CheckedBatches, Rejected, control::EndTxnMarker};
use ottla_storage::{AppendInfo, Log, Origin, Verification, Verify};
use std::sync::Arc;

/// What is known of the transaction that a batch is in.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Verified {
    /// Nothing needs to be: `transaction.partition.verification.enable` is off, or there is no transaction.
    NotRequired,
    /// It was looked up; none where that was not needed then.
    By(Option<Verification>),
}

impl Verified {
    /// Whether the log may take the batches.
    pub(super) fn check(self, log: &Log, batches: &CheckedBatches) -> Result<(), AppendError> {
        let Self::By(verification) = self else { return Ok(()) };
        let headers = batches.iter().map(|batch| batch.header());
        for header in headers.filter(|header| header.attributes.is_transactional()) {
            log.check_transactional(header, verification).map_err(ottla_storage::AppendError::from)?;
        }
        Ok(())
    }
}

/// The end of a producer's transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marker {
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    pub(crate) coordinator_epoch: i32,
    pub(crate) committed: bool,
    pub(crate) transaction_version: i16,
}

impl Partition {
    /// Begins to look a producer's transaction up, unless it has records here already.
    pub(crate) fn begin_verification(&self, verify: Verify) -> Result<Option<Verification>, AppendError> {
        self.admit(1)?;
        let begun = self.with_log(|log| log.begin_verification(verify, wall_ms()))?;
        Ok(begun.map_err(ottla_storage::AppendError::from)?)
    }

    /// Whether a producer may write into its transaction now.
    pub(crate) fn check_transaction(&self, writer: Writer) -> Result<(), AppendError> {
        let Verified::By(verification) = writer.verified else { return Ok(()) };
        let checked = self.with_log(|log| log.check_transaction(writer.producer, verification))?;
        Ok(checked.map_err(ottla_storage::AppendError::from)?)
    }

    /// Appends the end of a transaction.
    pub(crate) fn append_marker(self: &Arc<Self>, marker: Marker) -> Result<AppendInfo, AppendError> {
        let Marker { producer_id, producer_epoch, coordinator_epoch, committed, transaction_version } = marker;
        let (now_ms, end) = (wall_ms(), EndTxnMarker { coordinator_epoch });
        let batch = Builder::end_transaction(now_ms, producer_id, producer_epoch, committed, end)
            .build()
            .map_err(Rejected::from)?;
        self.append_as(batch.into(), now_ms, Origin::Marker { transaction_version }, -1, Verified::NotRequired)
    }
}
