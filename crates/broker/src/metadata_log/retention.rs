//! Old snapshots go, and with them the segments that they alone needed (KIP-630).

use super::MetadataLog;
use crate::metadata_quorum::{SnapshotId, Snapshots};
use anyhow::Context as _;
use ottla_config::{ServerConfig, keys};
use tracing::info;

/// What is kept; negative for everything.
#[derive(Clone, Copy, Debug)]
pub(super) struct Retention {
    /// `metadata.max.retention.bytes`
    bytes: i64,
    /// `metadata.max.retention.ms`
    ms: i64,
}

impl Retention {
    pub(super) fn new(config: &ServerConfig) -> Self {
        Self { bytes: config.get(keys::METADATA_MAX_RETENTION_BYTES), ms: config.get(keys::METADATA_MAX_RETENTION_MS) }
    }
}

impl MetadataLog {
    /// Deletes snapshots that are too old, or with the log too large, and the records before the oldest that stays. The
    /// latest snapshot always stays.
    pub(crate) fn clean(&mut self, snapshots: &Snapshots, now_ms: i64) -> anyhow::Result<()> {
        self.clean_by_size(snapshots)?;
        self.clean_by_age(snapshots, now_ms)
    }

    fn clean_by_size(&mut self, snapshots: &Snapshots) -> anyhow::Result<()> {
        let Ok(most) = u64::try_from(self.retention.bytes) else { return Ok(()) };
        while let [_, (next, _), ..] = snapshots.all().as_slice() {
            let bytes = snapshots.all().iter().fold(self.log.size(), |sum, (_, size)| sum.saturating_add(*size));
            if bytes <= most || !self.delete_before(*next, snapshots)? {
                break;
            }
        }
        Ok(())
    }

    fn clean_by_age(&mut self, snapshots: &Snapshots, now_ms: i64) -> anyhow::Result<()> {
        if self.retention.ms < 0 {
            return Ok(());
        }
        while let [(first, _), (next, _), ..] = snapshots.all().as_slice() {
            let age = now_ms.saturating_sub(snapshots.last_contained_ms(*first)?);
            if age <= self.retention.ms || !self.delete_before(*next, snapshots)? {
                break;
            }
        }
        Ok(())
    }

    /// The records and snapshots before a snapshot; false if the log begins at it or behind it already.
    fn delete_before(&mut self, id: SnapshotId, snapshots: &Snapshots) -> anyhow::Result<bool> {
        if self.log.log_start_offset() >= id.end_offset {
            return Ok(false);
        }
        let removal = self.log.delete_records(id.end_offset)?;
        removal.run().context("cannot remove segments")?;
        let removed = snapshots.remove_before(id)?;
        info!(snapshots = removed.len(), "deleted the metadata before offset {}", id.end_offset);
        Ok(true)
    }
}
