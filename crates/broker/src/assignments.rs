//! Tells the controller which log dirs this broker's replicas are in, where it does not know (KIP-858).
//!
//! Where a log dir is short of room it is told another thing ([`directory_to_tell`]), so that others lead.

use crate::{broker::Broker, replica::Replica};
use ottla_metadata::{
    MetadataVersion,
    controller::{AssignReplicas, Assignment, Event, Reply},
    image::{DIRECTORY_LOST, Image},
};
use ottla_protocol::{ErrorCode, Uuid};
use ottla_replication::directory_to_tell;
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::sync::Notify;
use tracing::{error, info, warn};

/// How long to wait before the controller is told again what it does not know.
const RETRY: Duration = Duration::from_secs(1);

/// Replicas of which the controller may not know the log dir.
#[derive(Default)]
pub(crate) struct Assignments {
    /// By topic and number.
    pending: Mutex<BTreeMap<(Uuid, i32), Weak<Replica>>>,
    added: Notify,
}

impl Assignments {
    /// Notes replicas that were made, found or moved, or whose log dir has become short of room or is no longer.
    pub(crate) fn add(&self, replicas: impl IntoIterator<Item = Arc<Replica>>) {
        let pending = |replica: Arc<Replica>| ((replica.topic_id, replica.index), Arc::downgrade(&replica));
        let added: Vec<_> = replicas.into_iter().map(pending).collect();
        if !added.is_empty() {
            self.pending.lock().extend(added);
            self.added.notify_one();
        }
    }

    /// What the controller is to be told. What it knows is forgotten.
    fn wanted(&self, image: &Image, node_id: i32) -> Vec<Assignment> {
        let mut pending = self.pending.lock();
        if image.features().metadata_version().unwrap_or_default() < MetadataVersion::DIRECTORIES {
            pending.clear();
        }
        let mut wanted = Vec::new();
        pending.retain(|(topic_id, partition), replica| {
            let (topic_id, partition) = (*topic_id, *partition);
            let directory = || {
                let replica = replica.upgrade()?;
                let dir = replica.dir();
                let state = image.topics().by_id(&topic_id)?.partitions.get(&partition)?;
                let may_hand_over = !replica.settings().topic.unclean_leader_election_enable;
                directory_to_tell(dir.id, dir.room.is_short() && may_hand_over, state, image.cluster(), node_id)
            };
            let directory = directory();
            wanted.extend(directory.map(|directory| Assignment { directory, topic_id, partition }));
            directory.is_some()
        });
        wanted
    }
}

/// Runs until the broker stops.
pub(crate) async fn run(broker: Arc<Broker>) {
    let assignments = broker.replicas.assignments();
    let mut told = false;
    loop {
        tokio::select! {
            biased;
            () = broker.stopping.cancelled() => return,
            () = assignments.added.notified() => {}
            () = tokio::time::sleep(RETRY), if told => {}
        }
        let wanted = assignments.wanted(&broker.image(), broker.node_id);
        told = !wanted.is_empty();
        if told {
            tell(&broker, wanted).await;
        }
    }
}

async fn tell(broker: &Broker, assignments: Vec<Assignment>) {
    let handed_over = assignments.iter().filter(|each| each.directory == DIRECTORY_LOST).count();
    let event = AssignReplicas { broker_id: broker.node_id, broker_epoch: broker.epoch(), assignments };
    match broker.controller().submit(|ticket| Event::AssignReplicas(ticket, event)).await {
        Ok(Reply::AssignReplicas(Ok(codes))) => {
            // A topic that was deleted meanwhile needs no log dir.
            let refused = codes.iter().filter(|code| **code != ErrorCode::None).count();
            if refused > 0 {
                warn!(refused, "the controller does not take the log dirs of some replicas");
            }
            if handed_over > 0 {
                info!(partitions = handed_over, "others lead what is in log dirs that are short of room");
            }
        }
        Ok(Reply::AssignReplicas(Err(refusal))) => {
            error!(%refusal, "the controller does not take the log dirs of replicas");
        }
        Ok(_) | Err(_) => {}
    }
}
