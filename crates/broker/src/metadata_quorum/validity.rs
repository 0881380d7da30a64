//! Whether a follower's log is the beginning of the leader's (KIP-595, KIP-630).

use super::SnapshotId;
use ottla_storage::EpochEndOffset;

/// What a follower must do before it may read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Validity {
    /// Nothing.
    Valid,
    /// Truncate to where its log and the leader's part.
    Diverging(EpochEndOffset),
    /// Fetch a snapshot: what follows its log was deleted here.
    Snapshot(SnapshotId),
}

/// The leader's log.
pub(super) struct LogView {
    pub(super) log_start_offset: i64,
    pub(super) log_end_offset: i64,
    pub(super) latest_epoch: i32,
    pub(super) earliest_snapshot: Option<SnapshotId>,
    pub(super) latest_snapshot: Option<SnapshotId>,
}

impl LogView {
    /// `end_of` tells where an epoch ends, or the last one before it.
    pub(super) fn validate(
        &self,
        offset: i64,
        epoch: i32,
        end_of: impl FnOnce(i32) -> Option<EpochEndOffset>,
    ) -> Validity {
        // To an empty log a snapshot is quicker than the records; that of the bootstrap is in the log.
        if let Some(snapshot) = self.latest_snapshot.filter(|id| offset == 0 && *id != SnapshotId::BOOTSTRAP) {
            return Validity::Snapshot(snapshot);
        }
        if self.log_start_offset == 0 && offset == 0 {
            return Validity::Valid;
        }
        if let (Some(earliest), Some(latest)) = (self.earliest_snapshot, self.latest_snapshot) {
            let other_epoch = offset == self.log_start_offset && epoch != earliest.epoch;
            if offset < self.log_start_offset || other_epoch || epoch < earliest.epoch {
                return Validity::Snapshot(latest);
            }
        }
        let end = self.end(epoch, end_of(epoch));
        match end.epoch != epoch || end.end_offset < offset {
            true => Validity::Diverging(end),
            false => Validity::Valid,
        }
    }

    fn end(&self, epoch: i32, found: Option<EpochEndOffset>) -> EpochEndOffset {
        let Some(found) = found else {
            return EpochEndOffset { epoch: self.latest_epoch, end_offset: self.log_end_offset };
        };
        match self.earliest_snapshot {
            // The log begins behind the snapshot, so only that knows the epoch of what came before.
            Some(earliest) if found.end_offset == earliest.end_offset && found.epoch == epoch => {
                EpochEndOffset { epoch: earliest.epoch, ..found }
            }
            _ => found,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(end_offset: i64, epoch: i32) -> SnapshotId {
        SnapshotId { end_offset, epoch }
    }

    /// Epochs 2 and 4 begin at 0 and at 50; the log ends at 100.
    fn log(log_start_offset: i64, snapshots: &[SnapshotId]) -> LogView {
        let (earliest_snapshot, latest_snapshot) = (snapshots.first().copied(), snapshots.last().copied());
        LogView { log_start_offset, log_end_offset: 100, latest_epoch: 4, earliest_snapshot, latest_snapshot }
    }

    fn end_of(epoch: i32) -> Option<EpochEndOffset> {
        match epoch {
            0 | 1 => Some(EpochEndOffset { epoch, end_offset: 0 }),
            2 | 3 => Some(EpochEndOffset { epoch: 2, end_offset: 50 }),
            4 => Some(EpochEndOffset { epoch: 4, end_offset: 100 }),
            _ => None,
        }
    }

    fn diverging(epoch: i32, end_offset: i64) -> Validity {
        Validity::Diverging(EpochEndOffset { epoch, end_offset })
    }

    #[test]
    fn a_beginning_of_the_log_is_valid_and_other_records_are_not() {
        let log = log(0, &[id(0, 0)]);
        let validate = |offset, epoch| log.validate(offset, epoch, end_of);
        assert_eq!(validate(0, 0), Validity::Valid);
        assert_eq!(validate(50, 2), Validity::Valid);
        assert_eq!(validate(51, 2), diverging(2, 50));
        assert_eq!(validate(60, 3), diverging(2, 50));
        assert_eq!(validate(100, 4), Validity::Valid);
        assert_eq!(validate(101, 4), diverging(4, 100));
        assert_eq!(validate(10, 9), diverging(4, 100));
    }

    #[test]
    fn what_was_deleted_is_in_the_latest_snapshot() {
        let log = log(30, &[id(30, 2), id(70, 4)]);
        let validate = |offset, epoch| log.validate(offset, epoch, end_of);
        let snapshot = Validity::Snapshot(id(70, 4));
        assert_eq!(validate(0, 0), snapshot);
        assert_eq!(validate(29, 2), snapshot);
        assert_eq!(validate(30, 4), snapshot, "the snapshot at the start is of another epoch");
        assert_eq!(validate(40, 1), snapshot);
        assert_eq!(validate(30, 2), Validity::Valid);
        assert_eq!(validate(80, 4), Validity::Valid);
    }

    #[test]
    fn an_empty_log_gets_a_snapshot_though_the_records_are_there() {
        assert_eq!(log(0, &[id(0, 0), id(70, 4)]).validate(0, 0, end_of), Validity::Snapshot(id(70, 4)));
        assert_eq!(log(0, &[]).validate(0, 0, end_of), Validity::Valid);
    }
}
