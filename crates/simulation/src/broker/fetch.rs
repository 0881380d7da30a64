//! Fetches of followers: a leader answers them, a follower does what the answer says.

use super::{Act, Broker, FETCH_WAIT, Replica, Role};
use crate::message::{Body, FetchAnswer, Message};
use core::time::Duration;
use ottla_replication::Fetched;
use ottla_replication::follower::{self, LogView as _, Mend};

/// Records in one answer to a fetch.
const RECORDS_AT_A_TIME: usize = 8;

impl Broker {
    /// A follower's fetch.
    pub(super) fn serve(
        &mut self,
        from: i32,
        run: u64,
        (partition, broker_epoch, number, at): (i32, i64, u64, follower::FetchAt),
        now: Duration,
        acts: &mut Vec<Act>,
    ) {
        let Some(answer) = self.answer(from, partition, broker_epoch, at, now) else { return };
        let waits = matches!(&answer, FetchAnswer::Records { records, .. } if records.is_empty());
        let body = Body::Fetched { partition, number, leader_epoch: at.current_leader_epoch, answer };
        let message = Message { from: self.id, to: from, run, body };
        acts.push(if waits { Act::SendLater(message, FETCH_WAIT) } else { Act::Send(message) });
        self.lead(partition, now, acts);
    }

    fn answer(
        &mut self,
        from: i32,
        partition: i32,
        broker_epoch: i64,
        at: follower::FetchAt,
        now: Duration,
    ) -> Option<FetchAnswer> {
        let process = self.process.as_mut()?;
        let disk = self.disks.get_mut(&partition);
        let leader = process.replicas.get_mut(&partition).and_then(|replica| match &mut replica.role {
            Role::Leader { leader, .. } => Some(leader),
            Role::Follower { .. } => None,
        });
        let (Some(leader), Some(disk)) = (leader, disk) else {
            return Some(FetchAnswer::Refused);
        };
        if at.current_leader_epoch != leader.leader_epoch() {
            return Some(FetchAnswer::Refused);
        }
        if at.last_fetched_epoch >= 0 {
            match disk.end_offset_for_epoch(at.last_fetched_epoch) {
                None => return Some(FetchAnswer::OutOfRange { leader_end: disk.log_end_offset() }),
                Some((epoch, end)) if epoch < at.last_fetched_epoch || end < at.offset => {
                    return Some(FetchAnswer::Diverged(epoch, end));
                }
                Some(_) => {}
            }
        }
        if at.offset > disk.log_end_offset() {
            return Some(FetchAnswer::OutOfRange { leader_end: disk.log_end_offset() });
        }
        let fetch = Fetched { replica: from, broker_epoch, offset: at.offset, log_start_offset: at.log_start_offset };
        if leader.fetched(&fetch, process.image.cluster(), now).is_err() {
            return Some(FetchAnswer::Refused);
        }
        let records = disk.read(at.offset, RECORDS_AT_A_TIME);
        Some(FetchAnswer::Records { at: at.offset, records, high_watermark: leader.high_watermark() })
    }

    pub(super) fn fetched(
        &mut self,
        partition: i32,
        number: u64,
        leader_epoch: i32,
        answer: FetchAnswer,
        now: Duration,
        acts: &mut Vec<Act>,
    ) {
        let (Some(process), Some(disk)) = (&mut self.process, self.disks.get_mut(&partition)) else { return };
        let Some(Replica { role }) = process.replicas.get_mut(&partition) else { return };
        let Role::Follower { epoch, fetch, not_before, .. } = role else { return };
        if *epoch != leader_epoch || fetch.is_none_or(|(expected, _)| expected != number) {
            return;
        }
        *fetch = None;
        match answer {
            FetchAnswer::Records { at, records, high_watermark } => {
                if at != disk.log_end_offset() {
                    return;
                }
                if !disk.append_as_follower(&records) {
                    *not_before = now.saturating_add(FETCH_WAIT);
                }
                disk.set_high_watermark(disk.high_watermark().max(high_watermark.min(disk.log_end_offset())));
                if !records.is_empty() {
                    let (end, generation) = (disk.log_end_offset(), disk.generation);
                    acts.push(Act::Sync { partition, end, generation });
                }
            }
            FetchAnswer::Diverged(epoch, end) => {
                self.truncations += 1;
                let mend = follower::diverged((epoch, end), disk);
                if !disk.mend(mend) {
                    *not_before = now.saturating_add(FETCH_WAIT);
                }
            }
            FetchAnswer::OutOfRange { leader_end } => {
                let mend = follower::out_of_range(0, leader_end, disk);
                if !disk.mend(mend) || mend == Mend::Nothing {
                    *not_before = now.saturating_add(FETCH_WAIT);
                }
            }
            FetchAnswer::Refused => *not_before = now.saturating_add(FETCH_WAIT),
        }
        self.follow(partition, now, acts);
    }
}
