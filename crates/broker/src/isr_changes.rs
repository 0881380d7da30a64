//! Asks the controller for the in-sync sets that leaders on this broker want (KIP-497).

use crate::{broker::Broker, partition::Partition};
use ottla_metadata::controller::{AlterPartition, AlteredPartitions, Event, IsrChange, IsrMember, Reply};
use ottla_protocol::ErrorCode;
use ottla_replication::Proposal;
use parking_lot::Mutex;
use std::{
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::sync::Notify;
use tracing::{info, warn};

/// How long to wait before the controller is asked again.
const RETRY: Duration = Duration::from_millis(50);
/// The most partitions in one request.
const MOST_AT_ONCE: usize = 1_000;

/// Partitions whose leaders may want another in-sync set.
#[derive(Default)]
pub(crate) struct IsrChanges {
    noted: Mutex<Vec<Weak<Partition>>>,
    added: Notify,
}

impl IsrChanges {
    /// Notes a partition.
    pub(crate) fn add(&self, partition: &Arc<Partition>) {
        self.noted.lock().push(Arc::downgrade(partition));
        self.added.notify_one();
    }

    fn take(&self) -> Vec<Arc<Partition>> {
        let mut noted = self.noted.lock();
        let count = noted.len().min(MOST_AT_ONCE);
        noted.drain(..count).filter_map(|partition| partition.upgrade()).collect()
    }
}

/// What one leader asks for.
type Wish = (Arc<Partition>, Proposal);

/// Runs until the broker stops.
pub(crate) async fn run(broker: Arc<Broker>) {
    let half_lag = broker.replicas.site().max_lag / 2;
    let mut ticks = tokio::time::interval(half_lag.max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let changes = &broker.replicas.site().isr_changes;
    loop {
        tokio::select! {
            biased;
            () = broker.stopping.cancelled() => return,
            () = changes.added.notified() => {}
            _ = ticks.tick() => broker.replicas.opened().iter().for_each(Partition::check_followers),
        }
        loop {
            let wishes: Vec<Wish> = changes.take().into_iter().filter_map(wish).collect();
            if wishes.is_empty() {
                break;
            }
            if !ask(&broker, wishes).await {
                tokio::select! {
                    biased;
                    () = broker.stopping.cancelled() => return,
                    () = tokio::time::sleep(RETRY) => {}
                }
            }
        }
    }
}

fn wish(partition: Arc<Partition>) -> Option<Wish> {
    let proposal = partition.proposal()?;
    Some((partition, proposal))
}

/// False if the controller did not answer, or is to be asked again.
async fn ask(broker: &Arc<Broker>, wishes: Vec<Wish>) -> bool {
    let broker_epoch = broker.epoch();
    let partitions = wishes.iter().map(|(partition, proposal)| change(broker, partition, proposal)).collect();
    let event = AlterPartition { broker_id: broker.node_id, broker_epoch, partitions };
    let answer = match broker.controller().submit(|ticket| Event::AlterPartition(ticket, event)).await {
        Ok(Reply::AlterPartition(Ok(answers))) if answers.len() == wishes.len() => Ok(answers),
        Ok(Reply::AlterPartition(Err(error))) => Err(error.code),
        Ok(_) => Err(ErrorCode::UnknownServerError),
        Err(_unavailable) => Err(ErrorCode::RequestTimedOut),
    };
    tell(broker, wishes, answer)
}

fn change(broker: &Broker, partition: &Partition, proposal: &Proposal) -> IsrChange {
    let epoch_of = |member: &IsrMember| match member.broker_id == broker.node_id {
        true => broker.epoch(),
        false => member.broker_epoch,
    };
    let isr = proposal.isr.iter().map(|member| IsrMember { broker_epoch: epoch_of(member), ..*member });
    IsrChange {
        topic_id: partition.topic_id,
        partition: partition.index,
        leader_epoch: proposal.leader_epoch,
        partition_epoch: proposal.partition_epoch,
        isr: isr.collect(),
        leader_recovery_state: 0,
    }
}

fn tell(broker: &Broker, wishes: Vec<Wish>, answer: Result<AlteredPartitions, ErrorCode>) -> bool {
    let answers = match answer {
        Ok(answers) => answers,
        Err(error) => {
            warn!(%error, "the controller does not change in-sync sets");
            wishes.iter().map(|_| Err(error)).collect()
        }
    };
    let mut done = true;
    for ((partition, proposal), answer) in wishes.into_iter().zip(answers) {
        if let Ok(now) = &answer {
            info!(%partition, isr = ?now.isr, "the in-sync set changed");
        }
        broker.metrics.replication.isr_answered(&proposal, answer.is_ok());
        partition.answered(&proposal, answer.as_ref().map_err(|code| *code));
        // What is to be asked again is.
        if partition.has_wish() {
            broker.replicas.site().isr_changes.add(&partition);
            done = false;
        }
    }
    done
}
