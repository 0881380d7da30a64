//! Closing a log so that it opens without a scan.

use super::{Log, OpenError};

impl Log {
    /// Makes everything durable and leaves the folder as a clean stop must: indexes complete, a snapshot of the producers.
    ///
    /// The recovery point is the end of the log afterwards. The log dir's checkpoints are written by the caller. A log that
    /// failed does not close: opening it again must recover it.
    pub fn close(mut self) -> Result<i64, OpenError> {
        self.finish()?;
        self.names_changed += 1;
        self.flush()?;
        self.active.segment.sync()?;
        Ok(self.recovery_point)
    }

    /// Closes the log like [`Log::close`] but for the syncs: the end that is answered is its recovery point once the whole disk is
    /// synced.
    pub fn close_unsynced(mut self) -> Result<i64, OpenError> {
        self.finish()?;
        Ok(self.log_end_offset())
    }

    fn finish(&mut self) -> Result<(), OpenError> {
        self.check_not_failed()?;
        let segment = std::sync::Arc::clone(&self.active.segment);
        segment.trim()?;
        segment.seal()?;
        if self.epochs_unwritten {
            let epochs = self.shared.epochs.lock().clone();
            self.set_epochs(epochs, false)?;
        }
        self.snapshots.take(&self.producers)?;
        let segments = self.shared.segments();
        Ok(self.snapshots.remove_stray(&segments.iter().map(|segment| segment.base_offset).collect())?)
    }
}
