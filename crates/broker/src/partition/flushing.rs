//! Making a partition's log durable where no journal does.

use super::{Gone, Partition};
use crate::clock::wall_ms;
use ottla_storage::Log;
use std::sync::atomic::Ordering;
use tracing::warn;

impl Partition {
    /// Makes everything appended durable if that was not done for `flush.ms`. Blocks.
    pub(crate) fn flush_if_due(&self, now_ms: i64) {
        if now_ms.saturating_sub(self.flushed_ms.load(Ordering::Relaxed)) >= self.config.load().flush_ms {
            self.flush();
        }
    }

    /// Makes everything appended durable. Blocks.
    pub(crate) fn flush(&self) {
        self.flushed_ms.store(wall_ms(), Ordering::Relaxed);
        let task = match self.with_log(Log::flush_task) {
            Ok(Ok(Some(task))) => task,
            Ok(Err(error)) if error.is_full() => return warn!(partition = %self, %error, "not flushed"),
            Ok(Err(error)) => return self.dir.fail(&error),
            Ok(Ok(None)) | Err(Gone) => return,
        };
        match task.run() {
            Ok(flushed) => {
                let _ = self.with_log(|log| log.mark_flushed(flushed));
            }
            Err(error) => {
                let _ = self.with_log(Log::mark_failed);
                self.dir.fail(&error);
            }
        }
    }
}
