//! What operators do: topics, partitions, and who belongs to the quorum.

use super::World;
use crate::client;
use crate::invariants::Violation;
use ottla_metadata::controller::Event as ControllerEvent;
use ottla_quorum::Change;

impl World {
    /// Makes the topic by a controller, once all brokers are there.
    pub(super) fn make_topic(&mut self, controller: i32) -> Result<(), Violation> {
        if self.has_topic {
            return Ok(());
        }
        let image = self.metadata_log.image();
        self.has_topic = !image.topics().is_empty();
        let active = image.cluster().brokers().values().filter(|broker| broker.is_active()).count();
        if self.has_topic || active < self.brokers.len() {
            return Ok(());
        }
        let swarm = &self.swarm;
        let shape = (swarm.brokers, swarm.partitions, swarm.replication_factor);
        let create = client::create(&mut self.random, shape, swarm.min_insync_replicas);
        self.operate(controller, |ticket| ControllerEvent::CreateTopics(ticket, create))
    }

    fn operate(
        &mut self,
        controller: i32,
        event: impl FnOnce(ottla_state_machine::Ticket) -> ControllerEvent,
    ) -> Result<(), Violation> {
        let now = self.now;
        self.with_controller(controller, |controller, acts| controller.operate(now, event, acts))
    }

    /// Moves partitions or elects leaders, by whoever takes itself for the active controller.
    pub(super) fn administer(&mut self) -> Result<(), Violation> {
        let Some(id) = self.some_active() else { return Ok(()) };
        let (brokers, replicas) = (self.swarm.brokers, self.swarm.replication_factor);
        match client::request(&mut self.random, self.metadata_log.image(), brokers, replicas) {
            Some(request) => self.operate(id, request),
            None => Ok(()),
        }
    }

    fn some_active(&mut self) -> Option<i32> {
        let paused = self.paused.clone();
        self.some_controller(|controller| controller.serves().is_some() && !paused.contains(&controller.id))
    }

    /// Adds a controller, gives it a vote or takes it out, as the one that is asked sees the members.
    pub(super) fn change_voters(&mut self) -> Result<(), Violation> {
        let Some((active, target)) = self.some_active().zip(self.some_controller(|_| true)) else { return Ok(()) };
        let find = |id| self.controllers.iter().find(|controller| controller.id == id);
        let (Some(known), Some(target)) = (find(active).and_then(|c| c.members()), find(target)) else { return Ok(()) };
        let change = match known.get(target.id) {
            None => Change::AddLearner(target.voter()),
            Some(member) if member.learner && self.random.permille(800) => Change::Promote(target.id),
            Some(_) if self.random.permille(400) => Change::Remove(target.id),
            Some(_) => return Ok(()),
        };
        self.change(active, change)
    }

    fn change(&mut self, active: i32, change: Change) -> Result<(), Violation> {
        let now = self.now;
        self.with_controller(active, |controller, acts| {
            // It may be too early for it, or unsafe.
            controller.change(change, now, acts);
        })
    }

    /// Replaces the disk of a voter, once all are up and know one another; the next times takes it out, adds it with its new disk, and gives it its vote again.
    pub(super) fn wipe(&mut self) -> Result<(), Violation> {
        let Some(members) = self.metadata_log.members().cloned() else { return Ok(()) };
        let founders = self.controllers.iter().map(|controller| controller.voter());
        let replaced = founders.clone().find(|voter| !members.voters().any(|known| known == voter));
        let Some(replaced) = replaced else {
            // Raft goes by the members of which a node knows that they are committed: a change that only its leader knows of is
            // not done, and an operator waits for that.
            let all_know = self.controllers.iter().all(|c| c.members().is_some_and(|known| *known == members));
            if let Some(id) = self.some_controller(|_| true).filter(|_| all_know) {
                self.turn += 1;
                let turn = self.turn;
                self.controllers.iter_mut().filter(|c| c.id == id).for_each(|controller| controller.wipe(turn));
                self.start_later(id);
            }
            return Ok(());
        };
        let change = match members.get(replaced.id) {
            None => Change::AddLearner(replaced),
            Some(member) if member.voter.directory_id != replaced.directory_id => Change::Remove(replaced.id),
            Some(_) => Change::Promote(replaced.id),
        };
        match self.some_active() {
            Some(active) => self.change(active, change),
            None => Ok(()),
        }
    }
}
