//! What a follower does to its log: it appends what its leader has, and cuts off what its leader has not.

use super::{Durable, Gone, Partition, Until, append_failed};
use crate::{clock::wall_ms, dir::Dir};
use ottla_metadata::topic_name;
use ottla_protocol::batch::CheckedBatches;
use ottla_replication::follower::{self, FetchAt, LogView, Mend};
use ottla_storage::{Log, OpenError};
use std::sync::{Arc, atomic::Ordering};

/// Why a follower's log was not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MirrorError {
    /// The leader is another one now, or leads in another epoch: what it sent is of no use.
    #[error("another leader is followed now")]
    NotFollowed,
    #[error(transparent)]
    Gone(#[from] Gone),
    #[error("the log dir is offline")]
    Offline,
    #[error("the log dir is short of room")]
    NoRoom,
    #[error("the leader sent what is no batch: {0}")]
    Malformed(#[from] ottla_protocol::batch::Error),
    #[error(transparent)]
    Append(#[from] super::AppendError),
    #[error(transparent)]
    Log(#[from] OpenError),
}

impl MirrorError {
    /// Whether there is no room, which is said of the log dir.
    pub(crate) fn is_full(&self) -> bool {
        match self {
            Self::Append(super::AppendError::Log(error)) => matches!(error, ottla_storage::AppendError::DiskFull(_)),
            Self::Log(error) => error.is_full(),
            Self::NoRoom => true,
            _ => false,
        }
    }
}

/// A log as the rules of following see it.
struct View<'a>(&'a Log);

impl LogView for View<'_> {
    fn log_start_offset(&self) -> i64 {
        self.0.log_start_offset()
    }

    fn log_end_offset(&self) -> i64 {
        self.0.log_end_offset()
    }

    fn last_epoch(&self) -> Option<i32> {
        self.0.latest_epoch()
    }

    fn end_offset_for_epoch(&self, epoch: i32) -> Option<(i32, i64)> {
        self.0.end_offset_for_epoch(epoch).map(|end| (end.epoch, end.end_offset))
    }
}

/// Whom a follower follows, and in which epoch.
pub(crate) type Followed = (i32, i32);

/// What a leader sent of a partition, besides records.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LeaderOffsets {
    pub(crate) high_watermark: i64,
    pub(crate) log_start_offset: i64,
}

impl Partition {
    /// Where to fetch next.
    pub(crate) fn fetch_at(&self, followed: Followed) -> Result<FetchAt, MirrorError> {
        self.with_log(|log| {
            self.check_followed(followed)?;
            Ok(follower::fetch_at(followed.1, &View(log)))
        })?
    }

    /// The log is held, so that does not change meanwhile.
    fn check_followed(&self, followed: Followed) -> Result<(), MirrorError> {
        match self.followed() == Some(followed) {
            true => Ok(()),
            false => Err(MirrorError::NotFollowed),
        }
    }

    /// Whether the log is empty and ends within a batch that begins at an offset: records are deleted up to any offset (KIP-107),
    /// and batches are sent whole.
    pub(crate) fn ends_within(&self, first: i64) -> bool {
        let offsets = self.reader().offsets();
        first < offsets.log_end_offset && offsets.log_start_offset == offsets.log_end_offset
    }

    /// Appends what the leader sent for a fetch at an offset, and takes in how far it says that all is committed. Answers
    /// whether anything was appended.
    pub(crate) fn mirror(
        &self,
        followed: Followed,
        at: i64,
        batches: Option<CheckedBatches>,
        leader: LeaderOffsets,
    ) -> Result<bool, MirrorError> {
        self.mirror_with(leader, |log, dir| {
            self.check_followed(followed)?;
            if log.log_end_offset() != at {
                return Err(MirrorError::NotFollowed);
            }
            match batches {
                Some(batches) => self.append_mirrored(log, dir, followed, batches),
                None => Ok(false),
            }
        })
    }

