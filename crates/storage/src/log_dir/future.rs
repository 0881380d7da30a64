//! Logs that are copied to a log dir from another one (KIP-113).

use std::path::Path;
use std::sync::Arc;

use ottla_protocol::Uuid;

use super::{LogDir, PartitionDir, names};
use crate::config::LogConfig;
use crate::log::{Log, OpenError, OpenOptions, Removal};

impl LogDir {
    /// Creates the log to copy into, in a folder that [`names::to_future`] names. The folder is durable when this answers.
    pub fn create_future_log(
        &self,
        name: &str,
        topic_id: Uuid,
        config: LogConfig,
        now_ms: i64,
    ) -> Result<Log, OpenError> {
        let topic_id = (!topic_id.is_zero()).then_some(topic_id);
        let options = OpenOptions { config, topic_id, now_ms, ..Default::default() };
        let log = Log::open(Arc::clone(&self.fs), &self.path.join(name), &options)?;
        self.fs.sync_dir(&self.path).map_err(|source| OpenError::Io { path: self.path.clone(), source })?;
        Ok(log)
    }

    /// Renames the folder of a log that is not open, durably, so that it is found as one to be deleted.
    pub fn delete_closed(&self, found: &PartitionDir, unique: [u8; 16]) -> std::io::Result<Removal> {
        let to = self.path.join(names::to_delete(&found.topic, found.partition, unique));
        self.rename_closed(&found.path, &to)?;
        Ok(Removal::of_dir(Arc::clone(&self.fs), &to))
    }

    /// Renames the folder of a log that is not open, durably.
    pub fn rename_closed(&self, from: &Path, to: &Path) -> std::io::Result<()> {
        self.fs.rename(from, to)?;
        self.fs.sync_dir(&self.path)
    }
}
