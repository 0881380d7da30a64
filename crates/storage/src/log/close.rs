//! Closing a log so that it opens without a scan.

use super::{Log, OpenError};

impl Log {
    /// Makes everything durable and leaves the folder as a clean stop must: indexes complete, a snapshot of the producers.
    ///
    /// The recovery point is the end of the log afterwards. The log dir's checkpoints are written by the caller. A log that
    /// failed does not close: opening it again must recover it.
    pub fn close(mut self) -> Result<i64, OpenError> {
        self.close_files()?;
        Ok(self.recovery_point)
    }

    fn close_files(&mut self) -> Result<(), OpenError> {
        self.check_not_failed()?;
        let segment = std::sync::Arc::clone(&self.active.segment);
        segment.trim()?;
        segment.seal()?;
        self.snapshots.take(&self.producers)?;
        self.names_changed += 1;
        self.flush()?;
        segment.sync(true)?;
        Ok(())
    }
}
