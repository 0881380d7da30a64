//! What becomes durable here and committed: who waits for either is told, and the log hears of its high watermark.

use super::{Gone, Partition};
use ottla_storage::Log;
use parking_lot::Mutex;
use std::{
    collections::VecDeque,
    sync::{
        Arc, Weak,
        atomic::{AtomicI64, Ordering, fence},
    },
};
use tokio::sync::oneshot;

/// Nothing was committed that the log does not know of.
const NOTHING: i64 = i64::MIN;

/// Who waits, by the offset below which everything is to be as they wish.
#[derive(Debug, Default)]
struct Queue(VecDeque<(i64, oneshot::Sender<()>)>);

impl Queue {
    fn add(&mut self, end: i64) -> oneshot::Receiver<()> {
        let (told, wait) = oneshot::channel();
        // Nearly always the last.
        let after = self.0.iter().rposition(|(other, _)| *other <= end).map_or(0, |before| before + 1);
        self.0.insert(after, (end, told));
        wait
    }

    fn tell(&mut self, offset: i64) {
        while let Some((_, told)) = self.0.pop_front_if(|(end, _)| *end <= offset) {
            // Who waits no longer had its time.
            let _ = told.send(());
        }
    }
}

/// Those who wait for a log.
#[derive(Debug, Default)]
struct Waiting {
    /// For records to be durable here.
    synced: Queue,
    /// For records to be committed.
    committed: Queue,
}

/// What a record that was appended is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// Durable on this broker.
    Synced,
    /// Durable on all brokers in sync.
    Committed,
}

/// Who waits for records of a log, and what it is yet to be told itself.
#[derive(Debug)]
pub(super) struct Durability {
    /// None once the log is gone.
    waiting: Mutex<Option<Waiting>>,
    newly_committed: AtomicI64,
}

impl Default for Durability {
    fn default() -> Self {
        Self { waiting: Mutex::new(Some(Waiting::default())), newly_committed: AtomicI64::new(NOTHING) }
    }
}

impl Durability {
    /// None if nothing will be durable any more.
    fn wait(&self, end: i64, until: Until) -> Option<oneshot::Receiver<()>> {
        let mut waiting = self.waiting.lock();
        let waiting = waiting.as_mut()?;
        Some(match until {
            Until::Synced => waiting.synced.add(end),
            Until::Committed => waiting.committed.add(end),
        })
    }

    fn tell(&self, high_watermark: i64) {
        if let Some(waiting) = self.waiting.lock().as_mut() {
            waiting.committed.tell(high_watermark);
        }
    }

    pub(super) fn tell_synced(&self, end: i64) {
        if let Some(waiting) = self.waiting.lock().as_mut() {
            waiting.synced.tell(end);
        }
    }

    /// Those who wait now wait in vain.
    fn fail(&self) {
        if let Some(waiting) = self.waiting.lock().as_mut() {
            *waiting = Waiting::default();
        }
    }

    /// Those who wait for commits wait in vain.
    fn fail_commits(&self) {
        if let Some(waiting) = self.waiting.lock().as_mut() {
            waiting.committed = Queue::default();
        }
    }

    /// The log is gone.
    pub(super) fn close(&self) {
        *self.waiting.lock() = None;
    }
}

/// Records that were appended and will be what their producer asks for.
#[must_use]
pub(crate) struct Durable {
    partition: Arc<Partition>,
    end: i64,
    until: Until,
    /// None where they will not be.
    wait: Option<oneshot::Receiver<()>>,
}

impl Durable {
    /// Waits until they are.
    pub(crate) async fn wait(self) -> Result<(), NotDurable> {
        let told = match self.wait {
            Some(wait) => wait.await.is_ok(),
            None => false,
        };
        match (told, self.until) {
            (true, Until::Synced) => Ok(()),
            (true, Until::Committed) => self.partition.admission(self.end),
            (false, _) if self.partition.dir().is_offline() => Err(NotDurable::Offline),
            (false, _) => Err(NotDurable::Gone),
        }
    }
}

/// Why records that were appended will not be durable, or nobody here knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotDurable {
    /// The log dir failed.
    Offline,
    /// The topic was deleted, or another broker leads the partition now.
    Gone,
    /// They are on all brokers in sync, which are fewer than `min.insync.replicas` now.
    TooFewInSync,
}

impl Partition {
    /// Stands for what was appended below an offset being durable, or committed.
    pub(crate) fn durable(self: &Arc<Self>, end: i64, until: Until) -> Durable {
        let wait = self.durability.wait(end, until);
        // It may have been in between.
        match until {
            Until::Synced => self.durability.tell_synced(self.synced()),
            Until::Committed => self.durability.tell(self.high_watermark()),
        }
        if self.dir().is_offline() {
            self.durability.fail();
        }
        if until == Until::Committed && !self.is_leader() {
            self.durability.fail_commits();
        }
        Durable { partition: self.clone(), end, until, wait }
    }