    /// The same for an empty log that ends within the first batch: it begins anew where that does, and still starts where it did.
    /// As for [`Self::mend`] all must be durable.
    pub(crate) fn mirror_from(
        &self,
        followed: Followed,
        first: i64,
        batches: CheckedBatches,
        leader: LeaderOffsets,
    ) -> Result<bool, MirrorError> {
        self.mirror_with(leader, |log, dir| {
            self.check_followed(followed)?;
            let start = log.log_start_offset();
            if log.log_end_offset() != start {
                return Err(MirrorError::NotFollowed);
            }
            let begun = log.truncate_fully_and_start_at(first, Some(start), wall_ms());
            self.synced.store(log.log_end_offset(), Ordering::Release);
            begun.inspect_err(|error| dir.fail(error))?;
            self.append_mirrored(log, dir, followed, batches)
        })
    }

    fn append_mirrored(
        &self,
        log: &mut Log,
        dir: &Dir,
        followed: Followed,
        batches: CheckedBatches,
    ) -> Result<bool, MirrorError> {
        // Offsets and transactions are few, and nobody can go on without them.
        if dir.room.is_scarce() && !topic_name::is_internal(&self.topic) {
            return Err(MirrorError::NoRoom);
        }
        let appended = log.append_as_follower(batches, followed.1, wall_ms());
        let appended = appended.map_err(|error| append_failed(dir, error))?.is_some();
        self.appended(log, dir.commits().is_none());
        Ok(appended)
    }

    fn mirror_with(
        &self,
        leader: LeaderOffsets,
        append: impl FnOnce(&mut Log, &Dir) -> Result<bool, MirrorError>,
    ) -> Result<bool, MirrorError> {
        let dir = self.dir();
        if dir.is_offline() {
            return Err(MirrorError::Offline);
        }
        let (appended, grown) = self.with_log(|log| {
            let appended = append(log, &dir)?;
            self.lag.store((leader.high_watermark - log.log_end_offset()).max(0), Ordering::Relaxed);
            let before = log.high_watermark();
            let high_watermark = log.set_high_watermark(leader.high_watermark.min(log.log_end_offset()).max(before));
            let start = leader.log_start_offset.min(high_watermark);
            if start > log.log_start_offset()
                && let Err(error) = log.advance_log_start_offset(start)
            {
                dir.fail(&error);
                return Err(MirrorError::Offline);
            }
            Ok((appended, high_watermark > before))
        })??;
        if grown {
            self.waiters.wake();
        }
        Ok(appended)
    }

    /// Offsets that it lacks of what its leader says is committed; none if it does not follow.
    pub(crate) fn lag(&self) -> i64 {
        self.followed().map_or(0, |_| self.lag.load(Ordering::Relaxed))
    }

    /// What to do to the log before the next fetch, if the leader's history parts from its own.
    pub(crate) fn mend_diverged(&self, followed: Followed, leader_end: (i32, i64)) -> Result<Mend, MirrorError> {
        self.with_log(|log| {
            self.check_followed(followed)?;
            Ok(follower::diverged(leader_end, &View(log)))
        })?
    }

    /// The same if the leader has nothing where it was asked.
    pub(crate) fn mend_out_of_range(&self, followed: Followed, start: i64, end: i64) -> Result<Mend, MirrorError> {
        self.with_log(|log| {
            self.check_followed(followed)?;
            Ok(follower::out_of_range(start, end, &View(log)))
        })?
    }

    /// Stands for all that is in the log being durable.
    pub(crate) fn all_durable(self: &Arc<Self>) -> Durable {
        self.durable(self.log_end_offset(), Until::Synced)
    }

    /// Whether a cut at an offset takes away what a checkpoint says is flushed.
    pub(crate) fn is_flushed_above(&self, offset: i64) -> bool {
        self.with_log(|log| log.recovery_point() > offset).unwrap_or(false)
    }

    /// Does it. All that is in the log must be durable: what becomes so later would be taken for what comes in its place.
    pub(crate) fn mend(&self, followed: Followed, mend: Mend) -> Result<(), MirrorError> {
        let dir = self.dir();
        self.with_log(|log| {
            self.check_followed(followed)?;
            let mended = match mend {
                Mend::TruncateTo(offset) => log.truncate_to(offset, wall_ms()).map(drop),
                Mend::StartAt(offset) => log.truncate_fully_and_start_at(offset, None, wall_ms()),
                Mend::Nothing => Ok(()),
            };
            self.synced.store(log.log_end_offset(), Ordering::Release);
            // The log takes nothing more then, unless it was for want of room, which is waited for.
            Ok(mended.inspect_err(|error| {
                if !error.is_full() {
                    dir.fail(error)
                }
            })?)
        })?
    }
}
