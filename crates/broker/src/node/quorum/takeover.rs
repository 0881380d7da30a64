//! A metadata log that Apache Kafka's controllers voted on becomes that of this program's.
//!
//! What each node has after its latest snapshot goes into the quorum's log with its epochs and offsets, so that by raft's rule
//! whoever has most of it is elected, as by Kafka's: all that was committed stays, and what was not is decided now. Until it is
//! committed anew the metadata log does not have it.

use crate::{metadata_log::MetadataLog, metadata_quorum};
use anyhow::{Context as _, ensure};
use ottla_quorum::{Founding, Inherited, Quorum, RocksStore, Role, SnapshotId, Voter};
use std::path::Path;
use tracing::info;

/// How the quorum begins, be it with nothing or with what others left.
pub(super) fn founding(
    voters: &[Voter],
    log: &MetadataLog,
    latest: Option<metadata_quorum::SnapshotId>,
) -> anyhow::Result<Founding> {
    let (voters, end) = (voters.to_vec(), log.end_offset());
    if end == 0 {
        return Ok(Founding { voters, epoch: log.epoch(), snapshot: SnapshotId::default(), inherited: Vec::new() });
    }
    ensure!(
        log.is_of_others()?,
        "the metadata log has records, and the quorum that is to go on with it has none: its folder was lost"
    );
    let snapshot = latest.map_or(SnapshotId::default(), |id| SnapshotId { end_offset: id.end_offset, epoch: id.epoch });
    let inherited = log.batches_from(snapshot.end_offset)?.into_iter().map(|batch| {
        let header = batch.header();
        let offsets =
            u32::try_from(header.next_offset() - header.base_offset).context("a batch has too many offsets")?;
        Ok(Inherited { epoch: header.partition_leader_epoch, offsets, data: batch.to_bytes() })
    });
    let inherited = inherited.collect::<anyhow::Result<Vec<_>>>()?;
    let epoch = log.epoch();
    info!("takes over a metadata log of Apache Kafka's controllers, up to offset {end}, of epoch {epoch}");
    // In the next epoch somebody may have voted already who has not written it down here.
    Ok(Founding { voters, epoch: epoch + 1, snapshot, inherited })
}

/// Where the metadata log must be cut, if others wrote it: what comes after is the quorum's to decide.
pub(super) fn committed(quorum: &Quorum<RocksStore>, log: &MetadataLog, folder: &Path) -> anyhow::Result<Option<i64>> {
    let status = quorum.status();
    if status.compacted_index == 0 || !log.is_of_others()? {
        return Ok(None);
    }
    let (Role::Leader { epoch } | Role::Follower { epoch, .. } | Role::Unattached { epoch }) = status.role;
    ensure!(
        log.epoch() < epoch,
        "Apache Kafka's controllers went on with the metadata log, in epoch {}, and this node's quorum knows of epoch {epoch}: to \
         take theirs over remove {} on each controller",
        log.epoch(),
        folder.display(),
    );
    Ok(Some(status.snapshot.end_offset).filter(|end| *end < log.end_offset()))
}