    /// Everything below is durable here.
    pub(crate) fn synced(&self) -> i64 {
        self.synced.load(Ordering::Acquire)
    }

    /// Runs `work` on the log as its owner.
    pub(crate) fn with_log<R>(&self, work: impl FnOnce(&mut Log) -> R) -> Result<R, Gone> {
        let done = self.log.lock().as_mut().map(work).ok_or(Gone);
        self.advance();
        done
    }

    /// Takes note of a new high watermark. If somebody has the log, who may have to wait for the disk, it is told when that is
    /// done: others have their records committed meanwhile.
    pub(super) fn raise(&self, high_watermark: i64) {
        match self.listener() {
            None => {
                self.durability.newly_committed.fetch_max(high_watermark, Ordering::Relaxed);
                self.advance();
            }
            Some(listener) => {
                let advanced = self.log.lock().as_mut().map(|log| advance_to(log, high_watermark));
                let Some(high_watermark) = advanced else { return };
                self.tell(high_watermark);
                listener.committed(high_watermark);
            }
        }
    }

    /// Tells the log of its new high watermark, unless somebody has it.
    pub(super) fn advance(&self) {
        loop {
            // Either who gives the log back sees what is new here, or who brings that sees that the log was given back.
            fence(Ordering::SeqCst);
            if self.durability.newly_committed.load(Ordering::Relaxed) == NOTHING {
                return;
            }
            let Some(mut log) = self.log.try_lock() else { return };
            let end = self.durability.newly_committed.swap(NOTHING, Ordering::Relaxed);
            let Some(high_watermark) = log.as_mut().map(|log| advance_to(log, end)) else { return };
            drop(log);
            self.tell(high_watermark);
        }
    }

    pub(super) fn tell(&self, high_watermark: i64) {
        self.durability.tell(high_watermark);
        self.waiters.wake();
    }

    /// Who waits for commits is told that another broker leads, and readers that they are to look again.
    pub(super) fn lost_leadership(&self) {
        self.durability.fail_commits();
        self.waiters.wake();
        self.appends.wake();
    }

    /// Takes note that nothing more will be durable.
    pub(crate) fn commits_failed(&self) {
        self.durability.fail();
        if let Some(listener) = self.listener() {
            listener.failed();
        }
    }

    fn listener(&self) -> Option<Arc<dyn super::CommitListener>> {
        self.listener.lock().as_ref().and_then(Weak::upgrade)
    }
}

/// What is said of the log dir where the log was before is old news.
fn advance_to(log: &mut Log, end: i64) -> i64 {
    log.set_high_watermark(end.max(log.high_watermark()))
}

#[cfg(test)]
mod tests {
    use super::{Durability, Until};
    use tokio::sync::oneshot::error::TryRecvError;

    #[test]
    fn who_waits_is_told_in_order_of_offsets_whatever_the_order_of_coming() {
        let durability = Durability::default();
        let mut waits = [20, 10, 30, 10].map(|end| durability.wait(end, Until::Committed).expect("the log is there"));
        durability.tell(20);
        let told = waits.each_mut().map(|wait| wait.try_recv());
        assert_eq!(told, [Ok(()), Ok(()), Err(TryRecvError::Empty), Ok(())]);
    }

    #[test]
    fn what_is_durable_here_is_not_committed_for_that() {
        let durability = Durability::default();
        let mut waits = [Until::Synced, Until::Committed].map(|until| durability.wait(10, until).expect("it is there"));
        durability.tell_synced(10);
        let told = waits.each_mut().map(|wait| wait.try_recv());
        assert_eq!(told, [Ok(()), Err(TryRecvError::Empty)]);
        durability.fail_commits();
        assert_eq!(waits[1].try_recv(), Err(TryRecvError::Closed));
    }

    #[test]
    fn a_failed_disk_and_a_deleted_log_leave_nobody_waiting() {
        let durability = Durability::default();
        let mut wait = durability.wait(10, Until::Synced).expect("the log is there");
        durability.fail();
        assert_eq!(wait.try_recv(), Err(TryRecvError::Closed));
        let mut wait = durability.wait(10, Until::Committed).expect("the log is there");
        durability.close();
        assert_eq!(wait.try_recv(), Err(TryRecvError::Closed));
        assert!(durability.wait(10, Until::Committed).is_none(), "nothing more becomes durable");
    }
}
