//! Making a partition's log durable where no journal does.

use super::Partition;
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
        let Ok((task, dir)) = self.with_log(|log| (log.flush_task(), self.dir())) else { return };
        let task = match task {
            Ok(Some(task)) => task,
            Ok(None) => return,
            Err(error) if error.is_full() => return warn!(partition = %self, %error, "not flushed"),
            Err(error) => return dir.fail(&error),
        };
        match task.run() {
            Ok(flushed) => {
                let _ = self.with_log_in(&dir, |log| log.mark_flushed(flushed));
            }
            Err(error) => {
                let _ = self.with_log_in(&dir, Log::mark_failed);
                dir.fail(&error);
            }
        }
    }
}
