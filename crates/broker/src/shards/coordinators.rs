//! All coordinators of a kind that this broker has: one for each partition of their topic that it leads.

use super::{News, ShardDriver, Stored, serve};
use crate::{partition::Partition, replica::Replica, replicas::Changes};
use ottla_protocol::ErrorCode;
use ottla_state_machine::Ticket;
use parking_lot::Mutex;
use serve::{Served, run};
use std::{collections::BTreeMap, sync::Arc};
use tokio::{runtime::Handle, sync::Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Partitions whose logs are read at a time: a broker that starts loads all it has.
const LOADS_AT_A_TIME: usize = 4;

/// The coordinators, by partition.
pub(crate) struct Coordinators<M: Stored> {
    topic: &'static str,
    stopping: CancellationToken,
    served: Mutex<BTreeMap<i32, Arc<Served<M>>>>,
    /// Led, but there was no room to open the log.
    unopened: Mutex<Vec<Arc<Replica>>>,
    loads: Arc<Semaphore>,
    /// Changes of the metadata come on a thread that is none of the runtime's.
    runtime: Handle,
    tasks: TaskTracker,
}

impl<M: Stored> Coordinators<M> {
    /// None yet. To be called where the runtime is.
    pub(crate) fn new(topic: &'static str, stopping: CancellationToken) -> Self {
        Self {
            topic,
            stopping,
            served: Mutex::default(),
            unopened: Mutex::default(),
            loads: Arc::new(Semaphore::new(LOADS_AT_A_TIME)),
            runtime: Handle::current(),
            tasks: TaskTracker::new(),
        }
    }

    /// Begins and ends to coordinate as this broker leads partitions. `begin` makes the driver of one, and what it is to know.
    pub(crate) fn follow<N: News<M>>(
        &self,
        changes: &Changes,
        begin: impl Fn(Arc<Partition>) -> (Arc<ShardDriver<M>>, N),
    ) {
        let lost = changes.removed.iter().chain(&changes.resigned).filter(|replica| replica.topic == self.topic);
        lost.filter_map(|replica| replica.opened()).for_each(|partition| self.remove(partition));
        for replica in changes.led.iter().filter(|replica| replica.topic == self.topic) {
            let Some(partition) = replica.opened() else {
                self.unopened.lock().extend(replica.may_open().then(|| replica.clone()));
                continue;
            };
            let (shard, news) = begin(partition.clone());
            self.add(partition.index, shard, news);
        }
    }

    /// Takes out those that this broker leads and whose log could not be opened, to be tried again.
    pub(crate) fn take_unopened(&self) -> Vec<Arc<Replica>> {
        std::mem::take(&mut *self.unopened.lock()).into_iter().filter(|replica| replica.is_led()).collect()
    }

    /// Coordinates what belongs to a partition, once its log is read.
    fn add(&self, index: i32, shard: Arc<ShardDriver<M>>, news: impl News<M>) {
        let served = Arc::new(Served::new(shard, self.stopping.child_token()));
        let before = self.served.lock().insert(index, served.clone());
        if let Some(before) = before {
            before.stop();
        }
        self.tasks.spawn_on(run(served, news, self.loads.clone()), &self.runtime);
    }

    /// Leaves what belongs to a partition to others.
    fn remove(&self, partition: &Arc<Partition>) {
        let mut all = self.served.lock();
        let same = |served: &Arc<Served<M>>| Arc::ptr_eq(&served.shard.partition, partition);
        if all.get(&partition.index).is_some_and(same)
            && let Some(served) = all.remove(&partition.index)
        {
            served.stop();
        }
    }

    /// Tells all. An append may need the runtime's threads and takes its time, so it is done there.
    pub(crate) fn tell_all(&self, event: &M::Event) {
        for served in self.served.lock().values() {
            let (served, event) = (served.clone(), event.clone());
            self.tasks.spawn_on(async move { served.tell(event) }, &self.runtime);
        }
    }

    /// Does something beside them until the broker begins to stop.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn_on(work, &self.runtime);
    }

    /// Every coordinator, by partition.
    pub(crate) fn all(&self) -> Vec<Arc<ShardDriver<M>>> {
        self.served.lock().values().map(|served| served.shard.clone()).collect()
    }

    /// What each coordinator that serves answers.
    pub(crate) async fn ask_all(&self, event: impl Fn(Ticket) -> M::Event) -> Vec<M::Reply> {
        let mut replies = Vec::new();
        for shard in self.all() {
            replies.extend(shard.submit(&event).await);
        }
        replies
    }

    /// The coordinator of a partition.
    pub(crate) fn shard(&self, partition: i32) -> Result<Arc<ShardDriver<M>>, ErrorCode> {
        let all = self.served.lock();
        all.get(&partition).map(|served| served.shard.clone()).ok_or(ErrorCode::NotCoordinator)
    }

    /// Waits until no coordinator writes any more; they end by themselves when the broker begins to stop.
    pub(crate) async fn stopped(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}
