//! Faults: what befalls nodes, disks and the network, and how it ends.

use super::{Event, World};
use crate::broker::Broker;
use crate::controller::Controller;
use crate::invariants::Violation;
use core::time::Duration;

/// How long producers go on when faults have stopped.
const AFTERWARDS: Duration = Duration::from_secs(30);

impl World {
    /// Faults stop: everybody is started, connected and goes on.
    pub(super) fn heal(&mut self) -> Result<(), Violation> {
        self.faulty = false;
        self.produces_until = self.now.saturating_add(AFTERWARDS);
        self.cuts.clear();
        for id in core::mem::take(&mut self.paused) {
            self.resume(id)?;
        }
        for broker in &mut self.brokers {
            broker.set_short(false);
        }
        (self.swarm.loss, self.swarm.duplication, self.swarm.stragglers) = (0, 0, 0);
        let brokers = self.brokers.iter().filter(|broker| !broker.is_up()).map(|broker| broker.id);
        let controllers = self.controllers.iter().filter(|controller| !controller.is_up()).map(|c| c.id);
        for id in brokers.chain(controllers).collect::<Vec<i32>>() {
            self.at(self.now, Event::Start(id));
        }
        Ok(())
    }

    pub(super) fn fault(&mut self, fault: &Event) -> Result<(), Violation> {
        if !self.faulty {
            return Ok(());
        }
        self.faults += 1;
        match fault {
            Event::Crash => self.crash(),
            Event::Stop => {
                if let Some(id) = self.some_broker(|broker| broker.is_up()) {
                    self.brokers.iter_mut().filter(|broker| broker.id == id).for_each(Broker::begin_stop);
                }
            }
            Event::Cut => self.cut(),
            Event::Pause => {
                if let Some(id) = self.some_broker(|broker| broker.is_up()) {
                    self.pause(id);
                }
            }
            Event::FailOver => self.fail_over(),
            Event::Rest => self.rest()?,
            Event::Snapshot => {
                if let Some(id) = self.some_controller(|controller| controller.is_up()) {
                    self.controllers.iter_mut().filter(|c| c.id == id).for_each(Controller::want_snapshot);
                }
            }
            Event::ChangeVoters => self.change_voters()?,
            Event::Wipe => self.wipe()?,
            Event::Short => self.fill_up(),
            Event::Administer => self.administer()?,
            _ => {}
        }
        let kind = core::mem::discriminant(fault);
        for (every, event) in self.fault_times() {
            if core::mem::discriminant(&event()) == kind {
                self.sometime(every, event);
            }
        }
        Ok(())
    }

    /// One way or both between two nodes, or all ways of one node.
    fn cut(&mut self) {
        let nodes = self.nodes();
        let Some((a, b)) = self.random.pick(&nodes).zip(self.random.pick(&nodes)) else { return };
        let others = if self.random.permille(300) { nodes } else { vec![b] };
        let both = self.random.permille(500);
        let length = Duration::from_millis(self.random.between(100, 15_000));
        for b in others {
            for (from, to) in [(a, b), (b, a)].into_iter().take(if both { 2 } else { 1 }) {
                self.cuts.insert((from, to));
                self.at(self.now.saturating_add(length), Event::Heal(from, to));
            }
        }
    }

    fn pause(&mut self, id: i32) {
        self.paused.insert(id);
        let length = self.random.between(100, 15_000);
        self.at(self.now.saturating_add(Duration::from_millis(length)), Event::Resume(id));
    }

    /// There is no room for producers on the disk of a broker, be it up or not.
    fn fill_up(&mut self) {
        let Some(id) = self.some_broker(|_| true) else { return };
        self.set_short(id, true);
        let length = self.random.between(500, 20_000);
        self.at(self.now.saturating_add(Duration::from_millis(length)), Event::Room(id));
    }

    pub(super) fn set_short(&mut self, id: i32, short: bool) {
        self.brokers.iter_mut().filter(|broker| broker.id == id).for_each(|broker| broker.set_short(short));
    }

    pub(super) fn some_controller(&mut self, which: impl Fn(&Controller) -> bool) -> Option<i32> {
        let ids: Vec<i32> = self.controllers.iter().filter(|c| which(c)).map(|c| c.id).collect();
        self.random.pick(&ids)
    }

    /// A controller is killed, at once or while it writes and sends, or its disk fails: often the one that serves.
    fn fail_over(&mut self) {
        let serves = self.random.permille(500).then(|| self.some_controller(|c| c.serves().is_some())).flatten();
        let Some(id) = serves.or_else(|| self.some_controller(|c| c.is_up())) else { return };
        let (choice, messages) = (self.random.below(10), self.random.below(4));
        let controller = self.controllers.iter_mut().find(|controller| controller.id == id);
        match (choice, controller) {
            (0..4, _) => self.crash_controller(id),
            (4..9, Some(controller)) => controller.crash_soon(messages),
            (_, Some(controller)) => controller.fail_disk(),
            (_, None) => {}
        }
    }

    /// A controller stops in order, has another one lead, or stands still.
    fn rest(&mut self) -> Result<(), Violation> {
        let serves = self.random.permille(500).then(|| self.some_controller(|c| c.serves().is_some())).flatten();
        let Some(id) = serves.or_else(|| self.some_controller(|c| c.is_up())) else { return Ok(()) };
        let now = self.now;
        match self.random.below(3) {
            0 => {
                self.with_controller(id, Controller::stop)?;
                self.start_later(id);
            }
            1 => {
                if let Some(to) = self.some_controller(|_| true) {
                    self.with_controller(id, |controller, acts| controller.hand_over(to, now, acts))?;
                }
            }
            _ => self.pause(id),
        }
        Ok(())
    }

    /// A process is gone, and what had come for it.
    pub(super) fn start_later(&mut self, id: i32) {
        self.paused.remove(&id);
        self.kept.retain(|(kept, _)| *kept != id);
        let down = self.random.between(0, 12_000);
        let at = if self.faulty { self.now.saturating_add(Duration::from_millis(down)) } else { self.now };
        self.at(at, Event::Start(id));
    }

    pub(super) fn crash_controller(&mut self, id: i32) {
        for controller in self.controllers.iter_mut().filter(|controller| controller.id == id) {
            controller.crash(&mut self.random);
        }
        self.start_later(id);
    }

    fn crash(&mut self) {
        let Some(id) = self.some_broker(|broker| broker.is_up()) else { return };
        for broker in self.brokers.iter_mut().filter(|broker| broker.id == id) {
            broker.crash(&mut self.random);
        }
        self.start_later(id);
    }

    pub(super) fn start(&mut self, id: i32) -> Result<(), Violation> {
        if let Some(broker) = self.brokers.iter_mut().find(|broker| broker.id == id && !broker.is_up()) {
            broker.start();
            let run = broker.run().unwrap_or(0);
            self.at(self.now, Event::Tick(id, run));
        }
        if let Some(controller) =
            self.controllers.iter_mut().find(|controller| controller.id == id && !controller.is_up())
        {
            controller.start().map_err(|reason| Violation::new("start", format!("controller {id}: {reason}")))?;
            let run = controller.run().unwrap_or(0);
            self.at(self.now, Event::ControllerTick(id, run));
        }
        Ok(())
    }
}
