//! What becomes durable: the high watermark moves, and who waits for that is told.

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

/// Nothing became durable that the log does not know of.
const NOTHING: i64 = i64::MIN;

/// The offset below which everything is to be durable, and who is told then.
type Waiting = (i64, oneshot::Sender<()>);

/// Producers that wait for records to be durable, and what the log is yet to be told of that.
#[derive(Debug)]
pub(super) struct Durability {
    /// By the offset they wait for. None once the log is gone.
    waiting: Mutex<Option<VecDeque<Waiting>>>,
    newly_durable: AtomicI64,
}

impl Default for Durability {
    fn default() -> Self {
        Self { waiting: Mutex::new(Some(VecDeque::new())), newly_durable: AtomicI64::new(NOTHING) }
    }
}

impl Durability {
    /// None if nothing will be durable any more.
    fn wait(&self, end: i64) -> Option<oneshot::Receiver<()>> {
        let (told, wait) = oneshot::channel();
        let mut waiting = self.waiting.lock();
        let waiting = waiting.as_mut()?;
        // Nearly always the last.
        let after = waiting.iter().rposition(|(other, _)| *other <= end).map_or(0, |before| before + 1);
        waiting.insert(after, (end, told));
        Some(wait)
    }

    fn tell(&self, high_watermark: i64) {
        let mut waiting = self.waiting.lock();
        let Some(waiting) = waiting.as_mut() else { return };
        while waiting.front().is_some_and(|(end, _)| *end <= high_watermark)
            && let Some((_, told)) = waiting.pop_front()
        {
            // Who waits no longer had its time.
            let _ = told.send(());
        }
    }

    /// Those who wait now wait in vain.
    fn fail(&self) {
        self.waiting.lock().as_mut().map(VecDeque::clear);
    }

    /// The log is gone.
    pub(super) fn close(&self) {
        *self.waiting.lock() = None;
    }
}

/// Records that were appended and will be durable.
#[must_use]
pub(crate) struct Durable {
    partition: Arc<Partition>,
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
        match told {
            true => Ok(()),
            false if self.partition.dir().is_offline() => Err(NotDurable::Offline),
            false => Err(NotDurable::Gone),
        }
    }
}

/// Why records that were appended will not be durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotDurable {
    /// The log dir failed.
    Offline,
    /// The topic was deleted.
    Gone,
}

impl Partition {
    /// Stands for what was appended below an offset becoming durable.
    pub(crate) fn durable(self: &Arc<Self>, end: i64) -> Durable {
        let wait = self.durability.wait(end);
        // It may have been in between.
        self.durability.tell(self.high_watermark());
        if self.dir().is_offline() {
            self.durability.fail();
        }
        Durable { partition: self.clone(), wait }
    }

    /// Runs `work` on the log as its owner.
    pub(crate) fn with_log<R>(&self, work: impl FnOnce(&mut Log) -> R) -> Result<R, Gone> {
        let done = self.log.lock().as_mut().map(work).ok_or(Gone);
        self.advance();
        done
    }

    /// Takes note that everything below an offset is durable. If somebody has the log, who may have to wait for the disk, it is
    /// told when that is done: others have their records durable meanwhile.
    pub(crate) fn committed(&self, end: i64) {
        match self.listener.get().and_then(Weak::upgrade) {
            None => {
                self.durability.newly_durable.fetch_max(end, Ordering::Relaxed);
                self.advance();
            }
            Some(listener) => {
                let advanced = self.log.lock().as_mut().map(|log| advance_to(log, end));
                let Some(high_watermark) = advanced else { return };
                self.tell(high_watermark);
                listener.committed(high_watermark);
            }
        }
    }

    /// Tells the log of what became durable, unless somebody has it.
    pub(super) fn advance(&self) {
        loop {
            // Either who gives the log back sees what is new here, or who brings that sees that the log was given back.
            fence(Ordering::SeqCst);
            if self.durability.newly_durable.load(Ordering::Relaxed) == NOTHING {
                return;
            }
            let Some(mut log) = self.log.try_lock() else { return };
            let end = self.durability.newly_durable.swap(NOTHING, Ordering::Relaxed);
            let Some(high_watermark) = log.as_mut().map(|log| advance_to(log, end)) else { return };
            drop(log);
            self.tell(high_watermark);
        }
    }

    pub(super) fn tell(&self, high_watermark: i64) {
        self.durability.tell(high_watermark);
        self.waiters.wake();
    }

    /// Takes note that nothing more will be durable.
    pub(crate) fn commits_failed(&self) {
        self.durability.fail();
        if let Some(listener) = self.listener.get().and_then(Weak::upgrade) {
            listener.failed();
        }
    }
}

/// What is said of the log dir where the log was before is old news.
fn advance_to(log: &mut Log, end: i64) -> i64 {
    log.set_high_watermark(end.max(log.high_watermark()))
}

#[cfg(test)]
mod tests {
    use super::Durability;
    use tokio::sync::oneshot::error::TryRecvError;

    #[test]
    fn who_waits_is_told_in_order_of_offsets_whatever_the_order_of_coming() {
        let durability = Durability::default();
        let mut waits = [20, 10, 30, 10].map(|end| durability.wait(end).expect("the log is there"));
        durability.tell(20);
        let told = waits.each_mut().map(|wait| wait.try_recv());
        assert_eq!(told, [Ok(()), Ok(()), Err(TryRecvError::Empty), Ok(())]);
    }

    #[test]
    fn a_failed_disk_and_a_deleted_log_leave_nobody_waiting() {
        let durability = Durability::default();
        let mut wait = durability.wait(10).expect("the log is there");
        durability.fail();
        assert_eq!(wait.try_recv(), Err(TryRecvError::Closed));
        let mut wait = durability.wait(10).expect("the log is there");
        durability.close();
        assert_eq!(wait.try_recv(), Err(TryRecvError::Closed));
        assert!(durability.wait(10).is_none(), "nothing more becomes durable");
    }
}
