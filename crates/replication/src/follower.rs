//! A follower of a partition: where it fetches, and how it comes to agree with its leader (KIP-101, KIP-279, KIP-320, KIP-595).

/// What a follower must know of its log.
pub trait LogView {
    /// Where it starts.
    fn log_start_offset(&self) -> i64;
    /// Where it ends.
    fn log_end_offset(&self) -> i64;
    /// Its latest epoch, which may have begun at its end, with no record yet.
    fn last_epoch(&self) -> Option<i32>;
    /// The largest epoch it has that is not above the one asked for, and where that ends; if all are above, the one asked for,
    /// and where the first begins. None if all are below, or there is none: as OffsetForLeaderEpoch is answered.
    fn end_offset_for_epoch(&self, epoch: i32) -> Option<(i32, i64)>;
}

/// Where a follower fetches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchAt {
    /// The epoch of the leader, which refuses others.
    pub current_leader_epoch: i32,
    /// The offset: all below is in the log, and durable.
    pub offset: i64,
    /// The latest epoch, by which the leader tells whether it has the same history; -1 in an empty log.
    pub last_fetched_epoch: i32,
    /// Where the log starts.
    pub log_start_offset: i64,
}

/// Where to go on from.
pub fn fetch_at(leader_epoch: i32, log: &impl LogView) -> FetchAt {
    FetchAt {
        current_leader_epoch: leader_epoch,
        offset: log.log_end_offset(),
        last_fetched_epoch: log.last_epoch().unwrap_or(-1),
        log_start_offset: log.log_start_offset(),
    }
}

/// What to do to the log before the next fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mend {
    /// Cut it there.
    TruncateTo(i64),
    /// Drop all of it and begin there.
    StartAt(i64),
    /// Nothing.
    Nothing,
}

/// The leader's history parts from this log's: the largest epoch that the leader has and that is not above the last one here
/// is `epoch`, and ends there at `end_offset`.
///
/// One answer may not find where they part, but the log ends in an earlier epoch after each, so that some answer does.
pub fn diverged((epoch, end_offset): (i32, i64), log: &impl LogView) -> Mend {
    let end = log.log_end_offset();
    let agreed = match log.end_offset_for_epoch(epoch) {
        // Both have the epoch: they agree where it ends in the log that has less of it.
        Some((own, own_end)) if own == epoch => own_end.min(end_offset),
        // The leader has an epoch that is not here: what comes after the one before it is not the leader's.
        Some((_, own_end)) => own_end,
        None => end_offset,
    };
    // Even where nothing is to be cut: an epoch may have begun here without a record.
    Mend::TruncateTo(agreed.min(end))
}

/// The leader's log starts above where this one ends, or ends below it in a history that it cannot tell of.
pub fn out_of_range(leader_start: i64, leader_end: i64, log: &impl LogView) -> Mend {
    let end = log.log_end_offset();
    match end {
        end if leader_end < end => Mend::TruncateTo(leader_end),
        end if leader_start > end => Mend::StartAt(leader_start),
        _ => Mend::Nothing,
    }
}

#[cfg(test)]
mod tests;
