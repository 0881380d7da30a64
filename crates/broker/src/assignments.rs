//! Tells the controller which log dirs this broker's replicas are in, where it does not know (KIP-858).

use crate::{broker::Broker, replica::Replica};
use ottla_metadata::{
    MetadataVersion,
    controller::{AssignReplicas, Assignment, Event, Reply},
    image::Image,
};
use ottla_protocol::ErrorCode;
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::sync::Notify;
use tracing::{error, warn};

/// How long to wait before the controller is asked again.
const RETRY: Duration = Duration::from_secs(1);

/// Replicas of which the controller may not know the log dir.
#[derive(Default)]
pub(crate) struct Assignments {
    pending: Mutex<Vec<Weak<Replica>>>,
    added: Notify,
}

impl Assignments {
    /// Notes replicas that were made, found or moved.
    pub(crate) fn add(&self, replicas: impl IntoIterator<Item = Arc<Replica>>) {
        let before = {
            let mut pending = self.pending.lock();
            let before = pending.len();
            pending.extend(replicas.into_iter().map(|replica| Arc::downgrade(&replica)));
            pending.len() - before
        };
        if before > 0 {
            self.added.notify_one();
        }
    }

    /// What the controller is to be told. What it knows is forgotten.
    fn take(&self, image: &Image, node_id: i32) -> Vec<Assignment> {
        let pending = std::mem::take(&mut *self.pending.lock());
        if image.features().metadata_version().unwrap_or_default() < MetadataVersion::DIRECTORIES {
            return Vec::new();
        }
        let known = |assignment: &Assignment| {
            let topic = image.topics().by_id(&assignment.topic_id)?;
            topic.partitions.get(&assignment.partition)?.directory(node_id)
        };
        let all = pending.iter().filter_map(Weak::upgrade).map(|replica| {
            let assignment =
                Assignment { directory: replica.dir().id, topic_id: replica.topic_id, partition: replica.index };
            ((replica.topic_id, replica.index), assignment)
        });
        let latest: BTreeMap<_, _> = all.collect();
        latest.into_values().filter(|wanted| known(wanted).is_some_and(|known| known != wanted.directory)).collect()
    }
}

/// Runs until the broker stops.
pub(crate) async fn run(broker: Arc<Broker>) {
    let assignments = broker.replicas.assignments();
    loop {
        tokio::select! {
            biased;
            () = broker.stopping.cancelled() => return,
            () = assignments.added.notified() => {}
        }
        let partitions = assignments.pending.lock().clone();
        let wanted = assignments.take(&broker.image(), broker.node_id);
        if wanted.is_empty() || tell(&broker, wanted).await {
            continue;
        }
        tokio::select! {
            biased;
            () = broker.stopping.cancelled() => return,
            () = tokio::time::sleep(RETRY) => assignments.add(partitions.iter().filter_map(Weak::upgrade)),
        }
    }
}

async fn tell(broker: &Broker, assignments: Vec<Assignment>) -> bool {
    let event = AssignReplicas { broker_id: broker.node_id, broker_epoch: broker.epoch(), assignments };
    match broker.controller().submit(|ticket| Event::AssignReplicas(ticket, event)).await {
        Ok(Reply::AssignReplicas(Ok(codes))) => {
            // A topic that was deleted meanwhile needs no log dir.
            let refused = codes.iter().filter(|code| **code != ErrorCode::None).count();
            if refused > 0 {
                warn!(refused, "the controller does not take the log dirs of some replicas");
            }
            true
        }
        Ok(Reply::AssignReplicas(Err(refusal))) => {
            error!(%refusal, "the controller does not take the log dirs of replicas");
            false
        }
        Ok(_) | Err(_) => false,
    }
}
